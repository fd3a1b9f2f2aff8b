//! How long things took: from a history alone, so that a kept one gives the same.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use hdrhistogram::Histogram;
use ids::ClientMessageId;
use serde::{Deserialize, Serialize};

use crate::history::{
    Change, Conversation, Device, DeviceKind, Event, FaultId, FaultStep, Op, Outcome, Person,
    Phase, What,
};

/// A message that takes longer than this is late.
const IN_TIME_NS: u64 = 10_000_000_000;
/// Below this nothing counts as slow, however fast the rest is.
const NOT_SLOW_NS: u64 = 100_000_000;
/// After a fault, slowness is put down to it for so long.
const AFTERMATH_NS: u64 = 60_000_000_000;

/// Quantiles in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    pub count: u64,
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub max: f64,
}

impl Quantiles {
    fn of(histogram: &Histogram<u64>) -> Self {
        let ms = |quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
        Self {
            count: histogram.len(),
            p50: ms(0.5),
            p95: ms(0.95),
            p99: ms(0.99),
            max: ms(1.0),
        }
    }
}

/// What one stretch of a run, or all windows of one kind of fault, was like.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Stretch {
    /// From handing in to the acknowledgement, by socket.
    pub acknowledgement_ms: Quantiles,
    /// From handing in to being shown on a device, of messages between devices whose own network is
    /// whole.
    pub delivery_ms: Quantiles,
    pub sent: u64,
    /// Acknowledged, or refused for good, within 10 s.
    pub answered_within_10_s: u64,
}

/// What a kind of fault did.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct FaultKind {
    pub made: u64,
    /// Of these, how many had an effect that was seen.
    pub seen: u64,
    /// Messages handed in while it lasted.
    pub window: Stretch,
    /// From its end until nothing that was handed in since its beginning was slow any more: in
    /// milliseconds, over all of the kind. Slow is twice the 99th percentile of the warm-up.
    pub recovery_ms: Quantiles,
}

/// Latencies of a run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Figures {
    pub phases: BTreeMap<Phase, Stretch>,
    pub faults: BTreeMap<String, FaultKind>,
    pub slow_above_ms: f64,
}

struct Measure {
    acknowledgement: Histogram<u64>,
    delivery: Histogram<u64>,
    sent: u64,
    in_time: u64,
}

impl Default for Measure {
    fn default() -> Self {
        // Up to an hour in microseconds, to 2 digits.
        let histogram =
            || Histogram::new_with_bounds(1, 3_600_000_000, 2).expect("the bounds are valid");
        Self {
            acknowledgement: histogram(),
            delivery: histogram(),
            sent: 0,
            in_time: 0,
        }
    }
}

impl Measure {
    fn stretch(&self) -> Stretch {
        Stretch {
            acknowledgement_ms: Quantiles::of(&self.acknowledgement),
            delivery_ms: Quantiles::of(&self.delivery),
            sent: self.sent,
            answered_within_10_s: self.in_time,
        }
    }
}

struct Sent {
    t: u64,
    d: Device,
    phase: Phase,
    /// Kinds of faults that were under way, as indices.
    faults: Vec<usize>,
    answered: bool,
}

struct Fault {
    kind: usize,
    /// Of a device's own network.
    device: Option<Device>,
    begun: u64,
    over: Option<u64>,
    /// Of a device: when it had caught up again.
    whole: Option<u64>,
    seen: bool,
}

/// Takes the events of a history, in order.
#[derive(Default)]
pub struct Clerk {
    phase: Option<Phase>,
    devices: HashMap<Device, (Person, DeviceKind)>,
    sends: HashMap<(Conversation, Person, ClientMessageId), Sent>,
    ops: HashMap<Op, (Conversation, Person, ClientMessageId)>,
    phases: BTreeMap<Phase, Measure>,
    kinds: Vec<(String, Measure)>,
    faults: BTreeMap<FaultId, Fault>,
    /// Deliveries that were slow: handed in, shown, from which device to which.
    slow: Vec<(u64, u64, [Device; 2])>,
    threshold: u64,
    caught_up: HashSet<Device>,
}

