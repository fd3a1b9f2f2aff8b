//! Leads people through a deployment and writes down what each of them saw.

mod device;
mod network;
mod people;
mod recorder;
mod schedule;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use client::{Api, Client, Draft, MessageChange, Standing};
use futures_util::stream::{self, StreamExt as _};
use ids::ConversationId;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::history::{
    Conversation, DeviceKind, Membership, Outcome, Person, Phase, Place, Source, What,
};
use device::{DeviceActor, Targets, observe, read_page, upstream_of};
pub use recorder::Recorder;
use schedule::{Action, Step};

/// What to lead whom through.
#[derive(Debug, Clone, Serialize, clap::Args)]
pub struct Options {
    /// Decides who does what when; the same again gives the same schedule.
    #[arg(long)]
    pub seed: Option<u64>,
    /// People who are made for the run.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(3..=500))]
    pub people: u32,
    /// Devices of each person.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=10))]
    pub devices: u32,
    /// Groups, of which people come and go.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub groups: u32,
    /// One-to-one conversations.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub pairs: u32,
    /// Messages a second, all people together.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    pub rate: u32,
    /// How long people talk before anything is broken.
    #[arg(long, default_value_t = 10)]
    pub warm_up_seconds: u32,
    /// How long they talk while things are broken.
    #[arg(long, default_value_t = 40)]
    pub chaos_seconds: u32,
    /// How long they talk after that.
    #[arg(long, default_value_t = 10)]
    pub heal_seconds: u32,
    /// How long everybody may take to catch up in the end.
    #[arg(long, default_value_t = 120)]
    pub quiesce_seconds: u32,
    /// Times a minute that the network of some device is broken.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=600))]
    pub drops_per_minute: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: None,
            people: 8,
            devices: 2,
            groups: 6,
            pairs: 6,
            rate: 20,
            warm_up_seconds: 10,
            chaos_seconds: 40,
            heal_seconds: 10,
            quiesce_seconds: 120,
            drops_per_minute: 20,
        }
    }
}

/// A run against one deployment.
#[derive(Debug, Clone)]
pub struct Run {
    /// `https://chat.example.org`.
    pub server: String,
    pub options: Options,
    /// Where the history goes.
    pub history: PathBuf,
}

/// How long people talk before the warm-up.
const SEED: Duration = Duration::from_secs(5);
/// REST calls that are under way at once.
const CALLS: usize = 64;
/// Tries to reach a deployment that may be busy or restarting.
const PATIENCE: Duration = Duration::from_secs(60);

/// A conversation of the run.
struct Talk {
    id: ConversationId,
    c: Conversation,
    /// Of a group.
    name: Option<String>,
    /// Indices of people; the first made it and never leaves.
    first_members: Vec<usize>,
    /// Who is in it now, as far as is known.
    members: std::sync::Mutex<Vec<usize>>,
}

