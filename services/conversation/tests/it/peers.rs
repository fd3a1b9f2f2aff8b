//! Account and message as this service meets them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use auth::{ServiceIdentity, TokenVerifier, person_from_metadata};
use ids::{ConversationId, UserId};
use kafka::KafkaSettings;
use lifecycle::Lifecycle;
use proto::account::id_internal_service_server::{IdInternalService, IdInternalServiceServer};
use proto::account::permission_internal_service_server::{
    PermissionInternalService, PermissionInternalServiceServer,
};
use proto::account::{
    CheckPermissionsRequest, CheckPermissionsResponse, LeaseNumbersRequest, LeaseNumbersResponse,
    Permission, PermissionsTowards,
};
use proto::event::{Block, MembershipChange, Role, SendMessage, log_record, membership_change};
use proto::message::message_internal_service_server::{
    MessageInternalService, MessageInternalServiceServer,
};
use proto::message::{
    AwaitMembershipVersionRequest, AwaitMembershipVersionResponse, CountMessagesRequest,
    CountMessagesResponse, DailyCount, GetChangesRequest, GetChangesResponse, GetHeadsRequest,
    GetHeadsResponse, GetMembershipRequest, GetMembershipResponse, GetSummariesRequest,
    GetSummariesResponse, Head, Summary,
};
use proto::socket::{ConversationState, Entry};
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::{Message as _, Offset, TopicPartitionList};
use tokio::sync::watch;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status};

const CALLERS: &[&str] = &["conversation"];

/// An account service that knows everybody and lets everybody write, but for what it was told.
#[derive(Clone)]
pub struct Account {
    /// Towards whom, whoever asks; `None`: no account.
    towards: Arc<Mutex<HashMap<UserId, Option<Permission>>>>,
    /// The next number; `None`: no more are given away.
    next_number: Arc<Mutex<Option<u64>>>,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            towards: Arc::default(),
            next_number: Arc::new(Mutex::new(Some(0))),
        }
    }
}

impl Account {
    pub fn lease_no_more(&self) {
        *self.next_number.lock().unwrap() = None;
    }

    pub fn forget(&self, user: UserId) {
        self.towards.lock().unwrap().insert(user, None);
    }

    /// What anybody may do who wants to write to `user`.
    pub fn let_write(&self, user: UserId, write: Permission) {
        self.towards.lock().unwrap().insert(user, Some(write));
    }

    pub fn routes(&self, identity: ServiceIdentity) -> Routes {
        let known = auth::internal_interceptor(identity, CALLERS);
        Routes::new(InterceptedService::new(
            PermissionInternalServiceServer::new(self.clone()),
            known.clone(),
        ))
        .add_service(InterceptedService::new(
            IdInternalServiceServer::new(self.clone()),
            known,
        ))
    }
}

#[tonic::async_trait]
impl IdInternalService for Account {
    async fn lease_numbers(
        &self,
        request: Request<LeaseNumbersRequest>,
    ) -> Result<Response<LeaseNumbersResponse>, Status> {
        let count = request.into_inner().count;
        let mut next = self.next_number.lock().unwrap();
        let first = next.ok_or_else(|| Status::unavailable("no more"))?;
        *next = Some(first + u64::from(count));
        Ok(Response::new(LeaseNumbersResponse { first, count }))
    }
}

#[tonic::async_trait]
impl PermissionInternalService for Account {
    async fn check_permissions(
        &self,
        request: Request<CheckPermissionsRequest>,
    ) -> Result<Response<CheckPermissionsResponse>, Status> {
        assert!(request.get_ref().other_ids.len() <= 1_000);
        let towards = self.towards.lock().unwrap();
        Ok(Response::new(CheckPermissionsResponse {
            others: request
                .into_inner()
                .other_ids
                .into_iter()
                .filter_map(|user_id| {
                    let told = towards.get(&user_id.parse().unwrap()).copied();
                    let write = told.unwrap_or(Some(Permission::Allowed))?;
                    Some(PermissionsTowards {
                        user_id,
                        write: write.into(),
                        ..PermissionsTowards::default()
                    })
                })
                .collect(),
        }))
    }
}

