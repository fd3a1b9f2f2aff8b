//! An open-loop load: messages go out when the schedule says, whatever became of those before.
//!
//! Latency counts from the scheduled moment (G. Tene, "How NOT to Measure Latency", 2013).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use client::engine::Config;
use client::wire::entry;
use client::{Client, ConnectionState, Draft, Session, SessionOptions, Update};
use hdrhistogram::Histogram;
use ids::{ClientMessageId, ConversationId, UserId};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::processes::{self, CpuSeconds};
use crate::stack::Stack;

/// Answers that take longer than this are lost.
const DRAIN: Duration = Duration::from_secs(60);

/// Who writes, where, and who reads.
pub struct Load {
    name: &'static str,
    rooms: Vec<Room>,
    /// Everybody's session, over all rooms.
    sessions: Vec<Session>,
    board: Arc<Mutex<Board>>,
}

struct Room {
    conversation: ConversationId,
    /// Positions in `sessions`.
    members: Vec<usize>,
}

/// What everybody saw, and when.
#[derive(Default)]
struct Board {
    begun: Option<Instant>,
    /// Scheduled offsets by the number in the text of a message.
    schedule: Vec<Duration>,
    acknowledgements: Option<Histogram<u64>>,
    deliveries: Option<Histogram<u64>>,
    /// Where each message of this run got its number.
    acknowledged: HashMap<ClientMessageId, (ConversationId, u64)>,
    sent: HashMap<ClientMessageId, ConversationId>,
    /// Per session: the numbers that it was shown in this run, with the messages.
    shown: Vec<Vec<(u64, ClientMessageId)>>,
    delivered: u64,
    reconnects: u64,
    faults: Vec<String>,
}

