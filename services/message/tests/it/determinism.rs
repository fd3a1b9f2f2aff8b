//! Two owners of one partition, stopped and woken at every point, must leave the same bytes as one that
//! never was disturbed.

use events::delivery::Event;
use events::{Block, Role};
use ids::{ConversationId, UserId};
use message::domain::conversation::Head;
use message::sequencer::owner::{Decided, Owner, OwnerError};
use message::store::Store;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use proto::socket::{Accepted, ConversationState, Entry, Refused};

use crate::support::{
    TestLog, decide, finish, history, log_ends_at, owner, put_heads, store, write,
};

fn entries(decided: &Decided) -> Vec<&Entry> {
    decided
        .outgoing
        .iter()
        .filter_map(|outgoing| match &outgoing.event {
            Event::Entry(entry) => Some(entry),
            _ => None,
        })
        .collect()
}

fn refusals(decided: &Decided) -> Vec<&Refused> {
    decided
        .outgoing
        .iter()
        .filter_map(|outgoing| match &outgoing.event {
            Event::Refused(refused) => Some(refused),
            _ => None,
        })
        .collect()
}

fn accepted(decided: &Decided) -> Vec<&Accepted> {
    decided
        .outgoing
        .iter()
        .filter_map(|outgoing| match &outgoing.event {
            Event::Accepted(accepted) => Some(accepted),
            _ => None,
        })
        .collect()
}

async fn head(store: &Store, log: &TestLog) -> Head {
    store.head(log.conversation).await.unwrap().unwrap()
}

/// A log with somebody in it, and four messages.
fn small_log() -> (TestLog, UserId, UserId) {
    let mut log = TestLog::new();
    let (ada, ben) = (log.user(), log.user());
    log.create(&[ada, ben]);
    for text in ["one", "two", "three", "four"] {
        log.send(ada, text);
    }
    (log, ada, ben)
}

#[tokio::test]
async fn a_resent_message_is_stored_once_and_answered_alike() {
    let store = store().await;
    let (mut log, ada, _) = small_log();
    let id = log.send(ada, "five");
    log.send_as(ada, id, "five");
    log.send_as(ada, id, "something else");
    let decided = finish(&mut owner(&store).await, &store, &log.records).await;
    assert_eq!(entries(&decided).len(), 6);
    assert_eq!(accepted(&decided)[0].number, 6);
    assert_eq!(refusals(&decided)[0].code, "client_message_id_conflict");
    assert_eq!(head(&store, &log).await.last_number, 6);
}

#[tokio::test]
async fn an_owner_that_never_saw_the_first_attempt_answers_with_it_too() {
    let store = store().await;
    let (mut log, ada, _) = small_log();
    let id = log.send(ada, "five");
    finish(&mut owner(&store).await, &store, &log.records).await;
    let met = log.records.len();
    log.send_as(ada, id, "five");
    let decided = finish(&mut owner(&store).await, &store, &log.records[met..]).await;
    assert_eq!(accepted(&decided)[0].number, 6);
    assert!(entries(&decided).is_empty());
}

/// The store shows the future: a late owner finds its records' client ids already stored, by an owner that
/// went further. Calling them duplicates would hand their numbers to the next records.
#[tokio::test]
async fn a_paused_owner_that_wakes_up_late_writes_the_same_again() {
    for woken_before in ["deciding", "writing", "writing heads"] {
        let store = store().await;
        let (mut log, ada, ben) = small_log();
        let mut late = owner(&store).await;
        finish(&mut late, &store, &log.records[..2]).await;
        let paused_with = if woken_before == "deciding" {
            None
        } else {
            Some(decide(&mut late, &log.records[2..]).await)
        };

        let mut other = owner(&store).await;
        log.send(ben, "five");
        log.leave(ben);
        log.read(ada, 4);
        finish(&mut other, &store, &log.records[2..]).await;
        let before = store.dump().await.unwrap();

        let woken = match paused_with {
            None => decide(&mut late, &log.records[2..5]).await,
            Some(decided) => decided,
        };
        assert_eq!(
            entries(&woken)
                .iter()
                .map(|entry| entry.number)
                .collect::<Vec<_>>(),
            [3, 4, 5],
            "woken before {woken_before}"
        );
        if woken_before == "writing heads" {
            put_heads(&store, &woken).await;
        } else {
            write(&store, &woken).await;
        }
        assert_eq!(
            store.dump().await.unwrap(),
            before,
            "woken before {woken_before}"
        );
        assert_eq!(head(&store, &log).await.last_number, 7);
    }
}

