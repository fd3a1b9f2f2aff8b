use proto::conversation::person_internal_service_server::PersonInternalService;
use proto::conversation::{RemovePersonRequest, RemovePersonResponse};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::requests;
use crate::store::departures::Departure;

/// For the account service, whose identity was verified before a call comes here.
pub struct Departures(pub App);

#[tonic::async_trait]
impl PersonInternalService for Departures {
    async fn remove_person(
        &self,
        request: Request<RemovePersonRequest>,
    ) -> Result<Response<RemovePersonResponse>, Status> {
        let user = requests::user_id(&request.get_ref().user_id)?;
        let departure = self.0.memberships.depart(user).await?;
        Ok(Response::new(RemovePersonResponse {
            more: departure == Departure::GoesOn,
        }))
    }
}
