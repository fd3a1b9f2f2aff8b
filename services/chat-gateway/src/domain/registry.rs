//! Which sockets are open here, by owner and by number.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dashmap::DashMap;
use ids::{SessionId, UserId};

use super::close::Close;
use super::connection::Connection;
use super::frame::Outgoing;
use super::queue::{Item, Pushed};

/// Connections are spread over this many slots by number. Heartbeats visit one slot after the
/// other, so that a timer for each socket isn't needed and writes are spread over the interval.
pub const SLOTS: usize = 64;

type Slot<P> = Mutex<HashMap<u64, Arc<Connection<P>>>>;

/// The open sockets of this gateway.
#[derive(Debug)]
pub struct Registry<P> {
    users: DashMap<UserId, Vec<Arc<Connection<P>>>>,
    slots: [Slot<P>; SLOTS],
}

impl<P> Default for Registry<P> {
    fn default() -> Self {
        Self {
            users: DashMap::new(),
            slots: std::array::from_fn(|_| Mutex::default()),
        }
    }
}

/// Connections that got their first item in a round of deliveries; woken together at its end, so
/// that the frames of a round go out in one write.
#[derive(Debug)]
pub struct Round<P> {
    to_wake: Vec<Arc<Connection<P>>>,
    /// Frames queued in this round.
    pub queued: u64,
    /// Sockets closed in this round because they read too slowly.
    pub slow: u64,
}

impl<P> Default for Round<P> {
    fn default() -> Self {
        Self {
            to_wake: Vec::new(),
            queued: 0,
            slow: 0,
        }
    }
}

impl<P> Round<P> {
    fn push(&mut self, connection: &Arc<Connection<P>>, event: &Arc<Outgoing>) {
        match connection.push(Item::Frame(event.clone())) {
            Pushed::First => {
                self.to_wake.push(connection.clone());
                self.queued += 1;
            }
            Pushed::Queued => self.queued += 1,
            Pushed::Full => self.slow += 1,
            Pushed::Closing => {}
        }
    }

    /// Has everything written.
    pub fn finish(&mut self) {
        for connection in self.to_wake.drain(..) {
            connection.queue.wake();
        }
        self.queued = 0;
        self.slow = 0;
    }
}

/// Whether a user has sockets left here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    Some,
    None,
}

impl<P> Registry<P> {
    fn slot(&self, number: u64) -> MutexGuard<'_, HashMap<u64, Arc<Connection<P>>>> {
        self.slots[number as usize % SLOTS]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a connection; returns how many its user has here with it.
    pub fn insert(&self, connection: &Arc<Connection<P>>) -> usize {
        self.slot(connection.number)
            .insert(connection.number, connection.clone());
        let mut open = self
            .users
            .entry(connection.user)
            // Nearly everybody has one.
            .or_insert_with(|| Vec::with_capacity(1));
        open.push(connection.clone());
        open.len()
    }

    pub fn remove(&self, connection: &Connection<P>) -> Left {
        self.slot(connection.number).remove(&connection.number);
        let left = self.users.remove_if_mut(&connection.user, |_, open| {
            open.retain(|other| other.number != connection.number);
            open.is_empty()
        });
        if left.is_some() || !self.has(connection.user) {
            Left::None
        } else {
            Left::Some
        }
    }

    /// Whether a user has a socket here.
    pub fn has(&self, user: UserId) -> bool {
        self.users.contains_key(&user)
    }

    pub fn connection(&self, number: u64) -> Option<Arc<Connection<P>>> {
        self.slot(number).get(&number).cloned()
    }

    /// The sockets of a user.
    pub fn of(&self, user: UserId) -> Vec<Arc<Connection<P>>> {
        self.users
            .get(&user)
            .map(|open| open.clone())
            .unwrap_or_default()
    }

    /// Everybody with a socket here.
    pub fn users(&self) -> Vec<UserId> {
        self.users.iter().map(|entry| *entry.key()).collect()
    }

    /// Queues an event to the sockets of `users`, and to the connection `waiter` if it isn't among
    /// them, once each. Never blocks.
    pub fn deliver(
        &self,
        event: &Arc<Outgoing>,
        users: impl Iterator<Item = UserId>,
        waiter: Option<u64>,
        round: &mut Round<P>,
    ) {
        let mut waiter = waiter;
        for user in users {
            if let Some(open) = self.users.get(&user) {
                for connection in open.iter() {
                    if waiter == Some(connection.number) {
                        waiter = None;
                    }
                    round.push(connection, event);
                }
            }
        }
        if let Some(connection) = waiter.and_then(|number| self.connection(number)) {
            round.push(&connection, event);
        }
    }