/// What one rate cost.
#[derive(Debug, Serialize)]
pub struct Measured {
    pub workload: &'static str,
    pub rate: u64,
    pub seconds: u64,
    pub sent: u64,
    /// Messages that were shown to somebody other than their author.
    pub delivered: u64,
    pub acknowledgement_ms: Quantiles,
    pub delivery_ms: Quantiles,
    /// From the last scheduled message to the last answer.
    pub drained_after_ms: u64,
    /// User and system seconds from start until drained, by process.
    pub cpu_seconds: CpuSeconds,
    pub generator_cpu_seconds: f64,
    /// Resident memory at the end.
    pub resident_mib: HashMap<String, u64>,
    pub reconnects: u64,
    /// Lost, doubled or out of order: none, or the run has failed.
    pub faults: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct Quantiles {
    pub p50: f64,
    pub p90: f64,
    pub p95: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

impl Quantiles {
    /// Of microseconds.
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let ms = |quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
        Self {
            p50: ms(0.5),
            p90: ms(0.9),
            p95: ms(0.95),
            p99: ms(0.99),
            p999: ms(0.999),
            max: ms(1.0),
        }
    }
}

impl Load {
    /// Connects everybody and waits until all have caught up. `rooms` have positions in `people`.
    pub async fn connect(
        name: &'static str,
        stack: &Stack,
        people: &[Client],
        rooms: Vec<(ConversationId, Vec<usize>)>,
    ) -> Result<Self> {
        let board = Arc::new(Mutex::new(Board {
            shown: vec![Vec::new(); people.len()],
            ..Board::default()
        }));
        let (ready, mut caught_up) = mpsc::unbounded_channel();
        let mut sessions = Vec::with_capacity(people.len());
        for (index, person) in people.iter().enumerate() {
            let options = SessionOptions {
                socket_url: Some(stack.socket_url(index)),
                outbox: 100_000,
                engine: Config {
                    only: Some(
                        rooms
                            .iter()
                            .filter(|(_, members)| members.contains(&index))
                            .map(|(conversation, _)| *conversation)
                            .collect(),
                    ),
                    // An open loop doesn't wait, nor ask again what is late.
                    window: 100_000,
                    answer_timeout_ms: 2 * DRAIN.as_millis() as u64,
                    ..Config::default()
                },
                ..SessionOptions::default()
            };
            let (board, ready, me) = (Arc::clone(&board), ready.clone(), person.user_id());
            sessions.push(Session::start_with(person, options, move |update| {
                if update == Update::Connection(ConnectionState::CaughtUp) {
                    // Nobody waits for it any more after the first time.
                    let _ = ready.send(());
                }
                lock(&board).see(index, me, update);
            }));
        }
        for _ in &sessions {
            tokio::time::timeout(Duration::from_secs(60), caught_up.recv())
                .await
                .context("not everybody could connect")?;
        }
        let rooms = rooms
            .into_iter()
            .map(|(conversation, members)| Room {
                conversation,
                members,
            })
            .collect();
        Ok(Self {
            name,
            rooms,
            sessions,
            board,
        })
    }

    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Sends at `rate` for `seconds`, waits for all answers, and checks what everybody saw.
    pub async fn run(
        &self,
        stack: &Stack,
        rate: u64,
        seconds: u64,
        body_bytes: u32,
    ) -> Result<Measured> {
        let count = rate * seconds;
        let step = Duration::from_secs(1).div_f64(rate as f64);
        let schedule: Vec<_> = (0..count).map(|n| step.mul_f64(n as f64)).collect();
        let end = *schedule.last().context("nothing to send")?;

        let cpu_before = processes::cpu(&stack.processes)?;
        let own_before = processes::own_cpu()?;
        let begun = Instant::now() + Duration::from_millis(10);
        lock(&self.board).begin(begun, schedule.clone());
        tokio::task::block_in_place(|| self.send_all(begun, &schedule, body_bytes))?;
        let drained = self.drain(begun + end).await;
        let cpu_seconds = processes::used(&cpu_before, &processes::cpu(&stack.processes)?);
        let generator_cpu_seconds = processes::own_cpu()? - own_before;

        let mut board = lock(&self.board);
        if drained.is_none() {
            let text = format!(
                "{} of {count} messages were acknowledged, {} of {} deliveries made, within {} s",
                board.acknowledged.len(),
                board.delivered,
                self.deliveries_of(count),
                DRAIN.as_secs()
            );
            board.faults.push(text);
        }
        self.check(&mut board);
        let histograms = (board.acknowledgements.take(), board.deliveries.take());
        let (Some(acknowledgements), Some(deliveries)) = histograms else {
            bail!("the run was not begun");
        };
        Ok(Measured {
            workload: self.name,
            rate,
            seconds,
            sent: count,
            delivered: board.delivered,
            acknowledgement_ms: Quantiles::of(&acknowledgements),
            delivery_ms: Quantiles::of(&deliveries),
            drained_after_ms: drained.unwrap_or(DRAIN).as_millis() as u64,
            generator_cpu_seconds,
            resident_mib: cpu_seconds
                .keys()
                .map(|name| {
                    (
                        name.clone(),
                        processes::resident_kib(&stack.processes, name) / 1024,
                    )
                })
                .collect(),
            cpu_seconds,
            reconnects: board.reconnects,
            faults: std::mem::take(&mut board.faults),
        })
    }

    /// Rooms take turns, and in a room its members.
    fn send_all(&self, begun: Instant, schedule: &[Duration], body_bytes: u32) -> Result<()> {
        for (n, offset) in schedule.iter().enumerate() {
            // This thread sleeps to within 0.1 ms; a timer of the runtime counts whole milliseconds.
            std::thread::sleep((begun + *offset).saturating_duration_since(Instant::now()));
            let room = &self.rooms[n % self.rooms.len()];
            let author = room.members[(n / self.rooms.len()) % room.members.len()];
            let text = format!("{n:<width$}", width = body_bytes as usize);
            // Held meanwhile, so that an answer can't come before the question is noted.
            let mut board = lock(&self.board);
            let id = self.sessions[author].try_send(room.conversation, Draft::text(text))?;
            board.sent.insert(id, room.conversation);
        }
        Ok(())
    }

    fn deliveries_of(&self, count: u64) -> u64 {
        (0..count)
            .map(|n| self.rooms[n as usize % self.rooms.len()].members.len() as u64 - 1)
            .sum()
    }

