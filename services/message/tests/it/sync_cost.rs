//! What a reconnect costs follows what changed, not what somebody owns: requests to DynamoDB, counted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU8, Ordering};

use futures_util::future::join_all;
use ids::{ConversationId, UserId};
use local_stack::throttle::Throttle;
use message::history::{History, Place};
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
        Self::stored(&records, reader, conversations).await
    }

    async fn stored(
        records: &[RawRecord],
        reader: UserId,
        conversations: Vec<ConversationId>,
    ) -> Self {
        let dynamodb = servers().await.local_aws().dynamodb_url();
        let throttle = Throttle::start(dynamodb).await.unwrap();
        let store = store_at(&throttle.url()).await;
        let mut owner = owner(&store).await;
        for batch in records.chunks(500) {
            finish(&mut owner, &store, batch).await;
        }
        // A database of Redis that nobody else loses or fills.
        static NEXT: AtomicU8 = AtomicU8::new(8);
        let database = NEXT.fetch_add(1, Ordering::Relaxed);
        let redis = format!("{}/{database}", servers().await.redis().url());
        let routes = Routes::new(redis::Client::open(redis).unwrap());
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
/// Of these, what is the person's own: membership and marks.
const REQUESTS_PER_PERSON: u64 = 2;

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

#[tokio::test]
async fn those_who_come_back_at_once_to_one_conversation_share_what_is_everybodys() {
    const PEOPLE: usize = 200;
    let mut log = TestLog::new();
    let people: Vec<UserId> = (0..PEOPLE).map(|_| log.user()).collect();
    log.create(&people);
    for n in 0..20 {
        log.send(people[0], &format!("missed {n}"));
    }
    let conversation = log.conversation;
    let group = Owned::stored(&log.records, people[1], vec![conversation]).await;
    // Where they stand, and then what they missed.
    let come_back = people.iter().map(async |person| {
        let states = group.history.states(*person, vec![conversation]);
        let head = states.await.unwrap().remove(0).head_number;
        let missed = group
            .history
            .page(*person, conversation, Place::After(head - 20), 100);
        missed.await.unwrap().entries.len()
    });
    let (missed, cost) = group.cost(join_all(come_back)).await;
    assert_eq!(missed, [20; PEOPLE]);
    println!("{PEOPLE} came back at once: {cost} requests");
    // Twice their own; heads and entries for all of them together.
    let own = 2 * REQUESTS_PER_PERSON * PEOPLE as u64;
    assert!(cost <= own + PEOPLE as u64 / 2, "{cost} requests");
}
