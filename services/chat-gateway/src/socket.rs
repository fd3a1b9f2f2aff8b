//! One task per socket: it reads frames, and writes what is in the connection's queue.
//!
//! **Invariants.** Frames are handled in the order in which they came. A bad frame is answered and
//! closes nothing. Only this task touches the socket, and it never waits for a client that doesn't
//! read without watching for the order to close. Nothing is logged per frame.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use events::{HideEntry, LogRecord, MarkUnread, log_record};
use futures_util::SinkExt as _;
use ids::{ClientMessageId, ConnectionId, ConversationId, MessageId, UserId};
use problem::{Kind, Problem};
use proto::socket::{
    Error, Heartbeat, Hello, Refused, WatchPresence, Welcome, client_frame, server_frame,
};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite;

use crate::app::{App, Connection, OpenSocket, Person};
use crate::domain::close::Close;
use crate::domain::connection::{NewConnection, Registration};
use crate::domain::frame::{Format, Outgoing, Unreadable};
use crate::domain::marks::{Reached, Reader};
use crate::domain::presence::MAX_WATCHED;
use crate::domain::queue::{Item, Writer};
use crate::domain::send::{Attempt, Draft, RETRY_AFTER, try_again};
use crate::domain::typing::Typing;
use crate::events::log::{Sender, not_taken};
use crate::metrics::Metrics;
use crate::peers::Membership;
use crate::typing::Hint;

/// How long a client may take to read the reason of a close.
const GOODBYE: Duration = Duration::from_secs(3);
/// Faulty frames that are answered before `hello`; then the socket is closed.
const FAULTS_BEFORE_HELLO: usize = 8;

/// Why a socket's task ends.
enum End {
    /// We close.
    Close(Close),
    /// We close, and can't read any more: what the client sent is broken.
    Broken(Close),
    /// The client has left.
    Gone,
}

/// Serves a socket from its upgrade to its end.
pub async fn serve(mut ws: WebSocket, format: Format, place: OpenSocket) {
    // Boxed, because its size would stay with the socket for as long as that is open.
    let end = match Box::pin(connect(&mut ws, format, &place.app)).await {
        Ok(entry) => {
            let mut socket = Socket {
                ws: &mut ws,
                connection: &entry.connection,
                app: &entry.app,
                counted: 0,
                received: 0,
                refused: VecDeque::new(),
            };
            socket.run().await
        }
        Err(end) => end,
    };
    Box::pin(leave(ws, end)).await;
}

/// A connection in the registry; out again when dropped.
struct Entry {
    app: Arc<App>,
    connection: Arc<Connection>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.app.forget(&self.connection);
    }
}

/// From the upgrade to `welcome`.
async fn connect(ws: &mut WebSocket, format: Format, app: &Arc<App>) -> Result<Entry, End> {
    let hello = first_hello(ws, format, app).await?;
    let person = match app.verifier.verify(&hello.access_token).await {
        Ok(person) => person,
        Err(problem) => {
            send_error(ws, format, &problem.code, &problem.detail, "hello").await?;
            return Err(End::Close(refused_token(&problem)));
        }
    };
    if !app.peers.sessions.check(&person, app.clock.unix_ms()).await {
        return Err(End::Close(Close::SESSION_ENDED));
    }
    let connection = Arc::new(Connection::new(NewConnection {
        number: app.next_number(),
        id: ConnectionId::generate(&app.clock),
        user: person.user,
        session: person.session,
        format,
        opened_unix_ms: app.clock.unix_ms(),
        person,
        queue_capacity: app.settings.queue_frames,
    }));
    let entry = Entry {
        app: app.clone(),
        connection,
    };
    let connection = &entry.connection;
    let sockets = app.registry.insert(connection);
    // Looked at again, now that whoever ends sessions or drains finds this one.
    if app.verifier.ended_sessions().contains(connection.session) {
        return Err(End::Close(Close::SESSION_ENDED));
    }
    if app.draining.is_cancelled() {
        return Err(End::Close(Close::DRAINING));
    }
    if sockets > app.settings.max_sockets_per_person {
        return Err(End::Close(Close::TOO_MANY_SOCKETS));
    }
    let cursor = app
        .registrations
        .register(connection)
        .await
        .map(|ms| ms.to_string())
        .unwrap_or_default();
    let welcome = server_frame::Frame::Welcome(Welcome {
        connection_id: connection.id.to_string(),
        user_id: connection.user.to_string(),
        server_time_unix_ms: app.clock.unix_ms() as i64,
        heartbeat_interval_ms: app.settings.heartbeat_interval_ms,
        cursor: cursor.clone(),
    });
    ws.send(message(&Outgoing::from(welcome), format))
        .await
        .map_err(|_| End::Gone)?;
    if !hello.cursor.is_empty() {
        let (app, connection) = (app.clone(), connection.clone());
        app.tasks.clone().spawn(async move {
            let person = connection.person();
            let resumed = app.peers.changes.since(hello.cursor, &person, cursor).await;
            connection.send(server_frame::Frame::Resumed(resumed));
        });
    }
    Ok(entry)
}

