use auth::Person;
use axum::extract::State;
use problem::{ProblemBody, Result};
use serde::Deserialize;
use serving::Json;
use utoipa::ToSchema;

use super::bodies::OpenedBody;
use crate::app::App;
use crate::requests;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenDirectBody {
    /// The other person.
    #[schema(format = Uuid)]
    user_id: String,
}

/// Opens the one conversation with another person, or returns it.
///
/// There is one for each two people, however often and by whomever it is opened. Idempotent.
#[utoipa::path(
    post,
    path = "/api/conversations/direct",
    operation_id = "open_direct",
    tag = "conversations",
    responses(
        (status = 200, body = OpenedBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json",
         description = "input_invalid, cannot_open_with_self"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "user_unknown"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json",
         description = "membership_pending: call again"),
    )
)]
pub async fn open(
    State(app): State<App>,
    person: Person,
    Json(body): Json<OpenDirectBody>,
) -> Result<Json<OpenedBody>> {
    let peer = requests::user_id(&body.user_id)?;
    let conversation = app.memberships.open_direct(&person, peer).await?;
    Ok(Json(OpenedBody::seen_by(person.user, &conversation)))
}
