use futures_util::future::join_all;
use reqwest::StatusCode;

use crate::suite::{Suite, code, id_of};

#[tokio::test]
async fn two_people_have_one_conversation_though_both_open_it_at_once() {
    let suite = Suite::start().await;
    let (a, b) = (suite.people.person(), suite.people.person());
    let opened = join_all((0..20).map(|n| {
        let (from, to) = if n % 2 == 0 { (&a, &b) } else { (&b, &a) };
        suite.open_direct(from, to.user)
    }))
    .await;
    let id = id_of(&opened[0].1);
    for (n, (status, body)) in opened.iter().enumerate() {
        assert_eq!(*status, StatusCode::OK, "{body}");
        assert_eq!(id_of(body), id);
        let peer = if n % 2 == 0 { b.user } else { a.user };
        assert_eq!(body["conversation"]["peer_id"], peer.to_string());
        assert_eq!(body["conversation"]["kind"], "direct");
    }
    assert_eq!(suite.log.applied(id).len(), 1);
    assert_eq!(suite.log.members(id), [a.user, b.user].into());

    let (_, again) = suite.open_direct(&b, a.user).await;
    assert_eq!(id_of(&again), id);
    assert_eq!(suite.log.records(id).len(), 1);
    suite.stop().await;
}

#[tokio::test]
async fn nobody_opens_a_conversation_with_themselves_or_with_nobody() {
    let suite = Suite::start().await;
    let (a, gone) = (suite.people.person(), suite.people.person());
    suite.account.forget(gone.user);

    let (status, body) = suite.open_direct(&a, a.user).await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::BAD_REQUEST, "cannot_open_with_self")
    );
    let (status, body) = suite.open_direct(&a, gone.user).await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::NOT_FOUND, "user_unknown")
    );
    assert_eq!(suite.outbox_len().await, 0);
    suite.stop().await;
}

#[tokio::test]
async fn a_direct_conversation_can_not_be_left_nor_anybody_removed() {
    let suite = Suite::start().await;
    let (a, b) = (suite.people.person(), suite.people.person());
    let id = id_of(&suite.open_direct(&a, b.user).await.1);
    for (status, body) in [
        suite.leave(&a, id).await,
        suite.remove(&a, id, b.user).await,
        suite.remove(&a, id, a.user).await,
    ] {
        assert_eq!(
            (status, code(&body)),
            (StatusCode::CONFLICT, "direct_conversation_fixed")
        );
    }
    assert_eq!(suite.members(id).await, [a.user, b.user].into());
    suite.stop().await;
}

#[tokio::test]
async fn ids_of_conversations_may_be_a_central_generators() {
    let suite = Suite::start_with(|config| {
        config.ids.generator = central_ids::Generator::Account;
        config.ids.batch = 4;
        config.ids.low_water = 1;
        config.ids.patience_ms = 500;
    })
    .await;
    let a = suite.people.person();
    let mut ids = Vec::new();
    for _ in 0..10 {
        let (status, body) = suite.open_direct(&a, suite.people.person().user).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        ids.push(id_of(&body));
    }
    assert!(ids.is_sorted(), "they ascend: {ids:?}");
    ids.dedup();
    assert_eq!(ids.len(), 10);
    // The last 62 bits are the numbers that were leased, each once, in their order.
    let numbers: Vec<u128> = ids
        .iter()
        .map(|id| id.as_uuid().as_u128() & ((1 << 62) - 1))
        .collect();
    assert_eq!(numbers, (0..10).collect::<Vec<_>>());

    // What was fetched ahead lasts for a while without the generator; then one is told to come back.
    suite.account.lease_no_more();
    let mut opened = 0;
    loop {
        let (status, body) = suite.open_direct(&a, suite.people.person().user).await;
        if status != StatusCode::OK {
            assert_eq!(
                (status, code(&body)),
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
            );
            break;
        }
        opened += 1;
        assert!(opened <= 5, "no more than a batch and the low-water mark");
    }
    assert!(opened > 0);
    suite.stop().await;
}
