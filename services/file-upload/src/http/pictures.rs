use auth::Person;
use axum::extract::State;
use problem::{ProblemBody, Result};
use serde::{Deserialize, Serialize};
use serving::{Json, Path};
use utoipa::ToSchema;

use super::uploads::UploadBody;
use crate::app::App;
use crate::attachments::parse_file;
use crate::profile_pictures::{PictureAnnouncement, parse_picture};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePictureBody {
    /// `image/jpeg`, `image/png` or `image/webp`.
    content_type: String,
    /// 1 to 1,048,576.
    #[schema(minimum = 1, maximum = 1_048_576)]
    size_bytes: u64,
    /// Base64 of the SHA-256 of the content.
    sha256_base64: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct CompletedPictureBody {
    /// What the profile names it by: `file:<file id>`.
    picture: String,
}

/// Where a picture is, for a short time.
#[derive(Debug, Serialize, ToSchema)]
pub struct PictureBody {
    content_type: String,
    size_bytes: u64,
    download_url: String,
    expires_in_seconds: u32,
}

/// Reserves a picture for one's own profile and says where its bytes go.
///
/// The URL takes exactly the announced bytes. Location and camera that a photograph may name stay in it: leave
/// them out before. What isn't completed, or named by the profile, within a day is forgotten.
#[utoipa::path(
    post,
    path = "/api/files/pictures",
    operation_id = "create_picture_upload",
    tag = "pictures",
    responses(
        (status = 200, body = UploadBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json",
         description = "input_invalid, with every faulty field"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json",
         description = "rate_limited: 20 pictures that are not yet forgotten"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn create(
    State(app): State<App>,
    person: Person,
    Json(body): Json<CreatePictureBody>,
) -> Result<Json<UploadBody>> {
    let said = PictureAnnouncement {
        content_type: body.content_type,
        size_bytes: body.size_bytes,
        sha256_base64: body.sha256_base64,
    };
    let (picture, signed) = app.pictures.announce(&person, &said).await?;
    Ok(Json(UploadBody {
        file_id: picture.id,
        upload_url: signed.url,
        upload_headers: signed.headers.into_iter().collect(),
        expires_in_seconds: signed.lifetime.as_secs() as u32,
    }))
}

/// Says that the bytes are there. Idempotent.
///
/// They are compared with what was announced, and must begin as an image of that type does. The profile names
/// the picture after `PATCH /api/account/me` with what comes back.
#[utoipa::path(
    post,
    path = "/api/files/pictures/{file_id}/complete",
    operation_id = "complete_picture_upload",
    tag = "pictures",
    params(("file_id" = String, Path, format = Uuid)),
    responses(
        (status = 200, body = CompletedPictureBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "file_unknown, also for anybody but its uploader"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "upload_incomplete, upload_mismatch, content_type_mismatch"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn complete(
    State(app): State<App>,
    person: Person,
    Path(file): Path<String>,
) -> Result<Json<CompletedPictureBody>> {
    let picture = app.pictures.complete(&person, parse_file(&file)?).await?;
    Ok(Json(CompletedPictureBody {
        picture: picture.reference(),
    }))
}

/// A short-lived URL for the picture of somebody's profile, for everybody who is signed in.
#[utoipa::path(
    get,
    path = "/api/files/people/{user_id}/pictures/{file_id}",
    operation_id = "get_picture",
    tag = "pictures",
    params(
        ("user_id" = String, Path, format = Uuid, description = "Whose profile has it"),
        ("file_id" = String, Path, format = Uuid),
    ),
    responses(
        (status = 200, body = PictureBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "file_unknown, also for what this person didn't upload as their picture"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "file_not_ready"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn get(
    State(app): State<App>,
    _: Person,
    Path((user, file)): Path<(String, String)>,
) -> Result<Json<PictureBody>> {
    let (owner, file) = parse_picture(&user, &file)?;
    let (picture, signed) = app.pictures.download(owner, file).await?;
    Ok(Json(PictureBody {
        content_type: picture.format.media_type().to_owned(),
        size_bytes: picture.size.bytes(),
        download_url: signed.url,
        expires_in_seconds: signed.lifetime.as_secs() as u32,
    }))
}
