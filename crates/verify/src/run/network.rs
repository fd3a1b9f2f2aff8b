//! Breaks the networks of devices, and the devices themselves.

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::SmallRng;
use relay::{Done, Mode};
use tokio::time::Instant;

use super::{Options, Stage};
use crate::run::device::DeviceActor;

/// What happens to one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// Connections end or break off; none begin for a while.
    Cut(Mode),
    /// Nothing passes, and nobody is told: half-open.
    Stall,
    /// What passes comes later, slowly, or in pieces.
    Slow(Mode),
    /// The program dies and is started again with what it had kept.
    Crash,
}

/// As over a bad mobile network: 400 ms, give or take 300.
const LATE: Mode = Mode::Delay {
    by: Duration::from_millis(400),
    jitter: Duration::from_millis(300),
};
const NARROW: Mode = Mode::Throttle {
    bytes_per_second: 1_024,
};
const SLICED: Mode = Mode::Slice { bytes: 10 };

impl Trouble {
    const fn kind(self) -> &'static str {
        match self {
            Self::Cut(Mode::Reset) => "device network reset",
            Self::Cut(_) => "device network cut",
            Self::Stall => "device network stalled",
            Self::Slow(Mode::Throttle { .. }) => "device network at 1 KiB/s",
            Self::Slow(Mode::Slice { .. }) => "device network in slices of 10 bytes",
            Self::Slow(_) => "device network late by 400 ± 300 ms",
            Self::Crash => "device crash",
        }
    }
}

/// One trouble, as the seed has it.
#[derive(Debug, Clone, Copy)]
pub struct Planned {
    at: Duration,
    /// Reduced to the devices that there are.
    device: usize,
    trouble: Trouble,
    lasts: Duration,
}

/// The troubles of `length`.
pub fn schedule(rng: &mut SmallRng, options: &Options, length: Duration) -> Vec<Planned> {
    let count = u64::from(options.drops_per_minute) * length.as_secs() / 60;
    let mut all: Vec<Planned> = (0..count)
        .map(|_| {
            let (trouble, lasts_ms) = match rng.random_range(0..12) {
                0..3 => (Trouble::Cut(Mode::Cut), rng.random_range(0..5_000)),
                3..5 => (Trouble::Cut(Mode::Reset), rng.random_range(0..5_000)),
                5..7 => (Trouble::Stall, rng.random_range(2_000..40_000)),
                7 => (Trouble::Slow(LATE), rng.random_range(2_000..10_000)),
                8 => (Trouble::Slow(NARROW), rng.random_range(2_000..10_000)),
                9 => (Trouble::Slow(SLICED), rng.random_range(2_000..10_000)),
                _ => (Trouble::Crash, rng.random_range(0..3_000)),
            };
            Planned {
                at: length.mul_f64(rng.random()),
                device: rng.random_range(0..usize::MAX),
                trouble,
                lasts: Duration::from_millis(lasts_ms),
            }
        })
        .collect();
    all.sort_by_key(|planned| planned.at);
    all
}

/// How long the effect of a trouble is waited for: a heartbeat is due every 15 s.
const EFFECT_WITHIN: Duration = Duration::from_secs(40);

/// Makes all of them, and ends when all are over.
pub async fn break_networks(stage: &Stage, planned: Vec<Planned>) {
    let devices: Vec<_> = stage.devices.iter().flatten().collect();
    let begun = Instant::now();
    // One device has one trouble at a time.
    let mut by_device: Vec<Vec<Planned>> = vec![Vec::new(); devices.len()];
    for one in planned {
        by_device[one.device % devices.len()].push(one);
    }
    futures_util::future::join_all(devices.iter().zip(by_device).map(
        |(device, planned)| async move {
            for one in planned {
                tokio::time::sleep_until(begun + one.at).await;
                make(stage, device, one).await;
            }
        },
    ))
    .await;
}

async fn make(stage: &Stage, device: &DeviceActor, planned: Planned) {
    // Who is away has nothing that could break.
    if !device.screen().connected {
        return;
    }
    let (kind, target) = (planned.trouble.kind(), device.d.to_string());
    let fault = stage.recorder.fault_begins(kind, &target);
    let before = device.relay.done();
    let effect = match planned.trouble {
        Trouble::Crash => {
            device.crash();
            tokio::time::sleep(planned.lasts).await;
            device.start();
            Some("another session".to_owned())
        }
        Trouble::Cut(mode) => {
            device.relay.set(mode);
            let effect = seen(device, planned.lasts, |now| {
                (now.cut > before.cut).then(|| "the connection ended".to_owned())
            });
            effect.await
        }
        Trouble::Stall => {
            device.relay.set(Mode::Stall);
            let effect = seen(device, planned.lasts, |now| {
                (now.held > before.held).then(|| "frames were held".to_owned())
            });
            effect.await
        }
        Trouble::Slow(mode) => {
            device.relay.set(mode);
            let effect = seen(device, planned.lasts, |now| {
                let held = now.held - before.held;
                (held > 0).then(|| format!("{held} times frames came late or in pieces"))
            });
            effect.await
        }
    };
    device.relay.set(Mode::Pass);
    stage.recorder.fault_is_over(fault, kind, &target, effect);
}

/// Waits for so long, and until the effect is seen.
async fn seen(
    device: &DeviceActor,
    lasts: Duration,
    effect: impl Fn(Done) -> Option<String>,
) -> Option<String> {
    let begun = Instant::now();
    loop {
        let seen = effect(device.relay.done());
        let past = begun.elapsed();
        if (seen.is_some() && past >= lasts) || past >= lasts + EFFECT_WITHIN {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