impl Clerk {
    /// Takes the next event.
    pub fn take(&mut self, event: &Event) {
        let t = event.t;
        match &event.e {
            What::Phase(phase) => {
                if *phase == Phase::Chaos {
                    let p99 = self
                        .phases
                        .get(&Phase::WarmUp)
                        .map_or(0, |measure| measure.delivery.value_at_quantile(0.99));
                    self.threshold = (2 * p99 * 1_000).max(NOT_SLOW_NS);
                }
                self.phase = Some(*phase);
            }
            What::Device { d, u, kind } => {
                self.devices.insert(*d, (*u, *kind));
            }
            What::Fault {
                id,
                kind,
                target,
                step,
                effect,
            } => match step {
                FaultStep::Begun => {
                    let index = self.kind(kind);
                    let device = target
                        .strip_prefix('d')
                        .and_then(|number| number.parse().ok())
                        .map(Device)
                        .filter(|d| self.devices.contains_key(d));
                    let fault = Fault {
                        kind: index,
                        device,
                        begun: t,
                        over: None,
                        whole: None,
                        seen: false,
                    };
                    self.faults.insert(*id, fault);
                }
                FaultStep::Over => {
                    if let Some(fault) = self.faults.get_mut(id) {
                        fault.over = Some(t);
                        fault.seen = effect.is_some();
                        let caught_up = fault.device.is_none_or(|d| self.caught_up.contains(&d));
                        fault.whole = caught_up.then_some(t);
                    }
                }
            },
            What::Connection { d, state, .. } => {
                if state == "caught_up" {
                    self.caught_up.insert(*d);
                    for fault in self.faults.values_mut() {
                        if fault.device == Some(*d) && fault.over.is_some() {
                            fault.whole.get_or_insert(t);
                        }
                    }
                } else {
                    self.caught_up.remove(d);
                }
            }
            What::Send { op, d, c, cmid, .. } => self.sent(t, *op, *d, *c, *cmid),
            What::Done { op, outcome } => self.done(t, *op, outcome),
            What::Shown { d, c, entry } => {
                if let Change::Message { cmid, .. } = &entry.is
                    && self
                        .devices
                        .get(d)
                        .is_some_and(|(_, kind)| *kind == DeviceKind::Session)
                {
                    self.shown(t, *d, (*c, entry.from, *cmid));
                }
            }
            _ => {}
        }
    }

    fn kind(&mut self, kind: &str) -> usize {
        if let Some(index) = self.kinds.iter().position(|(name, _)| name == kind) {
            return index;
        }
        self.kinds.push((kind.to_owned(), Measure::default()));
        self.kinds.len() - 1
    }

    fn sent(&mut self, t: u64, op: Op, d: Device, c: Conversation, cmid: ClientMessageId) {
        let (Some(phase), Some((u, _))) = (self.phase, self.devices.get(&d)) else {
            return;
        };
        let key = (c, *u, cmid);
        self.ops.insert(op, key);
        if self.sends.contains_key(&key) {
            return;
        }
        // A broken network concerns its own device.
        let faults: Vec<usize> = self
            .faults
            .values()
            .filter(|fault| fault.over.is_none())
            .filter(|fault| fault.device.is_none_or(|device| device == d))
            .map(|fault| fault.kind)
            .collect();
        self.phases.entry(phase).or_default().sent += 1;
        let sent = Sent {
            t,
            d,
            phase,
            faults,
            answered: false,
        };
        self.sends.insert(key, sent);
    }

    fn done(&mut self, t: u64, op: Op, outcome: &Outcome) {
        let Some(key) = self.ops.remove(&op) else {
            return;
        };
        let Some(sent) = self.sends.get_mut(&key) else {
            return;
        };
        if sent.answered || matches!(outcome, Outcome::Unknown { .. }) {
            return;
        }
        sent.answered = true;
        let (since, d, took) = (sent.t, sent.d, t.saturating_sub(sent.t));
        let (phase, faults) = (sent.phase, std::mem::take(&mut sent.faults));
        let count = |measure: &mut Measure| {
            measure.in_time += u64::from(took <= IN_TIME_NS);
            if matches!(outcome, Outcome::Ok { .. }) {
                measure
                    .acknowledgement
                    .saturating_record((took / 1_000).max(1));
            }
        };
        if let Some(measure) = self.phases.get_mut(&phase) {
            count(measure);
        }
        let away = self.was_away(d, since, t);
        for kind in &faults {
            if self.concerns(*kind, away) {
                let measure = &mut self.kinds[*kind].1;
                measure.sent += 1;
                count(measure);
            }
        }
        if let Some(sent) = self.sends.get_mut(&key) {
            sent.faults = faults;
        }
    }

    /// A device whose own network is broken says nothing of other faults.
    fn concerns(&self, kind: usize, away: bool) -> bool {
        !away
            || self
                .faults
                .values()
                .any(|fault| fault.kind == kind && fault.device.is_some())
    }

