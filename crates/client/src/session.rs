//! Runs an [`Engine`]: one task per session, which owns the socket, the timers and the reads.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use ids::{ClientMessageId, ConversationId, UserId};
use proto::socket::{client_frame, server_frame};
use tokio::sync::{Semaphore, TryAcquireError, mpsc};
use tokio::time::Instant;

use crate::api::Client;
use crate::connection::{Connection, Format, Incoming};
use crate::engine::{
    Action, Config, Draft, Engine, FetchFailure, Input, MAX_WATCHED, MessageChange, OpenFailure,
    Page, Submission, Token, Update,
};
use crate::error::Error;
use crate::messages::Position;

/// Longest text of a message, in bytes of UTF-8.
pub const MAX_TEXT_BYTES: usize = 8_192;
/// Longest reaction, in bytes of UTF-8.
pub const MAX_REACTION_BYTES: usize = 32;
/// Most attachments of a message.
pub const MAX_ATTACHMENTS: usize = 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What a session is like.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    pub format: Format,
    /// A socket other than that of the server's address, such as one particular gateway's.
    pub socket_url: Option<String>,
    /// Where the socket's bytes go, if not to the address of its URL: see [`Connection::open_by`].
    pub socket_by: Option<SocketAddr>,
    /// Messages that may wait for their acknowledgement before [`Session::send`] waits too.
    pub outbox: usize,
    /// Updates that may wait to be taken before the session stops reading its socket.
    pub updates: usize,
    pub engine: Config,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            format: Format::default(),
            socket_url: None,
            socket_by: None,
            outbox: 1_000,
            updates: 1_024,
            engine: Config::default(),
        }
    }
}

/// Why a message, or a change of one, was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    #[error("a message needs text or an attachment")]
    Empty,
    #[error("a message has at most {MAX_TEXT_BYTES} bytes")]
    TooLong,
    #[error("a message has at most {MAX_ATTACHMENTS} attachments")]
    TooManyAttachments,
    #[error("a reaction is one emoji")]
    ReactionInvalid,
    #[error("too many messages wait for their acknowledgement")]
    OutboxFull,
    #[error("the session is over")]
    Over,
}

/// Nobody was watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at most {MAX_WATCHED} people can be watched")]
pub struct TooManyWatched;

/// What a session tells, in order.
pub type Updates = mpsc::Receiver<Update>;

/// A person's live connection. Dropping the last clone ends it.
#[derive(Clone)]
pub struct Session {
    inputs: mpsc::UnboundedSender<Input>,
    room: Arc<Semaphore>,
    /// The server's clock less ours, in milliseconds.
    clock_offset: Arc<AtomicI64>,
    clock: clock::Clock,
}

enum Sink {
    Channel(mpsc::Sender<Update>),
    Callback(Box<dyn FnMut(Update) + Send>),
}

impl Session {
    /// Begins a session, on the current runtime. It connects, and stays connected, by itself. Who
    /// stops taking updates stops the session; don't wait in [`Session::send`] where you take them.
    #[must_use]
    pub fn start(client: &Client, options: SessionOptions) -> (Self, Updates) {
        let (sender, updates) = mpsc::channel(options.updates);
        (Self::spawn(client, options, Sink::Channel(sender)), updates)
    }

    /// Begins a session that calls `told` with each update, from its own task: for thousands of
    /// sessions in one process. `told` must not block.
    #[must_use]
    pub fn start_with(
        client: &Client,
        options: SessionOptions,
        told: impl FnMut(Update) + Send + 'static,
    ) -> Self {
        Self::spawn(client, options, Sink::Callback(Box::new(told)))
    }

