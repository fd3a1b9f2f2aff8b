use std::time::Duration;

use anyhow::Context as _;
use events::{DELIVERIES_TOPIC, TRACEPARENT_HEADER};
use futures_util::future::try_join_all;
use kafka::KafkaSettings;
use prost::Message as _;
use proto::event::{Delivery, DeliveryBatch};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::FutureRecord;

/// The gateways, each of which hands on what it has sockets for. Only the message service knows which have;
/// what is told here is rare.
pub struct Gateways {
    producer: kafka::Producer,
    count: i32,
}

impl Gateways {
    pub fn new(settings: &KafkaSettings) -> anyhow::Result<Self> {
        Ok(Self {
            producer: kafka::producer(settings, "account", kafka::DELIVERIES_TIMEOUT)
                .context("make the Kafka producer")?,
            count: settings.message_partition_base,
        })
    }

    /// One record for each partition of a gateway, all acknowledged when this returns.
    pub async fn tell(&self, deliveries: Vec<Delivery>) -> anyhow::Result<()> {
        let batch = DeliveryBatch { deliveries }.encode_to_vec();
        let traceparent = telemetry::current_traceparent();
        try_join_all((0..self.count).map(async |partition| {
            let mut record: FutureRecord<'_, [u8], Vec<u8>> = FutureRecord::to(DELIVERIES_TOPIC)
                .partition(partition)
                .payload(&batch);
            if let Some(traceparent) = &traceparent {
                record = record.headers(OwnedHeaders::new().insert(Header {
                    key: TRACEPARENT_HEADER,
                    value: Some(traceparent),
                }));
            }
            self.producer
                .send(record, Duration::from_secs(5))
                .await
                .map_err(|(error, _)| error)
        }))
        .await
        .context("tell the gateways")?;
        Ok(())
    }
}
