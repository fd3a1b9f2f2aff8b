use auth::Person;
use axum::extract::State;
use problem::{Fields, ProblemBody, Result};
use serde::Deserialize;
use serving::{Json, Path};
use utoipa::ToSchema;

use super::bodies::OpenedBody;
use crate::app::App;
use crate::domain::group_name::GroupName;
use crate::memberships::{parse_group_name, parse_members};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateGroupBody {
    /// Unique: 3 to 64 of a-z, 0-9, '-', '_' and '.', a letter or digit first.
    #[schema(
        min_length = 3,
        max_length = 64,
        pattern = "^[a-z0-9][a-z0-9._-]{2,63}$"
    )]
    name: String,
    /// Who is in it from the start, besides the caller: at most 100.
    #[serde(default)]
    #[schema(max_items = 100)]
    member_ids: Vec<String>,
}

/// Creates a group that the caller owns.
///
/// The same call again, by the same person, returns the same group.
#[utoipa::path(
    post,
    path = "/api/conversations/groups",
    operation_id = "create_group",
    tag = "conversations",
    responses(
        (status = 200, body = OpenedBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json",
         description = "input_invalid, with every faulty field"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "group_name_taken"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json",
         description = "membership_pending: call again"),
    )
)]
pub async fn create(
    State(app): State<App>,
    person: Person,
    Json(body): Json<CreateGroupBody>,
) -> Result<Json<OpenedBody>> {
    let mut fields = Fields::default();
    let name = fields.parse("name", "group_name_invalid", GroupName::parse(&body.name));
    let members = parse_members(&mut fields, &body.member_ids);
    let (Some(name), Some(members)) = (name, members) else {
        return Err(fields.into_problem());
    };
    let conversation = app
        .memberships
        .create_group(&person, &name, &members)
        .await?;
    Ok(Json(OpenedBody::seen_by(person.user, &conversation)))
}

/// Joins a group by its name. Idempotent.
///
/// Who joins sees what is written from then on. The first in an empty group owns it.
#[utoipa::path(
    post,
    path = "/api/conversations/groups/{name}/join",
    operation_id = "join_group",
    tag = "conversations",
    params(("name" = String, Path)),
    responses(
        (status = 200, body = OpenedBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "group_unknown"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "group_full"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json",
         description = "membership_pending: call again"),
    )
)]
pub async fn join(
    State(app): State<App>,
    person: Person,
    Path(name): Path<String>,
) -> Result<Json<OpenedBody>> {
    let name = parse_group_name(&name)?;
    let conversation = app.memberships.join(&person, &name).await?;
    Ok(Json(OpenedBody::seen_by(person.user, &conversation)))
}
