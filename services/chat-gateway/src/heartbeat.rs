//! Shared timers: one for the heartbeats of all sockets, one for the merged read marks.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::app::{App, Connection};
use crate::domain::close::Close;
use crate::domain::queue::{Item, Pushed};
use crate::domain::registry::SLOTS;

const MARKS_TICK: Duration = Duration::from_millis(100);
/// How often rates of quiet people are forgotten, in ticks of the marks.
const FORGET_RATES_EVERY: u32 = 100;

/// Beats one slot of the sockets after the other, all within the interval, until `stop`.
///
/// # Errors
/// Never.
pub async fn beat(app: Arc<App>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut ticks = interval(app.settings.heartbeat_interval() / SLOTS as u32);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut slot = 0;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return Ok(()),
        }
        let now_ms = app.clock.unix_ms();
        app.registry
            .visit_slot(slot, |connection| beat_one(&app, connection, now_ms));
        slot = (slot + 1) % SLOTS;
    }
}

fn beat_one(app: &App, connection: &Connection, now_unix_ms: u64) {
    app.metrics
        .socket_queue
        .record(connection.queue.depth() as f64);
    let good_until_ms = connection.person().expires_unix_s * 1_000 + app.settings.token_grace_ms;
    if now_unix_ms > good_until_ms {
        connection.queue.close(Close::TOKEN_INVALID);
    } else if connection.beat_in_silence() {
        connection.queue.abandon(Close::SILENT);
    } else if connection.push(Item::Beat) == Pushed::First {
        connection.queue.wake();
    }
}

/// Sends merged marks to the log when their time has come, until `stop`.
///
/// # Errors
/// Never.
pub async fn send_marks(app: Arc<App>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut ticks = interval(MARKS_TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut until_forget = FORGET_RATES_EVERY;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return Ok(()),
        }
        let now = app.clock.unix_ms();
        for (reader, reached) in app.marks.due(now) {
            if app.log.append_marks(reader, reached).is_err() {
                app.marks.put_back(reader, reached, now);
            }
        }
        until_forget -= 1;
        if until_forget == 0 {
            until_forget = FORGET_RATES_EVERY;
            app.forget_rates();
        }
    }
}
