//! What a reconnect costs follows what changed, not what somebody owns: requests to DynamoDB, counted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU8, Ordering};

use ids::{ConversationId, UserId};
use local_stack::throttle::Throttle;
use message::history::History;
use message::sequencer::owner::RawRecord;
use message::sequencer::routes::Routes;

use crate::support::{TestLog, finish, owner, servers, store_at};

/// Somebody's conversations, in a store whose requests are counted.
struct Owned {
    throttle: Throttle,
    history: History,
    routes: Routes,
    reader: UserId,
    conversations: Vec<ConversationId>,
}

impl Owned {
    /// With a message in each.
    async fn with(count: usize) -> Self {
        let dynamodb = servers().await.local_aws().dynamodb_url();
        let throttle = Throttle::start(dynamodb).await.unwrap();
        let store = store_at(&throttle.url()).await;
        let (mut records, mut conversations) = (Vec::<RawRecord>::new(), Vec::new());
        let reader = TestLog::new().user();
        for _ in 0..count {
            let mut log = TestLog::new();
            let other = log.user();
            log.create(&[other, reader]);
            log.send(other, "hi");
            conversations.push(log.conversation);
            for mut record in log.records {
                record.offset = records.len() as i64;
                records.push(record);
            }
        }
        let mut owner = owner(&store).await;
        for batch in records.chunks(500) {
            finish(&mut owner, &store, batch).await;
        }
        // A database of Redis that nobody else loses or fills.
        static NEXT: AtomicU8 = AtomicU8::new(8);
        let database = NEXT.fetch_add(1, Ordering::Relaxed);
        let redis = format!("{}/{database}", servers().await.redis().url());
        let routes = Routes::new(&redis).unwrap();
        Self {
            throttle,
            history: History::new(store, routes.clone()),
            routes,
            reader,
            conversations,
        }
    }

    /// Requests that `ask` costs.
    async fn cost<T>(&self, ask: impl Future<Output = T>) -> (T, u64) {
        let total = || self.throttle.counts().values().sum::<u64>();
        let before = total();
        let answer = ask.await;
        (answer, total() - before)
    }

    /// What comes since a cursor, and what it costs.
    async fn reconnect(&self, cursor: &str) -> (bool, usize, u64) {
        let (answer, cost) = self.cost(self.history.changes(self.reader, cursor)).await;
        let (complete, changed, _) = answer.unwrap();
        (complete, changed.len(), cost)
    }

    /// Notes that the first `count` conversations have changed, as the sequencer does.
    async fn change(&self, count: usize) {
        let changed: BTreeSet<_> = self.conversations[..count].iter().copied().collect();
        let changes = BTreeMap::from([(self.reader, changed)]);
        self.routes.note_and_find(&changes).await.unwrap();
    }
}

/// The head, the person's own membership and marks, and what is unread.
const REQUESTS_PER_CONVERSATION: u64 = 4;

#[tokio::test]
async fn a_reconnect_costs_what_changed_and_not_what_one_owns() {
    let mut costs = BTreeMap::new();
    for owned in [10, 1_000] {
        let person = Owned::with(owned).await;
        // The first cursor that the index can vouch for.
        let (complete, _, cursor) = person.history.changes(person.reader, "0").await.unwrap();
        assert!(!complete);
        let nothing = person.reconnect(&cursor).await;
        assert_eq!(nothing, (true, 0, 0), "nothing new, nothing read");
        for changed in [1, 10] {
            person.change(changed).await;
            let (complete, told, cost) = person.reconnect(&cursor).await;
            assert_eq!((complete, told), (true, changed));
            println!("{owned} owned, {changed} changed: {cost} requests");
            costs.entry(changed).or_insert_with(Vec::new).push(cost);
            let most = REQUESTS_PER_CONVERSATION * changed as u64;
            assert!(cost <= most, "{cost} requests for {changed}");
        }
    }
    for (changed, costs) in costs {
        assert_eq!(costs[0], costs[1], "{changed} changed");
    }
}

#[tokio::test]
async fn a_comparison_of_all_heads_is_a_request_for_a_hundred() {
    let person = Owned::with(1_000).await;
    let heads = person.history.heads(&person.conversations);
    let (heads, cost) = person.cost(heads).await;
    assert_eq!(heads.unwrap().len(), 1_000);
    println!("1,000 heads: {cost} requests");
    assert_eq!(cost, 10);
    let states = person
        .history
        .states(person.reader, person.conversations[..100].to_vec());
    let (states, cost) = person.cost(states).await;
    assert_eq!(states.unwrap().len(), 100);
    println!("100 states: {cost} requests");
    assert!(cost <= 100 * REQUESTS_PER_CONVERSATION);
}
