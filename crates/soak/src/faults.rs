//! Faults of processes and of the ways between them, from a seed, and what shows that they happened.

use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use local_stack::process::Process;
use local_stack::suite::{Link, Suite};
use rand::RngExt as _;
use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use relay::{Done, Mode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use verify::run::Recorder;

/// What can be broken by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Gateway(usize),
    Message(usize),
    Conversation,
    Account,
    FileUpload,
    /// What people reach the suite by.
    Web,
    Kafka,
    Redis,
    Postgres,
    Dynamodb,
}

const SERVICES: [Target; 8] = [
    Target::Gateway(0),
    Target::Gateway(1),
    Target::Message(0),
    Target::Message(1),
    Target::Conversation,
    Target::Account,
    Target::FileUpload,
    Target::Web,
];
const SERVERS: [Target; 4] = [
    Target::Kafka,
    Target::Redis,
    Target::Postgres,
    Target::Dynamodb,
];

/// Ways on which something always passes, so that a fault of them has an effect.
const BUSY_LINKS: [(&str, &str); 8] = [
    ("chat-gateway", "redis"),
    ("chat-gateway-1", "redis"),
    ("message", "redis"),
    ("message-1", "redis"),
    ("message", "dynamodb"),
    ("message-1", "dynamodb"),
    ("message", "kafka"),
    ("message-1", "kafka"),
];
/// Those of a gateway, cut off from Kafka alone.
const GATEWAY_KAFKA_LINKS: [(&str, &str); 2] =
    [("chat-gateway", "kafka"), ("chat-gateway-1", "kafka")];
/// Ways on which a connection is kept, whether something passes or not.
const KEPT_LINKS: [(&str, &str); 3] = [
    ("conversation", "postgres"),
    ("account", "postgres"),
    ("chat-gateway", "message"),
];

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL; started again after a while.
    Kill(Target, Duration),
    /// SIGSTOP for a while, then SIGCONT.
    Pause(Target, Duration),
    /// SIGTERM, and started again.
    Restart(Target),
    /// All services one after the other, as an upgrade does.
    RollingRestart,
    /// Redis forgets everything.
    Flush,
    /// A way is cut for a while.
    Cut((&'static str, &'static str), Duration),
    /// A way lets nothing pass for a while, and nobody is told.
    Stall((&'static str, &'static str), Duration),
    /// DynamoDB refuses this share of its requests for a while, in thousandths.
    Throttle(u32, Duration),
    /// DynamoDB does what it is asked and loses this share of its answers for a while, in thousandths.
    LoseAnswers(u32, Duration),
}

impl Target {
    fn process(self, suite: &Suite) -> Result<&Process> {
        Ok(match self {
            Self::Gateway(n) => suite.gateways.get(n).context("no such gateway")?,
            Self::Message(n) => suite.messages.get(n).context("no such message pod")?,
            Self::Conversation => &suite.conversation,
            Self::Account => &suite.account,
            Self::FileUpload => &suite.file_upload,
            Self::Web => &suite.web,
            Self::Kafka => &suite.kafka,
            Self::Redis => &suite.redis,
            Self::Postgres => &suite.postgres,
            Self::Dynamodb => &suite.local_aws,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gateway(_) => "chat-gateway",
            Self::Message(_) => "message",
            Self::Conversation => "conversation",
            Self::Account => "account",
            Self::FileUpload => "file-upload",
            Self::Web => "web",
            Self::Kafka => "kafka",
            Self::Redis => "redis",
            Self::Postgres => "postgres",
            Self::Dynamodb => "dynamodb",
        })
    }
}