    fn spawn(client: &Client, options: SessionOptions, sink: Sink) -> Self {
        let (inputs, received) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(options.outbox));
        let clock_offset = Arc::new(AtomicI64::new(0));
        let socket_url = options.socket_url.unwrap_or_else(|| {
            // http → ws, https → wss.
            format!("{}/socket", client.api().origin().replacen("http", "ws", 1))
        });
        let only = options
            .engine
            .only
            .as_ref()
            .map(|only| only.iter().copied().collect());
        let runner = Runner {
            engine: Engine::new(client.user_id(), options.engine, rand::random()),
            started: Instant::now(),
            client: client.clone(),
            socket_url: socket_url.into(),
            socket_by: options.socket_by,
            format: options.format,
            only,
            connection: None,
            outgoing: VecDeque::new(),
            token: None,
            jobs: FuturesUnordered::new(),
            inputs: received,
            sink,
            room: Arc::clone(&room),
            clock_offset: Arc::clone(&clock_offset),
        };
        tokio::spawn(Box::pin(runner.run()));
        Self {
            inputs,
            room,
            clock_offset,
            clock: client.api().clock().clone(),
        }
    }

    /// Puts a message, or a change of one, into the outbox, waiting for room. What becomes of it is told as
    /// [`Update::Acknowledged`] or [`Update::Refused`].
    ///
    /// # Errors
    /// When it could never be sent, or the session is over.
    pub async fn send(
        &self,
        conversation: ConversationId,
        what: impl Into<Submission>,
    ) -> Result<ClientMessageId, SendError> {
        let what = what.into();
        check(&what)?;
        self.room
            .acquire()
            .await
            .map_err(|_| SendError::Over)?
            .forget();
        self.submit(conversation, self.new_id(), what, 0)
    }

    /// As [`Session::send`], but never waits.
    ///
    /// # Errors
    /// [`SendError::OutboxFull`] when there is no room, and those of [`Session::send`].
    pub fn try_send(
        &self,
        conversation: ConversationId,
        what: impl Into<Submission>,
    ) -> Result<ClientMessageId, SendError> {
        self.try_resend(conversation, self.new_id(), what, 0)
    }

    /// Puts back into the outbox what an earlier session may have sent `attempts` times.
    ///
    /// # Errors
    /// As [`Session::try_send`].
    pub fn try_resend(
        &self,
        conversation: ConversationId,
        id: ClientMessageId,
        what: impl Into<Submission>,
        attempts: u32,
    ) -> Result<ClientMessageId, SendError> {
        let what = what.into();
        check(&what)?;
        match self.room.try_acquire() {
            Ok(permit) => permit.forget(),
            Err(TryAcquireError::NoPermits) => return Err(SendError::OutboxFull),
            Err(TryAcquireError::Closed) => return Err(SendError::Over),
        }
        self.submit(conversation, id, what, attempts)
    }

    fn submit(
        &self,
        conversation: ConversationId,
        id: ClientMessageId,
        what: Submission,
        attempts: u32,
    ) -> Result<ClientMessageId, SendError> {
        self.inputs
            .send(Input::Submit {
                conversation,
                id,
                what,
                attempts,
            })
            .map_err(|_| SendError::Over)?;
        Ok(id)
    }

    /// Moves the read mark up, now or when there is a connection again, and takes the mark of
    /// [`Self::mark_unread`] off unless the number is below it. How far this device has got is told by
    /// the session itself.
    pub fn mark_read(&self, conversation: ConversationId, number: u64) {
        self.tell(Input::Read {
            conversation,
            number,
        });
    }

    /// Lets the conversation look unread on all of the person's devices, now or when there is a connection
    /// again. Moves no read mark back.
    pub fn mark_unread(&self, conversation: ConversationId) {
        self.tell(Input::MarkUnread { conversation });
    }

    /// Deletes an entry for this person alone, now or when there is a connection again. It is told as
    /// [`Update::Hidden`]; for an entry that isn't there nothing is.
    pub fn hide(&self, conversation: ConversationId, number: u64) {
        self.tell(Input::Hide {
            conversation,
            number,
        });
    }

    /// Names the conversations on the screen, instead of those before. How far others have got in them is told
    /// as [`Update::Receipt`], also what was missed while there was no connection.
    pub fn show(&self, conversations: impl IntoIterator<Item = ConversationId>) {
        self.tell(Input::OnScreen(conversations.into_iter().collect()));
    }

    /// The person types in a conversation. To be called with each key: the server is told every 3 seconds.
    /// Sending ends it by itself.
    pub fn typing(&self, conversation: ConversationId) {
        let is_typing = true;
        self.tell(Input::Typing {
            conversation,
            is_typing,
        });
    }

    /// The person has left a draft without sending it.
    pub fn stopped_typing(&self, conversation: ConversationId) {
        let is_typing = false;
        self.tell(Input::Typing {
            conversation,
            is_typing,
        });
    }

    /// Names the people on the screen, instead of those before. How each stands is told as
    /// [`Update::Presence`], now, at each change and with each new connection.
    ///
    /// # Errors
    /// [`TooManyWatched`] when there are more than [`MAX_WATCHED`].
    pub fn watch_presence(
        &self,
        people: impl IntoIterator<Item = UserId>,
    ) -> Result<(), TooManyWatched> {
        let people: Vec<UserId> = people.into_iter().collect();
        if people.len() > MAX_WATCHED {
            return Err(TooManyWatched);
        }
        self.tell(Input::Watch(people));
        Ok(())
    }

    fn tell(&self, input: Input) {
        // A session that is over has nobody to tell.
        let _ = self.inputs.send(input);
    }

    /// An id with the server's time in it, as well as it is known: a server refuses ids from the
    /// future, and this machine's clock may be wrong.
    #[must_use]
    pub fn new_id(&self) -> ClientMessageId {
        let offset = self.clock_offset.load(Ordering::Relaxed);
        // A few milliseconds are the way here, and not worth a time that jumps.
        let offset = if offset.abs() < 1_000 { 0 } else { offset };
        let unix_ms = self.clock.unix_ms().saturating_add_signed(offset);
        ClientMessageId::generate(&clock::Clock::manual(unix_ms))
    }
}

