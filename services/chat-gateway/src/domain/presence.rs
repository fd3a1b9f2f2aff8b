//! Whose presence the sockets of this gateway watch, and what they were told of it.
//!
//! **Invariants.** Redis is asked only about people whom somebody here watches. Whoever is watched is
//! entered in Redis as watched before their leases are read, so a change is either read or told. What a
//! socket was told is remembered: the same is not told twice, in whatever order hints arrive.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ids::UserId;
use proto::socket::{Presence, server_frame};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::connection::Connection;
use super::frame::Outgoing;
use super::queue::{Item, Pushed};

/// Most people whom one socket watches.
pub const MAX_WATCHED: usize = 100;
/// How long an answer to "may they see it?" holds.
pub const RECHECK_AFTER: Duration = Duration::from_secs(60);

/// How somebody stands, as a watcher is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Online,
    /// `None`: it isn't known when they were last connected.
    Offline {
        last_seen_unix_ms: Option<u64>,
    },
    /// Not for the watcher to see, or nobody.
    Hidden,
}

impl Standing {
    #[must_use]
    pub fn presence(self, user: UserId) -> Presence {
        let (state, last_seen_unix_ms) = match self {
            Self::Online => ("online", None),
            Self::Offline { last_seen_unix_ms } => ("offline", last_seen_unix_ms),
            Self::Hidden => ("hidden", None),
        };
        Presence {
            user_id: user.to_string(),
            state: state.to_owned(),
            last_seen_unix_ms: last_seen_unix_ms.unwrap_or(0) as i64,
        }
    }
}

/// A socket whose question has to be answered, or asked again.
#[derive(Debug)]
pub struct Check<P> {
    pub connection: Arc<Connection<P>>,
    /// Whom it watches.
    pub users: Vec<UserId>,
    /// Which of the socket's questions this is.
    pub question: u64,
}

/// What the sockets of this gateway watch.
#[derive(Debug)]
pub struct Watches<P> {
    state: Mutex<State<P>>,
    /// Rings when there is something to check.
    pub to_check: Notify,
    /// Rings when there is somebody to look at.
    pub to_look: Notify,
}

#[derive(Debug)]
struct State<P> {
    people: HashMap<UserId, Watched<P>>,
    looks: BTreeSet<(Instant, UserId)>,
    sockets: HashMap<u64, Watching<P>>,
    checks: BTreeSet<(Instant, u64)>,
    /// Whom nobody watches any more.
    left: HashSet<UserId>,
    next_question: u64,
}

/// Somebody who is watched.
#[derive(Debug)]
struct Watched<P> {
    watchers: Vec<Watcher<P>>,
    /// When to look at them next; as in `looks`.
    look_at: Instant,
    /// When they were last said to have changed.
    changed_at: Instant,
}

#[derive(Debug)]
struct Watcher<P> {
    connection: Arc<Connection<P>>,
    told: Option<Standing>,
}

/// A socket that watches.
#[derive(Debug)]
struct Watching<P> {
    connection: Arc<Connection<P>>,
    users: Vec<UserId>,
    hidden: HashSet<UserId>,
    question: u64,
    /// As in `checks`.
    check_at: Instant,
}

impl<P> Default for Watches<P> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                people: HashMap::new(),
                looks: BTreeSet::new(),
                sockets: HashMap::new(),
                checks: BTreeSet::new(),
                left: HashSet::new(),
                next_question: 1,
            }),
            to_check: Notify::new(),
            to_look: Notify::new(),
        }
    }
}

impl<P> State<P> {
    /// Takes a socket's watches back.
    fn forget(&mut self, number: u64) {
        let Some(socket) = self.sockets.remove(&number) else {
            return;
        };
        self.checks.remove(&(socket.check_at, number));
        for user in socket.users {
            self.unwatch(number, user);
        }
    }

    fn unwatch(&mut self, number: u64, user: UserId) {
        let Some(watched) = self.people.get_mut(&user) else {
            return;
        };
        watched
            .watchers
            .retain(|watcher| watcher.connection.number != number);
        if watched.watchers.is_empty() {
            self.looks.remove(&(watched.look_at, user));
            self.people.remove(&user);
            self.left.insert(user);
        }
    }