impl Fault {
    /// What it is, such as `kill kafka`.
    #[must_use]
    pub fn kind(self) -> String {
        // Of one of two alike it is the same kind.
        let program = |name: &str| name.trim_end_matches("-1").to_owned();
        match self {
            Self::Kill(target, _) => format!("kill {target}"),
            Self::Pause(target, _) => format!("pause {target}"),
            Self::Restart(target) => format!("restart {target}"),
            Self::RollingRestart => "rolling restart".to_owned(),
            Self::Flush => "flush redis".to_owned(),
            Self::Cut((from, to), _) => format!("cut {} from {to}", program(from)),
            Self::Stall((from, to), _) => format!("stall {} to {to}", program(from)),
            Self::Throttle(..) => "throttle dynamodb".to_owned(),
            Self::LoseAnswers(..) => "lose answers of dynamodb".to_owned(),
        }
    }

    fn target(self) -> String {
        match self {
            Self::Kill(target, _) | Self::Pause(target, _) | Self::Restart(target) => {
                let number = match target {
                    Target::Gateway(n) | Target::Message(n) if n > 0 => format!(" {n}"),
                    _ => String::new(),
                };
                format!("{target}{number}")
            }
            Self::RollingRestart => "all services".to_owned(),
            Self::Flush => "redis".to_owned(),
            Self::Throttle(permille, _) | Self::LoseAnswers(permille, _) => {
                format!("dynamodb, {permille} ‰")
            }
            Self::Cut((from, to), _) | Self::Stall((from, to), _) => format!("{from} → {to}"),
        }
    }

    /// Any, of a service or of what lies between.
    fn of_service(rng: &mut SmallRng) -> Self {
        let service = *SERVICES.choose(rng).unwrap_or(&Target::Gateway(0));
        match rng.random_range(0..10) {
            0..4 => Self::Kill(service, ms(rng, 0..3_000)),
            4..7 => Self::Pause(service, ms(rng, 2_000..20_000)),
            7 => Self::Restart(service),
            8 => match rng.random_range(0..10) {
                0..3 => Self::Cut(any(rng, &KEPT_LINKS), ms(rng, 1_000..10_000)),
                3..6 => Self::Cut(any(rng, &GATEWAY_KAFKA_LINKS), ms(rng, 1_000..20_000)),
                _ => Self::Cut(any(rng, &BUSY_LINKS), ms(rng, 1_000..10_000)),
            },
            _ if rng.random_bool(0.3) => {
                Self::Stall(any(rng, &GATEWAY_KAFKA_LINKS), ms(rng, 2_000..20_000))
            }
            _ => Self::Stall(any(rng, &BUSY_LINKS), ms(rng, 2_000..15_000)),
        }
    }

    /// Any, of a server.
    fn of_server(rng: &mut SmallRng) -> Self {
        let server = *SERVERS.choose(rng).unwrap_or(&Target::Redis);
        match rng.random_range(0..12) {
            0..5 => Self::Kill(server, ms(rng, 0..3_000)),
            5..8 => Self::Pause(server, ms(rng, 2_000..20_000)),
            8 => Self::Restart(server),
            9 => Self::Throttle(rng.random_range(100..=1_000), ms(rng, 3_000..20_000)),
            10 => Self::LoseAnswers(rng.random_range(20..=100), ms(rng, 5_000..20_000)),
            _ => Self::Flush,
        }
    }
}

fn any(rng: &mut SmallRng, links: &[(&'static str, &'static str)]) -> (&'static str, &'static str) {
    *links.choose(rng).unwrap_or(&BUSY_LINKS[0])
}

fn ms(rng: &mut SmallRng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(rng.random_range(range))
}

/// Faults that are made at once, after a pause.
#[derive(Debug, Clone)]
pub struct Blow {
    pub after: Duration,
    pub faults: Vec<Fault>,
}

