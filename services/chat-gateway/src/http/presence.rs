use auth::Person;
use axum::extract::State;
use ids::UserId;
use problem::{Fields, Kind, Problem, ProblemBody};
use serde::{Deserialize, Serialize};
use serving::{Json, Query};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use super::Gateway;
use crate::domain::presence::{MAX_WATCHED, Standing};
use crate::presence;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PresenceQuery {
    /// Ids of people, separated by commas; at most 100.
    user_ids: String,
}

/// How people stand, in the order asked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct Presences {
    items: Vec<PersonPresence>,
}

/// How somebody stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonPresence {
    user_id: String,
    state: PresenceState,
    /// When an offline person was last connected, where that is known.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_seen_at: Option<OffsetDateTime>,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PresenceState {
    /// Connected with any device.
    Online,
    Offline,
    /// Not for the caller to see, or no such person.
    Hidden,
}

/// Whether people are online, and when they last were.
///
/// `hidden` unless the caller is in a conversation with them, or they are contacts, and they let it be seen.
#[utoipa::path(
    get,
    path = "/api/gateway/presence",
    operation_id = "get_presence",
    tag = "presence",
    params(PresenceQuery),
    responses(
        (status = 200, description = "How they stand", body = Presences),
        (status = 400, description = "`user_id_invalid`, `too_many_ids`", body = ProblemBody),
        (status = 401, description = "`token_missing`, `token_invalid`, `token_expired`", body = ProblemBody),
        (status = 429, description = "`rate_limited`", body = ProblemBody),
        (status = 503, description = "`unavailable`", body = ProblemBody),
    )
)]
pub async fn get(
    State(Gateway(app)): State<Gateway>,
    person: Person,
    Query(query): Query<PresenceQuery>,
) -> Result<Json<Presences>, Problem> {
    let ids = query.user_ids.split(',').filter(|id| !id.is_empty());
    let users = parse_users(ids)?;
    app.admit_question(person.user)?;
    let standings = presence::of(&app, &person, &users).await?;
    let items = standings.into_iter().map(|(user, standing)| {
        let (state, last_seen_unix_ms) = match standing {
            Standing::Online => (PresenceState::Online, None),
            Standing::Offline { last_seen_unix_ms } => (PresenceState::Offline, last_seen_unix_ms),
            Standing::Hidden => (PresenceState::Hidden, None),
        };
        PersonPresence {
            user_id: user.to_string(),
            state,
            last_seen_at: last_seen_unix_ms.map(clock::from_unix_ms),
        }
    });
    Ok(Json(Presences {
        items: items.collect(),
    }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct OnlineQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Who is online.
#[derive(Debug, Serialize, ToSchema)]
pub struct Online {
    /// Ordered by id. A page looks at 500 people, so it may be empty though there are more.
    user_ids: Vec<String>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Lists who is online, of the people in the caller's conversations who let it be seen.
#[utoipa::path(
    get,
    path = "/api/gateway/presence/online",
    operation_id = "list_online",
    tag = "presence",
    params(OnlineQuery),
    responses(
        (status = 200, description = "Who is online", body = Online),
        (status = 400, description = "`cursor_invalid`", body = ProblemBody),
        (status = 401, description = "`token_missing`, `token_invalid`, `token_expired`", body = ProblemBody),
        (status = 429, description = "`rate_limited`", body = ProblemBody),
        (status = 503, description = "`unavailable`", body = ProblemBody),
    )
)]
pub async fn online(
    State(Gateway(app)): State<Gateway>,
    person: Person,
    Query(query): Query<OnlineQuery>,
) -> Result<Json<Online>, Problem> {
    let after = parse_cursor("cursor", query.cursor.as_deref().unwrap_or_default())?;
    app.admit_question(person.user)?;
    let (users, next) = presence::online(&app, &person, after).await?;
    Ok(Json(Online {
        user_ids: users.iter().map(UserId::to_string).collect(),
        next_cursor: next.map(|user| user.to_string()),
    }))
}

/// Ids of at most 100 people.
pub fn parse_users<'a>(ids: impl Iterator<Item = &'a str>) -> Result<Vec<UserId>, Problem> {
    let mut fields = Fields::default();
    let mut users = Vec::new();
    for (index, id) in ids.enumerate() {
        if index == MAX_WATCHED {
            return Err(Problem::new(
                Kind::InvalidInput,
                "too_many_ids",
                format!("At most {MAX_WATCHED} ids at once."),
            ));
        }
        let place = format!("user_ids[{index}]");
        users.push(fields.parse(place, "user_id_invalid", UserId::parse(id)));
    }
    let users: Option<Vec<UserId>> = users.into_iter().collect();
    users.ok_or_else(|| fields.into_problem())
}

/// After whom a page begins; empty: the first one.
pub fn parse_cursor(field: &'static str, cursor: &str) -> Result<Option<UserId>, Problem> {
    if cursor.is_empty() {
        return Ok(None);
    }
    let mut fields = Fields::default();
    let after = fields.parse(field, "cursor_invalid", UserId::parse(cursor));
    after.map(Some).ok_or_else(|| fields.into_problem())
}