    /// Enters a socket among the watchers of somebody; returns whether it is new there.
    fn watch(&mut self, connection: &Arc<Connection<P>>, user: UserId, now: Instant) -> bool {
        let watched = self.people.entry(user).or_insert_with(|| Watched {
            watchers: Vec::with_capacity(1),
            look_at: now,
            changed_at: now,
        });
        let is_new = watched
            .watchers
            .iter()
            .all(|watcher| watcher.connection.number != connection.number);
        if is_new {
            watched.watchers.push(Watcher {
                connection: connection.clone(),
                told: None,
            });
            self.left.remove(&user);
            self.look_at(user, now);
        }
        is_new
    }

    fn look_at(&mut self, user: UserId, at: Instant) {
        if let Some(watched) = self.people.get_mut(&user) {
            self.looks.remove(&(watched.look_at, user));
            watched.look_at = at;
            self.looks.insert((at, user));
        }
    }

    fn check_at(&mut self, number: u64, at: Instant) {
        if let Some(socket) = self.sockets.get_mut(&number) {
            self.checks.remove(&(socket.check_at, number));
            socket.check_at = at;
            self.checks.insert((at, number));
        }
    }
}

impl<P> Watches<P> {
    fn lock(&self) -> MutexGuard<'_, State<P>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A socket asks for these people, instead of those it asked for before. It is answered when it is
    /// known whom of them it may see.
    pub fn ask(&self, connection: &Arc<Connection<P>>, mut users: Vec<UserId>) {
        users.sort_unstable();
        users.dedup();
        let (number, now) = (connection.number, Instant::now());
        let mut state = self.lock();
        state.forget(number);
        if users.is_empty() {
            return;
        }
        let question = state.next_question;
        state.next_question += 1;
        let socket = Watching {
            connection: connection.clone(),
            users,
            hidden: HashSet::new(),
            question,
            check_at: now,
        };
        state.sockets.insert(number, socket);
        state.checks.insert((now, number));
        drop(state);
        self.to_check.notify_one();
    }

    /// A socket was closed.
    pub fn forget(&self, connection: &Connection<P>) {
        self.lock().forget(connection.number);
    }

    /// These people were told to stand differently now.
    pub fn changed(&self, users: impl Iterator<Item = UserId>) {
        let now = Instant::now();
        let mut state = self.lock();
        for user in users {
            if let Some(watched) = state.people.get_mut(&user) {
                watched.changed_at = now;
                state.look_at(user, now);
            }
        }
        drop(state);
        self.to_look.notify_one();
    }

    /// At most `max` sockets for which it has to be found out now whom they may see. Each comes again
    /// after `retry`, unless it is settled before.
    pub fn due_checks(&self, now: Instant, max: usize, retry: Duration) -> Vec<Check<P>> {
        let mut state = self.lock();
        let numbers: Vec<u64> = state
            .checks
            .range(..=(now, u64::MAX))
            .take(max)
            .map(|(_, number)| *number)
            .collect();
        let mut checks = Vec::with_capacity(numbers.len());
        for number in numbers {
            state.check_at(number, now + retry);
            if let Some(socket) = state.sockets.get(&number) {
                checks.push(Check {
                    connection: socket.connection.clone(),
                    users: socket.users.clone(),
                    question: socket.question,
                });
            }
        }
        checks
    }

    /// What a check found: the socket may see `visible` and nobody else.
    pub fn settle(&self, check: &Check<P>, visible: &HashSet<UserId>) {
        let (number, now) = (check.connection.number, Instant::now());
        let mut state = self.lock();
        let Some(mut socket) = state.sockets.remove(&number) else {
            return;
        };
        if socket.question == check.question {
            for user in &check.users {
                if visible.contains(user) {
                    socket.hidden.remove(user);
                    state.watch(&socket.connection, *user, now);
                } else if socket.hidden.insert(*user) {
                    state.unwatch(number, *user);
                    tell(&socket.connection, &frame(*user, Standing::Hidden));
                }
            }
        }
        let is_answered = socket.question == check.question;
        state.sockets.insert(number, socket);
        if is_answered {
            state.check_at(number, now + RECHECK_AFTER);
        }
        drop(state);
        self.to_look.notify_one();
    }

