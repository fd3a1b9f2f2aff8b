//! Rows ⇄ domain.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use ids::{ConversationId, MessageId, UserId};
use proto::Message as _;
use proto::socket::{Entry, entry};

use super::{BUCKET_SIZE, StoreError};
use crate::domain::conversation::{ChangeRow, DeletionRow, Head, IsDeletion, StoredEntry};
use crate::domain::membership::{MemberEvent, MemberRow};
use crate::domain::readers::{HiddenRow, Marks, ReaderRow};
use crate::domain::submission::IdKey;
use crate::domain::{FirstSeen, Outcome, Position, RefusalCode, Role};

pub type Item = HashMap<String, AttributeValue>;

/// How long a client message id is remembered after it was met.
const ID_KEPT_SECONDS: i64 = 30 * 24 * 60 * 60;

pub fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub fn n(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn b(bytes: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

fn item<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

pub fn text<'a>(item: &'a Item, name: &'static str) -> Result<&'a str, StoreError> {
    item.get(name)
        .and_then(|value| value.as_s().ok())
        .map(String::as_str)
        .ok_or(StoreError::Malformed(name))
}

pub fn number<T: std::str::FromStr>(item: &Item, name: &'static str) -> Result<T, StoreError> {
    item.get(name)
        .and_then(|value| value.as_n().ok())
        .and_then(|value| value.parse().ok())
        .ok_or(StoreError::Malformed(name))
}

fn bytes<'a>(item: &'a Item, name: &'static str) -> Result<&'a [u8], StoreError> {
    item.get(name)
        .and_then(|value| value.as_b().ok())
        .map(Blob::as_ref)
        .ok_or(StoreError::Malformed(name))
}

fn position(item: &Item) -> Result<Position, StoreError> {
    Ok(Position {
        epoch: number(item, "epoch")?,
        offset: number(item, "offset")?,
    })
}

/// The bucket of a number; numbers begin at 1.
pub const fn bucket_of(number: u64) -> u64 {
    number.saturating_sub(1) / BUCKET_SIZE
}

pub fn bucket_key(conversation: ConversationId, bucket: u64) -> AttributeValue {
    s(format!("{conversation}#{bucket}"))
}

pub fn member_prefix(user: UserId) -> String {
    format!("m#{user}#")
}

pub fn reader_prefix(reader: UserId) -> String {
    format!("r#{reader}#")
}

pub fn hidden_prefix(reader: UserId) -> String {
    format!("h#{reader}#")
}

/// The partition with the changes of the messages of one bucket.
pub fn changes_key(conversation: ConversationId, bucket: u64) -> AttributeValue {
    s(format!("{conversation}#x#{bucket}"))
}

pub fn number_key(prefix: &str, number: u64) -> String {
    format!("{prefix}{number:020}")
}

pub fn id_sort_key((sender, id): IdKey) -> String {
    format!("c#{sender}#{id}")
}

pub fn position_key(prefix: &str, position: Position) -> String {
    format!("{prefix}{:06}#{:020}", position.epoch, position.offset)
}

pub fn entry_item(conversation: ConversationId, stored: &StoredEntry) -> Item {
    let mut row = item([
        (
            "pk",
            bucket_key(conversation, bucket_of(stored.entry.number)),
        ),
        ("n", n(stored.entry.number)),
        ("entry", b(stored.entry.encode_to_vec())),
        ("epoch", n(stored.position.epoch)),
        ("offset", n(stored.position.offset)),
    ]);
    if let Some(sender) = stored.countable_sender {
        row.insert("sender".to_owned(), b(sender.to_vec()));
    }
    row
}

pub fn entry_of(item: &Item) -> Result<StoredEntry, StoreError> {
    Ok(StoredEntry {
        entry: Entry::decode(bytes(item, "entry")?).map_err(|_| StoreError::Malformed("entry"))?,
        position: position(item)?,
        countable_sender: sender_of(item)?,
    })
}

pub fn sender_of(item: &Item) -> Result<Option<UserId>, StoreError> {
    if item.contains_key("sender") {
        user(item, "sender").map(Some)
    } else {
        Ok(None)
    }
}

pub fn head_item(conversation: ConversationId, head: &Head) -> Item {
    item([
        ("pk", s(conversation.to_string())),
        ("sk", s("head")),
        ("last", n(head.last_number)),
        ("countable", n(head.countable_total)),
        ("version", n(head.membership_version)),
        ("epoch", n(head.position.epoch)),
        ("offset", n(head.position.offset)),
        ("applied_at", n(head.applied_time_unix_ms)),
        ("last_at", n(head.last_time_unix_ms)),
        ("shown", n(head.last_shown_number)),
        ("changes", n(head.changes_total)),
        ("deletions", n(head.deletions_total)),
    ])
}

pub fn head_of(item: &Item) -> Result<Head, StoreError> {
    Ok(Head {
        last_number: number(item, "last")?,
        countable_total: number(item, "countable")?,
        membership_version: number(item, "version")?,
        position: position(item)?,
        applied_time_unix_ms: number(item, "applied_at")?,
        last_time_unix_ms: number(item, "last_at")?,
        last_shown_number: number(item, "shown")?,
        changes_total: number(item, "changes")?,
        deletions_total: number(item, "deletions")?,
    })
}

pub fn member_item(conversation: ConversationId, row: &MemberRow) -> Item {
    let (event, more) = match row.event {
        MemberEvent::Joined(role) => ("joined", Some(("role", s(role.as_str())))),
        MemberEvent::Left => ("left", None),
        MemberEvent::AccountDeleted => ("account_deleted", None),
        MemberEvent::RoleChanged(role) => ("role", Some(("role", s(role.as_str())))),
        MemberEvent::HistoryOpened(from) => ("history", Some(("from", n(from)))),
        MemberEvent::Blocked => ("blocked", None),
        MemberEvent::Unblocked => ("unblocked", None),
        MemberEvent::OfConversation => ("conversation", None),
    };
    let mut item = item([
        ("pk", s(conversation.to_string())),
        (
            "sk",
            s(position_key(&member_prefix(row.user), row.position)),
        ),
        ("user", b(row.user.to_vec())),
        ("number", n(row.number)),
        ("event", s(event)),
        ("epoch", n(row.position.epoch)),
        ("offset", n(row.position.offset)),
    ]);
    if let Some((name, value)) = more {
        item.insert(name.to_owned(), value);
    }
    item
}

pub fn member_of(item: &Item) -> Result<MemberRow, StoreError> {
    let role = || Role::parse(text(item, "role")?).ok_or(StoreError::Malformed("role"));
    Ok(MemberRow {
        user: user(item, "user")?,
        position: position(item)?,
        number: number(item, "number")?,
        event: match text(item, "event")? {
            "joined" => MemberEvent::Joined(role()?),
            "left" => MemberEvent::Left,
            "account_deleted" => MemberEvent::AccountDeleted,
            "role" => MemberEvent::RoleChanged(role()?),
            "history" => MemberEvent::HistoryOpened(number(item, "from")?),
            "blocked" => MemberEvent::Blocked,
            "unblocked" => MemberEvent::Unblocked,
            "conversation" => MemberEvent::OfConversation,
            _ => return Err(StoreError::Malformed("event")),
        },
    })
}

fn user(item: &Item, name: &'static str) -> Result<UserId, StoreError> {
    UserId::from_slice(bytes(item, name)?).map_err(|_| StoreError::Malformed(name))
}

fn flag(item: &Item, name: &'static str) -> Result<bool, StoreError> {
    item.get(name)
        .and_then(|value| value.as_bool().ok())
        .copied()
        .ok_or(StoreError::Malformed(name))
}

pub fn reader_item(conversation: ConversationId, row: &ReaderRow) -> Item {
    item([
        ("pk", s(conversation.to_string())),
        (
            "sk",
            s(position_key(&reader_prefix(row.reader), row.position)),
        ),
        ("reader", b(row.reader.to_vec())),
        ("delivered", n(row.marks.delivered)),
        ("read", n(row.marks.read)),
        ("unread", AttributeValue::Bool(row.marks.is_marked_unread)),
        ("hidden", n(row.marks.hidden_count)),
        ("version", n(row.marks.version)),
        ("at", n(row.time_unix_ms)),
        ("epoch", n(row.position.epoch)),
        ("offset", n(row.position.offset)),
    ])
}

pub fn reader_of(item: &Item) -> Result<ReaderRow, StoreError> {
    Ok(ReaderRow {
        reader: user(item, "reader")?,
        position: position(item)?,
        time_unix_ms: number(item, "at")?,
        marks: Marks {
            delivered: number(item, "delivered")?,
            read: number(item, "read")?,
            is_marked_unread: flag(item, "unread")?,
            hidden_count: number(item, "hidden")?,
            version: number(item, "version")?,
        },
    })
}

pub fn hidden_item(conversation: ConversationId, row: &HiddenRow) -> Item {
    item([
        ("pk", s(conversation.to_string())),
        ("sk", s(number_key(&hidden_prefix(row.reader), row.number))),
        ("reader", b(row.reader.to_vec())),
        ("number", n(row.number)),
        ("count", n(row.count)),
        ("epoch", n(row.position.epoch)),
        ("offset", n(row.position.offset)),
    ])
}

pub fn hidden_of(item: &Item) -> Result<HiddenRow, StoreError> {
    Ok(HiddenRow {
        reader: user(item, "reader")?,
        number: number(item, "number")?,
        count: number(item, "count")?,
        position: position(item)?,
    })
}

pub fn change_item(conversation: ConversationId, row: &ChangeRow) -> Item {
    let is_deletion = matches!(row.entry.change, Some(entry::Change::Deleted(_)));
    item([
        ("pk", changes_key(conversation, bucket_of(row.target))),
        (
            "sk",
            s(format!(
                "{}#{:020}",
                number_key("", row.target),
                row.entry.number
            )),
        ),
        ("entry", b(row.entry.encode_to_vec())),
        ("deletion", AttributeValue::Bool(is_deletion)),
        ("epoch", n(row.position.epoch)),
        ("offset", n(row.position.offset)),
    ])
}

pub fn change_of(item: &Item) -> Result<Entry, StoreError> {
    Entry::decode(bytes(item, "entry")?).map_err(|_| StoreError::Malformed("entry"))
}

/// What [`change_of`] leaves out, from a projection without the entry.
pub fn change_kind_of(item: &Item) -> Result<(Position, IsDeletion), StoreError> {
    let is_deletion = if flag(item, "deletion")? {
        IsDeletion::Yes
    } else {
        IsDeletion::No
    };
    Ok((position(item)?, is_deletion))
}

pub fn deletion_item(conversation: ConversationId, row: &DeletionRow) -> Item {
    item([
        ("pk", s(conversation.to_string())),
        ("sk", s(number_key("d#", row.target))),
        ("number", n(row.target)),
        ("epoch", n(row.position.epoch)),
        ("offset", n(row.position.offset)),
    ])
}

pub fn deletion_of(item: &Item) -> Result<DeletionRow, StoreError> {
    Ok(DeletionRow {
        target: number(item, "number")?,
        position: position(item)?,
    })
}

pub fn first_seen_item(
    conversation: ConversationId,
    key: IdKey,
    first: &FirstSeen,
    time_unix_ms: i64,
) -> Item {
    let mut row = item([
        ("pk", s(conversation.to_string())),
        ("sk", s(id_sort_key(key))),
        ("digest", b(first.digest)),
        ("epoch", n(first.position.epoch)),
        ("offset", n(first.position.offset)),
        ("expires", n(time_unix_ms / 1_000 + ID_KEPT_SECONDS)),
    ]);
    match &first.outcome {
        Outcome::Accepted {
            number,
            message_id,
            time_unix_ms,
        } => {
            row.insert("number".to_owned(), n(number));
            row.insert("message".to_owned(), b(message_id.to_vec()));
            row.insert("at".to_owned(), n(time_unix_ms));
        }
        Outcome::Refused(code) => {
            row.insert("refused".to_owned(), s(code.as_str()));
        }
    }
    row
}

pub fn first_seen_of(item: &Item) -> Result<FirstSeen, StoreError> {
    let outcome = if item.contains_key("refused") {
        Outcome::Refused(
            RefusalCode::parse(text(item, "refused")?).ok_or(StoreError::Malformed("refused"))?,
        )
    } else {
        Outcome::Accepted {
            number: number(item, "number")?,
            message_id: MessageId::from_slice(bytes(item, "message")?)
                .map_err(|_| StoreError::Malformed("message"))?,
            time_unix_ms: number(item, "at")?,
        }
    };
    Ok(FirstSeen {
        position: position(item)?,
        digest: bytes(item, "digest")?
            .try_into()
            .map_err(|_| StoreError::Malformed("digest"))?,
        outcome,
    })
}
