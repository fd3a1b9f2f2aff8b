use auth::PeerChannel;
use ids::SessionId;
use proto::account::session_internal_service_client::SessionInternalServiceClient;
use proto::account::{ListEndedSessionsRequest, ListEndedSessionsResponse};
use reqwest::StatusCode;
use tonic::{Code, Status};

use crate::service::{PASSWORD, Service};
use crate::sessions::session_of;

async fn ask(
    service: &Service,
    from_unix_ms: i64,
    after_session_id: Vec<u8>,
) -> Result<ListEndedSessionsResponse, Status> {
    let url = format!("http://{}", service.at.internal);
    let peer = PeerChannel::new("account", &url, service.peer("message")).unwrap();
    let request = ListEndedSessionsRequest {
        from_unix_ms,
        after_session_id,
    };
    SessionInternalServiceClient::new(peer.channel())
        .list_ended_sessions(peer.request(request, None))
        .await
        .map(tonic::Response::into_inner)
}

#[tokio::test]
async fn what_ended_is_told_from_a_place_on_and_only_while_tokens_may_be_good() {
    let service = Service::start().await;
    let first = service.register("ada@example.org").await;
    let second = service.sign_in("ada@example.org", PASSWORD).await;
    let mut ended = Vec::new();
    assert_eq!(ask(&service, 0, Vec::new()).await.unwrap().sessions, []);
    for login in [&first, &second] {
        let token = login.text("access_token");
        ended.push(session_of(&service, login).await);
        let request = service.http.post(service.url("log-out"));
        let answer = service.send(request.bearer_auth(token)).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.body);
    }

    let all = ask(&service, 0, Vec::new()).await.unwrap();
    let told = |answer: &ListEndedSessionsResponse| -> Vec<SessionId> {
        let ids = answer.sessions.iter();
        ids.map(|one| SessionId::from_slice(&one.session_id).unwrap())
            .collect()
    };
    assert_eq!(told(&all), ended);
    let [one, two] = &all.sessions[..] else {
        panic!("{all:?}")
    };
    assert!(one.ended_unix_ms <= two.ended_unix_ms && two.ended_unix_ms <= all.now_unix_ms);
    let rest = ask(&service, one.ended_unix_ms, one.session_id.clone()).await;
    assert_eq!(told(&rest.unwrap()), ended[1..]);
    let none = ask(&service, two.ended_unix_ms + 1, Vec::new()).await;
    assert_eq!(told(&none.unwrap()), []);

    // Longer ago than any token lives: a place from then is one from the beginning.
    sqlx::query(
        "UPDATE sessions SET ended_unix_ms = ended_unix_ms - 1000000 WHERE session_id = $1",
    )
    .bind(ended[0].as_uuid())
    .execute(&service.database().await)
    .await
    .unwrap();
    let since = one.ended_unix_ms - 1_000_000;
    let rest = ask(&service, since, vec![255; 16]).await.unwrap();
    assert_eq!(told(&rest), ended[1..]);
}

#[tokio::test]
async fn more_than_an_answer_holds_is_told_in_several() {
    let service = Service::start().await;
    service.register("ada@example.org").await;
    // As many as end when a password is changed that a crowd shares; all at the same moment.
    sqlx::query(
        "INSERT INTO sessions (session_id, user_id, device_name, created_unix_ms, expires_unix_ms,
                               ended_unix_ms, ended_why)
         SELECT gen_random_uuid(), user_id, '', 0, 1, extract(epoch FROM now())::bigint * 1000, 'revoked'
         FROM users, generate_series(1, 2345)",
    )
    .execute(&service.database().await)
    .await
    .unwrap();
    let (mut from, mut after) = (0, Vec::new());
    let mut sizes = Vec::new();
    let mut told = std::collections::HashSet::new();
    loop {
        let answer = ask(&service, from, after).await.unwrap();
        sizes.push(answer.sessions.len());
        told.extend(answer.sessions.iter().map(|one| one.session_id.clone()));
        let Some(last) = answer.sessions.last() else {
            break;
        };
        (from, after) = (last.ended_unix_ms, last.session_id.clone());
    }
    assert_eq!(sizes, [1_000, 1_000, 345, 0]);
    assert_eq!(told.len(), 2_345);
}

#[tokio::test]
async fn a_place_that_is_none_is_refused() {
    let service = Service::start().await;
    let refused = ask(&service, 0, vec![1, 2, 3]).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}