fn check(what: &Submission) -> Result<(), SendError> {
    match what {
        Submission::Message(draft) => check_draft(draft),
        Submission::Change { change, .. } => check_change(change),
    }
}

fn check_draft(draft: &Draft) -> Result<(), SendError> {
    if draft.text.is_empty() && draft.attachments.is_empty() {
        Err(SendError::Empty)
    } else if draft.text.len() > MAX_TEXT_BYTES {
        Err(SendError::TooLong)
    } else if draft.attachments.len() > MAX_ATTACHMENTS {
        Err(SendError::TooManyAttachments)
    } else {
        Ok(())
    }
}

fn check_change(change: &MessageChange) -> Result<(), SendError> {
    match change {
        MessageChange::Edit(text) if text.trim().is_empty() => Err(SendError::Empty),
        MessageChange::Edit(text) if text.len() > MAX_TEXT_BYTES => Err(SendError::TooLong),
        // What an emoji is the server knows best.
        MessageChange::AddReaction(emoji) | MessageChange::RemoveReaction(emoji)
            if emoji.is_empty() || emoji.len() > MAX_REACTION_BYTES =>
        {
            Err(SendError::ReactionInvalid)
        }
        _ => Ok(()),
    }
}

/// What a job of a session brings back.
enum Outcome {
    Input(Input),
    Connected(Result<(Connection, Token), OpenFailure>),
}

struct Runner {
    engine: Engine,
    started: Instant,
    client: Client,
    socket_url: Arc<str>,
    socket_by: Option<SocketAddr>,
    format: Format,
    only: Option<Arc<[ConversationId]>>,
    connection: Option<Connection>,
    outgoing: VecDeque<client_frame::Frame>,
    /// The access token that was used last.
    token: Option<String>,
    jobs: FuturesUnordered<BoxFuture<'static, Outcome>>,
    inputs: mpsc::UnboundedReceiver<Input>,
    sink: Sink,
    room: Arc<Semaphore>,
    clock_offset: Arc<AtomicI64>,
}

enum Event {
    Input(Input),
    Outcome(Outcome),
    Incoming(Incoming),
    /// The socket didn't take a frame.
    Broken,
    Due,
    /// Every handle is gone.
    Abandoned,
}