/// Waits for the first `hello`; answers whatever else comes.
async fn first_hello(ws: &mut WebSocket, format: Format, app: &App) -> Result<Hello, End> {
    let deadline = Instant::now() + Duration::from_millis(app.settings.hello_timeout_ms);
    for _ in 0..FAULTS_BEFORE_HELLO {
        let received = loop {
            let next = tokio::select! {
                next = timeout_at(deadline, ws.recv()) => next,
                () = app.draining.cancelled() => return Err(End::Close(Close::DRAINING)),
            };
            match next {
                Err(_) => return Err(End::Close(Close::HELLO_EXPECTED)),
                Ok(None) => return Err(End::Gone),
                Ok(Some(Err(error))) => return Err(broken(error)),
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_)))) => {}
                Ok(Some(Ok(received))) => break received,
            }
        };
        match decode(format, &received) {
            Ok(client_frame::Frame::Hello(hello)) => {
                app.metrics.hellos_in.increment(1);
                return Ok(hello);
            }
            Ok(_) => {
                let detail = "The first frame is `hello`, with an access token.";
                send_error(ws, format, "hello_required", detail, "").await?;
            }
            Err(unreadable) => {
                app.metrics.unreadable_in.increment(1);
                send_error(ws, format, unreadable.code(), &unreadable.to_string(), "").await?;
            }
        }
    }
    Err(End::Close(Close::HELLO_EXPECTED))
}

fn refused_token(problem: &Problem) -> Close {
    match problem.kind {
        Kind::Unauthenticated if problem.code == "session_ended" => Close::SESSION_ENDED,
        Kind::Unauthenticated => Close::TOKEN_INVALID,
        _ => Close::TRY_AGAIN_LATER,
    }
}

/// What a text or binary message of the WebSocket holds.
fn decode(format: Format, message: &Message) -> Result<client_frame::Frame, Unreadable> {
    match (format, message) {
        (Format::Json, Message::Text(text)) => format.decode(text.as_bytes()),
        (Format::Protobuf, Message::Binary(bytes)) => format.decode(bytes),
        _ => Err(Unreadable::OtherFormat),
    }
}

fn message(outgoing: &Outgoing, format: Format) -> Message {
    let bytes = outgoing.encoded(format);
    match format {
        Format::Protobuf => Message::Binary(bytes),
        Format::Json => {
            Message::Text(Utf8Bytes::try_from(bytes).expect("JSON that serde wrote is UTF-8"))
        }
    }
}

pub fn error_frame(code: &str, detail: &str, frame: &str) -> server_frame::Frame {
    server_frame::Frame::Error(Error {
        code: code.to_owned(),
        detail: detail.to_owned(),
        frame: frame.to_owned(),
    })
}

async fn send_error(
    ws: &mut WebSocket,
    format: Format,
    code: &str,
    detail: &str,
    frame: &str,
) -> Result<(), End> {
    let outgoing = Outgoing::from(error_frame(code, detail, frame));
    match timeout(GOODBYE, ws.send(message(&outgoing, format))).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(End::Gone),
    }
}

/// What a failed read says of the client.
fn broken(error: axum::Error) -> End {
    match error.into_inner().downcast::<tungstenite::Error>() {
        Ok(error) => match *error {
            tungstenite::Error::Capacity(_) => End::Broken(Close::TOO_BIG),
            tungstenite::Error::Utf8(_) => End::Broken(Close::NOT_UTF8),
            tungstenite::Error::Protocol(
                tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            ) => End::Gone,
            tungstenite::Error::Protocol(_) => End::Broken(Close::PROTOCOL_ERROR),
            _ => End::Gone,
        },
        Err(_) => End::Gone,
    }
}