/// A message service that applies membership as it reads it from the log.
#[derive(Clone)]
pub struct Log {
    tokens: TokenVerifier,
    state: Arc<Mutex<State>>,
    applied: watch::Sender<u64>,
    /// While false, no version is ever applied, as far as callers are told.
    answers: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    /// Every record as it came, repetitions included.
    records: HashMap<ConversationId, Vec<MembershipChange>>,
    traceparents: HashMap<ConversationId, Vec<Option<String>>>,
    activity: HashMap<ConversationId, i64>,
    ticks: i64,
    written: HashMap<ConversationId, Written>,
}

/// What was written in a conversation, numbered from 1.
#[derive(Default)]
struct Written {
    /// Day and sender.
    messages: Vec<(u32, UserId)>,
    client_message_ids: HashSet<Vec<u8>>,
    applied_offset: i64,
}

impl Log {
    /// Reads the whole log from its beginning, for the life of `lifecycle`.
    pub fn read(settings: &KafkaSettings, tokens: TokenVerifier, lifecycle: &Lifecycle) -> Self {
        let log = Self {
            tokens,
            state: Arc::default(),
            applied: watch::Sender::new(0),
            answers: watch::Sender::new(true),
        };
        let consumer: StreamConsumer = kafka::deliveries_consumer(settings, "test-log")
            // That of a gateway has one partition: several would be held back one by one.
            .set("fetch.wait.max.ms", "20")
            .create()
            .unwrap();
        let mut all = TopicPartitionList::new();
        for partition in 0..settings.log_partitions {
            all.add_partition_offset(events::LOG_TOPIC, partition, Offset::Beginning)
                .unwrap();
        }
        consumer.assign(&all).unwrap();
        let reader = log.clone();
        let stopping = lifecycle.stopping();
        lifecycle.spawn("test log", async move {
            loop {
                tokio::select! {
                    () = stopping.cancelled() => return Ok(()),
                    record = consumer.recv() => {
                        // Kafka may be away for a while in a test.
                        if let Ok(record) = record {
                            reader.apply(&record);
                        }
                    }
                }
            }
        });
        log
    }

    fn apply(&self, record: &rdkafka::message::BorrowedMessage<'_>) {
        use rdkafka::message::Headers as _;
        let (conversation, value) =
            events::decode_log_record(record.key(), record.payload()).unwrap();
        let change = match value.change {
            Some(log_record::Change::Membership(change)) => change,
            Some(log_record::Change::Send(send)) => {
                self.write(conversation, &send, record);
                return;
            }
            _ => return,
        };
        let traceparent = record.headers().and_then(|headers| {
            headers
                .iter()
                .find(|header| header.key == events::TRACEPARENT_HEADER)
                .and_then(|header| header.value)
                .map(|value| String::from_utf8(value.to_vec()).unwrap())
        });
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ticks += 1;
        let ticks = state.ticks;
        state.activity.entry(conversation).or_insert(ticks);
        state.records.entry(conversation).or_default().push(change);
        state
            .traceparents
            .entry(conversation)
            .or_default()
            .push(traceparent);
        drop(state);
        self.applied.send_modify(|count| *count += 1);
    }

    /// Numbers a message, unless it is a repetition or its sender isn't a member.
    fn write(
        &self,
        conversation: ConversationId,
        send: &SendMessage,
        record: &rdkafka::message::BorrowedMessage<'_>,
    ) {
        let sender = UserId::from_slice(&send.sender).unwrap();
        let is_member = self.members(conversation).contains(&sender);
        let day = record.timestamp().to_millis().unwrap() / 86_400_000;
        let mut state = self.state.lock().unwrap();
        let written = state.written.entry(conversation).or_default();
        written.applied_offset = record.offset();
        let is_new = written
            .client_message_ids
            .insert(send.client_message_id.clone());
        if is_member && is_new {
            written.messages.push((day as u32, sender));
        }
    }

    /// Whether callers are told what was applied.
    pub fn answer(&self, answers: bool) {
        self.answers.send_replace(answers);
    }

    /// What the log has for a conversation, repetitions included.
    pub fn records(&self, conversation: ConversationId) -> Vec<MembershipChange> {
        let state = self.state.lock().unwrap();
        state
            .records
            .get(&conversation)
            .cloned()
            .unwrap_or_default()
    }

