use auth::Person;
use axum::extract::State;
use problem::{ProblemBody, Result};
use serde::Serialize;
use serving::{Json, Path};
use utoipa::ToSchema;

use super::FileBody;
use crate::app::App;
use crate::attachments::parse_file;

/// Where the bytes are, for a short time.
#[derive(Debug, Serialize, ToSchema)]
pub struct DownloadBody {
    file: FileBody,
    download_url: String,
    expires_in_seconds: u32,
}

/// A short-lived URL for the bytes of a file.
///
/// Images, sound and video are shown where they stand; everything else is saved.
#[utoipa::path(
    get,
    path = "/api/files/{file_id}/download",
    operation_id = "get_download",
    tag = "files",
    params(("file_id" = String, Path, format = Uuid)),
    responses(
        (status = 200, body = DownloadBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "file_unknown, also for who isn't in its conversation"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "file_not_ready"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn get(
    State(app): State<App>,
    person: Person,
    Path(file): Path<String>,
) -> Result<Json<DownloadBody>> {
    let (file, signed) = app
        .attachments
        .download(&person, parse_file(&file)?)
        .await?;
    Ok(Json(DownloadBody {
        file: FileBody::from(&file),
        download_url: signed.url,
        expires_in_seconds: signed.lifetime.as_secs() as u32,
    }))
}
