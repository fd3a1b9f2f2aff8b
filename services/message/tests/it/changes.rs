//! What becomes of messages after they were written, and of those who read them.

use events::delivery::Event;
use events::{Block, Role, change_message};
use ids::UserId;
use message::history::{Place, Summary};
use message::sequencer::owner::Decided;
use message::store::Store;
use problem::Problem;
use proto::message::MessageReceipt;
use proto::socket::{ConversationState, Delete, Entry, Message, Receipt, entry};

use crate::support::{START_MS, TestLog, finish, history, owner, store};

/// The code of each refusal, in order.
fn codes(decided: &Decided) -> Vec<&str> {
    decided
        .outgoing
        .iter()
        .filter_map(|outgoing| match &outgoing.event {
            Event::Refused(refused) => Some(refused.code.as_str()),
            _ => None,
        })
        .collect()
}

fn told(decided: &Decided) -> Vec<&Entry> {
    decided
        .outgoing
        .iter()
        .filter_map(|outgoing| match &outgoing.event {
            Event::Entry(entry) => Some(entry),
            _ => None,
        })
        .collect()
}

/// Who is told of whose marks.
fn receipts(decided: &Decided) -> Vec<(&[UserId], &Receipt)> {
    decided
        .outgoing
        .iter()
        .filter_map(|outgoing| match &outgoing.event {
            Event::Receipt(receipt) => Some((outgoing.to.as_slice(), receipt)),
            _ => None,
        })
        .collect()
}

/// Writes the log and returns what its last records, from `from` on, had for others.
async fn last_of(store: &Store, log: &TestLog, from: usize) -> Decided {
    let mut owner = owner(store).await;
    finish(&mut owner, store, &log.records[..from]).await;
    finish(&mut owner, store, &log.records[from..]).await
}

async fn entries(store: &Store, log: &TestLog, reader: UserId) -> Vec<Entry> {
    history(store.clone())
        .await
        .page(reader, log.conversation, Place::Newest, 100)
        .await
        .unwrap()
        .entries
}

async fn message(store: &Store, log: &TestLog, reader: UserId, number: u64) -> Message {
    let entries = entries(store, log, reader).await;
    let entry = entries.into_iter().find(|entry| entry.number == number);
    match entry.unwrap().change.unwrap() {
        entry::Change::Message(message) => message,
        other => panic!("no message: {other:?}"),
    }
}

async fn state(store: &Store, log: &TestLog, reader: UserId) -> ConversationState {
    history(store.clone())
        .await
        .states(reader, vec![log.conversation])
        .await
        .unwrap()
        .remove(0)
}

async fn summary(store: &Store, log: &TestLog, reader: UserId) -> Summary {
    history(store.clone())
        .await
        .summaries(reader, vec![log.conversation])
        .await
        .unwrap()
        .remove(0)
}

#[tokio::test]
async fn who_may_change_what() {
    let store = store().await;
    let mut log = TestLog::new();
    let (ada, ben, cem, stranger) = (log.user(), log.user(), log.user(), log.user());
    log.create(&[ada, ben]); // 1, ada owns it
    log.send(ben, "two");
    log.send(ben, "three");
    log.join(cem); // 4
    log.send(cem, "five");
    let from = log.records.len();
    log.edit(ben, 2, "better"); // 6
    log.edit(ada, 2, "worse");
    log.react(cem, 5, "👍"); // 7
    log.react(cem, 2, "👍"); // from before cem came
    log.delete(cem, 3);
    log.delete(ada, 3); // 8: the owner
    log.edit(ben, 3, "again");
    log.react(ben, 1, "👍"); // no message
    log.react(ben, 99, "👍");
    log.react(ben, 0, "👍");
    log.edit(stranger, 2, "mine");
    log.give_role(cem, Role::Admin); // 9
    log.delete(cem, 2); // from before cem came
    log.open_history(cem, 1); // 10
    log.delete(cem, 2); // 11
    let decided = last_of(&store, &log, from).await;
    assert_eq!(
        codes(&decided),
        [
            "not_the_author",
            "target_unknown",
            "target_unknown",
            "target_deleted",
            "target_unknown",
            "target_unknown",
            "target_unknown",
            "not_a_member",
            "target_unknown",
        ]
    );
    let numbers: Vec<u64> = told(&decided).iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, [6, 7, 8, 9, 10, 11]);
}

