//! The owner of one partition of the log: turns a batch of records into what must be stored and told.
//!
//! A batch goes through the steps of [`Owner`] in this order, each repeated until it succeeds:
//! [`Owner::prepare`] fetches what the decisions read, [`Owner::apply`] decides, [`Owner::stand`] works
//! out unread counts. Storing and telling follow in [`super::task`].

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use events::{Origin, log_record};
use futures_util::future::BoxFuture;
use ids::{ConversationId, UserId};
use proto::event::delivery;
use proto::socket::{Accepted, ConversationState, Refused, SettingsChanged};

use crate::domain::conversation::{Applied, Head, Standing, Told};
use crate::domain::membership::MembershipEvent;
use crate::domain::submission::IdKey;
use crate::domain::{Conversation, FirstSeen, Membership, Outcome, Position, Submission};
use crate::store::{EntryRange, Reads, Store, StoreError, Written};

/// Most records of one batch; less than a conversation keeps in memory.
pub const MAX_BATCH: usize = 512;
/// Conversations that an owner keeps in memory.
const MAX_CONVERSATIONS: usize = 4_096;
/// Records that were applied before are told again while they are younger.
const TOLD_AGAIN_FOR_MS: i64 = 10 * 60 * 1_000;

/// A record as it comes from Kafka.
#[derive(Debug, Clone)]
pub struct RawRecord {
    pub offset: i64,
    /// The broker's stamp.
    pub time_unix_ms: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub traceparent: Option<String>,
}

#[derive(Debug)]
struct Record {
    position: Position,
    time_unix_ms: i64,
    conversation: ConversationId,
    origin: Option<Origin>,
    change: Change,
}

#[derive(Debug)]
enum Change {
    Submit(Box<Submission>),
    Membership(Membership),
    Marks {
        reader: UserId,
        read: u64,
        delivered: u64,
    },
    MarkUnread {
        reader: UserId,
    },
    Hide {
        reader: UserId,
        number: u64,
    },
}

impl Change {
    /// Whose marks must be known to apply this.
    fn reader(&self) -> Option<UserId> {
        match self {
            // The author's devices are told where the author stands.
            Self::Submit(submission) => Some(submission.sender),
            Self::Membership(_) => None,
            Self::Marks { reader, .. }
            | Self::MarkUnread { reader }
            | Self::Hide { reader, .. } => Some(*reader),
        }
    }
}

/// Why an owner can't go on.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    /// Wait and try again.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log isn't the one that the store was written from.
    #[error(
        "conversation {conversation} was applied up to {applied:?}, but the log of this epoch \
         ({epoch}) ends at {end}: it was made anew or lost its end. Run `message begin-epoch`."
    )]
    ForeignLog {
        conversation: ConversationId,
        applied: Position,
        epoch: u64,
        end: i64,
    },
    /// The log's end couldn't be asked for.
    #[error("Kafka: {0}")]
    LogEnd(String),
}

/// What one record has for others.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub conversation: ConversationId,
    pub to: Vec<UserId>,
    pub origin: Option<Origin>,
    pub event: delivery::Event,
    /// Whether it goes into the index of changed conversations.
    pub is_change: bool,
}

/// What a batch leaves to be stored and told.
#[derive(Debug, Default)]
pub struct Decided {
    pub rows: Vec<Written>,
    pub heads: Vec<(ConversationId, Head)>,
    pub outgoing: Vec<Outgoing>,
    standings: Vec<(ConversationId, UserId, Option<Origin>)>,
}

/// Asks Kafka where the partition ends now.
pub type LogEnd = Arc<dyn Fn() -> BoxFuture<'static, Result<i64, String>> + Send + Sync>;

/// One partition's state.
pub struct Owner<R = Store> {
    store: R,
    partition: i32,
    epoch: u64,
    log_end: LogEnd,
    conversations: HashMap<ConversationId, Loaded>,
    set_aside: HashSet<i64>,
    batch: u64,
}