    /// Waits until everything has been answered and shown; none: it has not.
    async fn drain(&self, end: Instant) -> Option<Duration> {
        let deadline = end + DRAIN;
        loop {
            let now = Instant::now();
            {
                let board = lock(&self.board);
                let expected = self.deliveries_of(board.sent.len() as u64);
                if board.acknowledged.len() == board.sent.len() && board.delivered >= expected {
                    return Some(now.saturating_duration_since(end));
                }
            }
            if now > deadline {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Every acknowledged message was shown to every member once, at its number, in order.
    fn check(&self, board: &mut Board) {
        let mut faults = Vec::new();
        for room in &self.rooms {
            let mut expected: Vec<_> = board
                .acknowledged
                .iter()
                .filter(|(_, (conversation, _))| *conversation == room.conversation)
                .map(|(id, (_, number))| (*number, *id))
                .collect();
            expected.sort_unstable();
            for pair in expected.windows(2) {
                if pair[0].0 == pair[1].0 {
                    faults.push(format!("two messages have number {}", pair[0].0));
                }
            }
            for &member in &room.members {
                // A member of several rooms was shown the messages of all.
                let shown = board.shown[member].iter().filter(|(_, id)| {
                    board
                        .sent
                        .get(id)
                        .is_none_or(|sent| *sent == room.conversation)
                });
                if !shown.clone().eq(&expected) {
                    faults.push(format!(
                        "member {member} was shown {} messages of {}, or others",
                        shown.count(),
                        expected.len()
                    ));
                }
            }
        }
        let more = faults.len().saturating_sub(10);
        faults.truncate(10);
        if more > 0 {
            faults.push(format!("{more} more"));
        }
        board.faults.extend(faults);
    }
}

fn lock(board: &Mutex<Board>) -> MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Up to 10 minutes, in microseconds, to 3 digits.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("the bounds are valid")
}

impl Board {
    fn begin(&mut self, begun: Instant, schedule: Vec<Duration>) {
        self.begun = Some(begun);
        self.schedule = schedule;
        self.acknowledgements = Some(histogram());
        self.deliveries = Some(histogram());
        self.acknowledged.clear();
        self.sent.clear();
        self.shown.iter_mut().for_each(Vec::clear);
        self.delivered = 0;
        self.reconnects = 0;
        self.faults.clear();
    }

    /// Microseconds since the message that is numbered so in its text was due.
    fn since_due(&self, text: &str) -> Option<u64> {
        let n: usize = text.trim_end().parse().ok()?;
        let due = self.begun? + *self.schedule.get(n)?;
        Some((Instant::now().saturating_duration_since(due).as_micros() as u64).max(1))
    }

    fn see(&mut self, index: usize, me: UserId, update: Update) {
        match update {
            Update::Shown { entry, .. } => {
                let Some(entry::Change::Message(message)) = &entry.change else {
                    return;
                };
                let Ok(id) = ClientMessageId::parse(&message.client_message_id) else {
                    return;
                };
                let Some(micros) = self.since_due(&message.text) else {
                    return;
                };
                self.shown[index].push((entry.number, id));
                let histogram = if UserId::parse(&entry.actor_id) == Ok(me) {
                    &mut self.acknowledgements
                } else {
                    self.delivered += 1;
                    &mut self.deliveries
                };
                if let Some(histogram) = histogram {
                    histogram.saturating_record(micros);
                }
            }
            Update::Acknowledged {
                conversation,
                client_message_id,
                number,
                ..
            } => {
                let before = self
                    .acknowledged
                    .insert(client_message_id, (conversation, number));
                if before.is_some() {
                    self.faults
                        .push(format!("{client_message_id} was acknowledged twice"));
                }
            }
            Update::Refused { code, .. } => {
                self.faults.push(format!("a message was refused: {code}"))
            }
            Update::Reset { .. } => self.faults.push("entries were left out".to_owned()),
            Update::Connection(ConnectionState::Waiting { .. }) => self.reconnects += 1,
            Update::Connection(ConnectionState::Ended { code }) => {
                self.faults.push(format!("a session ended: {code}"));
            }
            Update::Connection(_)
            | Update::State { .. }
            | Update::Receipt { .. }
            | Update::Hidden { .. }
            | Update::SettingsChanged { .. }
            | Update::ContactsChanged
            | Update::Typing { .. }
            | Update::Presence { .. }
            | Update::Complaint { .. } => {}
        }
    }
}
