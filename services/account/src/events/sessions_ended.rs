//! Ended sessions, told to every gateway, so that each closes the sockets that it has of them.
//!
//! Through an outbox: the end itself does not wait for Kafka, and is told when Kafka is back.
//! Told twice, it closes nothing twice.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use events::{DELIVERIES_TOPIC, TRACEPARENT_HEADER};
use futures_util::future::try_join_all;
use kafka::KafkaSettings;
use lifecycle::Lifecycle;
use prost::Message as _;
use proto::event::{Delivery, DeliveryBatch, EndSession, delivery};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::FutureRecord;
use tracing::Instrument as _;

use crate::app::App;
use crate::metrics;
use crate::store::sessions::{self, Ended};

/// How often the outbox is looked at without a ring of the bell: for what another replica left.
const LOOK: Duration = Duration::from_secs(5);
const AFTER_A_FAILURE: Duration = Duration::from_secs(1);

pub struct SessionsEnded {
    producer: kafka::Producer,
    gateways: i32,
}

impl SessionsEnded {
    pub fn new(settings: &KafkaSettings) -> anyhow::Result<Self> {
        Ok(Self {
            producer: kafka::producer(settings, "account", kafka::DELIVERIES_TIMEOUT)
                .context("make the Kafka producer")?,
            gateways: settings.message_partition_base,
        })
    }

    /// One record for each partition of a gateway, all acknowledged when this returns.
    async fn publish(&self, ended: &[Ended]) -> anyhow::Result<()> {
        let batch = DeliveryBatch {
            deliveries: ended
                .iter()
                .map(|ended| Delivery {
                    users: events::pack_users([&ended.user]),
                    origin: None,
                    event: Some(delivery::Event::EndSession(EndSession {
                        session_id: ended.session.to_vec(),
                    })),
                })
                .collect(),
        }
        .encode_to_vec();
        let traceparent = telemetry::current_traceparent();
        try_join_all((0..self.gateways).map(async |partition| {
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
        .context("publish ended sessions")?;
        Ok(())
    }
}

/// Empties the outbox, whenever the bell rings and now and then.
pub fn relay(lifecycle: &Lifecycle, app: Arc<App>) {
    let stopping = lifecycle.stopping();
    lifecycle.spawn("ended sessions", async move {
        loop {
            let pause = match drain(&app)
                .instrument(tracing::info_span!("publish ended sessions"))
                .await
            {
                Ok(()) => LOOK,
                Err(error) => {
                    let error: &dyn std::error::Error = error.as_ref();
                    tracing::warn!(error, "ended sessions wait to be published");
                    AFTER_A_FAILURE
                }
            };
            tokio::select! {
                // What is left is in the outbox, for the next start or another replica.
                () = stopping.cancelled() => return Ok(()),
                () = app.session_ended.notified(), if pause == LOOK => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    });
}

async fn drain(app: &App) -> anyhow::Result<()> {
    loop {
        let ended = sessions::pending_ends(&app.database)
            .await
            .context("read the outbox")?;
        metrics::ended_sessions_pending(ended.len() as u64);
        if ended.is_empty() {
            return Ok(());
        }
        app.sessions_ended.publish(&ended).await?;
        let positions: Vec<i64> = ended.iter().map(|ended| ended.position).collect();
        sessions::forget_pending(&app.database, &positions)
            .await
            .context("empty the outbox")?;
    }
}