    fn shown(&mut self, t: u64, d: Device, key: (Conversation, Person, ClientMessageId)) {
        let Some(sent) = self.sends.get(&key) else {
            return;
        };
        let took = t.saturating_sub(sent.t);
        if self.threshold > 0 && took > self.threshold {
            self.slow.push((sent.t, t, [sent.d, d]));
        }
        // What a device missed while its own network was broken says nothing of the server.
        if self.was_away(d, sent.t, t) {
            return;
        }
        let away = self.was_away(sent.d, sent.t, t);
        let kinds: Vec<usize> = sent
            .faults
            .iter()
            .copied()
            .filter(|kind| self.concerns(*kind, away))
            .collect();
        if !away && let Some(measure) = self.phases.get_mut(&sent.phase) {
            measure.delivery.saturating_record((took / 1_000).max(1));
        }
        for kind in kinds {
            let delivery = &mut self.kinds[kind].1.delivery;
            delivery.saturating_record((took / 1_000).max(1));
        }
    }

    /// What came of it.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let mut recoveries: Vec<Histogram<u64>> = self
            .kinds
            .iter()
            .map(|_| Measure::default().delivery)
            .collect();
        for fault in self.faults.values() {
            let Some(over) = fault.over else { continue };
            let end = self
                .faults
                .values()
                .filter(|other| other.device.is_none() && other.begun > over)
                .map(|other| other.begun)
                .min()
                .unwrap_or(u64::MAX)
                .min(over + AFTERMATH_NS);
            let last = self
                .slow
                .iter()
                .filter(|(t, shown, devices)| {
                    fault.begun <= *t
                        && *t < end
                        && match fault.device {
                            Some(device) => devices.contains(&device),
                            None => !devices.iter().any(|d| self.was_away(*d, *t, *shown)),
                        }
                })
                .map(|(_, shown, _)| shown.saturating_sub(over))
                .max()
                .unwrap_or(0);
            recoveries[fault.kind].saturating_record((last / 1_000).max(1));
        }
        let faults = self
            .kinds
            .iter()
            .zip(recoveries)
            .enumerate()
            .map(|(index, ((name, measure), recovery))| {
                let of_kind = || self.faults.values().filter(|fault| fault.kind == index);
                let kind = FaultKind {
                    made: of_kind().count() as u64,
                    seen: of_kind().filter(|fault| fault.seen).count() as u64,
                    window: measure.stretch(),
                    recovery_ms: Quantiles::of(&recovery),
                };
                (name.clone(), kind)
            })
            .collect();
        Figures {
            phases: self
                .phases
                .iter()
                .map(|(phase, measure)| (*phase, measure.stretch()))
                .collect(),
            faults,
            slow_above_ms: self.threshold as f64 / 1e6,
        }
    }

    /// Whether the device had a broken network of its own, or had not caught up after that, at any
    /// time between.
    fn was_away(&self, d: Device, from: u64, to: u64) -> bool {
        self.faults.values().any(|fault| {
            fault.device == Some(d)
                && fault.begun <= to
                && fault.whole.is_none_or(|whole| whole >= from)
        })
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, name: &str, stretch: &Stretch| {
            let (ack, delivery) = (&stretch.acknowledgement_ms, &stretch.delivery_ms);
            writeln!(
                f,
                "| {name} | {} | {} | {:.0} / {:.0} / {:.0} / {:.0} | {:.0} / {:.0} / {:.0} / {:.0} |",
                stretch.sent,
                stretch.answered_within_10_s,
                ack.p50,
                ack.p95,
                ack.p99,
                ack.max,
                delivery.p50,
                delivery.p95,
                delivery.p99,
                delivery.max
            )
        };
        writeln!(
            f,
            "| handed in during | messages | answered within 10 s | acknowledged, p50 / p95 / p99 / max ms \
             | shown on another device, p50 / p95 / p99 / max ms |"
        )?;
        writeln!(f, "|---|---|---|---|---|")?;
        for (phase, stretch) in &self.phases {
            line(f, &phase.to_string(), stretch)?;
        }
        for (kind, fault) in &self.faults {
            line(f, kind, &fault.window)?;
        }
        if self.faults.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "\n| fault | made | effect seen | until nothing was slower than {:.0} ms, after its end, p50 / max ms |",
            self.slow_above_ms
        )?;
        writeln!(f, "|---|---|---|---|")?;
        for (kind, fault) in &self.faults {
            writeln!(
                f,
                "| {kind} | {} | {} | {:.0} / {:.0} |",
                fault.made, fault.seen, fault.recovery_ms.p50, fault.recovery_ms.max
            )?;
        }
        Ok(())
    }
}