struct Loaded {
    state: Conversation,
    used_in_batch: u64,
}

/// A batch with all that its decisions read.
#[derive(Debug)]
pub struct Prepared {
    records: Vec<Step>,
    found: HashMap<(ConversationId, IdKey), FirstSeen>,
}

#[derive(Debug)]
enum Step {
    Apply(Record),
    TellAgain {
        conversation: ConversationId,
        origin: Option<Origin>,
        told: Told,
    },
}

impl<R: Reads> Owner<R> {
    /// Begins to own a partition.
    ///
    /// # Errors
    /// When the notes of what was set aside can't be read.
    pub async fn begin(
        store: R,
        partition: i32,
        epoch: u64,
        log_end: LogEnd,
    ) -> Result<Self, StoreError> {
        let set_aside = store.set_aside_offsets(partition, epoch).await?;
        Ok(Self {
            store,
            partition,
            epoch,
            log_end,
            conversations: HashMap::new(),
            set_aside,
            batch: 0,
        })
    }

    /// Parses a batch and fetches what its decisions read. May be called again with the same records.
    ///
    /// # Errors
    /// When something can't be fetched, or the log isn't the store's.
    pub async fn prepare(
        &mut self,
        raw: &[RawRecord],
        now_unix_ms: i64,
    ) -> Result<Prepared, OwnerError> {
        self.batch += 1;
        let mut records = Vec::with_capacity(raw.len());
        for record in raw {
            if self.set_aside.contains(&record.offset) {
                continue;
            }
            match self.parse(record) {
                Ok(parsed) => records.push(parsed),
                Err(reason) => self.set_aside(record, &reason).await?,
            }
        }
        self.load(&records).await?;

        let mut wanted_ids = Vec::new();
        let mut wanted_readers = BTreeSet::new();
        let mut wanted_targets = BTreeSet::new();
        for record in &records {
            let Some(loaded) = self.conversations.get(&record.conversation) else {
                continue;
            };
            let already = loaded.state.has_applied(record.position);
            if let Change::Submit(submission) = &record.change {
                if let Some(key) = loaded.state.must_look_up(submission) {
                    wanted_ids.push((record.conversation, key));
                } else if already {
                    wanted_ids.push((record.conversation, submission.key()));
                }
                if let Some(target) = submission.target()
                    && !already
                    && loaded.state.must_fetch_target(target)
                {
                    wanted_targets.insert((record.conversation, target));
                }
            }
            if let Some(reader) = record.change.reader()
                && !loaded.state.knows_reader(reader)
            {
                wanted_readers.insert((record.conversation, reader));
            }
        }
        let found = if wanted_ids.is_empty() {
            HashMap::new()
        } else {
            self.store.first_seen(&wanted_ids).await?
        };
        for (conversation, reader) in wanted_readers {
            self.learn_reader(conversation, reader).await?;
        }
        for (conversation, number) in wanted_targets {
            let stored = self.store.target(conversation, number).await?;
            if let Some(loaded) = self.conversations.get_mut(&conversation) {
                loaded.state.learn_target(number, &stored);
            }
        }

        let mut steps = Vec::with_capacity(records.len());
        for record in records {
            let already = self
                .conversations
                .get(&record.conversation)
                .is_some_and(|loaded| loaded.state.has_applied(record.position));
            if !already {
                steps.push(Step::Apply(record));
            } else if now_unix_ms - record.time_unix_ms <= TOLD_AGAIN_FOR_MS
                && let Some(told) = self.tell_again(&record, &found).await?
            {
                steps.push(Step::TellAgain {
                    conversation: record.conversation,
                    origin: record.origin,
                    told,
                });
            }
        }
        Ok(Prepared {
            records: steps,
            found,
        })
    }