    pub fn traceparents(&self, conversation: ConversationId) -> Vec<Option<String>> {
        let state = self.state.lock().unwrap();
        state
            .traceparents
            .get(&conversation)
            .cloned()
            .unwrap_or_default()
    }

    /// What the sequencer makes of it: versions that it has passed are ignored, and a gap is a fault.
    pub fn applied(&self, conversation: ConversationId) -> Vec<MembershipChange> {
        let mut applied: Vec<MembershipChange> = Vec::new();
        for record in self.records(conversation) {
            let next = applied.len() as u64 + 1;
            assert!(
                record.version <= next,
                "a gap before version {}",
                record.version
            );
            if record.version == next {
                applied.push(record);
            } else {
                assert_eq!(applied[record.version as usize - 1], record);
            }
        }
        applied
    }

    /// Who is in it after all of that.
    pub fn members(&self, conversation: ConversationId) -> BTreeSet<UserId> {
        let mut members = BTreeSet::new();
        for change in self.applied(conversation) {
            match change.change.unwrap() {
                membership_change::Change::Created(created) => {
                    for user in created.members {
                        assert!(members.insert(UserId::from_slice(&user).unwrap()));
                    }
                }
                membership_change::Change::Joined(joined) => {
                    assert!(members.insert(UserId::from_slice(&joined.user).unwrap()));
                }
                membership_change::Change::Left(left) => {
                    assert!(members.remove(&UserId::from_slice(&left.user).unwrap()));
                }
                membership_change::Change::AccountDeleted(deleted) => {
                    assert!(members.remove(&UserId::from_slice(&deleted.user).unwrap()));
                }
                membership_change::Change::Deleted(_) => members.clear(),
                membership_change::Change::Renamed(_)
                | membership_change::Change::RoleChanged(_)
                | membership_change::Change::PictureChanged(_)
                | membership_change::Change::HistoryOpened(_)
                | membership_change::Change::BlockChanged(_)
                | membership_change::Change::SettingsChanged(_) => {}
            }
        }
        members
    }

    /// Who blocks the other in a one-to-one after all of that.
    pub fn blockers(&self, conversation: ConversationId) -> BTreeSet<UserId> {
        let mut blockers = BTreeSet::new();
        for change in self.applied(conversation) {
            if let Some(membership_change::Change::BlockChanged(changed)) = change.change {
                let blocker = UserId::from_slice(&changed.blocker).unwrap();
                // Told only where it changes something.
                match changed.block() {
                    Block::Set => assert!(blockers.insert(blocker)),
                    Block::Lifted => assert!(blockers.remove(&blocker)),
                    Block::Unspecified => panic!("neither set nor lifted"),
                }
            }
        }
        blockers
    }

    /// Members and their roles after all of that.
    pub fn roles(&self, conversation: ConversationId) -> BTreeMap<UserId, Role> {
        let read = |user: &[u8]| UserId::from_slice(user).unwrap();
        let mut roles = BTreeMap::new();
        for change in self.applied(conversation) {
            match change.change.unwrap() {
                membership_change::Change::Created(created) => {
                    for user in &created.members {
                        let role = if *user == created.owner {
                            Role::Owner
                        } else {
                            Role::Member
                        };
                        roles.insert(read(user), role);
                    }
                }
                membership_change::Change::Joined(joined) => {
                    roles.insert(read(&joined.user), joined.role());
                }
                membership_change::Change::RoleChanged(changed) => {
                    let before = roles.insert(read(&changed.user), changed.role());
                    assert!(before.is_some(), "the role of nobody in it");
                }
                membership_change::Change::Left(left) => {
                    roles.remove(&read(&left.user));
                }
                membership_change::Change::Deleted(_) => roles.clear(),
                _ => {}
            }
        }
        roles
    }

    /// Puts a conversation's last entry at a time, as a message would.
    pub fn be_active(&self, conversation: ConversationId, time_unix_ms: i64) {
        let mut state = self.state.lock().unwrap();
        state.activity.insert(conversation, time_unix_ms);
    }

    pub fn routes(&self, identity: ServiceIdentity) -> Routes {
        Routes::new(InterceptedService::new(
            MessageInternalServiceServer::new(self.clone()),
            auth::internal_interceptor(identity, CALLERS),
        ))
    }