/// Tells the client why, where there is somebody to tell.
async fn leave(mut ws: WebSocket, end: End) {
    let (close, readable) = match end {
        End::Gone => return,
        End::Close(close) => (close, true),
        End::Broken(close) => (close, false),
    };
    Metrics::closed(close.code);
    let frame = Message::Close(Some(CloseFrame {
        code: close.code,
        reason: Utf8Bytes::from_static(close.reason),
    }));
    let goodbye = async {
        if ws.send(frame).await.is_err() {
            return;
        }
        if readable {
            // Until the client has answered: to hang up at once could destroy the reason on its way.
            while let Some(Ok(_)) = ws.recv().await {}
        } else {
            tokio::time::sleep(GOODBYE / 4).await;
        }
    };
    let _ = timeout(GOODBYE, goodbye).await;
}

/// What is to be done about a frame.
enum Next {
    /// Nothing more: read the next one.
    Read,
    Answer(server_frame::Frame),
    /// Send a heartbeat.
    Beat,
    Renew(Hello),
    /// Ask whether the sender is a member, then send.
    AskMembership(Box<Draft>),
}

/// For a frame that is answered only if something is wrong with it.
fn refuse_frame(code: &str, detail: &str, frame: &str) -> Next {
    Metrics::refused(code);
    Next::Answer(error_frame(code, detail, frame))
}

/// Refuses for good what has an outbox.
fn answer_refused(draft: &Draft, (code, detail): Refusal) -> Next {
    Metrics::refused(code);
    Next::Answer(server_frame::Frame::Refused(draft.refused(code, detail)))
}

/// An open, welcomed socket.
struct Socket<'a> {
    ws: &'a mut WebSocket,
    connection: &'a Arc<Connection>,
    app: &'a Arc<App>,
    /// Frames written that the client counts too.
    counted: u64,
    /// Frames read, whatever became of them.
    received: u64,
    /// First attempts that were refused for good without asking the log, the newest last. Further attempts may
    /// be on their way already, on this socket: they are refused as well, whatever has changed meanwhile.
    refused: VecDeque<(ClientMessageId, Refusal)>,
}

/// A stable code and its sentence.
type Refusal = (&'static str, &'static str);

/// More than a client has unanswered.
const REFUSED_KEPT: usize = 1_024;