/// A schedule of `count` faults: every process is killed and paused before anything comes twice, then
/// any; now and then one of a service and one of a server at once.
#[must_use]
pub fn schedule(rng: &mut SmallRng, count: usize) -> Vec<Blow> {
    let mut first: Vec<Fault> = Vec::new();
    for target in SERVICES.into_iter().chain(SERVERS) {
        first.push(Fault::Kill(target, ms(rng, 0..3_000)));
        first.push(Fault::Pause(target, ms(rng, 2_000..20_000)));
    }
    first.push(Fault::Flush);
    first.push(Fault::RollingRestart);
    first.push(Fault::Cut(BUSY_LINKS[2], ms(rng, 1_000..10_000)));
    first.push(Fault::Stall(BUSY_LINKS[4], ms(rng, 2_000..15_000)));
    first.push(Fault::Cut(BUSY_LINKS[6], ms(rng, 5_000..15_000)));
    first.push(Fault::Stall(BUSY_LINKS[7], ms(rng, 5_000..15_000)));
    // Long enough for the gateway to have to say that it is not ready.
    first.push(Fault::Cut(GATEWAY_KAFKA_LINKS[0], ms(rng, 16_000..20_000)));
    first.push(Fault::Stall(
        GATEWAY_KAFKA_LINKS[1],
        ms(rng, 16_000..20_000),
    ));
    first.push(Fault::Throttle(1_000, ms(rng, 2_000..10_000)));
    first.push(Fault::LoseAnswers(100, ms(rng, 5_000..10_000)));
    first.shuffle(rng);
    let mut blows = Vec::new();
    let mut made = 0;
    while made < count {
        let faults = match first.pop() {
            Some(fault) => vec![fault],
            None if rng.random_bool(0.3) && made + 2 <= count => {
                vec![Fault::of_service(rng), Fault::of_server(rng)]
            }
            None if rng.random_bool(0.05) => vec![Fault::RollingRestart],
            None if rng.random() => vec![Fault::of_service(rng)],
            None => vec![Fault::of_server(rng)],
        };
        made += faults.len();
        blows.push(Blow {
            after: ms(rng, 2_000..7_000),
            faults,
        });
    }
    blows
}

/// Makes the faults of a schedule, one blow after the other.
///
/// # Errors
/// When a process doesn't come back, or ended by itself.
pub async fn make_all(suite: &Suite, recorder: &Recorder, blows: &[Blow]) -> Result<()> {
    for blow in blows {
        tokio::time::sleep(blow.after).await;
        let made = blow
            .faults
            .iter()
            .map(|fault| make(suite, recorder, *fault));
        futures_util::future::try_join_all(made).await?;
        for process in suite.processes() {
            if process.pid().is_none() {
                bail!(
                    "{} ended by itself; the end of {}:\n{}",
                    process.name(),
                    process.log().display(),
                    local_stack::process::log_tail(process.log())
                );
            }
        }
    }
    Ok(())
}

async fn make(suite: &Suite, recorder: &Recorder, fault: Fault) -> Result<()> {
    let (kind, target) = (fault.kind(), fault.target());
    tracing::info!("fault: {kind} ({target})");
    let id = recorder.fault_begins(&kind, &target);
    let effect = effect_of(suite, fault)
        .await
        .with_context(|| format!("{kind} ({target})"))?;
    if effect.is_none() {
        tracing::warn!("{kind} ({target}) had no effect that was seen");
    }
    recorder.fault_is_over(id, &kind, &target, effect);
    Ok(())
}

