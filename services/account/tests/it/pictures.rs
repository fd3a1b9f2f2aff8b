use auth::PeerChannel;
use clock::Clock;
use ids::FileId;
use proto::account::picture_internal_service_client::PictureInternalServiceClient;
use proto::account::{GetPicturesRequest, ProfilePicture};
use reqwest::StatusCode;
use serde_json::json;
use tonic::{Code, Status};

use crate::service::{Answer, Service};

async fn ask(
    service: &Service,
    peer: &'static str,
    people: &[&str],
) -> Result<Vec<ProfilePicture>, Status> {
    let url = format!("http://{}", service.at.internal);
    let peer = PeerChannel::new("account", &url, service.peer(peer)).unwrap();
    let request = GetPicturesRequest {
        user_ids: people.iter().map(|id| (*id).to_owned()).collect(),
    };
    PictureInternalServiceClient::new(peer.channel())
        .get_pictures(peer.request(request, None))
        .await
        .map(|answer| answer.into_inner().pictures)
}

async fn choose(service: &Service, person: &Answer, picture: &str) {
    let request = service.http.patch(service.url("me"));
    let request = request.bearer_auth(person.text("access_token"));
    let answer = service
        .send(request.json(&json!({"picture": picture})))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

#[tokio::test]
async fn a_picture_is_in_use_while_a_profile_names_it() {
    let service = Service::start().await;
    let ada = service.register("ada@example.org").await;
    let ben = service.register("ben@example.org").await;
    let id = |person: &Answer| person.body["user"]["user_id"].as_str().unwrap().to_owned();
    let (ada_id, ben_id) = (id(&ada), id(&ben));
    let nobody = "01900000-0000-7000-8000-000000000000";
    let all = [ada_id.as_str(), ben_id.as_str(), nobody];
    assert_eq!(ask(&service, "file-upload", &all).await.unwrap(), []);

    let clock = Clock::system();
    let files = [FileId::generate(&clock), FileId::generate(&clock)].map(|id| id.to_string());
    choose(&service, &ben, "default:fox").await;
    for file in &files {
        choose(&service, &ada, &format!("file:{file}")).await;
        let only = ProfilePicture {
            user_id: ada_id.clone(),
            file_id: file.clone(),
        };
        assert_eq!(ask(&service, "file-upload", &all).await.unwrap(), [only]);
    }
    choose(&service, &ada, "").await;
    assert_eq!(ask(&service, "file-upload", &all).await.unwrap(), []);

    choose(&service, &ada, &format!("file:{}", files[0])).await;
    let gone = service.delete("me", &ada.text("access_token")).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT, "{}", gone.body);
    assert_eq!(ask(&service, "file-upload", &all).await.unwrap(), []);
}

#[tokio::test]
async fn only_the_file_service_asks_for_pictures_and_for_a_bounded_number() {
    let service = Service::start().await;
    let refused = ask(&service, "message", &[]).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let nobody = "01900000-0000-7000-8000-000000000000";
    let refused = ask(&service, "file-upload", &[nobody; 501]).await;
    assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    let refused = ask(&service, "file-upload", &["x"]).await;
    assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
}