impl Socket<'_> {
    async fn run(&mut self) -> End {
        loop {
            let done = tokio::select! {
                taken = self.connection.queue.take() => match self.write(taken.items).await {
                    Ok(()) => taken.close.map_or(Ok(()), |close| Err(End::Close(close))),
                    Err(end) => Err(end),
                },
                received = self.ws.recv() => match received {
                    Some(Ok(received)) => match self.receive(&received) {
                        Next::Read => Ok(()),
                        // Boxed: it is rare, and its size would stay with every socket.
                        next => Box::pin(self.go_on(next)).await,
                    },
                    Some(Err(error)) => Err(broken(error)),
                    None => Err(End::Gone),
                },
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    /// Writes items, several in one go, unless the order to close comes while the client doesn't
    /// take them.
    async fn write(&mut self, items: VecDeque<Item>) -> Result<(), End> {
        if items.is_empty() {
            return Ok(());
        }
        let queue = &self.connection.queue;
        let mut writing = pin!(self.write_all(items));
        if let Some(written) = futures_util::future::poll_immediate(writing.as_mut()).await {
            return written.map_err(|_| End::Gone);
        }
        queue.set_writer(Writer::Stuck);
        let end = tokio::select! {
            biased;
            written = writing => written.map_err(|_| End::Gone),
            close = queue.closing() => Err(End::Close(close)),
        };
        queue.set_writer(Writer::Able);
        end
    }

    async fn write_all(&mut self, items: VecDeque<Item>) -> Result<(), axum::Error> {
        let format = self.connection.format;
        let began = Instant::now();
        let mut frames = 0;
        for item in items {
            match item {
                Item::Frame(outgoing) => {
                    self.counted += u64::from(outgoing.is_counted());
                    frames += 1;
                    self.ws.feed(message(&outgoing, format)).await?;
                }
                Item::Beat => {
                    // While the gateway can't vouch for its currency, the ping alone shows that the
                    // socket lives.
                    if let Some(heartbeat) = self.heartbeat() {
                        frames += 1;
                        self.ws.feed(message(&heartbeat, format)).await?;
                    }
                    self.ws
                        .feed(Message::Ping(axum::body::Bytes::new()))
                        .await?;
                }
            }
        }
        self.app.metrics.frames_out.increment(frames);
        self.app.metrics.writes.increment(1);
        self.ws.flush().await?;
        self.app.metrics.write.record(began.elapsed());
        Ok(())
    }

    fn heartbeat(&self) -> Option<Outgoing> {
        if !self.app.currency.is_current() {
            return None;
        }
        let cursor = match self.connection.registration() {
            Registration::Done => self.app.currency.cursor(),
            // What came to this socket is complete from nowhere.
            Registration::Pending | Registration::Missing => None,
        };
        let frame = server_frame::Frame::Heartbeat(Heartbeat {
            frames_sent: self.counted,
            frames_received: self.received,
            cursor: cursor.map(|ms| ms.to_string()).unwrap_or_default(),
            server_time_unix_ms: self.app.clock.unix_ms() as i64,
        });
        Some(Outgoing::from(frame))
    }

    /// Handles what came, up to where something has to be waited for.
    fn receive(&mut self, received: &Message) -> Next {
        self.connection.heard();
        if matches!(
            received,
            Message::Ping(_) | Message::Pong(_) | Message::Close(_)
        ) {
            // Answered by the WebSocket itself; after a close the next read is the end.
            return Next::Read;
        }
        self.received += 1;
        let metrics = &self.app.metrics;
        match decode(self.connection.format, received) {
            Ok(client_frame::Frame::Send(send)) => {
                metrics.sends_in.increment(1);
                self.submit(Draft::of_send(send, self.app.clock.unix_ms()))
            }
            Ok(client_frame::Frame::Change(change)) => {
                metrics.changes_in.increment(1);
                self.submit(Draft::of_change(change, self.app.clock.unix_ms()))
            }
            Ok(client_frame::Frame::MarkRead(mark)) => {
                metrics.marks_in.increment(1);
                let reached = Reached::read(mark.number);
                self.mark("mark_read", &mark.conversation_id, reached)
            }
            Ok(client_frame::Frame::MarkDelivered(mark)) => {
                metrics.marks_in.increment(1);
                let reached = Reached::delivered(mark.number);
                self.mark("mark_delivered", &mark.conversation_id, reached)
            }
            Ok(client_frame::Frame::MarkUnread(mark)) => {
                metrics.marks_in.increment(1);
                self.mark_unread(&mark.conversation_id)
            }
            Ok(client_frame::Frame::Hide(hide)) => {
                metrics.changes_in.increment(1);
                self.hide(&hide.conversation_id, hide.number)
            }
            Ok(client_frame::Frame::Typing(typing)) => {
                metrics.typings_in.increment(1);
                self.type_in(&typing.conversation_id, &typing.state)
            }
            Ok(client_frame::Frame::WatchPresence(watch)) => {
                metrics.watches_in.increment(1);
                self.watch_presence(&watch)
            }
            Ok(client_frame::Frame::Ping(_)) => {
                metrics.pings_in.increment(1);
                Next::Beat
            }
            Ok(client_frame::Frame::Hello(hello)) => {
                metrics.hellos_in.increment(1);
                Next::Renew(hello)
            }
            Err(unreadable) => {
                metrics.unreadable_in.increment(1);
                Next::Answer(error_frame(unreadable.code(), &unreadable.to_string(), ""))
            }
        }
    }

    /// The part of a frame that has to be waited for. Later frames wait too, so that they stay in
    /// order.
    async fn go_on(&mut self, next: Next) -> Result<(), End> {
        let answer = match next {
            Next::Read => return Ok(()),
            Next::Beat => return self.write(VecDeque::from([Item::Beat])).await,
            Next::Answer(frame) => frame,
            Next::Renew(hello) => match renew(self.app, self.connection, hello).await {
                None => return Ok(()),
                Some(frame) => frame,
            },
            Next::AskMembership(draft) => {
                let (conversation, person) = (draft.conversation, self.connection.person());
                let asked = self.app.peers.memberships.ask(conversation, &person);
                let membership = asked.await;
                match self.append_as(membership, *draft) {
                    Next::Answer(frame) => frame,
                    _ => return Ok(()),
                }
            }
        };
        let item = Item::Frame(Arc::new(Outgoing::from(answer)));
        self.write(VecDeque::from([item])).await
    }

    /// Puts a message, or a change of one, on its way to the log. Its number comes back as a delivery.
    fn submit(&mut self, parsed: Result<Draft, Box<Refused>>) -> Next {
        let (app, connection) = (self.app, self.connection);
        let draft = match parsed {
            Ok(draft) => Box::new(draft),
            Err(refused) => {
                Metrics::refused(&refused.code);
                return Next::Answer(server_frame::Frame::Refused(*refused));
            }
        };
        let (conversation, id) = (draft.conversation, draft.client_message_id);
        if let Err(after) = app.admit_frame(connection.user) {
            return self.refuse_for_now(conversation, id, "rate_limited", after);
        }
        if !connection.outbox().admits(conversation, draft.restart) {
            return self.refuse_for_now(conversation, id, "retry", RETRY_AFTER);
        }
        if draft.attempt == Attempt::Again {
            let refused = self.refused.iter().find(|(refused, _)| *refused == id);
            return match refused {
                Some((_, refusal)) => answer_refused(&draft, *refusal),
                None => self.append(*draft),
            };
        }
        match app.peers.memberships.known(conversation, connection.user) {
            Some(membership) => self.append_as(membership, *draft),
            None => Next::AskMembership(draft),
        }
    }

    fn append_as(&mut self, membership: Membership, draft: Draft) -> Next {
        let refusal = match membership {
            Membership::Member | Membership::Unknown => return self.append(draft),
            Membership::NotMember => ("not_a_member", "You are not a member of this conversation."),
            Membership::NoConversation => {
                ("conversation_unknown", "There is no such conversation.")
            }
        };
        if self.refused.len() == REFUSED_KEPT {
            self.refused.pop_front();
        }
        self.refused.push_back((draft.client_message_id, refusal));
        answer_refused(&draft, refusal)
    }

    fn append(&self, draft: Draft) -> Next {
        let (app, connection) = (self.app, self.connection);
        let (conversation, client_message_id) = (draft.conversation, draft.client_message_id);
        let record = draft.into_record(
            connection.user,
            MessageId::generate(&app.clock),
            app.log.origin(connection.number),
        );
        let sender = Sender::Message {
            connection: connection.clone(),
            conversation,
            client_message_id,
        };
        match app.log.append(conversation, &record, sender) {
            Ok(()) => Next::Read,
            Err(_full) => {
                self.refuse_for_now(conversation, client_message_id, "retry", RETRY_AFTER)
            }
        }
    }

    /// Refuses an attempt; nothing overtakes it until the client's outbox starts again.
    fn refuse_for_now(
        &self,
        conversation: ConversationId,
        client_message_id: ClientMessageId,
        code: &'static str,
        after: Duration,
    ) -> Next {
        Metrics::refused(code);
        self.connection.outbox().block(conversation);
        let refused = try_again(conversation, client_message_id, code, after);
        Next::Answer(server_frame::Frame::Refused(refused))
    }

    /// A hint for the other members. Whether the sender is one is found out later.
    fn type_in(&self, conversation_id: &str, state: &str) -> Next {
        let (app, connection, frame) = (self.app, self.connection, "typing");
        let typist = match self.reader(frame, conversation_id) {
            Ok(reader) => reader,
            Err(answer) => return *answer,
        };
        let Ok(typing) = Typing::parse(state) else {
            let detail = "A state of typing is `started` or `stopped`.";
            return refuse_frame("typing_state_invalid", detail, frame);
        };
        if !app.typists.note(typist, typing, app.clock.unix_ms()) {
            return Next::Read;
        }
        if let Err(problem) = app.admit_question(connection.user) {
            return refuse_frame(&problem.code, &problem.detail, frame);
        }
        let hint = Hint {
            connection: connection.clone(),
            conversation: typist.1,
            typing,
        };
        if app.typing.try_send(hint).is_err() {
            app.metrics.hints_dropped.increment(1);
        }
        Next::Read
    }

    fn watch_presence(&self, watch: &WatchPresence) -> Next {
        let frame = "watch_presence";
        if watch.user_ids.len() > MAX_WATCHED {
            return refuse_frame("too_many_ids", "At most 100 people at once.", frame);
        }
        let users = watch.user_ids.iter().map(|id| UserId::parse(id));
        let Ok(users) = users.collect::<Result<Vec<_>, _>>() else {
            return refuse_frame(
                "user_id_invalid",
                "One of these is no id of a person.",
                frame,
            );
        };
        if let Err(problem) = self.app.admit_question(self.connection.user) {
            return refuse_frame(&problem.code, &problem.detail, frame);
        }
        self.app.watches.ask(self.connection, users);
        Next::Read
    }

    /// Whether a mark is anybody's to move is for the log to say.
    fn mark(&self, frame: &'static str, conversation_id: &str, reached: Reached) -> Next {
        let reader = match self.reader(frame, conversation_id) {
            Ok(reader) => reader,
            Err(answer) => return *answer,
        };
        let now = self.app.clock.unix_ms();
        if self.app.marks.note(reader, reached, now)
            && self.app.log.append_marks(reader, reached).is_err()
        {
            self.app.marks.put_back(reader, reached, now);
        }
        Next::Read
    }

    fn mark_unread(&self, conversation_id: &str) -> Next {
        let frame = "mark_unread";
        let reader = match self.reader(frame, conversation_id) {
            Ok(reader) => reader,
            Err(answer) => return *answer,
        };
        // What was read before comes before: later it would take the mark off again.
        let now = self.app.clock.unix_ms();
        if let Some(reached) = self.app.marks.take_waiting(reader, now)
            && self.app.log.append_marks(reader, reached).is_err()
        {
            self.app.marks.put_back(reader, reached, now);
            return self.not_taken(frame);
        }
        let reader_id = reader.0.to_vec();
        let change = log_record::Change::MarkUnread(MarkUnread { reader: reader_id });
        self.append_frame(frame, reader.1, change)
    }

    fn hide(&self, conversation_id: &str, number: u64) -> Next {
        let frame = "hide";
        match self.reader(frame, conversation_id) {
            Ok((user, conversation)) => {
                let reader = user.to_vec();
                let change = log_record::Change::Hide(HideEntry { reader, number });
                self.append_frame(frame, conversation, change)
            }
            Err(answer) => *answer,
        }
    }

    /// Whose marks a frame is about, if it may be heard now.
    fn reader(&self, frame: &'static str, conversation_id: &str) -> Result<Reader, Box<Next>> {
        let fault = match ConversationId::parse(conversation_id) {
            Ok(conversation) => {
                if self.app.admit_frame(self.connection.user).is_ok() {
                    return Ok((self.connection.user, conversation));
                }
                ("rate_limited", "Too many frames: slow down.")
            }
            Err(_) => ("conversation_id_invalid", "This is not a conversation id."),
        };
        Metrics::refused(fault.0);
        Err(Box::new(Next::Answer(error_frame(fault.0, fault.1, frame))))
    }

    /// Appends what has no outbox: the client hears of a failure and may ask again.
    fn append_frame(
        &self,
        frame: &'static str,
        conversation: ConversationId,
        change: log_record::Change,
    ) -> Next {
        let record = LogRecord {
            // Nobody waits: the new state comes to all sockets of the reader.
            origin: None,
            change: Some(change),
        };
        let sender = Sender::Frame {
            connection: self.connection.clone(),
            frame,
        };
        match self.app.log.append(conversation, &record, sender) {
            Ok(()) => Next::Read,
            Err(_full) => self.not_taken(frame),
        }
    }

    fn not_taken(&self, frame: &str) -> Next {
        Metrics::refused("retry");
        Next::Answer(server_frame::Frame::Error(not_taken(frame)))
    }
}

/// A later `hello` brings a fresh token of the same login. Otherwise says what is wrong with it; the
/// old token still holds, until it expires.
async fn renew(app: &App, connection: &Connection, hello: Hello) -> Option<server_frame::Frame> {
    match app.verifier.verify(&hello.access_token).await {
        Ok(person) if is_same_login(&person, connection) => {
            connection.renew(person);
            None
        }
        Ok(_) => {
            let detail = "The token is of another login: open a new socket for it.";
            Some(error_frame("token_invalid", detail, "hello"))
        }
        Err(problem) => Some(error_frame(&problem.code, &problem.detail, "hello")),
    }
}

fn is_same_login(person: &Person, connection: &Connection) -> bool {
    person.user == connection.user && person.session == connection.session
}