#[tokio::test]
async fn a_change_that_is_sent_again_is_stored_once() {
    let store = store().await;
    let mut log = TestLog::new();
    let ada = log.user();
    log.create(&[ada]);
    log.send(ada, "text");
    let delete = || change_message::Change::Delete(Delete {});
    let id = log.change(ada, 2, delete());
    let from = log.records.len();
    log.change_as(ada, id, 2, delete());
    log.change_as(ada, id, 1, delete());
    // Whoever never saw the first attempt answers with it too.
    for owned_from in [from, 0] {
        let mut owner = owner(&store).await;
        finish(&mut owner, &store, &log.records[owned_from..from]).await;
        let decided = finish(&mut owner, &store, &log.records[from..]).await;
        if owned_from == 0 {
            let accepted = decided
                .outgoing
                .iter()
                .find_map(|outgoing| match &outgoing.event {
                    Event::Accepted(accepted) => Some(accepted),
                    _ => None,
                });
            assert_eq!(accepted.map(|accepted| accepted.number), Some(3));
            assert_eq!(codes(&decided), ["client_message_id_conflict"]);
        }
    }
    let head = store.head(log.conversation).await.unwrap().unwrap();
    assert_eq!((head.last_number, head.deletions_total), (3, 1));
}

#[tokio::test]
async fn the_history_shows_what_became_of_messages() {
    let store = store().await;
    let mut log = TestLog::new();
    let (ada, ben, cem) = (log.user(), log.user(), log.user());
    log.create(&[ada, ben, cem]);
    log.send(ada, "first");
    log.send(ada, "second");
    log.edit(ada, 2, "first, edited"); // 4
    log.react(ben, 2, "👍");
    log.react(cem, 2, "👍");
    log.react(ben, 2, "🎉"); // 7
    log.edit(ada, 3, "secret"); // 8
    log.leave(cem); // 9
    log.delete(ada, 3); // 10
    log.edit(ada, 2, "later"); // 11
    finish(&mut owner(&store).await, &store, &log.records).await;

    let first = message(&store, &log, ben, 2).await;
    assert_eq!((first.text.as_str(), first.changed_number), ("later", 11));
    assert_eq!(first.edited_time_unix_ms, START_MS as i64 + 100);
    let reactions: Vec<(&str, usize)> = first
        .reactions
        .iter()
        .map(|kind| (kind.emoji.as_str(), kind.user_ids.len()))
        .collect();
    assert_eq!(reactions, [("👍", 2), ("🎉", 1)]);
    let second = message(&store, &log, ben, 3).await;
    assert!(second.deleted && second.text.is_empty());
    // What it said before is nowhere.
    let all = format!("{:?}", entries(&store, &log, ben).await);
    assert!(!all.contains("secret") && !all.contains("second"));
    // Who left sees no later edit; but what is gone is gone.
    let (first, second) = (
        message(&store, &log, cem, 2).await,
        message(&store, &log, cem, 3).await,
    );
    assert_eq!(first.text, "first, edited");
    assert!(second.deleted);

    let history = history(store.clone()).await;
    let revisions = history.revisions(ben, log.conversation, 2).await.unwrap();
    let texts: Vec<&str> = revisions.iter().map(|was| was.text.as_str()).collect();
    assert_eq!(texts, ["first", "first, edited", "later"]);
    for gone_or_none in [1, 3, 99] {
        let refused: Problem = history
            .revisions(ben, log.conversation, gone_or_none)
            .await
            .unwrap_err();
        assert_eq!(refused.code, "entry_unknown");
    }
    let stranger = log.user();
    let refused = history.revisions(stranger, log.conversation, 2).await;
    assert_eq!(refused.unwrap_err().code, "conversation_unknown");
}

#[tokio::test]
async fn what_left_memory_can_still_be_changed() {
    let store = store().await;
    let mut log = TestLog::new();
    let (ada, ben) = (log.user(), log.user());
    log.create(&[ada, ben]);
    for _ in 0..1_400 {
        log.send(ada, "text");
    }
    log.delete(ada, 5);
    let from = log.records.len();
    log.edit(ada, 2, "edited");
    log.edit(ben, 3, "not mine");
    log.delete(ada, 4);
    log.edit(ada, 4, "gone in this very batch");
    log.edit(ada, 5, "gone before");
    log.read(ben, 1);
    let mut warm = owner(&store).await;
    for batch in log.records[..from].chunks(500) {
        finish(&mut warm, &store, batch).await;
    }
    let decided = crate::support::decide(&mut warm, &log.records[from..]).await;
    let mut cold = owner(&store).await;
    let by_cold = finish(&mut cold, &store, &log.records[from..]).await;
    for decided in [&decided, &by_cold] {
        assert_eq!(told(decided).len(), 2);
        assert_eq!(
            codes(decided),
            ["not_the_author", "target_deleted", "target_deleted"]
        );
        let unread = decided.outgoing.iter().find_map(|out| match &out.event {
            Event::State(state) => Some(state.unread_count),
            _ => None,
        });
        assert_eq!(unread, Some(1_398));
    }
    assert_eq!(state(&store, &log, ben).await.unread_count, 1_398);
}

