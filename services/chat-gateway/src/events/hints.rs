//! Hints to other gateways, straight to their partitions of the deliveries: who types, and who came or left.
//!
//! **Invariants.** None needs to arrive: the next one, or the next look into Redis, makes it good. So
//! nothing waits for them, and what can't be sent at once is dropped and counted. The gateway's own
//! sockets get theirs the same way.

use std::collections::HashMap;

use events::{DELIVERIES_TOPIC, Delivery, DeliveryBatch, delivery, pack_users};
use ids::UserId;
use proto::Message as _;
use proto::event::PresenceChanged;
use rdkafka::producer::FutureRecord;

use crate::metrics::Metrics;

/// People in one record.
const MAX_USERS: usize = 10_000;

/// The producer of hints. Cheap to clone.
#[derive(Clone)]
pub struct Hints {
    producer: kafka::Producer,
    metrics: Metrics,
}

impl Hints {
    #[must_use]
    pub const fn new(producer: kafka::Producer, metrics: Metrics) -> Self {
        Self { producer, metrics }
    }

    /// Sends deliveries to the gateway of a partition.
    pub fn send(&self, partition: u32, deliveries: Vec<Delivery>) {
        let payload = DeliveryBatch { deliveries }.encode_to_vec();
        let record = FutureRecord::<(), _>::to(DELIVERIES_TOPIC)
            .partition(partition as i32)
            .payload(&payload);
        let dropped = self.metrics.hints_dropped.clone();
        let queued = self.producer.send_then(record, move |outcome| {
            if outcome.is_err() {
                dropped.increment(1);
            }
        });
        if queued.is_err() {
            self.metrics.hints_dropped.increment(1);
        }
    }

    /// Tells gateways, by partition, of those whom they watch.
    pub fn presence_changed(&self, changes: HashMap<u32, Vec<UserId>>) {
        for (partition, users) in changes {
            for users in users.chunks(MAX_USERS) {
                let event = delivery::Event::PresenceChanged(PresenceChanged {
                    users: pack_users(users),
                });
                self.metrics.presence_hints.increment(1);
                self.send(
                    partition,
                    vec![Delivery {
                        event: Some(event),
                        ..Delivery::default()
                    }],
                );
            }
        }
    }
}
