use std::collections::BTreeMap;

use auth::Person;
use axum::extract::State;
use ids::FileId;
use problem::{ProblemBody, Result};
use serde::{Deserialize, Serialize};
use serving::{Json, Path};
use utoipa::ToSchema;

use super::FileBody;
use crate::app::App;
use crate::attachments::{Announcement, parse_file};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateUploadBody {
    #[schema(format = Uuid)]
    conversation_id: String,
    /// 1 to 255 bytes; shown and saved under this name.
    file_name: String,
    /// A media type; empty: unknown.
    #[serde(default)]
    content_type: String,
    /// At least 1; the deployment sets the most, by default 100 MiB.
    #[schema(minimum = 1)]
    size_bytes: u64,
    /// Base64 of the SHA-256 of the content.
    sha256_base64: String,
}

/// Where the bytes go: a PUT to this URL with these headers.
#[derive(Debug, Serialize, ToSchema)]
pub struct UploadBody {
    #[schema(value_type = String, format = Uuid)]
    pub file_id: FileId,
    pub upload_url: String,
    /// Headers that the PUT must carry.
    pub upload_headers: BTreeMap<String, String>,
    pub expires_in_seconds: u32,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct CompletedBody {
    file: FileBody,
}

/// Reserves a file in a conversation and says where its bytes go.
///
/// The URL takes exactly the announced bytes. What isn't completed within a day is forgotten.
#[utoipa::path(
    post,
    path = "/api/files",
    operation_id = "create_upload",
    tag = "files",
    responses(
        (status = 200, body = UploadBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json",
         description = "input_invalid, with every faulty field"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "conversation_unknown, also for who isn't in it"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn create(
    State(app): State<App>,
    person: Person,
    Json(body): Json<CreateUploadBody>,
) -> Result<Json<UploadBody>> {
    let said = Announcement {
        conversation_id: body.conversation_id,
        file_name: body.file_name,
        content_type: body.content_type,
        size_bytes: body.size_bytes,
        sha256_base64: body.sha256_base64,
    };
    let (file, signed) = app.attachments.announce(&person, &said).await?;
    Ok(Json(UploadBody {
        file_id: file.id,
        upload_url: signed.url,
        upload_headers: signed.headers.into_iter().collect(),
        expires_in_seconds: signed.lifetime.as_secs() as u32,
    }))
}

/// Says that the bytes are there. Idempotent.
///
/// They are compared with what was announced; from then on members can download the file.
#[utoipa::path(
    post,
    path = "/api/files/{file_id}/complete",
    operation_id = "complete_upload",
    tag = "files",
    params(("file_id" = String, Path, format = Uuid)),
    responses(
        (status = 200, body = CompletedBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "file_unknown, also for anybody but its uploader"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "upload_incomplete, upload_mismatch"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn complete(
    State(app): State<App>,
    person: Person,
    Path(file): Path<String>,
) -> Result<Json<CompletedBody>> {
    let file = app
        .attachments
        .complete(&person, parse_file(&file)?)
        .await?;
    Ok(Json(CompletedBody {
        file: FileBody::from(&file),
    }))
}