    /// Also of who isn't a member now: they may come back later in this batch, and keep their marks.
    async fn learn_reader(
        &mut self,
        conversation: ConversationId,
        reader: UserId,
    ) -> Result<(), StoreError> {
        let Some(loaded) = self.conversations.get_mut(&conversation) else {
            return Ok(());
        };
        let row = match loaded.state.position {
            Some(applied) => self.store.reader(conversation, reader, applied).await?,
            None => None,
        };
        let hidden = match &row {
            Some(row) if row.marks.hidden_count > 0 => {
                self.store.hidden(conversation, reader).await?
            }
            _ => Vec::new(),
        };
        loaded.state.learn_reader(reader, row.as_slice(), &hidden);
        Ok(())
    }

    fn parse(&self, raw: &RawRecord) -> Result<Record, String> {
        let (conversation, record) =
            events::decode_log_record(raw.key.as_deref(), raw.value.as_deref())
                .map_err(|error| error.to_string())?;
        let bad_id = |_| "a field holds no valid id".to_owned();
        let change = match record.change {
            Some(log_record::Change::Send(send)) => {
                Change::Submit(Box::new(Submission::try_from(send).map_err(bad_id)?))
            }
            Some(log_record::Change::ChangeMessage(change)) => Change::Submit(Box::new(
                Submission::of_change(change)
                    .map_err(bad_id)?
                    .ok_or("a change of a message that this version doesn't know")?,
            )),
            Some(log_record::Change::Membership(membership)) => Change::Membership(
                Membership::parse(membership)
                    .map_err(bad_id)?
                    .ok_or("a change of membership that this version doesn't know")?,
            ),
            Some(log_record::Change::Marks(marks)) => Change::Marks {
                reader: UserId::from_slice(&marks.reader).map_err(bad_id)?,
                read: marks.read_number,
                delivered: marks.delivered_number,
            },
            Some(log_record::Change::MarkUnread(mark)) => Change::MarkUnread {
                reader: UserId::from_slice(&mark.reader).map_err(bad_id)?,
            },
            Some(log_record::Change::Hide(hide)) => Change::Hide {
                reader: UserId::from_slice(&hide.reader).map_err(bad_id)?,
                number: hide.number,
            },
            None => return Err("no change".to_owned()),
        };
        Ok(Record {
            position: Position {
                epoch: self.epoch,
                offset: raw.offset,
            },
            time_unix_ms: raw.time_unix_ms,
            conversation,
            origin: record.origin,
            change,
        })
    }

    /// A record that can't be applied takes no number and stops nobody; it is kept for people to look at.
    async fn set_aside(&mut self, raw: &RawRecord, reason: &str) -> Result<(), StoreError> {
        let position = Position {
            epoch: self.epoch,
            offset: raw.offset,
        };
        self.store
            .set_aside(
                self.partition,
                position,
                reason,
                raw.value.as_deref().unwrap_or_default(),
            )
            .await?;
        self.set_aside.insert(raw.offset);
        metrics::counter!("message_records_set_aside_total").increment(1);
        tracing::error!(
            partition = self.partition,
            offset = raw.offset,
            reason,
            "set a record of the log aside"
        );
        Ok(())
    }

    async fn load(&mut self, records: &[Record]) -> Result<(), OwnerError> {
        let missing: Vec<ConversationId> = records
            .iter()
            .map(|record| record.conversation)
            .filter(|id| !self.conversations.contains_key(id))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        if !missing.is_empty() {
            let heads = self.store.heads(&missing).await?;
            for id in missing {
                let state = match heads.get(&id) {
                    None => Conversation::unknown(id),
                    Some(head) => {
                        self.check_log(id, head).await?;
                        Conversation::as_of(id, *head, self.store.members(id).await?)
                    }
                };
                self.conversations.insert(
                    id,
                    Loaded {
                        state,
                        used_in_batch: self.batch,
                    },
                );
            }
        }
        for record in records {
            if let Some(loaded) = self.conversations.get_mut(&record.conversation) {
                loaded.used_in_batch = self.batch;
                loaded.state.forget_oldest();
            }
        }
        Ok(())
    }