#[tokio::test]
async fn deleted_and_hidden_messages_do_not_count_as_unread() {
    let store = store().await;
    let mut log = TestLog::new();
    let (ada, ben) = (log.user(), log.user());
    log.create(&[ada, ben]);
    for text in ["two", "three", "four", "five"] {
        log.send(ada, text);
    }
    log.send(ben, "six");
    log.read(ben, 2);
    log.delete(ada, 3);
    log.hide(ben, 4);
    log.hide(ben, 4);
    log.hide(ben, 3); // deleted: counts once
    log.hide(ben, 2); // read
    log.delete(ben, 6); // own
    log.hide(ben, 99);
    finish(&mut owner(&store).await, &store, &log.records).await;
    let state = state(&store, &log, ben).await;
    assert_eq!((state.unread_count, state.hidden_count), (1, 3));

    let numbers: Vec<u64> = entries(&store, &log, ben)
        .await
        .iter()
        .map(|entry| entry.number)
        .collect();
    assert_eq!(numbers, [1, 5, 6, 7, 8]);
    let history = history(store.clone()).await;
    let hidden = |after| history.hidden(ben, log.conversation, after);
    assert_eq!(hidden(0).await.unwrap(), [4, 3, 2]);
    assert_eq!(hidden(2).await.unwrap(), [2]);
    let others = history.hidden(ada, log.conversation, 0).await.unwrap();
    assert!(others.is_empty(), "hidden from one, not from all");
}

#[tokio::test]
async fn a_conversation_is_marked_as_unread_until_it_is_read_to_the_mark() {
    let store = store().await;
    let mut log = TestLog::new();
    let (ada, ben) = (log.user(), log.user());
    log.create(&[ada, ben]);
    log.send(ada, "two");
    log.read(ben, 2);
    log.mark_unread(ben);
    // Read offline before the mark was set: it comes late and changes nothing.
    log.read(ben, 1);
    let mut owner = owner(&store).await;
    finish(&mut owner, &store, &log.records).await;
    let marked = state(&store, &log, ben).await;
    assert_eq!(
        (
            marked.marked_unread,
            marked.read_number,
            marked.unread_count
        ),
        (true, 2, 0)
    );
    let from = log.records.len();
    log.read(ben, 2);
    finish(&mut owner, &store, &log.records[from..]).await;
    let read = state(&store, &log, ben).await;
    assert!(!read.marked_unread);
    assert!(read.marks_version > marked.marks_version);
}

#[tokio::test]
async fn authors_learn_who_got_and_who_read_their_messages() {
    let store = store().await;
    let mut log = TestLog::new();
    let (ada, ben, cem, dan) = (log.user(), log.user(), log.user(), log.user());
    log.create(&[ada, ben, cem]);
    log.send(ada, "two");
    log.send(ben, "three");
    let from = log.records.len();
    log.deliver(cem, 3); // ada and ben learn it
    log.deliver(cem, 2); // nothing new
    log.read(ben, 2); // ada learns it; it was delivered
    log.read(cem, 1_000); // ada and ben
    log.join(dan); // 4
    log.deliver(dan, 4); // nobody's message is reached in memory but theirs
    let decided = last_of(&store, &log, from).await;
    let told: Vec<(usize, u64, u64)> = receipts(&decided)
        .iter()
        .map(|(to, receipt)| (to.len(), receipt.delivered_number, receipt.read_number))
        .collect();
    assert_eq!(told[..3], [(2, 3, 0), (1, 2, 2), (2, 3, 3)]);
    assert!(
        receipts(&decided)
            .iter()
            .all(|(to, receipt)| !to.iter().any(|user| user.to_string() == receipt.user_id)),
        "nobody is told of their own marks"
    );

    let history = history(store.clone()).await;
    let info = |reader, number| history.receipts(reader, log.conversation, number, 0, None);
    let (of_two, next) = info(ada, 2).await.unwrap();
    assert_eq!(next, None);
    let at = |record: usize| START_MS as i64 + (from + record) as i64 * 10;
    let receipt = |user: UserId, delivered, read| MessageReceipt {
        user_id: user.to_string(),
        delivered_time_unix_ms: delivered,
        read_time_unix_ms: read,
    };
    let mut expected = [receipt(ben, at(2), at(2)), receipt(cem, at(0), at(3))];
    expected.sort_by(|one, other| one.user_id.cmp(&other.user_id));
    assert_eq!(of_two, expected);
    let (of_three, _) = info(cem, 3).await.unwrap();
    let of_ada = of_three
        .iter()
        .find(|receipt| receipt.user_id == ada.to_string());
    assert_eq!(of_ada, Some(&receipt(ada, 0, 0)));

    // A page at a time, each member once.
    let (first, next) = history
        .receipts(ada, log.conversation, 2, 1, None)
        .await
        .unwrap();
    let (second, end) = history
        .receipts(ada, log.conversation, 2, 1, next)
        .await
        .unwrap();
    assert_eq!([first, second].concat(), expected);
    assert_eq!(end, None);

    let marks = history.marks(ada, log.conversation).await.unwrap();
    let of_cem = marks.iter().find(|mark| mark.user_id == cem.to_string());
    assert_eq!(
        of_cem.map(|mark| (mark.delivered_number, mark.read_number)),
        Some((3, 3))
    );

    let code = |refused: Result<_, Problem>| refused.map(drop).unwrap_err().code.to_string();
    assert_eq!(code(info(ada, 1).await), "entry_unknown");
    assert_eq!(code(info(dan, 2).await), "entry_unknown");
    assert_eq!(code(info(log.user(), 2).await), "conversation_unknown");
}