    /// When the next check is due, if any is.
    pub fn next_check(&self) -> Option<Instant> {
        self.lock().checks.first().map(|(at, _)| *at)
    }

    /// When the next look is due, if any is.
    pub fn next_look(&self) -> Option<Instant> {
        self.lock().looks.first().map(|(at, _)| *at)
    }

    /// At most `max` people to be looked at now. Each comes again after `retry`, unless it is seen before.
    pub fn due_looks(&self, now: Instant, max: usize, retry: Duration) -> Vec<UserId> {
        let mut state = self.lock();
        let due = state
            .looks
            .range(..=(now, UserId::from_bytes([u8::MAX; 16])));
        let users: Vec<UserId> = due.take(max).map(|(_, user)| *user).collect();
        for user in &users {
            state.look_at(*user, now + retry);
        }
        users
    }

    /// What a look that began at `began` has shown. Returns to how many sockets it was news. The next one
    /// is due after `next`, or at once if there was a change since.
    pub fn saw(&self, user: UserId, standing: Standing, began: Instant, next: Duration) -> u64 {
        let mut state = self.lock();
        let Some(watched) = state.people.get_mut(&user) else {
            return 0;
        };
        let event = frame(user, standing);
        let mut told = 0;
        for watcher in &mut watched.watchers {
            if watcher.told != Some(standing) {
                watcher.told = Some(standing);
                told += 1;
                tell(&watcher.connection, &event);
            }
        }
        if watched.changed_at < began {
            state.look_at(user, began + next);
        }
        told
    }

    /// Those whom nobody watches any more, once.
    pub fn take_left(&self) -> Vec<UserId> {
        self.lock().left.drain().collect()
    }

    /// How many people are watched.
    pub fn people(&self) -> usize {
        self.lock().people.len()
    }
}

fn frame(user: UserId, standing: Standing) -> Arc<Outgoing> {
    let presence = standing.presence(user);
    Arc::new(Outgoing::from(server_frame::Frame::Presence(presence)))
}