impl Runner {
    async fn run(mut self) {
        let mut actions = Vec::new();
        self.handle(Input::Tick, &mut actions).await;
        while !self.engine.is_over() {
            let input = match self.event().await {
                Event::Input(input) | Event::Outcome(Outcome::Input(input)) => input,
                Event::Outcome(Outcome::Connected(Ok((connection, token)))) => {
                    self.connection = Some(connection);
                    self.token = Some(token.access_token.clone());
                    Input::Opened(token)
                }
                Event::Outcome(Outcome::Connected(Err(failure))) => Input::NotOpened(failure),
                Event::Incoming(Incoming::Frame(frame)) => {
                    self.learn_time(&frame);
                    Input::Frame(frame)
                }
                Event::Incoming(Incoming::Unknown) => continue,
                Event::Incoming(Incoming::Closed(close)) => {
                    tracing::debug!(code = close.code, reason = close.reason, "socket closed");
                    self.connection = None;
                    Input::Closed { code: close.code }
                }
                Event::Broken => {
                    self.connection = None;
                    Input::Closed { code: None }
                }
                Event::Due => Input::Tick,
                Event::Abandoned => break,
            };
            if !self.handle(input, &mut actions).await {
                break;
            }
        }
        self.room.close();
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
    }

    /// Waits for the next thing to happen. Safe to drop at any point.
    async fn event(&mut self) -> Event {
        let deadline = self.engine.deadline();
        let due = async {
            match deadline {
                Some(at) => {
                    tokio::time::sleep_until(self.started + Duration::from_millis(at)).await;
                }
                None => std::future::pending().await,
            }
        };
        let (connection, outgoing) = (&mut self.connection, &mut self.outgoing);
        let socket = poll_fn(|context| {
            let Some(connection) = connection else {
                return Poll::Pending;
            };
            if let Poll::Ready(Err(_)) = connection.poll_write(context, outgoing) {
                return Poll::Ready(Event::Broken);
            }
            connection.poll_next(context).map(Event::Incoming)
        });
        let jobs = &mut self.jobs;
        let job = async {
            match jobs.next().await {
                Some(outcome) => outcome,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // What has arrived is taken before a timer may call it silence.
            biased;
            input = self.inputs.recv() => input.map_or(Event::Abandoned, Event::Input),
            outcome = job => Event::Outcome(outcome),
            event = socket => event,
            () = due => Event::Due,
        }
    }

    /// Lets the engine handle something and does what it says; false: nobody listens any more.
    async fn handle(&mut self, input: Input, actions: &mut Vec<Action>) -> bool {
        let now = self.started.elapsed().as_millis() as u64;
        self.engine.handle(now, input, actions);
        for action in actions.drain(..) {
            match action {
                Action::Connect { fresh_token } => {
                    let distrusted = if fresh_token { self.token.take() } else { None };
                    self.jobs.push(
                        connect(
                            self.client.clone(),
                            Arc::clone(&self.socket_url),
                            self.socket_by,
                            self.format,
                            distrusted,
                        )
                        .boxed(),
                    );
                }
                Action::Disconnect => {
                    self.outgoing.clear();
                    if let Some(connection) = self.connection.take() {
                        tokio::spawn(connection.close());
                    }
                }
                Action::Transmit(frame) => self.outgoing.push_back(frame),
                Action::RenewToken => {
                    let client = self.client.clone();
                    self.jobs.push(
                        async move {
                            let token = fresh_token(&client, None).await.ok();
                            Outcome::Input(Input::Renewed(token))
                        }
                        .boxed(),
                    );
                }
                Action::FetchEntries {
                    conversation,
                    after,
                } => {
                    let client = self.client.clone();
                    self.jobs
                        .push(fetch_entries(client, conversation, after).boxed());
                }
                Action::FetchStates => {
                    self.jobs
                        .push(fetch_states(self.client.clone(), self.only.clone()).boxed());
                }
                Action::FetchHidden {
                    conversation,
                    after,
                } => {
                    let client = self.client.clone();
                    self.jobs
                        .push(fetch_hidden(client, conversation, after).boxed());
                }
                Action::FetchMarks { conversation } => {
                    let client = self.client.clone();
                    self.jobs.push(fetch_marks(client, conversation).boxed());
                }
                Action::Tell(update) => {
                    if let Update::Acknowledged { .. } | Update::Refused { .. } = update {
                        self.room.add_permits(1);
                    }
                    match &mut self.sink {
                        Sink::Callback(told) => told(update),
                        Sink::Channel(sender) => {
                            if sender.send(update).await.is_err() {
                                return false;
                            }
                        }
                    }
                }
            }
        }
        if self.connection.is_none() {
            self.outgoing.clear();
        }
        true
    }

    fn learn_time(&self, frame: &server_frame::Frame) {
        let server_ms = match frame {
            server_frame::Frame::Welcome(welcome) => welcome.server_time_unix_ms,
            server_frame::Frame::Heartbeat(heartbeat) => heartbeat.server_time_unix_ms,
            _ => return,
        };
        let ours = self.client.api().clock().unix_ms();
        self.clock_offset
            .store(server_ms.saturating_sub_unsigned(ours), Ordering::Relaxed);
    }
}

async fn fresh_token(client: &Client, distrusted: Option<&str>) -> Result<Token, Error> {
    let credentials = client.fresh_credentials(distrusted).await?;
    let now = client.api().clock().unix_ms();
    Ok(Token {
        access_token: credentials.access_token,
        renew_in_ms: credentials.renew_at_unix_ms.saturating_sub(now),
    })
}

async fn connect(
    client: Client,
    url: Arc<str>,
    by: Option<SocketAddr>,
    format: Format,
    distrusted: Option<String>,
) -> Outcome {
    let token = match fresh_token(&client, distrusted.as_deref()).await {
        Ok(token) => token,
        Err(Error::Refused(refusal)) if refusal.status == 401 => {
            let code = refusal.code;
            return Outcome::Connected(Err(OpenFailure::SignedOut { code }));
        }
        Err(error) => {
            tracing::debug!(error = &error as &dyn std::error::Error, "no token");
            return Outcome::Connected(Err(OpenFailure::Temporary));
        }
    };
    Outcome::Connected(
        match Connection::open_by(&url, by, format, CONNECT_TIMEOUT).await {
            Ok(connection) => Ok((connection, token)),
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "no connection");
                Err(OpenFailure::Temporary)
            }
        },
    )
}