impl Talk {
    fn members(&self) -> std::sync::MutexGuard<'_, Vec<usize>> {
        self.members
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Everybody and everything of a run.
struct Stage {
    recorder: Recorder,
    /// By person.
    devices: Vec<Vec<Arc<DeviceActor>>>,
    talks: Vec<Arc<Talk>>,
    people: Vec<Person>,
    accounts: Vec<people::Account>,
}

impl Run {
    /// Makes people and conversations, lets them talk, breaks their networks, waits until all is quiet,
    /// and reads everything with fresh devices. `disturb` runs through the phase in which things may be
    /// broken, which lasts at least as long as it does.
    ///
    /// What became of the promise is for [`crate::check`] to say.
    ///
    /// # Errors
    /// When nobody can be made, or the history can't be written.
    pub async fn go<D, F>(&self, disturb: D) -> Result<()>
    where
        D: FnOnce(Recorder) -> F,
        F: Future<Output = Result<()>>,
    {
        let Some(seed) = self.options.seed else {
            bail!("a run needs a seed");
        };
        let recorder = Recorder::begin(&self.history)?;
        let options = format!("{} {}", self.server, serde_json::to_string(&self.options)?);
        tracing::info!("seed {seed}: {options}");
        recorder.record(What::Begin {
            version: crate::history::VERSION,
            seed,
            options,
        });
        recorder.phase(Phase::Seed);
        let mut rng = SmallRng::seed_from_u64(seed);
        let stage = Arc::new(Box::pin(self.set_stage(&recorder, &mut rng)).await?);
        let observers = self.observe(&stage).await;

        let mut calls = JoinSet::new();
        let steps = schedule::talk(&mut rng, &self.options, &stage_shape(&stage));
        let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
        let deadline = Instant::now()
            + seconds(self.options.warm_up_seconds)
            + seconds(self.options.chaos_seconds)
            + seconds(self.options.heal_seconds)
            + seconds(self.options.quiesce_seconds)
            + Duration::from_secs(600);
        let mut talk = Talking {
            stage: &stage,
            calls: &mut calls,
            room: Arc::new(Semaphore::new(CALLS)),
            steps: steps.into_iter().cycle(),
            deadline,
        };

        // The first words of a conversation find caches empty, and are no measure.
        talk.go_on(SEED, std::future::ready(())).await;
        recorder.phase(Phase::WarmUp);
        tracing::info!("warm-up: {} s", self.options.warm_up_seconds);
        talk.go_on(
            seconds(self.options.warm_up_seconds),
            std::future::ready(()),
        )
        .await;
        recorder.phase(Phase::Chaos);
        tracing::info!("chaos: at least {} s", self.options.chaos_seconds);
        let length = seconds(self.options.chaos_seconds);
        let network = network::schedule(&mut rng, &self.options, length);
        let mut disturbed = Ok(());
        let breaking = async {
            let (broken, ()) = tokio::join!(
                disturb(recorder.clone()),
                network::break_networks(&stage, network)
            );
            disturbed = broken;
        };
        talk.go_on(length, breaking).await;
        disturbed?;
        recorder.phase(Phase::Heal);
        tracing::info!("heal: {} s", self.options.heal_seconds);
        talk.go_on(seconds(self.options.heal_seconds), std::future::ready(()))
            .await;

        recorder.phase(Phase::Quiesce);
        let begun = Instant::now();
        let until = begun + seconds(self.options.quiesce_seconds);
        let quiet = async {
            while calls.join_next().await.is_some() {}
            stage.catch_up(until).await;
        };
        if tokio::time::timeout_at(until + Duration::from_secs(30), quiet)
            .await
            .is_err()
        {
            tracing::warn!("not everybody has caught up");
        } else {
            tracing::info!("quiet after {:.1} s", begun.elapsed().as_secs_f64());
        }
        calls.abort_all();
        recorder.phase(Phase::Final);
        self.read_everything(&stage).await?;
        drop(observers);
        for device in stage.devices.iter().flatten() {
            device.crash();
        }
        recorder.end()
    }

    /// A socket for each person that only notes what comes.
    async fn observe(&self, stage: &Stage) -> JoinSet<()> {
        let mut observers = JoinSet::new();
        let socket_url = format!("{}/socket", self.server.replacen("http", "ws", 1));
        for account in &stage.accounts {
            match account.sign_in("wire").await {
                Ok(client) => {
                    let recorder = stage.recorder.clone();
                    observers.spawn(observe(recorder, client, socket_url.clone(), None));
                }
                Err(error) => tracing::warn!("no socket that only listens: {error:#}"),
            }
        }
        observers
    }