fn tell<P>(connection: &Connection<P>, event: &Arc<Outgoing>) {
    if connection.push(Item::Frame(event.clone())) == Pushed::First {
        connection.queue.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::super::connection::tests::connection;
    use super::super::frame::Format;
    use super::*;

    const RETRY: Duration = Duration::from_secs(1);
    const NEXT: Duration = Duration::from_secs(10);
    const ANN: UserId = UserId::from_bytes([1; 16]);
    const BOB: UserId = UserId::from_bytes([2; 16]);

    type Watcher = Arc<Connection<()>>;

    fn asks(watches: &Watches<()>, number: u64, users: &[UserId]) -> Watcher {
        let socket = Arc::new(connection(number, 9));
        watches.ask(&socket, users.to_vec());
        socket
    }

    fn settle_all(watches: &Watches<()>, visible: &[UserId]) {
        for check in watches.due_checks(Instant::now(), 9, RETRY) {
            watches.settle(&check, &visible.iter().copied().collect());
        }
    }

    fn looks(watches: &Watches<()>) -> Vec<UserId> {
        watches.due_looks(Instant::now(), 9, RETRY)
    }

    fn see(watches: &Watches<()>, user: UserId, standing: Standing) -> u64 {
        watches.saw(user, standing, Instant::now(), NEXT)
    }

    /// What was told since the last time.
    async fn told(socket: &Watcher) -> Vec<(u8, String)> {
        socket.resync("marker");
        let items = socket.queue.take().await.items;
        let frames = items.iter().filter_map(|item| match item {
            Item::Frame(outgoing) => {
                let json = outgoing.encoded(Format::Json);
                serde_json::from_slice::<server_frame::Frame>(&json).ok()
            }
            Item::Beat => None,
        });
        frames
            .filter_map(|frame| match frame {
                server_frame::Frame::Presence(presence) => {
                    let user = UserId::parse(&presence.user_id).unwrap();
                    Some((user.as_bytes()[0], presence.state))
                }
                _ => None,
            })
            .collect()
    }

    async fn pass(time: Duration) {
        tokio::time::advance(time).await;
    }

    #[tokio::test(start_paused = true)]
    async fn each_whom_a_socket_asks_for_is_answered_once_and_at_each_change() {
        let watches = Watches::default();
        let socket = asks(&watches, 1, &[ANN, BOB]);
        assert!(looks(&watches).is_empty(), "not before it is known who may");
        settle_all(&watches, &[ANN]);
        assert_eq!(told(&socket).await, [(2, "hidden".into())]);
        assert_eq!(looks(&watches), [ANN]);
        assert!(looks(&watches).is_empty(), "it is under way");
        pass(Duration::from_millis(1)).await;
        assert_eq!(see(&watches, ANN, Standing::Online), 1);
        assert_eq!(see(&watches, ANN, Standing::Online), 0);
        assert_eq!(told(&socket).await, [(1, "online".into())]);
        watches.changed([ANN, BOB].into_iter());
        assert_eq!(looks(&watches), [ANN], "nobody here may see Bob");
        let offline = Standing::Offline {
            last_seen_unix_ms: Some(7),
        };
        assert_eq!(see(&watches, ANN, offline), 1);
        assert_eq!(told(&socket).await, [(1, "offline".into())]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_while_somebody_is_looked_at_is_looked_at_again() {
        let watches = Watches::default();
        let _socket = asks(&watches, 1, &[ANN]);
        settle_all(&watches, &[ANN]);
        pass(Duration::from_millis(1)).await;
        let began = Instant::now();
        assert_eq!(looks(&watches), [ANN]);
        pass(Duration::from_millis(1)).await;
        watches.changed(std::iter::once(ANN));
        watches.saw(ANN, Standing::Online, began, NEXT);
        assert_eq!(looks(&watches), [ANN]);
        pass(Duration::from_millis(1)).await;
        see(&watches, ANN, Standing::Online);
        assert!(looks(&watches).is_empty());
        pass(NEXT).await;
        assert_eq!(looks(&watches), [ANN], "a lost hint is made good");
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_be_seen_is_asked_again_and_taken_back() {
        let watches = Watches::default();
        let socket = asks(&watches, 1, &[ANN, BOB]);
        settle_all(&watches, &[ANN]);
        looks(&watches);
        see(&watches, ANN, Standing::Online);
        told(&socket).await;
        pass(RECHECK_AFTER).await;
        settle_all(&watches, &[BOB]);
        assert_eq!(told(&socket).await, [(1, "hidden".into())]);
        assert_eq!(looks(&watches), [BOB]);
        see(&watches, BOB, Standing::Online);
        assert_eq!(told(&socket).await, [(2, "online".into())]);
        assert_eq!(watches.take_left(), [ANN]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_to_an_older_question_changes_nothing() {
        let watches = Watches::default();
        let socket = asks(&watches, 1, &[ANN]);
        let old = watches.due_checks(Instant::now(), 9, RETRY);
        watches.ask(&socket, vec![BOB]);
        watches.settle(&old[0], &HashSet::from([ANN]));
        assert!(looks(&watches).is_empty());
        settle_all(&watches, &[BOB]);
        assert_eq!(looks(&watches), [BOB]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_watched_by_nobody_is_not_looked_at() {
        let watches = Watches::default();
        let (first, second) = (asks(&watches, 1, &[ANN]), asks(&watches, 2, &[ANN]));
        settle_all(&watches, &[ANN]);
        looks(&watches);
        see(&watches, ANN, Standing::Online);
        watches.forget(&first);
        assert!(watches.take_left().is_empty());
        watches.ask(&second, Vec::new());
        assert_eq!(watches.take_left(), [ANN]);
        watches.changed(std::iter::once(ANN));
        pass(NEXT * 2).await;
        assert!(looks(&watches).is_empty());
        let state = watches.lock();
        assert!(state.people.is_empty() && state.sockets.is_empty());
        assert!(state.looks.is_empty() && state.checks.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_or_check_that_failed_comes_again() {
        let watches = Watches::default();
        let _socket = asks(&watches, 1, &[ANN]);
        assert_eq!(watches.due_checks(Instant::now(), 9, RETRY).len(), 1);
        assert!(watches.due_checks(Instant::now(), 9, RETRY).is_empty());
        pass(RETRY).await;
        settle_all(&watches, &[ANN]);
        assert_eq!(looks(&watches), [ANN]);
        pass(RETRY).await;
        assert_eq!(looks(&watches), [ANN]);
    }
}