    /// Offsets start again when a topic is made anew: a head from beyond the log's end is from another.
    async fn check_log(&self, conversation: ConversationId, head: &Head) -> Result<(), OwnerError> {
        let applied = head.position;
        if applied.epoch < self.epoch {
            return Ok(());
        }
        let end = (self.log_end)().await.map_err(OwnerError::LogEnd)?;
        if applied.epoch > self.epoch || applied.offset >= end {
            return Err(OwnerError::ForeignLog {
                conversation,
                applied,
                epoch: self.epoch,
                end,
            });
        }
        Ok(())
    }

    /// What a record that was applied before has for others: the first telling may have been lost.
    async fn tell_again(
        &self,
        record: &Record,
        found: &HashMap<(ConversationId, IdKey), FirstSeen>,
    ) -> Result<Option<Told>, StoreError> {
        let Some(loaded) = self.conversations.get(&record.conversation) else {
            return Ok(None);
        };
        let number = match &record.change {
            Change::Submit(submission) => {
                let key = submission.key();
                match found.get(&(record.conversation, key)) {
                    Some(first) if first.position == record.position => match &first.outcome {
                        Outcome::Accepted { number, .. } => *number,
                        Outcome::Refused(_) => {
                            return Ok(Some(Told::Outcome {
                                key,
                                outcome: first.outcome.clone(),
                            }));
                        }
                    },
                    // A duplicate, or refused by its time alone: the sender asks again and is answered.
                    _ => return Ok(None),
                }
            }
            Change::Membership(Membership {
                change: MembershipEvent::SettingsChanged { user, version },
                ..
            }) => {
                return Ok(Some(Told::Settings {
                    user: *user,
                    version: *version,
                }));
            }
            Change::Membership(_) => {
                let rows = self.store.members(record.conversation).await?;
                match rows.iter().find(|row| row.position == record.position) {
                    Some(row) if row.number > 0 => row.number,
                    _ => return Ok(None),
                }
            }
            Change::Marks { reader, .. } => {
                return Ok(Some(Told::Moved {
                    reader: *reader,
                    standing: Standing::Devices,
                    receipt: loaded.state.receipt_again(*reader),
                }));
            }
            Change::MarkUnread { reader } => {
                return Ok(Some(Told::Moved {
                    reader: *reader,
                    standing: Standing::Devices,
                    receipt: None,
                }));
            }
            Change::Hide { reader, number } => {
                return Ok(Some(Told::Hid {
                    reader: *reader,
                    hidden: loaded.state.hidden_again(*reader, *number),
                }));
            }
        };
        let entries = self.store.entries(record.conversation, &[number]).await?;
        Ok(entries.into_iter().next().map(|stored| Told::Entry {
            to: loaded
                .state
                .members
                .iter()
                .filter(|(_, member)| member.joined <= number)
                .map(|(user, _)| *user)
                .collect(),
            entry: stored.entry,
        }))
    }