#[tokio::test]
async fn a_head_never_goes_back() {
    let store = store().await;
    let (log, _, _) = small_log();
    let mut first = owner(&store).await;
    let early = decide(&mut first, &log.records[..2]).await;
    finish(&mut owner(&store).await, &store, &log.records).await;
    put_heads(&store, &early).await;
    assert_eq!(head(&store, &log).await.last_number, 5);
}

/// Heads of many conversations share a request: those that are there, those that are new, and those that
/// somebody else stored further on.
#[tokio::test]
async fn heads_that_are_stored_together_keep_each_its_own_condition() {
    let store = store().await;
    let logs: Vec<TestLog> = (0..60).map(|_| small_log().0).collect();
    let (mut early, mut whole) = (Vec::new(), Vec::new());
    for log in &logs {
        let mut first = owner(&store).await;
        early.extend(decide(&mut first, &log.records[..2]).await.heads);
        whole.extend(decide(&mut owner(&store).await, &log.records).await.heads);
    }
    let put = async |heads: &[(ConversationId, Head)]| {
        store
            .put_heads(&heads.iter().collect::<Vec<_>>())
            .await
            .unwrap();
    };
    // Of the first twenty nothing is stored yet; the next twenty have been overtaken.
    put(&early[20..40]).await;
    put(&whole[40..]).await;
    let mixed: Vec<_> = [&whole[..40], &early[40..]].concat();
    put(&mixed).await;
    put(&early).await;
    for log in &logs {
        let stored = head(&store, log).await;
        assert!(whole.contains(&(log.conversation, stored)));
    }
}

/// Rows of membership from beyond the head are of an owner that crashed before its head: who comes next
/// must decide the records before them without them.
#[tokio::test]
async fn membership_is_read_as_of_the_record() {
    let store = store().await;
    let (mut log, _, ben) = small_log();
    finish(&mut owner(&store).await, &store, &log.records).await;
    let met = log.records.len();
    log.send(ben, "still in");
    log.leave(ben);
    log.send(ben, "too late");
    let crashed = decide(&mut owner(&store).await, &log.records[met..]).await;
    store.put_rows(&crashed.rows).await.unwrap();

    let decided = finish(&mut owner(&store).await, &store, &log.records[met..]).await;
    assert_eq!(entries(&decided).len(), 2);
    assert_eq!(refusals(&decided)[0].code, "not_a_member");
    assert_eq!(head(&store, &log).await.last_number, 7);
}

#[tokio::test]
async fn a_refusal_is_final() {
    let store = store().await;
    let (mut log, _, _) = small_log();
    let stranger = log.user();
    let id = log.send(stranger, "let me in");
    log.join(stranger);
    log.send_as(stranger, id, "let me in");
    let decided = finish(&mut owner(&store).await, &store, &log.records).await;
    let codes: Vec<_> = refusals(&decided)
        .iter()
        .map(|refused| refused.code.as_str())
        .collect();
    assert_eq!(codes, ["not_a_member", "not_a_member"]);
}

#[tokio::test]
async fn ids_from_the_future_and_from_long_ago_are_refused_by_the_time_of_the_record() {
    let store = store().await;
    let (mut log, ada, _) = small_log();
    let future = clock::Clock::manual(log.now_ms() as u64 + 10 * 60 * 1_000);
    let past = clock::Clock::manual(log.now_ms() as u64 - 30 * 24 * 60 * 60 * 1_000);
    log.send_as(ada, ids::ClientMessageId::generate(&future), "tomorrow");
    log.send_as(ada, ids::ClientMessageId::generate(&past), "last month");
    let decided = finish(&mut owner(&store).await, &store, &log.records).await;
    let codes: Vec<_> = refusals(&decided)
        .iter()
        .map(|refused| refused.code.as_str())
        .collect();
    assert_eq!(
        codes,
        ["client_message_id_in_future", "client_message_id_expired"]
    );
}

