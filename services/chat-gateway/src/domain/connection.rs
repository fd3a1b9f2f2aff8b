//! One open socket, as the rest of the gateway sees it.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ids::{ConnectionId, SessionId, UserId};
use proto::socket::{Refused, Resync, server_frame};

use super::close::Close;
use super::frame::{Format, Outgoing};
use super::outbox::Outbox;
use super::queue::{Item, Pushed, Queue};

/// Beats without a sign of life after which a client counts as gone.
const SILENT_BEATS: u8 = 2;

/// The handle of an open socket. Its task holds the socket itself; everybody else pushes into the
/// queue.
#[derive(Debug)]
pub struct Connection<P> {
    /// Unique within this boot, from 1 on: the waiter in an origin.
    pub number: u64,
    pub id: ConnectionId,
    pub user: UserId,
    /// Fixed for the life of a socket, while its token is renewed.
    pub session: SessionId,
    pub format: Format,
    pub opened_unix_ms: u64,
    pub queue: Queue,
    queue_capacity: usize,
    registration: AtomicU8,
    beats_in_silence: AtomicU8,
    person: Mutex<Arc<P>>,
    outbox: Mutex<Outbox>,
}

/// Whether the sequencer can know of this socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Registration {
    /// The first registration is on its way, and nothing was promised yet.
    Pending = 0,
    /// It arrived before the client was welcomed.
    Done = 1,
    /// The client was welcomed without it: it has to resync once there is one.
    Missing = 2,
}

impl Registration {
    const fn from_u8(value: u8) -> Self {
        match value {
            0 => Self::Pending,
            1 => Self::Done,
            _ => Self::Missing,
        }
    }
}

/// What a new connection is made of.
#[derive(Debug)]
pub struct NewConnection<P> {
    pub number: u64,
    pub id: ConnectionId,
    pub user: UserId,
    pub session: SessionId,
    pub format: Format,
    pub opened_unix_ms: u64,
    /// Who is signed in, with the token.
    pub person: P,
    /// Items that may wait; one more closes the socket.
    pub queue_capacity: usize,
}

impl<P> Connection<P> {
    #[must_use]
    pub fn new(new: NewConnection<P>) -> Self {
        Self {
            number: new.number,
            id: new.id,
            user: new.user,
            session: new.session,
            format: new.format,
            opened_unix_ms: new.opened_unix_ms,
            queue: Queue::default(),
            queue_capacity: new.queue_capacity,
            registration: AtomicU8::new(Registration::Pending as u8),
            beats_in_silence: AtomicU8::new(0),
            person: Mutex::new(Arc::new(new.person)),
            outbox: Mutex::new(Outbox::default()),
        }
    }

    /// Queues an item. A reader that is too slow is closed: it resumes, the others don't wait.
    /// [`Pushed::First`] asks for a wake.
    pub fn push(&self, item: Item) -> Pushed {
        let pushed = self.queue.push(item, self.queue_capacity);
        if pushed == Pushed::Full {
            self.queue.abandon(Close::SLOW_READER);
        }
        pushed
    }

    /// Queues a frame and has it written.
    pub fn send(&self, frame: server_frame::Frame) {
        if self.push(Item::Frame(Arc::new(Outgoing::from(frame)))) == Pushed::First {
            self.queue.wake();
        }
    }

    /// Tells the client that continuity can't be vouched for.
    pub fn resync(&self, reason: &str) {
        self.send(server_frame::Frame::Resync(Resync {
            reason: reason.to_owned(),
        }));
    }

    /// Tells the client that this attempt has failed and has to be made again.
    pub fn refuse_with_retry(&self, conversation: ids::ConversationId, refused: Refused) {
        self.outbox().block(conversation);
        self.send(server_frame::Frame::Refused(refused));
    }

    pub fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The person with the token that was given last.
    pub fn person(&self) -> Arc<P> {
        self.person
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub fn renew(&self, person: P) {
        *self.person.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(person);
    }

    pub fn registration(&self) -> Registration {
        Registration::from_u8(self.registration.load(Ordering::Acquire))
    }

    /// The lease is there. Returns what was known before: a connection that was welcomed without
    /// one has to resync now.
    pub fn set_registered(&self) -> Registration {
        let before = self
            .registration
            .swap(Registration::Done as u8, Ordering::AcqRel);
        Registration::from_u8(before)
    }

    /// The client won't wait for its lease any longer. No effect if it is there.
    pub fn welcome_unregistered(&self) {
        let _ = self.registration.compare_exchange(
            Registration::Pending as u8,
            Registration::Missing as u8,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
    }

    /// Something came from the client.
    pub fn heard(&self) {
        self.beats_in_silence.store(0, Ordering::Relaxed);
    }

    /// Counts a beat; true when the client has been silent for too many.
    pub fn beat_in_silence(&self) -> bool {
        self.beats_in_silence.fetch_add(1, Ordering::Relaxed) >= SILENT_BEATS
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::queue::Writer;
    use super::*;

    pub fn connection(number: u64, user: u8) -> Connection<()> {
        Connection::new(NewConnection {
            number,
            id: ConnectionId::from_bytes([9; 16]),
            user: UserId::from_bytes([user; 16]),
            session: SessionId::from_bytes([user; 16]),
            format: Format::Json,
            opened_unix_ms: 0,
            person: (),
            queue_capacity: 4,
        })
    }

    #[tokio::test]
    async fn a_slow_reader_is_closed_and_its_queue_given_back() {
        let connection = connection(1, 1);
        connection.queue.set_writer(Writer::Stuck);
        for _ in 0..4 {
            connection.resync("x");
        }
        assert_eq!(connection.push(Item::Beat), Pushed::Full);
        let taken = connection.queue.take().await;
        assert_eq!(taken.close, Some(Close::SLOW_READER));
        assert!(taken.items.is_empty());
    }

    #[test]
    fn a_client_is_silent_after_two_beats() {
        let connection = connection(1, 1);
        assert!(!connection.beat_in_silence());
        assert!(!connection.beat_in_silence());
        connection.heard();
        assert!(!connection.beat_in_silence());
        assert!(!connection.beat_in_silence());
        assert!(connection.beat_in_silence());
    }

    #[test]
    fn a_failed_attempt_blocks_what_follows() {
        let connection = connection(1, 1);
        let conversation = ids::ConversationId::from_bytes([5; 16]);
        connection.refuse_with_retry(conversation, Refused::default());
        assert!(!connection.outbox().admits(conversation, false));
    }
}
