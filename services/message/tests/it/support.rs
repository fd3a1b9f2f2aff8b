use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use clock::Clock;
use events::{
    Block, ChangeMessage, HideEntry, LogRecord, MarkUnread, MembershipChange, MoveMarks, Origin,
    Role, SendMessage, change_message, log_record, membership_change,
};
use ids::{BootId, ClientMessageId, ConversationId, MessageId, UserId};
use local_stack::servers::{Server, TestServers};
use message::history::History;
use message::sequencer::owner::{Decided, LogEnd, Owner, RawRecord};
use message::sequencer::routes::Routes;
use message::store::Store;
use proto::Message as _;
use proto::socket::{Delete, Edit, React, react};
use tokio::sync::OnceCell;

/// When the first record of a test's log was stamped.
pub const START_MS: u64 = 1_700_000_000_000;

pub async fn servers() -> &'static TestServers {
    static SERVERS: OnceCell<TestServers> = OnceCell::const_new();
    SERVERS
        .get_or_init(async || {
            TestServers::start(&[Server::LocalAws, Server::Redis])
                .await
                .unwrap()
        })
        .await
}

/// Tables of its own for each test.
pub async fn store() -> Store {
    store_at(&servers().await.local_aws().dynamodb_url()).await
}

/// The same, through what stands at this address.
pub async fn store_at(dynamodb_url: &str) -> Store {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(dynamodb_url)
        .credentials_provider(Credentials::new(
            "parlance-local",
            "parlance-local-secret",
            None,
            None,
            "test",
        ))
        .build();
    let store = Store::with_client(
        aws_sdk_dynamodb::Client::from_conf(config),
        &format!("t{}-", NEXT.fetch_add(1, Ordering::Relaxed)),
    );
    store.migrate().await.unwrap();
    store
}

pub fn log_ends_at(end: i64) -> LogEnd {
    Arc::new(move || Box::pin(async move { Ok(end) }))
}

pub async fn owner(store: &Store) -> Owner {
    Owner::begin(store.clone(), 0, 1, log_ends_at(i64::MAX))
        .await
        .unwrap()
}

/// Decides a batch: nothing is written yet.
pub async fn decide(owner: &mut Owner, records: &[RawRecord]) -> Decided {
    let now = records.last().map_or(0, |record| record.time_unix_ms);
    let prepared = owner.prepare(records, now).await.unwrap();
    let mut decided = owner.apply(prepared);
    owner.stand(&mut decided).await.unwrap();
    decided
}

pub async fn write(store: &Store, decided: &Decided) {
    store.put_rows(&decided.rows).await.unwrap();
    put_heads(store, decided).await;
}

pub async fn put_heads(store: &Store, decided: &Decided) {
    let heads: Vec<_> = decided.heads.iter().collect();
    store.put_heads(&heads).await.unwrap();
}

pub async fn finish(owner: &mut Owner, store: &Store, records: &[RawRecord]) -> Decided {
    let decided = decide(owner, records).await;
    write(store, &decided).await;
    decided
}

/// The readers' side of a store.
pub async fn history(store: Store) -> History {
    let redis = servers().await.redis().url();
    History::new(store, Routes::new(redis::Client::open(redis).unwrap()))
}

/// A log that tests write by hand: one partition, a record every 10 ms.
pub struct TestLog {
    pub records: Vec<RawRecord>,
    ids: Clock,
    version: u64,
    /// Those whom a script is about.
    pub people: Vec<UserId>,
    pub conversation: ConversationId,
}

impl TestLog {
    pub fn new() -> Self {
        let ids = Clock::manual(START_MS);
        Self {
            records: Vec::new(),
            conversation: ConversationId::generate(&Clock::system()),
            ids,
            version: 0,
            people: Vec::new(),
        }
    }

    pub fn user(&self) -> UserId {
        UserId::generate(&Clock::system())
    }

    pub fn client_message_id(&self) -> ClientMessageId {
        ClientMessageId::generate(&self.ids)
    }

    pub fn now_ms(&self) -> i64 {
        START_MS as i64 + self.records.len() as i64 * 10
    }

    pub fn push_raw(&mut self, value: Vec<u8>) {
        self.records.push(RawRecord {
            offset: self.records.len() as i64,
            time_unix_ms: self.now_ms(),
            key: Some(self.conversation.to_vec()),
            value: Some(value),
            traceparent: None,
        });
    }

    pub fn push(&mut self, change: log_record::Change) {
        self.push_raw(
            LogRecord {
                origin: Some(origin()),
                change: Some(change),
            }
            .encode_to_vec(),
        );
    }

    pub fn create(&mut self, members: &[UserId]) {
        self.membership(
            members[0],
            membership_change::Change::Created(membership_change::Created {
                members: members.iter().map(UserId::to_vec).collect(),
                owner: members[0].to_vec(),
            }),
        );
    }

