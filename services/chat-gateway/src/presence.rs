//! Who is online, for those who may see it.
//!
//! **Invariants.** Presence is shown only of people with whom the watcher is in a conversation, or who are
//! contacts, as the person's own settings and blocks have it; what can't be found out is not shown. It
//! costs what is watched: somebody whom nobody watches is not looked at.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use ids::UserId;
use problem::Problem;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::app::{App, Person};
use crate::domain::presence::{Check, Standing};
use crate::peers::{MAX_PEOPLE, PeerAway, Verdict};
use crate::store::presence::Sighting;

/// People looked at in one go.
const LOOKS: usize = 512;
/// Between two rounds of looks: what changes back within it isn't told.
const ROUND: Duration = Duration::from_millis(100);
/// After Redis or a peer didn't answer.
const RETRY: Duration = Duration::from_secs(2);
/// Sockets for which is asked at once whom they may see.
const CHECKS_AT_ONCE: usize = 32;
const CHECKS: usize = 512;
/// How often it is looked for times to be kept.
const KEEP_TICK: Duration = Duration::from_secs(1);
/// People of whom one page of [`online`] finds out.
const PAGE: u32 = 500;

/// Of `users`, those whose presence the person may see.
///
/// # Errors
/// [`PeerAway`] when that can't be found out now.
pub async fn visible(
    app: &App,
    person: &Person,
    users: &[UserId],
) -> Result<HashSet<UserId>, PeerAway> {
    let others = users.iter().copied().filter(|user| *user != person.user);
    let others: Vec<UserId> = others.collect();
    let mut visible: HashSet<UserId> = HashSet::with_capacity(users.len());
    if others.len() < users.len() {
        visible.insert(person.user);
    }
    let mut if_together = Vec::new();
    for (user, towards) in app.peers.permissions.towards(person, &others).await? {
        match towards.see_presence {
            Verdict::Allowed => drop(visible.insert(user)),
            Verdict::IfTogether => if_together.push(user),
            Verdict::Refused => {}
        }
    }
    visible.extend(app.peers.co_members.filter(person, &if_together).await?);
    Ok(visible)
}

/// How people stand, in the order asked for.
///
/// # Errors
/// `unavailable` while Redis or a peer is away.
pub async fn of(
    app: &App,
    person: &Person,
    users: &[UserId],
) -> Result<Vec<(UserId, Standing)>, Problem> {
    let visible = visible(app, person, users)
        .await
        .map_err(|away| Problem::unavailable("peers", &away))?;
    let seen: Vec<UserId> = visible.into_iter().collect();
    let standings = look(app, &seen).await?;
    let find = |user: &UserId| {
        let found = standings.iter().find(|(seen, _)| seen == user);
        (
            *user,
            found.map_or(Standing::Hidden, |(_, standing)| *standing),
        )
    };
    Ok(users.iter().map(find).collect())
}

/// A page of the people who are online, of those whose presence the person may see, by id; and after whom
/// the next page begins, if there is one.
///
/// # Errors
/// As [`of`].
pub async fn online(
    app: &App,
    person: &Person,
    after: Option<UserId>,
) -> Result<(Vec<UserId>, Option<UserId>), Problem> {
    let away = |away| Problem::unavailable("peers", &away);
    let co_members = &app.peers.co_members;
    let people = co_members.list(person, after, PAGE).await.map_err(away)?;
    let next = people.last().copied();
    let next = next.filter(|_| people.len() == PAGE as usize);
    let permissions = app.peers.permissions.towards(person, &people);
    let permissions = permissions.await.map_err(away)?;
    // They are in a conversation together: that is where they were found.
    let may_see = |user: &UserId| {
        permissions
            .get(user)
            .is_some_and(|towards| towards.see_presence != Verdict::Refused)
    };
    let people: Vec<UserId> = people.into_iter().filter(may_see).collect();
    let found = app.presences.look(&people).await;
    let found = found.map_err(|error| Problem::unavailable("redis", &error))?;
    let online = people.into_iter().zip(found);
    let online = online.filter(|(_, sighting)| !sighting.connected_for.is_zero());
    Ok((online.map(|(user, _)| user).collect(), next))
}

async fn look(app: &App, users: &[UserId]) -> Result<Vec<(UserId, Standing)>, Problem> {
    app.metrics.presence_looks.increment(users.len() as u64);
    let sightings = app.presences.look(users).await;
    let sightings = sightings.map_err(|error| Problem::unavailable("redis", &error))?;
    Ok(standings(app, users, &sightings).await)
}

