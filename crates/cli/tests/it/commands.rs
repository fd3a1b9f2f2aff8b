use std::process::{Output, Stdio};
use std::time::Duration;

use local_stack::suite::{Options, Suite};
use local_stack::test_folder::TestFolder;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

async fn suite() -> &'static Suite {
    static SUITE: tokio::sync::OnceCell<Suite> = tokio::sync::OnceCell::const_new();
    SUITE
        .get_or_init(async || {
            static DATA: std::sync::OnceLock<TestFolder> = std::sync::OnceLock::new();
            let data = DATA.get_or_init(|| TestFolder::new().unwrap());
            let mut options = Options::for_tests(data.path());
            options.environment = vec![(
                "ACCOUNT__LIMITS__TRIES_PER_ADDRESS".into(),
                "1000000".into(),
            )];
            Suite::start(options).await.unwrap()
        })
        .await
}

/// A person at a machine of her own.
struct Person {
    home: tempfile::TempDir,
    handle: String,
}

impl Person {
    async fn register(name: &str) -> Self {
        // Tests share a suite; nobody's handle is taken.
        let unique = clock::Clock::system().unix_ms() % 1_000_000_000;
        let handle = format!("{name}{unique}");
        let person = Self {
            home: tempfile::tempdir().unwrap(),
            handle,
        };
        let email = format!("{}@example.org", person.handle);
        let server = suite().await.origin();
        let mut child = person
            .parlance(&[
                "--server",
                &server,
                "register",
                "--password-stdin",
                "--email",
                &email,
            ])
            .args(["--handle", &person.handle, "--name", name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin
            .write_all(format!("a good password of {name}\n").as_bytes())
            .await
            .unwrap();
        drop(stdin);
        let output = child.wait_with_output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
        person
    }

    fn parlance(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_parlance"));
        command
            .args(arguments)
            .env("XDG_CONFIG_HOME", self.home.path())
            .env_remove("PARLANCE_SERVER")
            .kill_on_drop(true);
        command
    }

    async fn runs(&self, arguments: &[&str]) -> Output {
        timeout(PATIENCE, self.parlance(arguments).output())
            .await
            .unwrap()
            .unwrap()
    }

    /// What a command prints.
    async fn text(&self, arguments: &[&str]) -> String {
        let output = self.runs(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    async fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let text = self.text(&[&["--json"], arguments].concat()).await;
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Follows a conversation, from its newest entry on.
    fn follows(&self, place: &str) -> Follower {
        let mut child = self
            .parlance(&["--json", "follow", "--last", "1", place])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Follower {
            lines,
            _child: child,
        }
    }
}

struct Follower {
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Follower {
    /// The next entry: its number and text.
    async fn next(&mut self) -> (u64, String) {
        loop {
            let line = timeout(PATIENCE, self.lines.next_line())
                .await
                .unwrap()
                .unwrap()
                .unwrap();
            let entry: Value = serde_json::from_str(&line).unwrap();
            if let Some(number) = entry["number"].as_u64() {
                let text = entry["message"]["text"].as_str().unwrap_or_default();
                return (number, text.to_owned());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_write_to_each_other() {
    let (ada, bob) = (Person::register("ada").await, Person::register("bob").await);
    let to_bob = format!("@{}", bob.handle);
    assert!(ada.text(&["whoami"]).await.contains(&ada.handle));

    assert_eq!(
        ada.text(&["send", &to_bob, "Hello, Bob"]).await,
        "Sent as #2.\n"
    );
    let list = bob.text(&["list"]).await;
    assert!(list.starts_with(&format!("(1) @{}", ada.handle)), "{list}");
    assert!(list.contains("Hello, Bob"), "{list}");

    let to_ada = format!("@{}", ada.handle);
    bob.text(&["send", "--reply-to", "2", &to_ada, "Hello yourself"])
        .await;
    let history = ada.json(&["history", &to_bob]).await;
    assert_eq!(history.len(), 3);
    assert_eq!(history[2]["message"]["reply_to_number"], 2);

    let listed = ada.json(&["list"]).await;
    assert_eq!(listed[0]["state"]["unread_count"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_edited_reacted_to_read_and_deleted() {
    let (jan, kim) = (Person::register("jan").await, Person::register("kim").await);
    let (to_jan, to_kim) = (format!("@{}", jan.handle), format!("@{}", kim.handle));
    jan.text(&["send", &to_kim, "Helo"]).await;
    let edited = jan.text(&["edit", &to_kim, "2", "Hello"]).await;
    assert_eq!(edited, "Edited as #3.\n");
    let reacted = kim.text(&["react", &to_jan, "2", "👍"]).await;
    assert_eq!(reacted, "Reacted as #4.\n");
    let history = kim.json(&["history", &to_jan]).await;
    assert_eq!(history[1]["message"]["text"], "Hello");
    assert_eq!(history[1]["message"]["reactions"][0]["emoji"], "👍");
    let shown = kim.text(&["history", &to_jan]).await;
    assert!(shown.contains("Hello (edited) 👍 1"), "{shown}");

    let not_hers = kim.runs(&["edit", &to_jan, "2", "Hi"]).await;
    assert_eq!(not_hers.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&not_hers.stderr).contains("not_the_author"));

    // Nobody has read it yet; then somebody does.
    let info = jan.json(&["info", &to_kim, "2"]).await;
    assert_eq!(info[0]["revisions"][0]["text"], "Helo");
    assert_eq!(info[0]["revisions"][1]["text"], "Hello");
    assert_eq!(info[0]["receipts"].as_array().unwrap().len(), 1);
    assert!(info[0]["receipts"][0].get("read_time_unix_ms").is_none());
    let mut reader = kim.follows(&to_jan);
    reader.next().await;
    let read = async {
        loop {
            let info = jan.json(&["info", &to_kim, "2"]).await;
            if info[0]["receipts"][0]["read_time_unix_ms"].is_i64() {
                break;
            }
        }
    };
    timeout(PATIENCE, read).await.unwrap();
    drop(reader);
    let info = jan.text(&["info", &to_kim, "2"]).await;
    assert!(info.contains(&format!("{to_kim}: delivered 20")), "{info}");

    assert_eq!(kim.text(&["unread", &to_jan]).await, "Marked as unread.\n");
    let list = kim.text(&["list"]).await;
    assert!(list.starts_with(&format!("(unread) {to_jan}")), "{list}");

    let deleted = jan.text(&["delete", &to_kim, "2"]).await;
    assert_eq!(deleted, "Deleted as #5.\n");
    let history = kim.json(&["history", &to_jan]).await;
    assert_eq!(history[1]["message"]["deleted"], true);
    assert_eq!(history[1]["message"]["text"], "");
    let again = kim.runs(&["react", &to_jan, "2", "👍"]).await;
    assert!(String::from_utf8_lossy(&again.stderr).contains("target_deleted"));
    let info = jan.json(&["info", &to_kim, "2"]).await;
    assert_eq!(info[0]["revisions"].as_array().unwrap().len(), 0);

    kim.text(&["hide", &to_jan, "2"]).await;
    let history = kim.json(&["history", &to_jan]).await;
    assert!(history.iter().all(|entry| entry["number"] != 2));
    assert_eq!(jan.json(&["history", &to_kim]).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_sends_a_message_and_signs_nobody_in() {
    let nobody = Person {
        home: tempfile::tempdir().unwrap(),
        handle: String::new(),
    };
    let server = suite().await.origin();
    let printed = nobody.text(&["--server", &server, "check"]).await;
    assert!(printed.contains("stored as #2"), "{printed}");
    assert_eq!(nobody.runs(&["whoami"]).await.status.code(), Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_no_server_fails() {
    let nobody = Person {
        home: tempfile::tempdir().unwrap(),
        handle: String::new(),
    };
    // A port that nobody can listen on without being root, and nobody does.
    let output = nobody
        .runs(&["--server", "http://127.0.0.1:1", "check"])
        .await;
    assert_eq!(output.status.code(), Some(5), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_a_group_misses_nothing_when_a_gateway_is_killed() {
    let suite = suite().await;
    let (cleo, dan) = (
        Person::register("cleo").await,
        Person::register("dan").await,
    );
    let group = format!("team-{}", cleo.handle);
    cleo.text(&["new-group", &group]).await;
    let joined = dan.text(&["join", &group]).await;
    assert_eq!(joined, format!("You are in `{group}`.\n"));

    let mut follower = dan.follows(&group);
    let (mut last, _) = follower.next().await;
    for (n, text) in ["one", "two", "three", "four"].into_iter().enumerate() {
        cleo.text(&["send", &group, text]).await;
        if n == 1 {
            // Whichever of them it is that he is connected to.
            for gateway in &suite.gateways {
                gateway.kill9().await;
                gateway.start().await.unwrap();
            }
        }
    }
    for text in ["one", "two", "three", "four"] {
        let shown = follower.next().await;
        assert_eq!(shown, (last + 1, text.to_owned()));
        last += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_from_one_machine_to_the_other() {
    let (eve, fay) = (Person::register("eve").await, Person::register("fay").await);
    let to_fay = format!("@{}", fay.handle);
    let content = "line\n".repeat(1_000);
    let path = eve.home.path().join("notes.txt");
    std::fs::write(&path, &content).unwrap();
    let printed = eve
        .json(&[
            "upload",
            "--text",
            "my notes",
            &to_fay,
            path.to_str().unwrap(),
        ])
        .await;
    let file = printed[0]["file_id"].as_str().unwrap();

    let copy = fay.home.path().join("copy.txt");
    fay.text(&["download", file, copy.to_str().unwrap()]).await;
    assert_eq!(std::fs::read_to_string(&copy).unwrap(), content);
    let again = fay.runs(&["download", file, copy.to_str().unwrap()]).await;
    assert_eq!(again.status.code(), Some(1), "nothing is overwritten");

    let stranger = Person::register("gil").await;
    let refused = stranger
        .runs(&["download", file, copy.to_str().unwrap()])
        .await;
    assert_eq!(refused.status.code(), Some(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_and_messages_say_what_to_do() {
    let hal = Person::register("hal").await;
    let unknown = hal.runs(&["send", "@nobody.at.all", "Hello"]).await;
    assert_eq!(unknown.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("user_unknown"));
    let no_group = hal.runs(&["follow", "no-such-group"]).await;
    assert_eq!(no_group.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&no_group.stderr).contains("parlance join no-such-group"));
    assert_eq!(hal.runs(&["send"]).await.status.code(), Some(2));

    let elsewhere = hal
        .runs(&["--server", "http://127.0.0.1:9", "whoami"])
        .await;
    assert_eq!(
        elsewhere.status.code(),
        Some(3),
        "a token is for its own server"
    );
    let kept = hal.home.path().join("parlance/credentials.json");
    move_to(&kept, "http://127.0.0.1:9");
    assert_eq!(hal.runs(&["whoami"]).await.status.code(), Some(5));
    move_to(&kept, &suite().await.origin());

    hal.text(&["log-out"]).await;
    assert!(!kept.exists());
    let out = hal.runs(&["whoami"]).await;
    assert_eq!(out.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&out.stderr).contains("parlance sign-in"));
}

/// Pretends that the credentials are for another server.
fn move_to(kept: &std::path::Path, server: &str) {
    let mut document: Value = serde_json::from_slice(&std::fs::read(kept).unwrap()).unwrap();
    document["server"] = server.into();
    std::fs::write(kept, document.to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_renew_at_the_same_time_stay_signed_in() {
    let ivy = Person::register("ivy").await;
    let kept = ivy.home.path().join("parlance/credentials.json");
    for _ in 0..3 {
        // As if the access token were about to expire.
        let mut document: Value = serde_json::from_slice(&std::fs::read(&kept).unwrap()).unwrap();
        document["credentials"]["renew_at_unix_ms"] = 0.into();
        std::fs::write(&kept, document.to_string()).unwrap();
        let (one, two, three) = tokio::join!(
            ivy.runs(&["whoami"]),
            ivy.runs(&["list"]),
            ivy.runs(&["whoami"])
        );
        for output in [one, two, three] {
            assert!(output.status.success(), "{output:?}");
        }
    }
}