#[tokio::test]
async fn a_stranger_leaves_no_trace_in_a_conversation_that_is_none() {
    let store = store().await;
    let mut log = TestLog::new();
    let stranger = log.user();
    log.send(stranger, "anybody?");
    log.read(stranger, 5);
    let before = store.dump().await.unwrap();
    let decided = finish(&mut owner(&store).await, &store, &log.records).await;
    assert_eq!(refusals(&decided)[0].code, "conversation_unknown");
    assert_eq!(store.dump().await.unwrap(), before);
}

#[tokio::test]
async fn a_cold_start_numbers_nothing_again_but_tells_again_what_is_young() {
    let store = store().await;
    let (log, _, _) = small_log();
    finish(&mut owner(&store).await, &store, &log.records).await;
    let before = store.dump().await.unwrap();

    let again = finish(&mut owner(&store).await, &store, &log.records).await;
    let numbers: Vec<u64> = entries(&again).iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    assert_eq!(store.dump().await.unwrap(), before);

    let mut later = owner(&store).await;
    let prepared = later
        .prepare(&log.records, log.now_ms() + 11 * 60 * 1_000)
        .await
        .unwrap();
    assert!(entries(&later.apply(prepared)).is_empty());
}

#[tokio::test]
async fn a_head_from_beyond_the_end_of_the_log_stops_the_owner() {
    let store = store().await;
    let (log, _, _) = small_log();
    finish(&mut owner(&store).await, &store, &log.records).await;
    let mut of_new_topic = Owner::begin(store.clone(), 0, 1, log_ends_at(3))
        .await
        .unwrap();
    let refused = of_new_topic.prepare(&log.records[..1], log.now_ms()).await;
    assert!(matches!(refused, Err(OwnerError::ForeignLog { .. })));
}

#[tokio::test]
async fn offsets_that_begin_again_in_a_new_epoch_are_applied() {
    let store = store().await;
    let (log, ada, _) = small_log();
    finish(&mut owner(&store).await, &store, &log.records).await;
    assert_eq!(store.begin_epoch().await.unwrap(), 2);
    let mut next = Owner::begin(store.clone(), 0, 2, log_ends_at(1))
        .await
        .unwrap();
    let mut new_log = TestLog::new();
    new_log.conversation = log.conversation;
    new_log.send(ada, "in the new log");
    let decided = finish(&mut next, &store, &new_log.records).await;
    assert_eq!(entries(&decided)[0].number, 6);
}

#[tokio::test]
async fn a_poison_record_takes_no_number_and_binds_every_replay() {
    let store = store().await;
    let (mut log, ada, _) = small_log();
    log.push_raw(b"\xff\xff not a record".to_vec());
    log.send(ada, "after the poison");
    let decided = finish(&mut owner(&store).await, &store, &log.records).await;
    assert_eq!(entries(&decided).last().unwrap().number, 6);

    // A later version may be able to read it; it was set aside all the same.
    let mut repaired = log.records.clone();
    repaired[5].value.clone_from(&log.records[4].value);
    let again = decide(&mut owner(&store).await, &repaired).await;
    assert_eq!(entries(&again).last().unwrap().number, 6);
    assert_eq!(head(&store, &log).await.last_number, 6);
}

#[tokio::test]
async fn a_version_of_the_membership_that_was_passed_changes_nothing() {
    let store = store().await;
    let (mut log, _, ben) = small_log();
    log.leave(ben);
    let left = log.records.last().unwrap().value.clone().unwrap();
    log.join(ben);
    log.push_raw(left);
    let decided = finish(&mut owner(&store).await, &store, &log.records).await;
    assert_eq!(entries(&decided).len(), 7);
}