/// What sightings mean. Where Redis has forgotten when somebody was last seen, the account service knows.
async fn standings(app: &App, users: &[UserId], sightings: &[Sighting]) -> Vec<(UserId, Standing)> {
    let pairs = || users.iter().copied().zip(sightings);
    let is_forgotten = |sighting: &Sighting| {
        sighting.connected_for.is_zero() && sighting.last_seen_unix_ms.is_none()
    };
    let forgotten = pairs().filter(|(_, sighting)| is_forgotten(sighting));
    let forgotten: Vec<UserId> = forgotten.map(|(user, _)| user).collect();
    let kept = app.peers.times_seen.of(&forgotten).await;
    pairs()
        .map(|(user, sighting)| {
            let standing = if sighting.connected_for.is_zero() {
                let kept = kept.get(&user).copied();
                Standing::Offline {
                    last_seen_unix_ms: sighting.last_seen_unix_ms.or(kept),
                }
            } else {
                Standing::Online
            };
            (user, standing)
        })
        .collect()
}

/// Finds out whom the sockets that watch may see, when they ask and then every minute, until `stop`.
///
/// # Errors
/// Never.
pub async fn check(app: Arc<App>, stop: CancellationToken) -> anyhow::Result<()> {
    loop {
        let next = app.watches.next_check();
        tokio::select! {
            () = sleep_until(next.unwrap_or_else(far)), if next.is_some() => {}
            () = app.watches.to_check.notified() => {}
            () = stop.cancelled() => return Ok(()),
        }
        let due = app.watches.due_checks(Instant::now(), CHECKS, RETRY);
        let checks = stream::iter(due).for_each_concurrent(CHECKS_AT_ONCE, |check| {
            let app = &app;
            async move { check_one(app, &check).await }
        });
        tokio::select! {
            () = checks => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}

async fn check_one(app: &App, check: &Check<Person>) {
    let person = check.connection.person();
    // If a peer is away it comes again.
    if let Ok(visible) = visible(app, &person, &check.users).await {
        app.watches.settle(check, &visible);
    }
}

/// Looks at those who are watched: when they are said to have changed, when their leases run out, and as
/// often as a lease of this gateway's own has to be refreshed. Until `stop`.
///
/// # Errors
/// Never.
pub async fn follow(app: Arc<App>, stop: CancellationToken) -> anyhow::Result<()> {
    loop {
        let next = app.watches.next_look();
        tokio::select! {
            () = sleep_until(next.unwrap_or_else(far)), if next.is_some() => {}
            () = app.watches.to_look.notified() => {}
            () = stop.cancelled() => return Ok(()),
        }
        tokio::select! {
            () = look_round(&app) => {}
            () = stop.cancelled() => return Ok(()),
        }
        app.metrics.watched_people.set(app.watches.people() as f64);
        tokio::select! {
            () = sleep(ROUND) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}

async fn look_round(app: &App) {
    let left = app.watches.take_left();
    if !left.is_empty() {
        // If it fails, the lease runs out.
        let _ = app.presences.unwatch(&left).await;
    }
    loop {
        let began = Instant::now();
        let due = app.watches.due_looks(began, LOOKS, RETRY);
        if due.is_empty() {
            return;
        }
        app.metrics.presence_looks.increment(due.len() as u64);
        let Ok(sightings) = app.presences.watch(&due).await else {
            return;
        };
        let refresh = app.presences.refresh();
        let standings = standings(app, &due, &sightings).await;
        for ((user, standing), sighting) in standings.into_iter().zip(sightings) {
            let next = match sighting.connected_for {
                Duration::ZERO => refresh,
                // A moment later, so that it has run out then.
                lease => refresh.min(lease + Duration::from_millis(5)),
            };
            let told = app.watches.saw(user, standing, began, next);
            app.metrics.presence_told.increment(told);
        }
    }
}

/// Has the account service keep when people were last seen, until `stop`; then the rest.
///
/// # Errors
/// Never.
pub async fn keep_last_seen(app: Arc<App>, stop: CancellationToken) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = sleep(KEEP_TICK) => {}
            () = stop.cancelled() => break,
        }
        let due = app.last_seen.due(app.clock.unix_ms(), MAX_PEOPLE);
        if !due.is_empty() && app.peers.times_seen.note(&due).await.is_err() {
            app.last_seen.put_back(&due);
        }
    }
    for people in app.last_seen.rest().chunks(MAX_PEOPLE) {
        if app.peers.times_seen.note(people).await.is_err() {
            // Redis has them still.
            app.metrics.last_seen_dropped.increment(people.len() as u64);
            break;
        }
    }
    Ok(())
}

/// Further than anything is due.
fn far() -> Instant {
    Instant::now() + Duration::from_secs(3_600)
}
