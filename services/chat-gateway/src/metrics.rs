//! Every metric of this service. Handles are looked up once: the hot path only adds.

use std::time::Duration;

use tokio::time::Instant;

use metrics::{Counter, Gauge, Histogram, Unit, counter, gauge, histogram};

#[derive(Clone)]
pub struct Metrics {
    /// `gateway_open_sockets`: sockets that are welcomed and not yet closed.
    pub open_sockets: Gauge,
    /// `gateway_frames_in_total{frame}`: frames from clients, by kind.
    pub sends_in: Counter,
    pub changes_in: Counter,
    pub marks_in: Counter,
    pub hellos_in: Counter,
    pub pings_in: Counter,
    pub unreadable_in: Counter,
    /// `gateway_frames_out_total`: frames written to sockets.
    pub frames_out: Counter,
    /// `gateway_writes_total`: flushes that carried them; frames per write is the ratio.
    pub writes: Counter,
    /// `gateway_write_seconds`: from taking a socket's queue to having it written, the last hop.
    pub write: Histogram,
    /// `gateway_slow_readers_total`: sockets closed because their queue was full.
    pub slow_readers: Counter,
    /// `gateway_deliveries_total`: events read from this gateway's partition.
    pub deliveries: Counter,
    /// `gateway_deliveries_queued_total`: frames queued to sockets for them.
    pub queued: Counter,
    /// `gateway_deliveries_lag_records`: records of the partition that are not handed on yet.
    pub lag: Gauge,
    /// `gateway_current`: 1 while heartbeats may be sent.
    pub current: Gauge,
    /// `gateway_produce_seconds`: from the frame to Kafka's acknowledgement.
    pub produce: Histogram,
    /// `gateway_produce_in_flight_records`: records that Kafka has yet to acknowledge.
    pub in_flight: Gauge,
    /// `gateway_produce_failures_total`: records that Kafka did not take.
    pub produce_failures: Counter,
    /// `gateway_stamp_to_queue_seconds`: from the log's stamp of an entry to the queues of its
    /// sockets.
    pub stamp_to_queue: Histogram,
    /// `gateway_send_to_ack_seconds`: from reading a frame `send` to having its acknowledgement, the
    /// numbered message, in the queue of its socket.
    pub send_to_ack: Histogram,
    /// `gateway_socket_queue_frames`: frames that wait in the queue of a socket, looked at with each
    /// heartbeat.
    pub socket_queue: Histogram,
    /// `gateway_drain_seconds`: since this gateway began to drain; 0 before that.
    pub drain: Gauge,
    /// `gateway_drain_limit_seconds`: how long a drain is to take (`gateway.drain_ms`).
    pub drain_limit: Gauge,
    /// `gateway_registrations_lost_total`: leases that a refresh found gone.
    pub registrations_lost: Counter,
    /// `gateway_registrations_missing`: 1 while Redis doesn't answer and sockets are unregistered.
    pub registrations_missing: Gauge,
}

impl Default for Metrics {
    /// Registers with the recorder of the process.
    fn default() -> Self {
        describe();
        let frames_in = |frame: &'static str| counter!("gateway_frames_in_total", "frame" => frame);
        Self {
            open_sockets: gauge!("gateway_open_sockets"),
            sends_in: frames_in("send"),
            changes_in: frames_in("change"),
            marks_in: frames_in("mark"),
            hellos_in: frames_in("hello"),
            pings_in: frames_in("ping"),
            unreadable_in: frames_in("unreadable"),
            frames_out: counter!("gateway_frames_out_total"),
            writes: counter!("gateway_writes_total"),
            write: histogram!("gateway_write_seconds"),
            slow_readers: counter!("gateway_slow_readers_total"),
            deliveries: counter!("gateway_deliveries_total"),
            queued: counter!("gateway_deliveries_queued_total"),
            lag: gauge!("gateway_deliveries_lag_records"),
            current: gauge!("gateway_current"),
            produce: histogram!("gateway_produce_seconds"),
            in_flight: gauge!("gateway_produce_in_flight_records"),
            produce_failures: counter!("gateway_produce_failures_total"),
            stamp_to_queue: histogram!("gateway_stamp_to_queue_seconds"),
            send_to_ack: histogram!("gateway_send_to_ack_seconds"),
            socket_queue: histogram!("gateway_socket_queue_frames"),
            drain: gauge!("gateway_drain_seconds"),
            drain_limit: gauge!("gateway_drain_limit_seconds"),
            registrations_lost: counter!("gateway_registrations_lost_total"),
            registrations_missing: gauge!("gateway_registrations_missing"),
        }
    }
}