#[tokio::test]
async fn a_receipt_never_comes_before_its_message() {
    let store = store().await;
    let mut log = TestLog::new();
    let (ada, ben) = (log.user(), log.user());
    log.create(&[ada, ben]);
    log.read(ben, 3); // of what isn't there
    log.send(ada, "two");
    log.read(ben, 2);
    let decided = finish(&mut owner(&store).await, &store, &log.records).await;
    let mut seen = 0;
    for outgoing in &decided.outgoing {
        match &outgoing.event {
            Event::Entry(entry) => seen = entry.number,
            Event::Receipt(receipt) => assert!(receipt.read_number <= seen),
            _ => {}
        }
    }
    assert_eq!(receipts(&decided).len(), 1);
}

#[tokio::test]
async fn while_one_blocks_the_other_neither_writes() {
    let store = store().await;
    let mut log = TestLog::new();
    let (ada, ben) = (log.user(), log.user());
    log.create(&[ada, ben]);
    log.send(ada, "two");
    log.send(ben, "three");
    log.block(ben, Block::Set);
    log.block(ada, Block::Set);
    let from = log.records.len();
    log.send(ada, "no");
    log.send(ben, "no");
    log.edit(ada, 2, "no");
    log.react(ben, 2, "👍");
    log.delete(ada, 2); // one may still take back what one wrote
    log.block(ben, Block::Lifted);
    log.send(ada, "not yet");
    log.block(ada, Block::Lifted);
    log.send(ada, "again");
    let decided = last_of(&store, &log, from).await;
    assert_eq!(codes(&decided), ["not_allowed"; 5]);
    let numbers: Vec<u64> = told(&decided).iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, [4, 5], "a block takes no number");
}

#[tokio::test]
async fn where_one_has_no_account_any_more_the_other_reads_and_writes_no_more() {
    let store = store().await;
    let mut log = TestLog::new();
    let (ada, ben) = (log.user(), log.user());
    log.create(&[ada, ben]);
    log.send(ada, "two");
    log.send(ben, "three");
    log.delete_account(ben);
    log.delete_account(ben); // told twice
    let from = log.records.len() - 2;
    log.send(ada, "no");
    log.send(ben, "no");
    log.edit(ada, 2, "no");
    log.react(ada, 3, "👍");
    log.delete(ada, 2); // one may still take back what one wrote
    let decided = last_of(&store, &log, from).await;
    assert_eq!(
        codes(&decided),
        [
            "conversation_closed",
            "not_a_member",
            "conversation_closed",
            "conversation_closed"
        ]
    );
    let entries = told(&decided);
    let numbers: Vec<u64> = entries.iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, [4, 5]);
    match &entries[0].change {
        Some(entry::Change::Left(left)) => assert_eq!(left.user_id, ben.to_string()),
        other => panic!("not told that he left: {other:?}"),
    }
    // An owner that begins with what is stored decides the same.
    let from = log.records.len();
    log.send(ada, "no");
    let decided = last_of(&store, &log, from).await;
    assert_eq!(codes(&decided), ["conversation_closed"]);
}

#[tokio::test]
async fn a_list_shows_the_last_message_and_no_change_of_one() {
    let store = store().await;
    let mut log = TestLog::new();
    let (ada, ben) = (log.user(), log.user());
    log.create(&[ada, ben]);
    log.send(ada, "two");
    log.send(ada, "three");
    let written = log.now_ms() - 10;
    for number in [2, 3, 2] {
        log.react(ben, number, "👍");
    }
    log.edit(ada, 3, "three, edited");
    log.hide(ben, 3);
    finish(&mut owner(&store).await, &store, &log.records).await;
    let text = |summary: Summary| match summary.last_entry.unwrap().change {
        Some(entry::Change::Message(message)) => message.text,
        other => panic!("no message: {other:?}"),
    };
    assert_eq!(text(summary(&store, &log, ada).await), "three, edited");
    assert_eq!(text(summary(&store, &log, ben).await), "two");
    let head = store.head(log.conversation).await.unwrap().unwrap();
    assert_eq!(head.last_time_unix_ms, written, "a reaction moves no list");
}
