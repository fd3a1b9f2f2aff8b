//! From this gateway's own partition of the deliveries to its sockets.
//!
//! **Invariants.** No group: the partition is assigned by number, and read from the end that was
//! resolved before the first registration, so nothing that the sequencer sends here is missed. The
//! loop never waits for a socket. What it can't account for ends in a `resync` for everybody.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use events::{
    DELIVERIES_TOPIC, Delivery, DeliveryBatch, TRACEPARENT_HEADER, delivery, unpack_users,
};
use futures_util::FutureExt as _;
use ids::{MessageId, SessionId};
use proto::Message as _;
use proto::socket::server_frame::Frame;
use proto::socket::{Entry, MemberTyping, entry};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::app::{App, Person};
use crate::domain::frame::Outgoing;
use crate::domain::registry::Round;

/// How often the end of the partition is asked for.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
const KAFKA_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the loop may take to reach an end before the next one is asked for.
const CATCH_UP: Duration = Duration::from_secs(10);
/// Times in a row that the end may lie before what was read, until that counts as a loss.
const LOST_TAIL_AFTER: u32 = 5;
/// Messages handed on before sockets are woken: their frames share writes.
const MESSAGES_PER_ROUND: usize = 64;
/// Frames queued after which a round ends early.
const FRAMES_PER_ROUND: u64 = 4_096;

/// Reads the partition until `stop`. Cancels `reading` (the token, not the work) once the start is
/// fixed: from then on sockets may be registered.
///
/// # Errors
/// When the consumer has failed for good.
pub async fn read(
    app: Arc<App>,
    consumer: Arc<kafka::Consumer>,
    reading: CancellationToken,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let partition = app.partition as i32;
    let end = tokio::select! {
        end = first_end(&consumer, partition) => end,
        () = stop.cancelled() => return Ok(()),
    };
    read_from(&consumer, partition, end).context("assign the partition of the deliveries")?;
    app.currency.advance_to(end);
    tracing::info!(partition, offset = end, "reading deliveries");
    reading.cancel();

    let mut round = Round::default();
    loop {
        let first = tokio::select! {
            first = consumer.recv() => first,
            () = stop.cancelled() => return Ok(()),
        };
        take(&app, first, &mut round)?;
        // Whatever is here already goes out together.
        for _ in 1..MESSAGES_PER_ROUND {
            if round.queued > FRAMES_PER_ROUND {
                break;
            }
            match consumer.recv().now_or_never() {
                Some(next) => take(&app, next, &mut round)?,
                None => break,
            }
        }
        app.metrics.queued.increment(round.queued);
        if round.slow > 0 {
            app.metrics.slow_readers.increment(round.slow);
        }
        round.finish();
        // The sockets get their turn before more is added.
        tokio::task::yield_now().await;
    }
}

fn read_from(consumer: &kafka::Consumer, partition: i32, offset: i64) -> Result<(), KafkaError> {
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(DELIVERIES_TOPIC, partition, Offset::Offset(offset))?;
    consumer.assign(&assignment)
}

