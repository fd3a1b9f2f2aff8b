//! Register first, read second: whatever the order, a change is found by one of the two.

use std::collections::{BTreeMap, BTreeSet};

use clock::Clock;
use events::redis_keys;
use ids::{BootId, ConversationId, UserId};
use message::sequencer::routes::Routes;
use redis::aio::MultiplexedConnection;

use crate::support::servers;

async fn connection() -> MultiplexedConnection {
    redis::Client::open(url(0).await)
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap()
}

/// One of Redis' databases: a test that loses the index has one of its own.
async fn url(database: u8) -> String {
    format!("{}/{database}", servers().await.redis().url())
}

async fn routes() -> Routes {
    Routes::new(redis::Client::open(url(0).await).unwrap())
}

/// As a gateway does it: the lease, then the time.
async fn register(user: UserId) -> u64 {
    let mut connection = connection().await;
    let (seconds, micros): (u64, u64) = redis::cmd("TIME")
        .query_async(&mut connection)
        .await
        .unwrap();
    let now = seconds * 1_000 + micros / 1_000;
    let field = redis_keys::socket_field(2, BootId::generate(&Clock::system()));
    redis::cmd("HSET")
        .arg(redis_keys::sockets(user))
        .arg(field)
        .arg(now + 30_000)
        .exec_async(&mut connection)
        .await
        .unwrap();
    now
}

fn noting(
    user: UserId,
    conversation: ConversationId,
) -> BTreeMap<UserId, BTreeSet<ConversationId>> {
    BTreeMap::from([(user, BTreeSet::from([conversation]))])
}

fn somebody() -> (UserId, ConversationId) {
    let clock = Clock::system();
    (UserId::generate(&clock), ConversationId::generate(&clock))
}

/// A cursor that the index can vouch for.
async fn cursor(routes: &Routes, user: UserId) -> String {
    let first = routes.changes(user, "0").await;
    assert!(!first.complete);
    first.cursor
}

#[tokio::test]
async fn who_registers_before_the_look_up_is_found_by_it() {
    let routes = routes().await;
    let (user, conversation) = somebody();
    register(user).await;
    let found = routes
        .note_and_find(&noting(user, conversation))
        .await
        .unwrap();
    assert_eq!(found[&user], [2]);
}

#[tokio::test]
async fn who_registers_after_the_look_up_finds_the_note() {
    let routes = routes().await;
    let (user, conversation) = somebody();
    let cursor = cursor(&routes, user).await;
    let found = routes
        .note_and_find(&noting(user, conversation))
        .await
        .unwrap();
    assert!(found[&user].is_empty());
    register(user).await;
    let changes = routes.changes(user, &cursor).await;
    assert!(changes.complete);
    assert_eq!(changes.conversations, [conversation]);
}

#[tokio::test]
async fn whatever_the_interleaving_one_of_the_two_finds_it() {
    let routes = routes().await;
    let mut both = 0;
    for _ in 0..200 {
        let (user, conversation) = somebody();
        let cursor = cursor(&routes, user).await;
        let noting = noting(user, conversation);
        let (found, changes) = tokio::join!(routes.note_and_find(&noting), async {
            register(user).await;
            routes.changes(user, &cursor).await
        });
        let told = !found.unwrap()[&user].is_empty();
        let read = changes.complete && changes.conversations == [conversation];
        assert!(told || read || !changes.complete);
        both += usize::from(told && read);
    }
    // Otherwise the two never raced and this test shows nothing.
    assert!(both < 200);
}

#[tokio::test]
async fn a_lease_that_ran_out_is_not_found() {
    let routes = routes().await;
    let (user, conversation) = somebody();
    let mut connection = connection().await;
    redis::cmd("HSET")
        .arg(redis_keys::sockets(user))
        .arg(redis_keys::socket_field(
            2,
            BootId::generate(&Clock::system()),
        ))
        .arg(1_000)
        .exec_async(&mut connection)
        .await
        .unwrap();
    let found = routes
        .note_and_find(&noting(user, conversation))
        .await
        .unwrap();
    assert!(found[&user].is_empty());
}

#[tokio::test]
async fn an_index_that_was_lost_says_so() {
    let routes = Routes::new(redis::Client::open(url(1).await).unwrap());
    let (user, conversation) = somebody();
    let cursor = cursor(&routes, user).await;
    routes
        .note_and_find(&noting(user, conversation))
        .await
        .unwrap();
    let mut connection = redis::Client::open(url(1).await)
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    // As another process of Redis would leave it: the append-only file may lack its last second.
    redis::cmd("SET")
        .arg(redis_keys::CHANGED_BORN)
        .arg("1:0000000000000000000000000000000000000000")
        .exec_async(&mut connection)
        .await
        .unwrap();
    assert!(!routes.changes(user, &cursor).await.complete);
}

#[tokio::test]
async fn a_redis_that_does_not_answer_makes_the_index_incomplete() {
    let nowhere = Routes::new(redis::Client::open("redis://127.0.0.1:1").unwrap());
    let (user, conversation) = somebody();
    assert!(
        nowhere
            .note_and_find(&noting(user, conversation))
            .await
            .is_none()
    );
    assert!(nowhere.is_incomplete());
    assert!(!nowhere.changes(user, "5").await.complete);
}
