use std::sync::Arc;

use ids::UserId;
use problem::{Kind, Problem};
use proto::account::picture_internal_service_server::PictureInternalService;
use proto::account::{GetPicturesRequest, GetPicturesResponse, ProfilePicture};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::contacts::parse_user;
use crate::store::users;

/// Most people in one call.
const MAX: usize = 500;

pub struct Pictures(pub Arc<App>);

#[tonic::async_trait]
impl PictureInternalService for Pictures {
    async fn get_pictures(
        &self,
        request: Request<GetPicturesRequest>,
    ) -> Result<Response<GetPicturesResponse>, Status> {
        let asked = request.into_inner().user_ids;
        if asked.len() > MAX {
            return Err(Problem::new(
                Kind::InvalidInput,
                "too_many_ids",
                format!("At most {MAX} people at once."),
            )
            .into());
        }
        let people = asked.iter().map(|id| parse_user(id));
        let people = people.collect::<Result<Vec<UserId>, Problem>>()?;
        let found = users::file_pictures(&self.0.database, &people).await?;
        Ok(Response::new(GetPicturesResponse {
            pictures: found
                .into_iter()
                .map(|(user, file)| ProfilePicture {
                    user_id: user.to_string(),
                    file_id: file.to_string(),
                })
                .collect(),
        }))
    }
}