/// The end of the partition, as soon as Kafka tells it.
async fn first_end(consumer: &Arc<kafka::Consumer>, partition: i32) -> i64 {
    let mut told = false;
    loop {
        match kept(consumer, partition).await {
            Ok(kept) => return kept.end,
            Err(error) if !told => {
                told = true;
                tracing::warn!(
                    partition,
                    error = &error as &dyn std::error::Error,
                    "the deliveries can't be read yet"
                );
            }
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// The offsets that Kafka has.
async fn kept(
    consumer: &Arc<kafka::Consumer>,
    partition: i32,
) -> Result<std::ops::Range<i64>, KafkaError> {
    let consumer = consumer.clone();
    let asked = tokio::task::spawn_blocking(move || {
        consumer.fetch_watermarks(DELIVERIES_TOPIC, partition, KAFKA_TIMEOUT)
    });
    match asked.await {
        Ok(Ok((first, end))) => Ok(first..end),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(KafkaError::Canceled),
    }
}

fn take(
    app: &App,
    message: Result<BorrowedMessage<'_>, KafkaError>,
    round: &mut Round<Person>,
) -> anyhow::Result<()> {
    match message {
        Ok(message) => {
            hand_on(app, &message, round);
            Ok(())
        }
        Err(KafkaError::MessageConsumptionFatal(code)) => {
            anyhow::bail!("the consumer of the deliveries failed for good: {code:?}")
        }
        Err(error) => {
            // librdkafka goes on by itself; heartbeats stop if it takes long.
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "reading deliveries failed for now"
            );
            Ok(())
        }
    }
}

fn hand_on(app: &App, message: &BorrowedMessage<'_>, round: &mut Round<Person>) {
    if app
        .currency
        .position()
        .is_some_and(|at| at != message.offset())
    {
        tracing::warn!(
            offset = message.offset(),
            expected = app.currency.position(),
            "deliveries were lost: all sockets resync"
        );
        resync_all(app, "deliveries_lost");
    }
    match DeliveryBatch::decode(message.payload().unwrap_or_default()) {
        Ok(batch) => {
            app.metrics
                .deliveries
                .increment(batch.deliveries.len() as u64);
            let parent = sampled_parent(message);
            for delivery in batch.deliveries {
                deliver(app, delivery, parent, round);
            }
        }
        Err(error) => {
            tracing::warn!(
                offset = message.offset(),
                error = &error as &dyn std::error::Error,
                "a delivery can't be read: all sockets resync"
            );
            resync_all(app, "deliveries_lost");
        }
    }
    app.currency.advance_to(message.offset() + 1);
}

/// The trace that a record goes on, if it is recorded: only then is a span made for it.
fn sampled_parent<'a>(message: &'a BorrowedMessage<'_>) -> Option<&'a str> {
    message
        .headers()?
        .iter()
        .find(|header| header.key == TRACEPARENT_HEADER)
        .and_then(|header| header.value)
        .and_then(|value| std::str::from_utf8(value).ok())
        .filter(|traceparent| traceparent.ends_with("-01"))
}

/// From reading a delivery until the last of its sockets has taken the frame.
fn span_of(app: &App, parent: &str) -> Span {
    let span = tracing::info_span!(
        "deliver to sockets",
        otel.kind = "consumer",
        messaging.system = "kafka",
        messaging.client.id = format!("chat-gateway-{}", app.partition),
        messaging.destination.name = DELIVERIES_TOPIC,
        messaging.destination.partition.id = app.partition,
    );
    telemetry::set_parent(&span, parent);
    span
}

/// How long a sender of this gateway has waited for what is now acknowledged. The gateway itself
/// made the message's id, when it read the frame.
fn since_sent(app: &App, entry: &Entry) -> Option<Duration> {
    let Some(entry::Change::Message(message)) = &entry.change else {
        return None;
    };
    let sent = MessageId::parse(&message.message_id).ok()?.unix_ms();
    Some(Duration::from_millis(
        app.clock.unix_ms().saturating_sub(sent),
    ))
}

fn deliver(app: &App, delivery: Delivery, parent: Option<&str>, round: &mut Round<Person>) {
    let waiter = delivery
        .origin
        .filter(|origin| origin.boot_id == app.boot.as_bytes())
        .map(|origin| origin.waiter);
    let mut users: &[u8] = &delivery.users;
    let frame = match delivery.event {
        Some(delivery::Event::Entry(entry)) => {
            note_membership(app, &entry);
            let age_ms = app.clock.unix_ms() as i64 - entry.time_unix_ms;
            app.metrics
                .stamp_to_queue
                .record(Duration::from_millis(age_ms.max(0) as u64));
            if waiter.is_some()
                && let Some(waited) = since_sent(app, &entry)
            {
                app.metrics.send_to_ack.record(waited);
            }
            Frame::Entry(entry)
        }
        Some(delivery::Event::Accepted(accepted)) => {
            users = &[];
            Frame::Accepted(accepted)
        }
        Some(delivery::Event::Refused(refused)) => {
            users = &[];
            Frame::Refused(refused)
        }
        Some(delivery::Event::State(state)) => Frame::State(state),
        Some(delivery::Event::Receipt(receipt)) => Frame::Receipt(receipt),
        Some(delivery::Event::Hidden(hidden)) => Frame::Hidden(hidden),
        Some(delivery::Event::SettingsChanged(changed)) => Frame::SettingsChanged(changed),
        Some(delivery::Event::ContactsChanged(changed)) => Frame::ContactsChanged(changed),
        Some(delivery::Event::EndSession(ended)) => {
            if let Ok(session) = SessionId::from_slice(&ended.session_id) {
                app.end_session(session);
            }
            return;
        }
        Some(delivery::Event::ResyncAll(all)) => {
            resync_all(app, &all.reason);
            return;
        }
        Some(delivery::Event::Typing(typing)) => return hint_typing(app, users, typing, round),
        Some(delivery::Event::PresenceChanged(changed)) => {
            app.watches.changed(unpack_users(&changed.users));
            return;
        }
        // From a newer version.
        None => return,
    };
    let span = parent.map_or_else(Span::none, |parent| span_of(app, parent));
    app.registry.deliver(
        &Arc::new(Outgoing::traced(frame, span)),
        unpack_users(users),
        waiter,
        round,
    );
}

/// Hints follow a change of membership at once.
fn note_membership(app: &App, entry: &Entry) {
    let user = match &entry.change {
        Some(entry::Change::Joined(joined)) => &joined.user_id,
        Some(entry::Change::Left(left)) => &left.user_id,
        _ => return,
    };
    let (Ok(conversation), Ok(user)) = (entry.conversation_id.parse(), user.parse()) else {
        return;
    };
    let audiences = &app.peers.audiences;
    if matches!(entry.change, Some(entry::Change::Joined(_))) {
        audiences.joined(conversation, user);
    } else {
        audiences.left(conversation, user);
    }
}

fn hint_typing(app: &App, users: &[u8], typing: MemberTyping, round: &mut Round<Person>) {
    // One that waited long says nothing about now.
    if !app.currency.is_current() {
        return;
    }
    let Ok(conversation) = typing.conversation_id.parse() else {
        return;
    };
    // It may have been on its way when somebody left.
    let audiences = &app.peers.audiences;
    let users = unpack_users(users).filter(|user| !audiences.has_left(conversation, *user));
    let event = Arc::new(Outgoing::from(Frame::Typing(typing)));
    app.registry.deliver(&event, users, None, round);
}

fn resync_all(app: &App, reason: &str) {
    app.registry
        .visit_all(|connection| connection.resync(reason));
}

/// Finds out again and again whether [`read`] has reached the end, until `stop`.
///
/// # Errors
/// Never; what fails makes heartbeats stop.
pub async fn watch(
    app: Arc<App>,
    consumer: Arc<kafka::Consumer>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut beyond_end = 0;
    loop {
        tokio::select! {
            () = confirm(&app, &consumer, &mut beyond_end) => {}
            () = stop.cancelled() => return Ok(()),
        }
        let current = app.currency.is_current();
        app.metrics.current.set(if current { 1.0 } else { 0.0 });
        // At the start nobody should wait a whole interval for the first confirmation.
        let pause = if current {
            WATCH_INTERVAL
        } else {
            WATCH_INTERVAL / 10
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}

async fn confirm(app: &App, consumer: &Arc<kafka::Consumer>, beyond_end: &mut u32) {
    // All are taken before the end is: what came until then is handed on when it is reached.
    let as_of = Instant::now();
    let before = app.currency.position();
    let cursor = app.registrations.time().await.ok();
    let partition = app.partition as i32;
    let (Some(before), Ok(std::ops::Range { start: first, end })) =
        (before, kept(consumer, partition).await)
    else {
        return;
    };
    if before < first {
        // They are kept for an hour. Whoever was away for longer would be given the next one only when there
        // is one, and would not be current, nor get sockets for which there is one, until then.
        tracing::warn!(before, first, "deliveries are gone: all sockets resync");
        if read_from(consumer, partition, end).is_ok() {
            app.currency.advance_to(end);
            resync_all(app, "deliveries_lost");
        }
        return;
    }
    if before > end {
        // A new leader may not know yet how far everybody has read; a lost tail stays lost.
        *beyond_end += 1;
        if *beyond_end >= LOST_TAIL_AFTER {
            tracing::warn!(
                before,
                end,
                "the deliveries lost their tail: all sockets resync"
            );
            resync_all(app, "deliveries_lost");
            app.currency.advance_to(end);
        }
        return;
    }
    *beyond_end = 0;
    while let Some(position) = app.currency.position() {
        app.metrics.lag.set((end - position).max(0) as f64);
        if position >= end {
            app.currency.confirm(as_of, cursor);
            return;
        }
        if as_of.elapsed() > CATCH_UP {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
