use auth::PeerChannel;
use proto::account::last_seen_internal_service_client::LastSeenInternalServiceClient;
use proto::account::{GetLastSeenRequest, LastSeen, NoteLastSeenRequest};
use tonic::{Code, Status};

use crate::service::Service;

struct Gateway {
    peer: PeerChannel,
}

impl Gateway {
    fn of(service: &Service, name: &'static str) -> Self {
        let url = format!("http://{}", service.at.internal);
        Self {
            peer: PeerChannel::new("account", &url, service.peer(name)).unwrap(),
        }
    }

    async fn note(&self, people: &[(&str, i64)]) -> Result<(), Status> {
        let people = people.iter().map(|(user, unix_ms)| LastSeen {
            user_id: (*user).to_owned(),
            unix_ms: *unix_ms,
        });
        let request = NoteLastSeenRequest {
            people: people.collect(),
        };
        LastSeenInternalServiceClient::new(self.peer.channel())
            .note_last_seen(self.peer.request(request, None))
            .await
            .map(drop)
    }

    async fn get(&self, user: &str) -> Option<i64> {
        let request = GetLastSeenRequest {
            user_ids: vec![user.to_owned()],
        };
        let answer = LastSeenInternalServiceClient::new(self.peer.channel())
            .get_last_seen(self.peer.request(request, None))
            .await
            .unwrap();
        answer.get_ref().people.first().map(|seen| seen.unix_ms)
    }
}

#[tokio::test]
async fn last_seen_moves_forward_only_and_never_into_the_future() {
    let service = Service::start().await;
    let ada = service.register("ada@example.org").await.body["user"]["user_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let gateway = Gateway::of(&service, "chat-gateway");
    let nobody = "01900000-0000-7000-8000-000000000000";
    assert_eq!(gateway.get(&ada).await, None);
    // Twice in one call, with somebody who doesn't exist.
    gateway
        .note(&[(&ada, 2_000), (nobody, 1), (&ada, 1_000)])
        .await
        .unwrap();
    assert_eq!(gateway.get(&ada).await, Some(2_000));
    gateway.note(&[(&ada, 1_500)]).await.unwrap();
    assert_eq!(gateway.get(&ada).await, Some(2_000));
    gateway.note(&[(&ada, i64::MAX)]).await.unwrap();
    let now = clock::Clock::system().unix_ms() as i64;
    assert!(gateway.get(&ada).await.unwrap() <= now);
    assert_eq!(gateway.get(nobody).await, None);
}

#[tokio::test]
async fn only_gateways_tell_who_was_seen() {
    let service = Service::start().await;
    let other = Gateway::of(&service, "message");
    let refused = other.note(&[]).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}