    /// Decides. Changes the state: once per batch.
    #[must_use]
    pub fn apply(&mut self, prepared: Prepared) -> Decided {
        let mut decided = Decided::default();
        let mut touched = BTreeSet::new();
        let mut standings = BTreeSet::new();
        for step in prepared.records {
            let (conversation, origin, told) = match step {
                Step::TellAgain {
                    conversation,
                    origin,
                    told,
                } => (conversation, origin, told),
                Step::Apply(record) => {
                    let Some(loaded) = self.conversations.get_mut(&record.conversation) else {
                        continue;
                    };
                    touched.insert(record.conversation);
                    let applied = Self::apply_one(&mut loaded.state, &record, &prepared.found);
                    decided.rows.push(Written {
                        conversation: record.conversation,
                        time_unix_ms: record.time_unix_ms,
                        rows: applied.rows,
                    });
                    (record.conversation, record.origin, applied.told)
                }
            };
            match told {
                Told::Entry { to, entry } => {
                    if let Some(proto::socket::entry::Change::Message(_)) = &entry.change
                        && let Ok(author) = UserId::parse(&entry.actor_id)
                    {
                        standings.insert((conversation, author));
                    }
                    decided.outgoing.push(Outgoing {
                        conversation,
                        to,
                        origin,
                        event: delivery::Event::Entry(entry),
                        is_change: true,
                    });
                }
                Told::Outcome { key, outcome } => {
                    if let Some(origin) = origin {
                        decided.outgoing.push(Outgoing {
                            conversation,
                            to: Vec::new(),
                            origin: Some(origin),
                            event: outcome_event(conversation, key, outcome),
                            is_change: false,
                        });
                    }
                }
                Told::Moved {
                    reader,
                    standing,
                    receipt,
                } => {
                    if let Some((to, receipt)) = receipt {
                        decided.outgoing.push(Outgoing {
                            conversation,
                            to,
                            origin: None,
                            event: delivery::Event::Receipt(receipt),
                            is_change: true,
                        });
                    }
                    match (origin, standing) {
                        (Some(origin), _) => {
                            decided.standings.push((conversation, reader, Some(origin)));
                        }
                        (None, Standing::Devices) => {
                            standings.insert((conversation, reader));
                        }
                        (None, Standing::Origin) => {}
                    }
                }
                Told::Hid { reader, hidden } => {
                    if let Some(hidden) = hidden {
                        decided.outgoing.push(Outgoing {
                            conversation,
                            to: vec![reader],
                            origin: None,
                            event: delivery::Event::Hidden(hidden),
                            is_change: true,
                        });
                    }
                    decided.standings.push((conversation, reader, origin));
                }
                Told::Settings { user, version } => decided.outgoing.push(Outgoing {
                    conversation,
                    to: vec![user],
                    origin: None,
                    event: delivery::Event::SettingsChanged(SettingsChanged {
                        conversation_id: conversation.to_string(),
                        version,
                    }),
                    is_change: true,
                }),
                Told::Nothing => {}
            }
        }
        decided.standings.extend(
            standings
                .into_iter()
                .map(|(conversation, user)| (conversation, user, None)),
        );
        for id in touched {
            let Some(loaded) = self.conversations.get(&id) else {
                continue;
            };
            if loaded.state.membership_version == 0 {
                // Nobody made this conversation: nothing of it is kept.
                self.conversations.remove(&id);
            } else if let Some(head) = loaded.state.head() {
                decided.heads.push((id, head));
            }
        }
        decided
    }

    fn apply_one(
        state: &mut Conversation,
        record: &Record,
        found: &HashMap<(ConversationId, IdKey), FirstSeen>,
    ) -> Applied {
        match &record.change {
            Change::Submit(submission) => {
                let key = submission.key();
                let first = if found.is_empty() {
                    None
                } else {
                    found.get(&(record.conversation, key))
                };
                state.submit(
                    record.position,
                    record.time_unix_ms,
                    submission.as_ref().clone(),
                    first,
                )
            }
            Change::Membership(membership) => {
                if membership.version > state.membership_version + 1 {
                    metrics::counter!("message_membership_gaps_total").increment(1);
                    tracing::error!(
                        conversation.id = %record.conversation,
                        have = state.membership_version,
                        got = membership.version,
                        "a version of the membership is missing"
                    );
                }
                state.change_membership(record.position, record.time_unix_ms, membership)
            }
            Change::Marks {
                reader,
                read,
                delivered,
            } => state.mark(
                record.position,
                record.time_unix_ms,
                *reader,
                *read,
                *delivered,
            ),
            Change::MarkUnread { reader } => {
                state.mark_unread(record.position, record.time_unix_ms, *reader)
            }
            Change::Hide { reader, number } => {
                state.hide(record.position, record.time_unix_ms, *reader, *number)
            }
        }
    }