    fn version(&self, conversation: ConversationId) -> u64 {
        let records = self.records(conversation);
        records
            .iter()
            .map(|record| record.version)
            .max()
            .unwrap_or(0)
    }
}

#[tonic::async_trait]
impl MessageInternalService for Log {
    async fn await_membership_version(
        &self,
        request: Request<AwaitMembershipVersionRequest>,
    ) -> Result<Response<AwaitMembershipVersionResponse>, Status> {
        let request = request.into_inner();
        let conversation = request.conversation_id.parse().unwrap();
        let mut applied = self.applied.subscribe();
        let mut answers = self.answers.subscribe();
        let wait = async {
            loop {
                applied.mark_unchanged();
                if *answers.borrow_and_update() && self.version(conversation) >= request.version {
                    return;
                }
                tokio::select! {
                    _ = applied.changed() => {}
                    _ = answers.changed() => {}
                }
            }
        };
        match tokio::time::timeout(Duration::from_millis(request.timeout_ms.into()), wait).await {
            Ok(()) => Ok(Response::new(AwaitMembershipVersionResponse {})),
            Err(_) => Err(Status::deadline_exceeded("not yet")),
        }
    }

    async fn get_membership(
        &self,
        _: Request<GetMembershipRequest>,
    ) -> Result<Response<GetMembershipResponse>, Status> {
        Err(Status::unimplemented("nobody compares here"))
    }

    async fn get_heads(
        &self,
        request: Request<GetHeadsRequest>,
    ) -> Result<Response<GetHeadsResponse>, Status> {
        let person = person_from_metadata(&self.tokens, request.metadata()).await?;
        assert!(request.get_ref().conversation_ids.len() <= 1_000);
        let mut heads = Vec::new();
        for id in request.into_inner().conversation_ids {
            let conversation = id.parse().unwrap();
            if *self.answers.borrow() && self.members(conversation).contains(&person.user) {
                let time_unix_ms = self.state.lock().unwrap().activity[&conversation];
                heads.push(Head {
                    conversation_id: id,
                    number: 1,
                    time_unix_ms,
                });
            }
        }
        Ok(Response::new(GetHeadsResponse { heads }))
    }

    async fn get_summaries(
        &self,
        request: Request<GetSummariesRequest>,
    ) -> Result<Response<GetSummariesResponse>, Status> {
        let person = person_from_metadata(&self.tokens, request.metadata()).await?;
        assert!(request.get_ref().conversation_ids.len() <= 100);
        let mut summaries = Vec::new();
        for conversation_id in request.into_inner().conversation_ids {
            let conversation = conversation_id.parse().unwrap();
            if self.members(conversation).contains(&person.user) {
                summaries.push(Summary {
                    state: Some(ConversationState {
                        conversation_id: conversation_id.clone(),
                        head_number: 7,
                        head_countable_total: 5,
                        read_number: 3,
                        unread_count: 2,
                        ..ConversationState::default()
                    }),
                    last_entry: Some(Entry {
                        conversation_id,
                        number: 7,
                        ..Entry::default()
                    }),
                });
            }
        }
        Ok(Response::new(GetSummariesResponse { summaries }))
    }

    async fn get_changes(
        &self,
        _: Request<GetChangesRequest>,
    ) -> Result<Response<GetChangesResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn count_messages(
        &self,
        request: Request<CountMessagesRequest>,
    ) -> Result<Response<CountMessagesResponse>, Status> {
        // Few at once, so that one group takes several calls.
        const AT_ONCE: usize = 3;
        let request = request.into_inner();
        let conversation: ConversationId = request.conversation_id.parse().unwrap();
        let state = self.state.lock().unwrap();
        let Some(written) = state.written.get(&conversation) else {
            return Err(Status::not_found("nothing was applied"));
        };
        let after = request.after_number as usize;
        let counts: Vec<DailyCount> = written
            .messages
            .iter()
            .skip(after)
            .take(AT_ONCE)
            .map(|(day, sender)| DailyCount {
                day: *day,
                sender_id: sender.to_string(),
                messages: 1,
            })
            .collect();
        Ok(Response::new(CountMessagesResponse {
            through_number: (after + counts.len()) as u64,
            head_number: written.messages.len() as u64,
            applied_offset: written.applied_offset,
            counts,
        }))
    }
}