impl Metrics {
    /// `gateway_sockets_closed_total{code}`: sockets that we closed, by close code.
    pub fn closed(code: u16) {
        counter!("gateway_sockets_closed_total", "code" => code.to_string()).increment(1);
    }

    /// Publishes how long the drain has taken, for as long as it is polled: what takes too long shows
    /// while it does, since nobody can ask a gateway that has ended. Never ready.
    pub async fn time_drain(&self) {
        let began = Instant::now();
        let mut ticks = tokio::time::interval(Duration::from_millis(500));
        loop {
            ticks.tick().await;
            self.drain.set(began.elapsed().as_secs_f64());
        }
    }

    /// `gateway_refused_total{code}`: frames refused before the log, by stable code.
    pub fn refused(code: &str) {
        counter!("gateway_refused_total", "code" => code.to_owned()).increment(1);
    }
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_gauge!("gateway_open_sockets", "Sockets that are open");
    describe_counter!("gateway_frames_in_total", "Frames from clients, by kind");
    describe_counter!("gateway_frames_out_total", "Frames written to sockets");
    describe_counter!("gateway_writes_total", "Writes that carried the frames");
    describe_histogram!(
        "gateway_write_seconds",
        Unit::Seconds,
        "From taking a socket's queue to having it written"
    );
    describe_counter!(
        "gateway_slow_readers_total",
        "Sockets closed because their queue was full"
    );
    describe_counter!("gateway_deliveries_total", "Events read from Kafka");
    describe_counter!(
        "gateway_deliveries_queued_total",
        "Frames queued to sockets for events"
    );
    describe_gauge!(
        "gateway_deliveries_lag_records",
        "Records of the own partition that are not handed on yet"
    );
    describe_gauge!("gateway_current", "1 while heartbeats may be sent");
    describe_histogram!(
        "gateway_produce_seconds",
        Unit::Seconds,
        "From a frame to Kafka's acknowledgement"
    );
    describe_gauge!(
        "gateway_produce_in_flight_records",
        "Records that Kafka has yet to acknowledge"
    );
    describe_counter!(
        "gateway_produce_failures_total",
        "Records that Kafka did not take"
    );
    describe_histogram!(
        "gateway_stamp_to_queue_seconds",
        Unit::Seconds,
        "From the log's stamp of an entry to the queues of its sockets"
    );
    describe_histogram!(
        "gateway_send_to_ack_seconds",
        Unit::Seconds,
        "From a frame `send` to its acknowledgement in the queue of its socket"
    );
    describe_histogram!(
        "gateway_socket_queue_frames",
        Unit::Count,
        "Frames that wait in the queue of a socket, looked at with each heartbeat"
    );
    describe_gauge!(
        "gateway_drain_seconds",
        Unit::Seconds,
        "Since the gateway began to drain; 0 before that"
    );
    describe_gauge!(
        "gateway_drain_limit_seconds",
        Unit::Seconds,
        "How long a drain is to take, by configuration"
    );
    describe_counter!(
        "gateway_registrations_lost_total",
        "Leases that a refresh found gone"
    );
    describe_gauge!(
        "gateway_registrations_missing",
        "1 while sockets can't be registered"
    );
    describe_counter!(
        "gateway_sockets_closed_total",
        "Sockets that the gateway closed, by close code"
    );
    describe_counter!(
        "gateway_refused_total",
        "Frames refused before the log, by code"
    );
}