fn failure(error: Error) -> FetchFailure {
    match error {
        Error::Refused(refusal) if matches!(refusal.status, 400 | 403 | 404 | 410) => {
            FetchFailure::Refused { code: refusal.code }
        }
        _ => FetchFailure::Temporary,
    }
}

async fn fetch_entries(client: Client, conversation: ConversationId, after: u64) -> Outcome {
    let outcome = client
        .entries(conversation, Position::After(after), 100)
        .await
        .map(|page| Page {
            entries: page.entries,
            covered_to: page.covered_to,
            state: page.state,
        })
        .map_err(failure);
    Outcome::Input(Input::Entries {
        conversation,
        outcome,
    })
}

async fn fetch_hidden(client: Client, conversation: ConversationId, after: u64) -> Outcome {
    let outcome = client.hidden(conversation, after).await.map_err(failure);
    Outcome::Input(Input::Hidden {
        conversation,
        after,
        outcome,
    })
}

async fn fetch_marks(client: Client, conversation: ConversationId) -> Outcome {
    let outcome = client.marks(conversation).await.map_err(failure);
    Outcome::Input(Input::Marks {
        conversation,
        outcome,
    })
}

async fn fetch_states(client: Client, only: Option<Arc<[ConversationId]>>) -> Outcome {
    let outcome = match only {
        Some(only) => client.states(&only).await,
        None => client
            .all_conversations()
            .await
            .map(|all| all.into_iter().map(|summary| summary.state).collect()),
    };
    Outcome::Input(Input::States(outcome.map_err(failure)))
}
