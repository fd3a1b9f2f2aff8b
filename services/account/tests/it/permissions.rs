use auth::PeerChannel;
use problem::Problem;
use proto::account::permission_internal_service_client::PermissionInternalServiceClient;
use proto::account::{CheckPermissionsRequest, CheckPermissionsResponse, Permission};
use serde_json::json;
use tonic::{Code, Status};

use crate::service::{Person, Service};

impl Service {
    async fn check(
        &self,
        peer: &'static str,
        person: &str,
        others: Vec<String>,
    ) -> Result<CheckPermissionsResponse, Status> {
        let url = format!("http://{}", self.at.internal);
        let peer = PeerChannel::new("account", &url, self.peer(peer)).unwrap();
        let request = CheckPermissionsRequest {
            user_id: person.to_owned(),
            other_ids: others,
        };
        PermissionInternalServiceClient::new(peer.channel())
            .check_permissions(peer.request(request, None))
            .await
            .map(tonic::Response::into_inner)
    }

    /// Write, typing, see and show presence, towards one other.
    async fn towards(&self, person: &Person, other: &Person) -> [Permission; 4] {
        let answer = self
            .check("chat-gateway", &person.user, vec![other.user.clone()])
            .await
            .unwrap();
        assert_eq!(answer.others.len(), 1);
        let other = &answer.others[0];
        [
            other.write(),
            other.typing(),
            other.see_presence(),
            other.show_presence(),
        ]
    }
}

use Permission::{
    Allowed, IfSharedConversation as IfConversation, IfSharedGroup as IfGroup, Refused,
};

#[tokio::test]
async fn what_two_people_may_follows_from_settings_contacts_and_blocks() {
    let service = Service::start().await;
    let (ada, ben) = (service.person("Ada").await, service.person("Ben").await);
    let open = [Allowed, Allowed, IfConversation, IfConversation];
    assert_eq!(service.towards(&ada, &ben).await, open);
    assert_eq!(service.towards(&ada, &ada).await, [Allowed; 4]);

    service
        .allow(&ben, json!({"may_write": "shared_groups"}))
        .await;
    assert_eq!(service.towards(&ada, &ben).await[0], IfGroup);
    assert_eq!(service.towards(&ben, &ada).await[0], Allowed);

    service
        .allow(
            &ben,
            json!({"may_write": "contacts", "presence_visibility": "contacts"}),
        )
        .await;
    let closed = [Refused, Allowed, Refused, IfConversation];
    assert_eq!(service.towards(&ada, &ben).await, closed);
    // An invitation alone opens nothing.
    service.invite(&ada, &ben).await;
    assert_eq!(service.towards(&ada, &ben).await, closed);
    service.accept(&ben, &ada).await;
    assert_eq!(service.towards(&ada, &ben).await, [Allowed; 4]);

    service
        .allow(&ben, json!({"presence_visibility": "nobody"}))
        .await;
    assert_eq!(
        service.towards(&ada, &ben).await,
        [Allowed, Allowed, Refused, Allowed]
    );

    service.block(&ada, &ben).await;
    for (one, other) in [(&ada, &ben), (&ben, &ada)] {
        assert_eq!(service.towards(one, other).await, [Refused; 4]);
    }
    service.unblock(&ada, &ben).await;
    assert_eq!(service.towards(&ben, &ada).await, open_again());
}

/// No contacts any more; Ben still wants none but contacts to write, and nobody to see him.
fn open_again() -> [Permission; 4] {
    [Allowed, Allowed, IfConversation, Refused]
}

#[tokio::test]
async fn many_are_answered_at_once_and_who_has_no_account_is_left_out() {
    let service = Service::start().await;
    let ada = service.person("Ada").await;
    let nobody = "01900000-0000-7000-8000-000000000000";
    let mut others = vec![nobody.to_owned()];
    for n in 0..3 {
        others.push(service.person(&format!("Other {n}")).await.user);
    }
    let answer = service
        .check("conversation", &ada.user, others.clone())
        .await
        .unwrap();
    let mut known: Vec<_> = answer
        .others
        .iter()
        .map(|other| other.user_id.clone())
        .collect();
    known.sort();
    let mut expected = others[1..].to_vec();
    expected.sort();
    assert_eq!(known, expected);
    let of_nobody = service.check("conversation", nobody, others).await.unwrap();
    assert!(of_nobody.others.is_empty());
    let none = service
        .check("conversation", &ada.user, Vec::new())
        .await
        .unwrap();
    assert!(none.others.is_empty());
}

#[tokio::test]
async fn only_known_services_ask_and_only_what_can_be_answered() {
    let service = Service::start().await;
    let ada = service.person("Ada").await;
    let refusal = |status: &Status| {
        (
            status.code(),
            Problem::from_status(status).code.into_owned(),
        )
    };

    let stranger = service
        .check("billing", &ada.user, Vec::new())
        .await
        .unwrap_err();
    assert_eq!(
        refusal(&stranger),
        (Code::Unauthenticated, "identity_invalid".into())
    );
    let mut bare =
        PermissionInternalServiceClient::connect(format!("http://{}", service.at.internal))
            .await
            .unwrap();
    let nobody = bare
        .check_permissions(CheckPermissionsRequest::default())
        .await
        .unwrap_err();
    assert_eq!(
        refusal(&nobody),
        (Code::Unauthenticated, "identity_missing".into())
    );
    let mut public =
        PermissionInternalServiceClient::connect(format!("http://{}", service.at.grpc))
            .await
            .unwrap();
    let refused = public
        .check_permissions(CheckPermissionsRequest::default())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);

    for (person, others) in [
        ("x".to_owned(), Vec::new()),
        (ada.user.clone(), vec!["x".to_owned()]),
        (ada.user.clone(), vec![ada.user.clone(); 1_001]),
    ] {
        let refused = service
            .check("chat-gateway", &person, others)
            .await
            .unwrap_err();
        assert_eq!(
            refusal(&refused),
            (Code::InvalidArgument, "input_invalid".into())
        );
    }
}