#[tokio::test]
async fn a_mark_only_grows_and_never_passes_the_head() {
    let store = store().await;
    let (mut log, _, ben) = small_log();
    log.read(ben, 4);
    log.read(ben, 2);
    log.read(ben, 1_000);
    finish(&mut owner(&store).await, &store, &log.records[..6]).await;
    let decided = finish(&mut owner(&store).await, &store, &log.records[6..]).await;
    let marks: Vec<(u64, u64)> = decided
        .outgoing
        .iter()
        .filter_map(|outgoing| match &outgoing.event {
            Event::State(state) => Some((state.read_number, state.unread_count)),
            _ => None,
        })
        .collect();
    // Where the reader stands at the end of the batch, for each that asked.
    assert_eq!(marks, [(5, 0), (5, 0)]);
    let row = store
        .reader(log.conversation, ben, head(&store, &log).await.position)
        .await
        .unwrap();
    let marks = row.unwrap().marks;
    assert_eq!((marks.read, marks.delivered), (5, 5));
}

#[tokio::test]
async fn unread_counts_are_those_of_the_store_wherever_memory_begins() {
    let store = store().await;
    let mut log = TestLog::new();
    let (ada, ben) = (log.user(), log.user());
    log.create(&[ada, ben]);
    for number in 0..300 {
        let sender = if number % 3 == 0 { ben } else { ada };
        log.send(sender, "text");
    }
    log.read(ben, 100);
    finish(&mut owner(&store).await, &store, &log.records[..150]).await;
    let mut cold = owner(&store).await;
    let decided = finish(&mut cold, &store, &log.records[150..]).await;
    let state = decided
        .outgoing
        .iter()
        .find_map(|outgoing| match &outgoing.event {
            Event::State(state) if state.read_number == 100 => Some(state),
            _ => None,
        })
        .unwrap();
    let expected = (101..=301u64)
        .filter(|number| (number - 2) % 3 != 0)
        .count() as u64;
    assert_eq!(state.unread_count, expected);
}

#[test]
fn owners_and_readers_count_the_same() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let mut runner = TestRunner::new(Config {
        cases: 60,
        failure_persistence: None,
        ..Config::default()
    });
    runner
        .run(&(script(), 1usize..60), |(script, cold_at)| {
            let mut log = log_of(&script);
            // What the last records say: where everybody stands.
            let people = log.people.clone();
            for person in &people {
                log.read(*person, 1);
            }
            let cold_at = cold_at.min(log.records.len() - people.len());
            let (told, read) = runtime.block_on(async {
                let store = store().await;
                finish(&mut owner(&store).await, &store, &log.records[..cold_at]).await;
                let mut cold = owner(&store).await;
                let decided = finish(&mut cold, &store, &log.records[cold_at..]).await;
                let history = history(store).await;
                let mut read = Vec::new();
                for person in &people {
                    let states = history
                        .states(*person, vec![log.conversation])
                        .await
                        .unwrap();
                    read.push(states);
                }
                (states_of(&decided, &people), read)
            });
            for (told, read) in told.into_iter().zip(read) {
                // Who isn't in now is told nothing.
                if told.is_some() {
                    prop_assert_eq!(told, read.into_iter().next());
                }
            }
            Ok(())
        })
        .unwrap();
}

/// The last state that each was told.
fn states_of(decided: &Decided, people: &[UserId]) -> Vec<Option<ConversationState>> {
    people
        .iter()
        .map(|person| {
            decided
                .outgoing
                .iter()
                .filter_map(|outgoing| match &outgoing.event {
                    Event::State(state) if outgoing.to == [*person] => Some(state.clone()),
                    _ => None,
                })
                .next_back()
        })
        .collect()
}

/// One thing that happens to the log's owners.
#[derive(Debug, Clone)]
enum Step {
    /// The current owner takes this many records all the way.
    Finish(usize),
    /// It dies before it wrote anything, after its rows, or after the heads.
    Crash { records: usize, after: u8 },
    /// It is paused before it writes; another goes on; it wakes up at the end.
    Pause(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (1usize..12).prop_map(Step::Finish),
        (1usize..12, 0u8..3).prop_map(|(records, after)| Step::Crash { records, after }),
        (1usize..12).prop_map(Step::Pause),
    ];
    prop::collection::vec(step, 1..12)
}