    /// Works out where readers stand and adds that to what is told. May be called again.
    ///
    /// # Errors
    /// When something can't be counted.
    pub async fn stand(&mut self, decided: &mut Decided) -> Result<(), StoreError> {
        while let Some((conversation, reader, origin)) = decided.standings.last().cloned() {
            if let Some(state) = self.standing(conversation, reader).await? {
                decided.outgoing.push(Outgoing {
                    conversation,
                    to: vec![reader],
                    origin,
                    event: delivery::Event::State(state),
                    is_change: true,
                });
            } else if let Some(origin) = origin {
                decided.outgoing.push(Outgoing {
                    conversation,
                    to: Vec::new(),
                    origin: Some(origin),
                    event: delivery::Event::Refused(Refused {
                        conversation_id: conversation.to_string(),
                        code: "not_a_member".to_owned(),
                        detail: "Only members can read here.".to_owned(),
                        ..Refused::default()
                    }),
                    is_change: false,
                });
            }
            decided.standings.pop();
        }
        Ok(())
    }

    async fn standing(
        &mut self,
        conversation: ConversationId,
        reader: UserId,
    ) -> Result<Option<ConversationState>, StoreError> {
        let Some(loaded) = self.conversations.get_mut(&conversation) else {
            return Ok(None);
        };
        let state = &mut loaded.state;
        let Some((marks, from)) = state.counts_from(reader) else {
            return Ok(None);
        };
        let unread_count = match state.unread_in_memory(reader, from) {
            Ok(unread) => unread,
            Err(last) => {
                let range = EntryRange {
                    from: from + 1,
                    to: last,
                };
                let mut skipped = state.not_counted(reader);
                if state.deletions_total > 0 {
                    let rows = self.store.deletions(conversation, range).await?;
                    let applied = rows.iter().filter(|row| state.has_applied(row.position));
                    skipped.extend(applied.map(|row| row.target));
                }
                let in_store = self
                    .store
                    .count_by_others(conversation, reader, range, &skipped)
                    .await?;
                state.learn_unread(reader, from, in_store)
            }
        };
        Ok(Some(ConversationState {
            conversation_id: conversation.to_string(),
            head_number: state.last_number,
            head_countable_total: state.countable_total,
            read_number: marks.read,
            unread_count,
            counts_from_number: from,
            marked_unread: marks.is_marked_unread,
            hidden_count: marks.hidden_count,
            marks_version: marks.version,
        }))
    }

    /// Lets go of conversations that were quiet, when there are too many. After a batch is stored.
    pub fn forget_quiet(&mut self) {
        if self.conversations.len() > MAX_CONVERSATIONS {
            let mut used: Vec<u64> = self
                .conversations
                .values()
                .map(|loaded| loaded.used_in_batch)
                .collect();
            used.sort_unstable();
            let median = used[used.len() / 2];
            self.conversations
                .retain(|_, loaded| loaded.used_in_batch > median);
        }
    }
}

/// The event that answers the origin of a message which has no entry of its own.
fn outcome_event(conversation: ConversationId, key: IdKey, outcome: Outcome) -> delivery::Event {
    let conversation_id = conversation.to_string();
    let client_message_id = key.1.to_string();
    match outcome {
        Outcome::Accepted {
            number,
            message_id,
            time_unix_ms,
        } => delivery::Event::Accepted(Accepted {
            conversation_id,
            client_message_id,
            message_id: message_id.to_string(),
            number,
            time_unix_ms,
        }),
        Outcome::Refused(code) => delivery::Event::Refused(Refused {
            conversation_id,
            client_message_id,
            code: code.as_str().to_owned(),
            detail: code.detail().to_owned(),
            retry: false,
            retry_after_ms: 0,
        }),
    }
}