/// Makes a fault, and says what showed that it happened.
async fn effect_of(suite: &Suite, fault: Fault) -> Result<Option<String>> {
    match fault {
        Fault::Kill(target, down) => {
            let process = target.process(suite)?;
            let before = process.pid();
            process.kill9().await;
            let gone = process.pid().is_none();
            tokio::time::sleep(down).await;
            process.start().await?;
            Ok(another_process(before, process).filter(|_| gone))
        }
        Fault::Pause(target, length) => {
            let process = target.process(suite)?;
            process.pause()?;
            tokio::time::sleep(length).await;
            let stopped = process.pid().and_then(state_of) == Some('T');
            process.resume()?;
            Ok(stopped.then(|| format!("stood still for {} ms", length.as_millis())))
        }
        Fault::Restart(target) => {
            let process = target.process(suite)?;
            let before = process.pid();
            process.restart().await?;
            Ok(another_process(before, process))
        }
        Fault::RollingRestart => {
            let mut all = Vec::new();
            for service in suite.services() {
                let before = service.pid();
                service.restart().await?;
                all.push(another_process(before, service));
            }
            let all: Option<Vec<String>> = all.into_iter().collect();
            Ok(all.map(|all| all.join(", ")))
        }
        Fault::Flush => flush(suite.redis.port()).await,
        Fault::Cut(link @ (gateway, _), length) if GATEWAY_KAFKA_LINKS.contains(&link) => {
            cut_off_from_kafka(suite, gateway, link, Mode::Cut, length).await
        }
        Fault::Stall(link @ (gateway, _), length) if GATEWAY_KAFKA_LINKS.contains(&link) => {
            cut_off_from_kafka(suite, gateway, link, Mode::Stall, length).await
        }
        Fault::Throttle(permille, length) => {
            let throttle = suite.throttle.as_ref().context("nothing throttles")?;
            let before = throttle.throttled();
            throttle.set_permille(permille);
            tokio::time::sleep(length).await;
            throttle.set_permille(0);
            let now = throttle.throttled();
            let (refused, halved) = (now.refused - before.refused, now.halved - before.halved);
            Ok((refused + halved > 0)
                .then(|| format!("{refused} requests refused, {halved} done by half")))
        }
        Fault::LoseAnswers(permille, length) => {
            let throttle = suite.throttle.as_ref().context("nothing loses answers")?;
            let before = throttle.throttled().lost;
            throttle.set_lost_permille(permille);
            tokio::time::sleep(length).await;
            throttle.set_lost_permille(0);
            let lost = throttle.throttled().lost - before;
            Ok((lost > 0).then(|| format!("{lost} answers lost")))
        }
        Fault::Cut(link, length) => {
            broken(link_of(suite, link)?, Mode::Cut, length, connections_ended).await
        }
        Fault::Stall(link, length) => {
            broken(link_of(suite, link)?, Mode::Stall, length, something_held).await
        }
    }
}

fn connections_ended(before: Done, now: Done) -> Option<String> {
    let ended = now.cut - before.cut;
    (ended > 0).then(|| format!("{ended} connections ended or were refused"))
}

fn something_held(before: Done, now: Done) -> Option<String> {
    let held = now.held - before.held;
    (held > 0).then(|| format!("{held} times something was held"))
}

/// A gateway vouches for its sockets for 10 s after it has last seen the end of its deliveries; the rest is
/// for a machine that is busy.
const UNREADY_WITHIN: Duration = Duration::from_secs(15);
/// Another fault may last meanwhile.
const READY_AGAIN_WITHIN: Duration = Duration::from_secs(60);

/// Cuts a gateway off from Kafka alone. It has to say so, so that it gets no more sockets, and to recover.
async fn cut_off_from_kafka(
    suite: &Suite,
    gateway: &str,
    link: (&str, &str),
    mode: Mode,
    length: Duration,
) -> Result<Option<String>> {
    let link = link_of(suite, link)?;
    let service = (suite.gateways.iter())
        .find(|service| service.name() == gateway)
        .with_context(|| format!("there is no {gateway}"))?;
    let effect = match mode {
        Mode::Cut => connections_ended,
        _ => something_held,
    };
    let begun = Instant::now();
    let mut unready_after = None;
    let seen = {
        let broken = broken(link, mode, length, effect);
        let unready = async {
            while service.ready().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            begun.elapsed()
        };
        tokio::pin!(broken, unready);
        loop {
            tokio::select! {
                after = &mut unready, if unready_after.is_none() => unready_after = Some(after),
                seen = &mut broken => break seen?,
            }
        }
    };
    if unready_after.is_none() && begun.elapsed() > UNREADY_WITHIN {
        bail!("{gateway} was cut off from Kafka and said that it is ready");
    }
    let over = Instant::now();
    while let Err(error) = service.ready().await {
        if over.elapsed() > READY_AGAIN_WITHIN {
            return Err(error.context(format!("{gateway} does not recover from a loss of Kafka")));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let ready_after = over.elapsed().as_secs_f64();
    Ok(seen.map(|seen| match unready_after {
        None => seen,
        Some(after) => format!(
            "{seen}; not ready after {:.1} s, ready {ready_after:.1} s after the end",
            after.as_secs_f64()
        ),
    }))
}

fn another_process(before: Option<u32>, process: &Process) -> Option<String> {
    let (before, now) = (before?, process.pid()?);
    (before != now).then(|| format!("process {before} became {now}"))
}

/// The third field of `/proc/<pid>/stat`; the second, the name, may hold anything in brackets.
fn state_of(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat[stat.rfind(')')? + 1..].trim_start().chars().next()
}

fn link_of<'a>(suite: &'a Suite, (from, to): (&str, &str)) -> Result<&'a Link> {
    suite
        .links
        .iter()
        .find(|link| link.from == from && link.to == to)
        .with_context(|| format!("there is no relay from {from} to {to}"))
}

