//! People and conversations to look at, made through the public interfaces only.

use anyhow::{Context, bail};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

pub const PASSWORD: &str = "violet-harbour-42";

pub struct DemoPerson {
    pub name: &'static str,
    pub handle: &'static str,
    pub email: &'static str,
}

pub const PEOPLE: [DemoPerson; 4] = [
    DemoPerson {
        name: "Ada Lovelace",
        handle: "ada",
        email: "ada@example.org",
    },
    DemoPerson {
        name: "Grace Hopper",
        handle: "grace",
        email: "grace@example.org",
    },
    DemoPerson {
        name: "Alan Turing",
        handle: "alan",
        email: "alan@example.org",
    },
    DemoPerson {
        name: "Hedy Lamarr",
        handle: "hedy",
        email: "hedy@example.org",
    },
];

const ADA: usize = 0;
const GRACE: usize = 1;
const ALAN: usize = 2;
const HEDY: usize = 3;

struct Group {
    name: &'static str,
    owner: usize,
    members: &'static [usize],
    lines: &'static [(usize, &'static str)],
}

const GROUPS: [Group; 2] = [
    Group {
        name: "engine-room",
        owner: ADA,
        members: &[GRACE, ALAN, HEDY],
        lines: &[
            (
                ADA,
                "Welcome to the engine room! Anything about the release goes here.",
            ),
            (
                GRACE,
                "Found the bug. It was an actual moth this time. I taped it into the log book.",
            ),
            (ALAN, "Can we prove that it halts, though?"),
            (ADA, "It halts on every input I tried."),
            (ALAN, "That is not what I asked :)"),
            (
                HEDY,
                "The radio link hops between 88 frequencies now. Nobody will jam that.",
            ),
            (
                GRACE,
                "Lovely. I can ship on Friday if somebody reviews the compiler.",
            ),
            (HEDY, "On it."),
        ],
    },
    Group {
        name: "lunch",
        owner: HEDY,
        members: &[ADA, GRACE],
        lines: &[
            (HEDY, "Noodles at half past twelve?"),
            (ADA, "Yes, please."),
            (
                GRACE,
                "Save me a seat, I'm a nanosecond late. (That is 30 cm of wire.)",
            ),
        ],
    },
];

struct Direct {
    pair: (usize, usize),
    lines: &'static [(usize, &'static str)],
}

const DIRECTS: [Direct; 3] = [
    Direct {
        pair: (ADA, GRACE),
        lines: &[
            (ADA, "Did you see note G? I think it needs one more pass."),
            (
                GRACE,
                "Reading it now. Line four divides by the wrong variable.",
            ),
            (ADA, "You are right. v5 / v4, not v4 / v5."),
            (GRACE, "First published bug in history. Congratulations!"),
            (ADA, "I would rather have been second."),
        ],
    },
    Direct {
        pair: (ALAN, ADA),
        lines: &[
            (ALAN, "Do you think a machine could write this message?"),
            (
                ADA,
                "It can do whatever we know how to order it to perform.",
            ),
            (ALAN, "So, perhaps."),
        ],
    },
    Direct {
        pair: (HEDY, GRACE),
        lines: &[(HEDY, "Could you look at my patch for the link layer?")],
    },
];

/// Makes what isn't there yet, so it can run again on the same data.
pub async fn make(origin: &str) -> anyhow::Result<()> {
    let rest = Rest {
        http: Client::builder()
            .timeout(std::time::Duration::from_secs(30))
            .build()
            .context("make an HTTP client")?,
        origin: origin.to_owned(),
    };
    let mut people = Vec::new();
    for person in &PEOPLE {
        people.push(rest.register_or_sign_in(person).await?);
    }
    for group in &GROUPS {
        let members: Vec<&str> = group
            .members
            .iter()
            .map(|index| people[*index].user_id.as_str())
            .collect();
        let body = json!({ "name": group.name, "member_ids": members });
        let opened = rest
            .call(
                &people[group.owner],
                Method::POST,
                "/api/conversations/groups",
                &body,
            )
            .await?;
        rest.write_once(&people, &opened, group.lines).await?;
    }
    for direct in &DIRECTS {
        let (first, second) = direct.pair;
        let body = json!({ "user_id": people[second].user_id });
        let opened = rest
            .call(
                &people[first],
                Method::POST,
                "/api/conversations/direct",
                &body,
            )
            .await?;
        rest.write_once(&people, &opened, direct.lines).await?;
    }
    Ok(())
}

struct SignedIn {
    user_id: String,
    token: String,
}

struct Rest {
    http: Client,
    origin: String,
}

impl Rest {
    async fn register_or_sign_in(&self, person: &DemoPerson) -> anyhow::Result<SignedIn> {
        let registration = json!({
            "email": person.email,
            "password": PASSWORD,
            "display_name": person.name,
            "handle": person.handle,
        });
        let registered = self.post("/api/account/register", &registration).await?;
        let answer = if registered.status() == StatusCode::CONFLICT {
            let credentials = json!({ "email": person.email, "password": PASSWORD });
            self.post("/api/account/sign-in", &credentials).await?
        } else {
            registered
        };
        let answer = accepted(answer).await?;
        Ok(SignedIn {
            user_id: text(&answer, "/user/user_id")?,
            token: text(&answer, "/access_token")?,
        })
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<reqwest::Response> {
        let url = format!("{}{path}", self.origin);
        self.http
            .post(&url)
            .json(body)
            .send()
            .await
            .with_context(|| format!("POST {url}"))
    }

    async fn call(
        &self,
        person: &SignedIn,
        method: Method,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<Value> {
        let url = format!("{}{path}", self.origin);
        let mut request = self.http.request(method, &url).bearer_auth(&person.token);
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = request
            .send()
            .await
            .with_context(|| format!("call {url}"))?;
        accepted(answer).await
    }

    /// Writes the lines, unless somebody has written there before.
    async fn write_once(
        &self,
        people: &[SignedIn],
        opened: &Value,
        lines: &[(usize, &str)],
    ) -> anyhow::Result<()> {
        let conversation = text(opened, "/conversation/conversation_id")?;
        let Some((first, _)) = lines.first() else {
            return Ok(());
        };
        let path = format!("/api/messages/conversations/{conversation}/entries?limit=50");
        let history = self
            .call(&people[*first], Method::GET, &path, &Value::Null)
            .await?;
        let entries = history["entries"].as_array();
        if entries.is_some_and(|entries| entries.iter().any(|entry| entry["message"].is_object())) {
            return Ok(());
        }
        for (author, line) in lines {
            let path = format!("/api/messages/conversations/{conversation}/messages");
            let message = json!({ "client_message_id": uuid::Uuid::now_v7(), "text": line });
            self.call(&people[*author], Method::POST, &path, &message)
                .await?;
        }
        Ok(())
    }
}

async fn accepted(answer: reqwest::Response) -> anyhow::Result<Value> {
    let (status, url) = (answer.status(), answer.url().clone());
    let body = answer
        .text()
        .await
        .with_context(|| format!("read the answer of {url}"))?;
    if !status.is_success() {
        bail!("{url} answered {status}: {body}");
    }
    serde_json::from_str(&body).with_context(|| format!("{url} did not answer with JSON"))
}

fn text(value: &Value, pointer: &str) -> anyhow::Result<String> {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .with_context(|| format!("the answer has no {pointer}"))
}