/// What is in the log: (kind, who, how).
fn script() -> impl Strategy<Value = Vec<(u8, usize, u64)>> {
    prop::collection::vec((0u8..22, 0usize..3, 0u64..40), 20..60)
}

fn log_of(script: &[(u8, usize, u64)]) -> TestLog {
    let mut log = TestLog::new();
    let people = [log.user(), log.user(), log.user()];
    let mut sent = Vec::new();
    log.people = people.to_vec();
    log.create(&people[..2]);
    for (kind, who, how) in script {
        let user = people[*who];
        match kind {
            0 => log.join(user),
            1 => log.leave(user),
            2 | 3 => log.read(user, *how),
            4 if !sent.is_empty() => {
                let (sender, id) = sent[*how as usize % sent.len()];
                log.send_as(sender, id, "text");
            }
            5 if !sent.is_empty() => {
                let (sender, id) = sent[*how as usize % sent.len()];
                log.send_as(sender, id, "other text");
            }
            6 => log.deliver(user, *how),
            7 => log.mark_unread(user),
            8 => log.hide(user, *how),
            9 => drop(log.edit(user, *how, "new text")),
            10 => drop(log.delete(user, *how)),
            11 => drop(log.react(user, *how, "👍")),
            12 => log.rename(user, "name"),
            13 => log.give_role(user, Role::Admin),
            14 => log.open_history(user, *how),
            15 if *how > 37 => log.delete_account(user),
            15 if *how < 20 => log.block(user, Block::Set),
            15 | 16 => log.block(user, Block::Lifted),
            _ => sent.push((user, log.send(user, "text"))),
        }
    }
    log
}

async fn undisturbed(store: &Store, log: &TestLog) {
    finish(&mut owner(store).await, store, &log.records).await;
}

async fn disturbed(store: &Store, log: &TestLog, steps: &[Step]) {
    let mut current = owner(store).await;
    let mut at = 0;
    let mut paused = Vec::new();
    for step in steps {
        let rest = log.records.len() - at;
        match step {
            Step::Finish(count) => {
                let end = at + (*count).min(rest);
                finish(&mut current, store, &log.records[at..end]).await;
                at = end;
            }
            Step::Crash { records, after } => {
                let end = at + (*records).min(rest);
                let decided = decide(&mut current, &log.records[at..end]).await;
                if *after > 0 {
                    store.put_rows(&decided.rows).await.unwrap();
                }
                if *after > 1 {
                    put_heads(store, &decided).await;
                }
                // The offset was not committed: the next owner begins where this one did.
                current = owner(store).await;
            }
            Step::Pause(count) => {
                let end = at + (*count).min(rest);
                paused.push(decide(&mut current, &log.records[at..end]).await);
                current = owner(store).await;
            }
        }
    }
    finish(&mut current, store, &log.records[at..]).await;
    for late in &paused {
        write(store, late).await;
    }
}

#[test]
fn any_history_of_owners_leaves_the_same_bytes() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let mut runner = TestRunner::new(Config {
        cases: 100,
        failure_persistence: None,
        ..Config::default()
    });
    runner
        .run(&(script(), steps()), |(script, steps)| {
            let log = log_of(&script);
            let (one, other) = runtime.block_on(async {
                let (one, other) = (store().await, store().await);
                undisturbed(&one, &log).await;
                disturbed(&other, &log, &steps).await;
                (one.dump().await.unwrap(), other.dump().await.unwrap())
            });
            let rows = |dump: std::collections::BTreeMap<String, String>| -> Vec<(String, String)> {
                // The tables' names differ; the rows may not.
                dump.into_iter()
                    .map(|(key, row)| (key.split_once('-').unwrap().1.to_owned(), row))
                    .collect()
            };
            prop_assert_eq!(rows(one), rows(other));
            Ok(())
        })
        .unwrap();
}