    /// Visits the connections of one slot, which stays locked: don't wait in it.
    pub fn visit_slot(&self, slot: usize, mut visit: impl FnMut(&Connection<P>)) {
        let connections = self.slots[slot % SLOTS]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for connection in connections.values() {
            visit(connection);
        }
    }

    /// Visits every connection.
    pub fn visit_all(&self, mut visit: impl FnMut(&Connection<P>)) {
        for slot in 0..SLOTS {
            self.visit_slot(slot, &mut visit);
        }
    }

    /// Closes the sockets of a login session; returns how many.
    pub fn end_session(&self, session: SessionId) -> u32 {
        let mut closed = 0;
        self.visit_all(|connection| {
            if connection.session == session && connection.queue.close(Close::SESSION_ENDED) {
                closed += 1;
            }
        });
        closed
    }
}

#[cfg(test)]
mod tests {
    use proto::socket::{Resync, server_frame};

    use super::super::connection::tests::connection;
    use super::super::queue::Writer;
    use super::*;

    fn event() -> Arc<Outgoing> {
        Arc::new(Outgoing::from(server_frame::Frame::Resync(
            Resync::default(),
        )))
    }

    fn open(registry: &Registry<()>, number: u64, user: u8) -> Arc<Connection<()>> {
        let connection = Arc::new(connection(number, user));
        registry.insert(&connection);
        connection
    }

    async fn waiting(connection: &Connection<()>) -> usize {
        connection.resync("marker");
        connection.queue.take().await.items.len() - 1
    }

    fn user(n: u8) -> UserId {
        UserId::from_bytes([n; 16])
    }

    #[tokio::test]
    async fn an_event_reaches_every_socket_of_its_users_once() {
        let registry = Registry::default();
        let (a1, a2, b, c) = (
            open(&registry, 1, 1),
            open(&registry, 2, 1),
            open(&registry, 3, 2),
            open(&registry, 4, 3),
        );
        let mut round = Round::default();
        registry.deliver(
            &event(),
            [user(1), user(2), user(77)].into_iter(),
            Some(2),
            &mut round,
        );
        assert_eq!((round.queued, round.to_wake.len()), (3, 3));
        round.finish();
        for (connection, expected) in [(&a1, 1), (&a2, 1), (&b, 1), (&c, 0)] {
            assert_eq!(waiting(connection).await, expected);
        }
    }

    #[tokio::test]
    async fn the_waiter_gets_it_though_its_user_was_not_named() {
        let registry = Registry::default();
        let connection = open(&registry, 5, 1);
        let mut round = Round::default();
        registry.deliver(&event(), std::iter::empty(), Some(5), &mut round);
        registry.deliver(&event(), std::iter::empty(), Some(6), &mut round);
        assert_eq!(waiting(&connection).await, 1);
    }

    #[tokio::test]
    async fn frames_of_one_round_wake_a_socket_once() {
        let registry = Registry::default();
        open(&registry, 1, 1);
        let mut round = Round::default();
        for _ in 0..3 {
            registry.deliver(&event(), [user(1)].into_iter(), None, &mut round);
        }
        assert_eq!((round.queued, round.to_wake.len()), (3, 1));
    }

    #[tokio::test]
    async fn a_slow_reader_holds_nobody_up() {
        let registry = Registry::default();
        let (slow, quick) = (open(&registry, 1, 1), open(&registry, 2, 2));
        slow.queue.set_writer(Writer::Stuck);
        let mut round = Round::default();
        for _ in 0..5 {
            registry.deliver(&event(), [user(1), user(2)].into_iter(), None, &mut round);
            quick.queue.take().await;
        }
        assert_eq!(round.slow, 1);
        assert_eq!(
            slow.queue.take().await.close,
            Some(Close::SLOW_READER),
            "its queue holds four"
        );
    }

    #[test]
    fn the_last_socket_of_a_user_is_known_as_such() {
        let registry = Registry::default();
        let (first, second) = (open(&registry, 1, 1), open(&registry, 65, 1));
        assert_eq!(registry.remove(&first), Left::Some);
        assert!(registry.has(user(1)));
        assert_eq!(registry.remove(&second), Left::None);
        assert!(!registry.has(user(1)));
        assert!(registry.connection(65).is_none());
    }

    #[tokio::test]
    async fn ending_a_session_closes_its_sockets_only() {
        let registry = Registry::default();
        let (ended, other) = (open(&registry, 1, 1), open(&registry, 2, 2));
        assert_eq!(registry.end_session(SessionId::from_bytes([1; 16])), 1);
        assert_eq!(ended.queue.take().await.close, Some(Close::SESSION_ENDED));
        assert_eq!(waiting(&other).await, 0);
    }
}