    pub fn join(&mut self, user: UserId) {
        self.membership(
            user,
            membership_change::Change::Joined(membership_change::Joined {
                user: user.to_vec(),
                role: Role::Member.into(),
            }),
        );
    }

    pub fn leave(&mut self, user: UserId) {
        self.membership(
            user,
            membership_change::Change::Left(membership_change::Left {
                user: user.to_vec(),
            }),
        );
    }

    pub fn rename(&mut self, actor: UserId, name: &str) {
        self.membership(
            actor,
            membership_change::Change::Renamed(membership_change::Renamed {
                name: name.to_owned(),
            }),
        );
    }

    pub fn give_role(&mut self, user: UserId, role: Role) {
        self.membership(
            user,
            membership_change::Change::RoleChanged(membership_change::RoleChanged {
                user: user.to_vec(),
                role: role.into(),
            }),
        );
    }

    pub fn open_history(&mut self, user: UserId, from_number: u64) {
        self.membership(
            user,
            membership_change::Change::HistoryOpened(membership_change::HistoryOpened {
                user: user.to_vec(),
                from_number,
            }),
        );
    }

    pub fn block(&mut self, blocker: UserId, block: Block) {
        self.membership(
            blocker,
            membership_change::Change::BlockChanged(membership_change::BlockChanged {
                blocker: blocker.to_vec(),
                block: block.into(),
            }),
        );
    }

    /// The account of one of a one-to-one is deleted.
    pub fn delete_account(&mut self, user: UserId) {
        self.membership(
            user,
            membership_change::Change::AccountDeleted(membership_change::AccountDeleted {
                user: user.to_vec(),
            }),
        );
    }

    fn membership(&mut self, actor: UserId, change: membership_change::Change) {
        self.version += 1;
        self.push(log_record::Change::Membership(MembershipChange {
            version: self.version,
            actor: actor.to_vec(),
            change: Some(change),
        }));
    }

    pub fn send(&mut self, sender: UserId, text: &str) -> ClientMessageId {
        let id = self.client_message_id();
        self.send_as(sender, id, text);
        id
    }

    pub fn send_as(&mut self, sender: UserId, id: ClientMessageId, text: &str) {
        self.push(log_record::Change::Send(SendMessage {
            sender: sender.to_vec(),
            client_message_id: id.to_vec(),
            message_id: MessageId::generate(&self.ids).to_vec(),
            text: text.to_owned(),
            attachment_ids: Vec::new(),
            reply_to_number: 0,
        }));
    }

    pub fn read(&mut self, reader: UserId, number: u64) {
        self.mark(reader, number, 0);
    }

    pub fn deliver(&mut self, reader: UserId, number: u64) {
        self.mark(reader, 0, number);
    }

    fn mark(&mut self, reader: UserId, read_number: u64, delivered_number: u64) {
        self.push(log_record::Change::Marks(MoveMarks {
            reader: reader.to_vec(),
            read_number,
            delivered_number,
        }));
    }

    pub fn mark_unread(&mut self, reader: UserId) {
        let reader = reader.to_vec();
        self.push(log_record::Change::MarkUnread(MarkUnread { reader }));
    }

    pub fn hide(&mut self, reader: UserId, number: u64) {
        let reader = reader.to_vec();
        self.push(log_record::Change::Hide(HideEntry { reader, number }));
    }

    pub fn edit(&mut self, sender: UserId, number: u64, text: &str) -> ClientMessageId {
        let edit = Edit {
            text: text.to_owned(),
        };
        self.change(sender, number, change_message::Change::Edit(edit))
    }

    pub fn delete(&mut self, sender: UserId, number: u64) -> ClientMessageId {
        self.change(sender, number, change_message::Change::Delete(Delete {}))
    }

    pub fn react(&mut self, sender: UserId, number: u64, emoji: &str) -> ClientMessageId {
        let react = React {
            reaction: Some(react::Reaction::Add(emoji.to_owned())),
        };
        self.change(sender, number, change_message::Change::React(react))
    }

    pub fn change(
        &mut self,
        sender: UserId,
        number: u64,
        change: change_message::Change,
    ) -> ClientMessageId {
        let id = self.client_message_id();
        self.change_as(sender, id, number, change);
        id
    }

    pub fn change_as(
        &mut self,
        sender: UserId,
        id: ClientMessageId,
        number: u64,
        change: change_message::Change,
    ) {
        self.push(log_record::Change::ChangeMessage(ChangeMessage {
            sender: sender.to_vec(),
            client_message_id: id.to_vec(),
            change_id: MessageId::generate(&self.ids).to_vec(),
            number,
            change: Some(change),
        }));
    }
}

pub fn origin() -> Origin {
    events::origin(3, BootId::from_bytes([9; 16]), 1)
}
