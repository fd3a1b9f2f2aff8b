//! Gateways and the sockets that they hold.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use chat_gateway::domain::outbox::Outbox;
use events::Origin;
use ids::{BootId, UserId};
use message::sequencer::owner::Outgoing;
use proto::event::delivery::Event;
use proto::socket::server_frame::Frame;
use proto::socket::{Heartbeat, Resync, client_frame};

/// What lies in a gateway's partition of the deliveries.
#[derive(Clone)]
pub enum Delivery {
    Event {
        to: Vec<UserId>,
        origin: Option<Origin>,
        event: Arc<Event>,
    },
    ResyncAll,
}

impl Delivery {
    #[must_use]
    pub fn of(outgoing: &Outgoing) -> Self {
        Self::Event {
            to: outgoing.to.clone(),
            origin: outgoing.origin.clone(),
            event: Arc::new(outgoing.event.clone()),
        }
    }
}

/// A socket, seen from the gateway.
pub struct Connection {
    pub device: usize,
    pub user: UserId,
    pub to_client: VecDeque<Frame>,
    pub to_server: VecDeque<client_frame::Frame>,
    /// Frames that heartbeats count.
    sent: u64,
    /// Frames read since `welcome`.
    pub received: u64,
    /// `None` before `hello`; then whether Redis knows of the socket.
    pub registered: Option<bool>,
    pub outbox: Outbox,
}

impl Connection {
    #[must_use]
    pub fn new(device: usize, user: UserId) -> Self {
        Self {
            device,
            user,
            to_client: VecDeque::new(),
            to_server: VecDeque::new(),
            sent: 0,
            received: 0,
            registered: None,
            outbox: Outbox::default(),
        }
    }

    pub fn push(&mut self, frame: Frame) {
        self.sent += u64::from(is_counted(&frame));
        self.to_client.push_back(frame);
    }

    pub fn resync(&mut self) {
        if self.registered.is_some() {
            self.push(Frame::Resync(Resync::default()));
        }
    }
}

/// The frames of the protocol's heartbeat count.
fn is_counted(frame: &Frame) -> bool {
    matches!(
        frame,
        Frame::Entry(_)
            | Frame::Accepted(_)
            | Frame::Refused(_)
            | Frame::State(_)
            | Frame::Receipt(_)
            | Frame::Hidden(_)
            | Frame::SettingsChanged(_)
            | Frame::Resync(_)
            | Frame::Error(_)
    )
}

/// One gateway: what it has yet to read, and its sockets by number.
pub struct Gateway {
    pub boot: BootId,
    pub queue: VecDeque<Delivery>,
    pub connections: BTreeMap<u64, Connection>,
}

impl Gateway {
    #[must_use]
    pub fn new(boot: BootId) -> Self {
        Self {
            boot,
            queue: VecDeque::new(),
            connections: BTreeMap::new(),
        }
    }

    /// Hands the next delivery to the sockets concerned.
    pub fn hand_on(&mut self) {
        let (to, origin, event) = match self.queue.pop_front() {
            None => return,
            Some(Delivery::ResyncAll) => {
                for connection in self.connections.values_mut() {
                    connection.resync();
                }
                return;
            }
            Some(Delivery::Event { to, origin, event }) => (to, origin, event),
        };
        let waiter = origin
            .filter(|origin| origin.boot_id == self.boot.as_bytes())
            .map(|origin| origin.waiter);
        let (frame, is_for_members) = match (*event).clone() {
            Event::Entry(entry) => (Frame::Entry(entry), true),
            Event::State(state) => (Frame::State(state), true),
            Event::Receipt(receipt) => (Frame::Receipt(receipt), true),
            Event::Hidden(hidden) => (Frame::Hidden(hidden), true),
            Event::SettingsChanged(changed) => (Frame::SettingsChanged(changed), true),
            Event::Accepted(accepted) => (Frame::Accepted(accepted), false),
            Event::Refused(refused) => (Frame::Refused(refused), false),
            _ => return,
        };
        for (number, connection) in &mut self.connections {
            let concerns = is_for_members && to.contains(&connection.user);
            if connection.registered.is_some() && (concerns || waiter == Some(*number)) {
                connection.push(frame.clone());
            }
        }
    }

    /// Sends heartbeats. `now`: the time of Redis, while it answers.
    pub fn beat(&mut self, now: Option<u64>) {
        // What isn't handed on isn't vouched for.
        if !self.queue.is_empty() {
            return;
        }
        for connection in self.connections.values_mut() {
            let cursor = match connection.registered {
                None => continue,
                Some(true) => now,
                Some(false) => None,
            };
            let (frames_sent, frames_received) = (connection.sent, connection.received);
            connection.push(Frame::Heartbeat(Heartbeat {
                frames_sent,
                frames_received,
                cursor: cursor.map(|ms| ms.to_string()).unwrap_or_default(),
                server_time_unix_ms: now.unwrap_or_default() as i64,
            }));
        }
    }
}