/// How long the effect of a broken way is waited for beyond its time.
const EFFECT_WITHIN: Duration = Duration::from_secs(20);

async fn broken(
    link: &Link,
    mode: Mode,
    length: Duration,
    effect: impl Fn(Done, Done) -> Option<String>,
) -> Result<Option<String>> {
    let before = link.relay.done();
    link.relay.set(mode);
    let begun = Instant::now();
    let seen = loop {
        let seen = effect(before, link.relay.done());
        let past = begun.elapsed();
        if (seen.is_some() && past >= length) || past >= length + EFFECT_WITHIN {
            break seen;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    link.relay.set(Mode::Pass);
    Ok(seen)
}

/// FLUSHALL, and how much was there. Simple strings and integers of RESP
/// (<https://redis.io/docs/latest/develop/reference/protocol-spec/>).
async fn flush(port: u16) -> Result<Option<String>> {
    let ask = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(b"DBSIZE\r\nFLUSHALL\r\n").await?;
        let mut answer = String::new();
        let mut buffer = [0; 256];
        while !answer.contains("+OK") {
            let length = stream.read(&mut buffer).await?;
            if length == 0 {
                bail!("Redis closed the connection after {answer:?}");
            }
            answer.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
        Ok(answer)
    };
    let answer = match tokio::time::timeout(Duration::from_secs(30), ask).await {
        Ok(Ok(answer)) => answer,
        // It is being killed, as the other fault of this blow.
        _ => return Ok(None),
    };
    let keys = answer
        .strip_prefix(':')
        .and_then(|rest| rest.split("\r\n").next())
        .and_then(|keys| keys.parse::<u64>().ok());
    Ok(keys
        .filter(|keys| *keys > 0)
        .map(|keys| format!("{keys} keys gone")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn a_schedule_is_its_seeds_and_breaks_everything_once() {
        let of = |seed, count| schedule(&mut SmallRng::seed_from_u64(seed), count);
        assert_eq!(format!("{:?}", of(1, 60)), format!("{:?}", of(1, 60)));
        assert_ne!(format!("{:?}", of(1, 60)), format!("{:?}", of(2, 60)));
        for seed in 0..20 {
            let blows = of(seed, 60);
            let kinds: BTreeSet<String> = blows
                .iter()
                .flat_map(|blow| &blow.faults)
                .map(|fault| fault.kind())
                .collect();
            for target in SERVICES.into_iter().chain(SERVERS) {
                assert!(kinds.contains(&format!("kill {target}")), "{target}");
                assert!(kinds.contains(&format!("pause {target}")), "{target}");
            }
            assert!(kinds.contains("rolling restart"));
            let faults: usize = blows.iter().map(|blow| blow.faults.len()).sum();
            assert_eq!(faults, 60);
            for blow in blows.iter().filter(|blow| blow.faults.len() > 1) {
                // Never the same process twice at once.
                assert_ne!(blow.faults[0].target(), blow.faults[1].target());
            }
        }
    }
}