    async fn set_stage(&self, recorder: &Recorder, rng: &mut SmallRng) -> Result<Stage> {
        let options = &self.options;
        let api = Api::new(&self.server)?;
        let upstream = upstream_of(&self.server).context("the server's address has no host")?;
        tracing::info!("making {} people", options.people);
        let accounts = people::register(&api, options.people).await?;
        let people: Vec<Person> = accounts
            .iter()
            .map(|account| recorder.person(account.first.user_id()))
            .collect();

        let mut talks = Vec::new();
        let count = accounts.len();
        for k in 0..options.groups + options.pairs {
            let group = k < options.groups;
            let size = if group {
                rng.random_range(3..=count.min(50))
            } else {
                2
            };
            let members = rand::seq::index::sample(rng, count, size).into_vec();
            let owner = &accounts[members[0]].first;
            let others: Vec<_> = members[1..]
                .iter()
                .map(|member| accounts[*member].first.user_id())
                .collect();
            let name = group.then(|| format!("{}-{k}", accounts[0].run));
            let id = people::patiently(async || match &name {
                Some(name) => owner.create_group(name, &others).await,
                None => owner.open_direct(others[0]).await,
            })
            .await
            .context("make a conversation")?
            .conversation_id;
            if recorder.conversation(id).is_some() {
                // The same two people again.
                continue;
            }
            talks.push(Arc::new(Talk {
                id,
                c: recorder.name_conversation(id),
                name,
                first_members: members.clone(),
                members: std::sync::Mutex::new(members),
            }));
        }

        let all: Vec<ConversationId> = talks.iter().map(|talk| talk.id).collect();
        let mut devices = Vec::new();
        for account in &accounts {
            let mut of_person = Vec::new();
            for k in 0..options.devices {
                let client = if k == 0 {
                    account.first.clone()
                } else {
                    account.sign_in("device").await?
                };
                let device = DeviceActor::new(recorder, client, &upstream, all.clone()).await?;
                of_person.push(device);
            }
            devices.push(of_person);
        }
        let connected = async {
            for device in devices.iter().flatten() {
                while !device.screen().caught_up {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        };
        tokio::time::timeout(PATIENCE, connected)
            .await
            .context("not every device could connect")?;
        tracing::info!(
            "{} devices in {} conversations",
            devices.iter().flatten().count(),
            talks.len()
        );
        Ok(Stage {
            recorder: recorder.clone(),
            devices,
            talks,
            people,
            accounts,
        })
    }

    /// A new device of each person reads all of every conversation, and where the person stands.
    async fn read_everything(&self, stage: &Stage) -> Result<()> {
        tracing::info!("reading everything with fresh devices");
        for (account, u) in stage.accounts.iter().zip(&stage.people) {
            let client = account.sign_in("fresh").await?;
            let d = stage.recorder.device(*u, DeviceKind::Fresh);
            let reads: Vec<_> = stage
                .talks
                .iter()
                .map(|talk| read_whole(&stage.recorder, &client, d, talk))
                .collect();
            let outcomes: Vec<Result<()>> = stream::iter(reads).buffer_unordered(8).collect().await;
            for outcome in outcomes {
                // What was not read is seen by the check.
                if let Err(error) = outcome {
                    tracing::warn!("the final read: {error:#}");
                }
            }
        }
        Ok(())
    }
}

async fn read_whole(
    recorder: &Recorder,
    client: &Client,
    d: crate::history::Device,
    talk: &Talk,
) -> Result<()> {
    let mut after = 0;
    loop {
        let page = people::patiently(async || {
            read_page(
                recorder,
                client,
                d,
                (talk.id, talk.c),
                Place::After(after),
                100,
            )
            .await
        })
        .await;
        let page = match page {
            Ok(page) => page,
            // Whoever never was in it is told that there is none.
            Err(error) if error.code() == Some("conversation_unknown") => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let head = page.state.as_ref().map_or(0, |state| state.head_number);
        if page.covered_to >= head || page.covered_to <= after {
            break;
        }
        after = page.covered_to;
    }
    let states = people::patiently(async || client.states(&[talk.id]).await).await?;
    for state in states {
        recorder.record(What::Standing {
            d,
            c: talk.c,
            source: Source::Rest,
            head: state.head_number,
            read: state.read_number,
            unread: state.unread_count,
            hidden: state.hidden_count,
            unnamed: 0,
            marked: state.marked_unread,
        });
    }
    Ok(())
}

/// How many people, and devices of each, and who is in which conversation.
fn stage_shape(stage: &Stage) -> schedule::Shape {
    schedule::Shape {
        devices: stage.devices.iter().map(Vec::len).collect(),
        members: stage
            .talks
            .iter()
            .map(|talk| talk.first_members.clone())
            .collect(),
        groups: stage.talks.iter().map(|talk| talk.name.is_some()).collect(),
    }
}

/// People who do what the schedule says.
struct Talking<'a, S> {
    stage: &'a Arc<Stage>,
    calls: &'a mut JoinSet<()>,
    /// Calls that are not made for want of room are left out.
    room: Arc<Semaphore>,
    steps: S,
    deadline: Instant,
}

impl<S: Iterator<Item = Step>> Talking<'_, S> {
    /// For so long, and until `meanwhile` is over.
    async fn go_on(&mut self, length: Duration, meanwhile: impl Future<Output = ()>) {
        tokio::pin!(meanwhile);
        let end = Instant::now() + length;
        let mut next = Instant::now();
        let mut over = false;
        let mut report_at = Instant::now() + Duration::from_secs(10);
        while !over || Instant::now() < end {
            let step = self.steps.next();
            let Some(step) = step else { break };
            next += step.after;
            loop {
                tokio::select! {
                    () = &mut meanwhile, if !over => over = true,
                    () = tokio::time::sleep_until(next) => break,
                    Some(_) = self.calls.join_next() => {}
                }
            }
            self.act(step.action);
            if Instant::now() > report_at {
                report_at += Duration::from_secs(10);
                let waiting: usize = self
                    .stage
                    .devices
                    .iter()
                    .flatten()
                    .map(|device| device.screen().pending.len())
                    .sum();
                tracing::info!("{waiting} messages wait for their acknowledgement");
            }
        }
    }

    fn act(&mut self, action: Action) {
        let stage = self.stage;
        let device = |(person, device): (usize, usize)| Arc::clone(&stage.devices[person][device]);
        match action {
            Action::Send {
                by,
                talk,
                text,
                regardless,
            } => {
                let talk = &stage.talks[talk];
                if regardless || talk.members().contains(&by.0) {
                    device(by).send(talk.id, talk.c, Draft::text(text));
                }
            }
            Action::Change {
                by,
                talk,
                pick,
                change,
            } => {
                let talk = &stage.talks[talk];
                let owns = talk.name.is_some() && talk.first_members[0] == by.0;
                let targets = match change {
                    MessageChange::AddReaction(_) | MessageChange::RemoveReaction(_) => {
                        Targets::Any
                    }
                    MessageChange::Delete if owns => Targets::Any,
                    _ => Targets::Own,
                };
                if talk.members().contains(&by.0) {
                    device(by).change(talk.id, talk.c, targets, pick, change);
                }
            }
            Action::MarkRead { by, talk } => {
                let talk = &stage.talks[talk];
                // Who is not in it can't move a mark.
                if talk.members().contains(&by.0) {
                    device(by).mark_read(talk.id, talk.c);
                }
            }
            Action::Hide { by, talk, pick } => {
                let talk = &stage.talks[talk];
                if talk.members().contains(&by.0) {
                    device(by).hide(talk.id, talk.c, pick);
                }
            }
            Action::MarkUnread { by, talk } => {
                let talk = &stage.talks[talk];
                if talk.members().contains(&by.0) {
                    device(by).mark_unread(talk.id, talk.c);
                }
            }
            Action::SendByRest { by, talk, text } => {
                let (device, talk) = (device(by), Arc::clone(&stage.talks[talk]));
                let deadline = self.deadline;
                if talk.members().contains(&by.0) {
                    self.call(async move {
                        let draft = Draft::text(text);
                        device
                            .send_by_rest_until_answered(talk.id, talk.c, &draft, deadline)
                            .await;
                    });
                }
            }
            Action::SendAgain { by } => {
                let device = device(by);
                let last = device.screen().last_sent.clone();
                let talk = last
                    .as_ref()
                    .and_then(|(id, ..)| stage.talks.iter().find(|talk| talk.id == *id));
                if let (Some((id, cmid, draft)), Some(talk)) = (last, talk) {
                    let c = talk.c;
                    // Twice at once, beside the session, which may still be sending it.
                    for _ in 0..2 {
                        let (device, draft) = (Arc::clone(&device), draft.clone());
                        self.call(async move {
                            device.send_by_rest(id, c, cmid, &draft).await;
                        });
                    }
                }
            }
            Action::MarkReadByRest { by, talk } => {
                let (device, talk) = (device(by), Arc::clone(&stage.talks[talk]));
                if talk.members().contains(&by.0) {
                    self.call(async move { device.mark_read_by_rest(talk.id, talk.c).await });
                }
            }
            Action::Standing { by, talk } => {
                let (device, talk) = (device(by), Arc::clone(&stage.talks[talk]));
                self.call(async move { device.ask_standing(talk.id, talk.c).await });
            }
            Action::Page { by, talk, place } => {
                let (device, talk) = (device(by), Arc::clone(&stage.talks[talk]));
                let held = device.screen().held.get(&talk.id).copied().unwrap_or(0);
                let place = match place {
                    // A fraction of what there is.
                    Place::After(permille) => Place::After(held * permille / 1_000),
                    Place::Before(permille) => Place::Before(held * permille / 1_000 + 1),
                    Place::Newest => Place::Newest,
                };
                self.call(async move { device.page(talk.id, talk.c, place).await });
            }
            Action::Member { who, talk } => self.change_member(who, talk),
        }
    }

    /// Removes whoever is in, and lets whoever isn't join.
    fn change_member(&mut self, who: usize, talk: usize) {
        let stage = Arc::clone(self.stage);
        let talk = Arc::clone(&stage.talks[talk]);
        let owner = talk.first_members[0];
        let (Some(name), false) = (talk.name.clone(), who == owner) else {
            return;
        };
        let is_in = talk.members().contains(&who);
        self.call(async move {
            let themself = &stage.devices[who][0];
            let user = themself.client.user_id();
            let u = stage.people[who];
            let outcome = if is_in {
                // From now on nobody counts on it.
                talk.members().retain(|member| *member != who);
                if who.is_multiple_of(2) {
                    let call = themself.client.leave(talk.id);
                    themself
                        .change_member(talk.c, u, Membership::Remove, call)
                        .await
                } else {
                    let remover = &stage.devices[owner][0];
                    let call = remover.client.remove_member(talk.id, user);
                    remover
                        .change_member(talk.c, u, Membership::Remove, call)
                        .await
                }
            } else {
                let call = async { themself.client.join_group(&name).await.map(|_| ()) };
                themself
                    .change_member(talk.c, u, Membership::Add, call)
                    .await
            };
            if !is_in && matches!(outcome, Outcome::Ok { .. }) {
                // What met the removal on its way was nobody's, and is not waited for.
                for device in &stage.devices[who] {
                    let mut screen = device.screen();
                    screen.marked.remove(&talk.id);
                    screen.hiding.remove(&talk.id);
                }
                let mut members = talk.members();
                if !members.contains(&who) {
                    members.push(who);
                }
            }
        });
    }

    fn call(&mut self, call: impl Future<Output = ()> + Send + 'static) {
        if let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() {
            self.calls.spawn(async move {
                call.await;
                drop(permit);
            });
        }
    }
}

impl Stage {
    /// Waits until everything is answered and shown everywhere, and every mark has arrived.
    async fn catch_up(&self, until: Instant) {
        let mut said_at = Instant::now() + Duration::from_secs(10);
        loop {
            let behind = self.behind().await;
            let Some(behind) = behind else { return };
            if Instant::now() > until {
                tracing::warn!("{behind}");
                return;
            }
            if Instant::now() > said_at {
                said_at += Duration::from_secs(10);
                tracing::info!("waiting: {behind}");
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// What is missing; none: nothing.
    async fn behind(&self) -> Option<String> {
        for device in self.devices.iter().flatten() {
            let screen = device.screen();
            if !screen.pending.is_empty() {
                return Some(format!(
                    "{} messages and changes of {} have no answer",
                    screen.pending.len(),
                    device.d
                ));
            }
            if !screen.caught_up {
                return Some(format!("{} has not caught up", device.d));
            }
        }
        let all: Vec<ConversationId> = self.talks.iter().map(|talk| talk.id).collect();
        for of_person in &self.devices {
            let Ok(states) = of_person[0].client.states(&all).await else {
                return Some("the states can't be read".to_owned());
            };
            for state in states {
                let Ok(id) = ConversationId::parse(&state.conversation_id) else {
                    continue;
                };
                for device in of_person {
                    let screen = device.screen();
                    let held = screen.held.get(&id).copied().unwrap_or(0);
                    let standing = screen.standing.get(&id).copied().unwrap_or_default();
                    let marked = screen.marked.get(&id).copied().unwrap_or(0);
                    let c = self.recorder.conversation(id)?;
                    if held < state.head_number {
                        return Some(format!(
                            "{} shows {c} up to #{held} of #{}",
                            device.d, state.head_number
                        ));
                    }
                    let member = self.talks.iter().any(|talk| {
                        talk.id == id
                            && talk
                                .members()
                                .iter()
                                .any(|member| self.people[*member] == device.u)
                    });
                    if member
                        && let Some(number) =
                            screen.hiding.get(&id).and_then(|hiding| hiding.first())
                    {
                        return Some(format!(
                            "{} has hidden #{number} of {c} and was not told of it",
                            device.d
                        ));
                    }
                    let is_known = standing
                        == Standing {
                            head: state.head_number,
                            read: state.read_number,
                            unread: state.unread_count,
                            marked_unread: state.marked_unread,
                            hidden: state.hidden_count,
                        };
                    let named = screen.hidden.get(&id).copied().unwrap_or(0);
                    if member
                        && (state.read_number < marked || !is_known || named < state.hidden_count)
                    {
                        return Some(format!(
                            "{} was told #{}, read #{}, {} unread in {c}; it is #{}, #{}, {}; marked #{marked}",
                            device.d,
                            standing.head,
                            standing.read,
                            standing.unread,
                            state.head_number,
                            state.read_number,
                            state.unread_count
                        ));
                    }
                }
            }
        }
        None
    }
}
