//! gRPC. Protos become domain types here, and nowhere else.

use auth::{Person, person_from_metadata};
use proto::file::file_service_server::{FileService, FileServiceServer};
use proto::file::{
    self as wire, CompletePictureUploadRequest, CompletePictureUploadResponse,
    CompleteUploadRequest, CompleteUploadResponse, CreatePictureUploadRequest,
    CreatePictureUploadResponse, CreateUploadRequest, CreateUploadResponse, GetDownloadRequest,
    GetDownloadResponse, GetPictureRequest, GetPictureResponse,
};
use tonic::metadata::MetadataMap;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::attachments::{Announcement, parse_file};
use crate::domain::file::File;
use crate::profile_pictures::{PictureAnnouncement, parse_picture};

/// Services that may call the internal port.
const CALLERS: &[&str] = &["chat-gateway", "message"];

/// The port for people and programs.
pub fn public(app: App) -> Routes {
    Routes::new(FileServiceServer::new(Files(app)))
}

/// The port for peers: the same, behind an identity.
pub fn internal(app: App) -> Routes {
    let known = auth::internal_interceptor(app.identity.clone(), CALLERS);
    Routes::new(InterceptedService::new(
        FileServiceServer::new(Files(app)),
        known,
    ))
}

struct Files(App);

impl Files {
    async fn person(&self, metadata: &MetadataMap) -> Result<Person, Status> {
        Ok(person_from_metadata(&self.0.tokens, metadata).await?)
    }
}

#[tonic::async_trait]
impl FileService for Files {
    async fn create_upload(
        &self,
        request: Request<CreateUploadRequest>,
    ) -> Result<Response<CreateUploadResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let said = request.into_inner();
        let said = Announcement {
            conversation_id: said.conversation_id,
            file_name: said.file_name,
            content_type: said.content_type,
            size_bytes: said.size_bytes,
            sha256_base64: said.sha256_base64,
        };
        let (file, signed) = self.0.attachments.announce(&person, &said).await?;
        Ok(Response::new(CreateUploadResponse {
            file_id: file.id.to_string(),
            upload_url: signed.url,
            upload_headers: signed.headers.into_iter().collect(),
            expires_in_seconds: signed.lifetime.as_secs() as u32,
        }))
    }

    async fn complete_upload(
        &self,
        request: Request<CompleteUploadRequest>,
    ) -> Result<Response<CompleteUploadResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let id = parse_file(&request.get_ref().file_id)?;
        let file = self.0.attachments.complete(&person, id).await?;
        Ok(Response::new(CompleteUploadResponse {
            file: Some(wire_file(&file)),
        }))
    }

    async fn get_download(
        &self,
        request: Request<GetDownloadRequest>,
    ) -> Result<Response<GetDownloadResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let id = parse_file(&request.get_ref().file_id)?;
        let (file, signed) = self.0.attachments.download(&person, id).await?;
        Ok(Response::new(GetDownloadResponse {
            file: Some(wire_file(&file)),
            download_url: signed.url,
            expires_in_seconds: signed.lifetime.as_secs() as u32,
        }))
    }

    async fn create_picture_upload(
        &self,
        request: Request<CreatePictureUploadRequest>,
    ) -> Result<Response<CreatePictureUploadResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let said = request.into_inner();
        let said = PictureAnnouncement {
            content_type: said.content_type,
            size_bytes: said.size_bytes,
            sha256_base64: said.sha256_base64,
        };
        let (picture, signed) = self.0.pictures.announce(&person, &said).await?;
        Ok(Response::new(CreatePictureUploadResponse {
            file_id: picture.id.to_string(),
            upload_url: signed.url,
            upload_headers: signed.headers.into_iter().collect(),
            expires_in_seconds: signed.lifetime.as_secs() as u32,
        }))
    }

    async fn complete_picture_upload(
        &self,
        request: Request<CompletePictureUploadRequest>,
    ) -> Result<Response<CompletePictureUploadResponse>, Status> {
        let person = self.person(request.metadata()).await?;
        let id = parse_file(&request.get_ref().file_id)?;
        let picture = self.0.pictures.complete(&person, id).await?;
        Ok(Response::new(CompletePictureUploadResponse {
            picture: picture.reference(),
        }))
    }

    async fn get_picture(
        &self,
        request: Request<GetPictureRequest>,
    ) -> Result<Response<GetPictureResponse>, Status> {
        self.person(request.metadata()).await?;
        let asked = request.get_ref();
        let (owner, id) = parse_picture(&asked.user_id, &asked.file_id)?;
        let (picture, signed) = self.0.pictures.download(owner, id).await?;
        Ok(Response::new(GetPictureResponse {
            content_type: picture.format.media_type().to_owned(),
            size_bytes: picture.size.bytes(),
            download_url: signed.url,
            expires_in_seconds: signed.lifetime.as_secs() as u32,
        }))
    }
}

fn wire_file(file: &File) -> wire::File {
    wire::File {
        file_id: file.id.to_string(),
        conversation_id: file.conversation.to_string(),
        file_name: file.name.to_string(),
        content_type: file.content_type.to_string(),
        size_bytes: file.size.bytes(),
    }
}
