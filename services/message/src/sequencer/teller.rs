//! Telling the gateways: one record to each that holds a socket of somebody concerned.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use events::{DELIVERIES_TOPIC, Delivery, DeliveryBatch, TRACEPARENT_HEADER, delivery, pack_users};
use futures_util::future::try_join_all;
use ids::{ConversationId, UserId};
use proto::Message as _;
use proto::event::ResyncAll;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::FutureRecord;

use super::owner::Outgoing;
use super::routes::Routes;

/// A record is closed when it has grown to this.
const RECORD_BYTES: usize = 256 * 1024;

/// Sends deliveries.
#[derive(Clone)]
pub struct Teller {
    routes: Routes,
    producer: kafka::Producer,
    /// Partitions of all gateways: `0..gateways`.
    gateways: u32,
    /// Partitions of gateways and message pods.
    partitions: u32,
}

impl Teller {
    #[must_use]
    pub const fn new(
        routes: Routes,
        producer: kafka::Producer,
        gateways: u32,
        partitions: u32,
    ) -> Self {
        Self {
            routes,
            producer,
            gateways,
            partitions,
        }
    }

    /// Hands everything to Kafka and waits until it is acknowledged.
    ///
    /// # Errors
    /// When a record isn't known to be in Kafka; telling again is harmless.
    pub async fn tell(
        &self,
        outgoing: impl IntoIterator<Item = &Outgoing> + Clone,
        traceparent: Option<&str>,
    ) -> Result<(), KafkaError> {
        let mut users: BTreeMap<UserId, BTreeSet<ConversationId>> = BTreeMap::new();
        for item in outgoing.clone() {
            for user in &item.to {
                let changed = users.entry(*user).or_default();
                if item.is_change {
                    changed.insert(item.conversation);
                }
            }
        }
        let found = self.routes.note_and_find(&users).await;
        let mut records: BTreeMap<u32, Vec<DeliveryBatch>> = BTreeMap::new();
        let mut sizes: HashMap<u32, usize> = HashMap::new();
        for item in outgoing {
            for (partition, users) in self.targets(item, found.as_ref()) {
                let origin = item
                    .origin
                    .as_ref()
                    .filter(|origin| origin.deliveries_partition == partition)
                    .cloned();
                let delivery = Delivery {
                    users,
                    origin,
                    event: Some(item.event.clone()),
                };
                let size = sizes.entry(partition).or_default();
                let batches = records.entry(partition).or_default();
                let length = delivery.encoded_len();
                if batches.is_empty() || *size + length > RECORD_BYTES {
                    batches.push(DeliveryBatch::default());
                    *size = 0;
                }
                *size += length;
                if let Some(batch) = batches.last_mut() {
                    batch.deliveries.push(delivery);
                }
            }
        }
        try_join_all(records.iter().flat_map(|(partition, batches)| {
            batches
                .iter()
                .map(|batch| self.produce(*partition, batch, traceparent))
        }))
        .await
        .map(drop)
    }

    /// Partitions that must hear of it, with the users that each may hold.
    fn targets(
        &self,
        item: &Outgoing,
        found: Option<&HashMap<UserId, Vec<u32>>>,
    ) -> BTreeMap<u32, Vec<u8>> {
        let mut targets: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        match found {
            Some(found) => {
                for user in &item.to {
                    for partition in found.get(user).into_iter().flatten() {
                        targets
                            .entry(*partition)
                            .or_default()
                            .extend_from_slice(user.as_bytes());
                    }
                }
            }
            None if item.to.is_empty() => {}
            None => {
                for partition in 0..self.gateways {
                    targets.insert(partition, pack_users(&item.to));
                }
            }
        }
        if let Some(origin) = &item.origin {
            targets.entry(origin.deliveries_partition).or_default();
        }
        // What the log or Redis names need not exist.
        targets.retain(|partition, _| *partition < self.partitions);
        targets
    }

    async fn produce(
        &self,
        partition: u32,
        batch: &DeliveryBatch,
        traceparent: Option<&str>,
    ) -> Result<(), KafkaError> {
        let value = batch.encode_to_vec();
        let mut record: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(DELIVERIES_TOPIC)
            .partition(partition as i32)
            .payload(&value);
        if let Some(traceparent) = traceparent {
            record = record.headers(OwnedHeaders::new().insert(Header {
                key: TRACEPARENT_HEADER,
                value: Some(traceparent),
            }));
        }
        self.producer
            .send(record, Duration::from_secs(5))
            .await
            .map(drop)
            .map_err(|(error, _)| error)
    }

    /// After a time in which the index couldn't be kept: begins it again and tells every socket to compare
    /// heads. Does nothing when all is well.
    pub async fn repair_index(&self) {
        if !self.routes.is_incomplete() || self.routes.begin_again().await.is_err() {
            return;
        }
        // Trusted from before the telling: what fails from now on makes it incomplete again.
        self.routes.is_complete_again();
        let batch = DeliveryBatch {
            deliveries: vec![Delivery {
                event: Some(delivery::Event::ResyncAll(ResyncAll {
                    reason: "index_lost".to_owned(),
                })),
                ..Delivery::default()
            }],
        };
        let told =
            try_join_all((0..self.gateways).map(|partition| self.produce(partition, &batch, None)))
                .await;
        if let Err(error) = told {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "asking sockets to resync failed"
            );
            self.routes.mark_incomplete();
        } else {
            metrics::counter!("message_index_repairs_total").increment(1);
        }
    }
}
