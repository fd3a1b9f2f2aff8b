//! The checker passes good histories, and refuses each kind of bad one by its name.

#[cfg(test)]
mod good;
#[cfg(test)]
mod mutations;

use std::collections::BTreeMap;
use std::time::Instant;

use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use verify::check::{Invariant, Limits, Verdict, check};
use verify::history::Event;

use good::good;
use mutations::{DOUBTS, MUTATIONS};

const SEEDS: u64 = 60;

fn verdict_of(events: &[Event]) -> verify::check::Report {
    check(events, &Limits::default()).expect("it is in memory")
}

#[test]
fn good_histories_pass() {
    for seed in 0..400 {
        let report = verdict_of(&good(seed));
        assert_eq!(report.verdict, Verdict::Passed, "seed {seed}: {report}");
        assert!(report.counts.acknowledged > 20, "seed {seed}: {report}");
    }
}

#[test]
fn every_planted_fault_is_found_by_its_name() {
    let mut planted: BTreeMap<Invariant, u64> = BTreeMap::new();
    let (mut found, mut nowhere) = (0, 0);
    for (name, invariant, mutate) in MUTATIONS {
        let mut here = 0;
        for seed in 0..SEEDS {
            let mut events = good(seed);
            let mut rng = SmallRng::seed_from_u64(seed);
            if !mutate(&mut events, &mut rng) {
                nowhere += 1;
                continue;
            }
            here += 1;
            let report = verdict_of(&events);
            assert!(
                report.violated.contains_key(invariant),
                "`{name}` in seed {seed} was not found as {invariant}: {report}"
            );
            let example = report
                .violations
                .iter()
                .find(|violation| violation.invariant == *invariant)
                .expect("the first few of each kind are kept");
            assert!(
                (1..=4).contains(&example.proof.len()),
                "`{name}` in seed {seed} is proved by a few events: {example}"
            );
            found += 1;
        }
        assert!(
            here >= SEEDS / 4,
            "`{name}` found a place in {here} histories only"
        );
        *planted.entry(*invariant).or_default() += here;
    }
    println!(
        "{found} planted faults of {} kinds found, each by its name; {nowhere} times there was no place for one",
        MUTATIONS.len()
    );
    for invariant in Invariant::ALL {
        assert!(planted.contains_key(invariant), "nothing tests {invariant}");
    }
}

#[test]
fn a_history_that_could_not_have_shown_a_fault_is_no_proof() {
    for (name, spoil) in DOUBTS {
        for seed in 0..SEEDS {
            let mut events = good(seed);
            spoil(&mut events);
            let report = verdict_of(&events);
            assert_eq!(
                report.verdict,
                Verdict::Unknown,
                "`{name}` in seed {seed}: {report}"
            );
        }
    }
}

#[test]
fn a_kept_history_gives_the_same_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.ndjson");
    let mut events = good(7);
    let mut rng = SmallRng::seed_from_u64(7);
    let (_, invariant, mutate) = MUTATIONS[0];
    assert!(mutate(&mut events, &mut rng));
    let lines: String = events
        .iter()
        .map(|event| serde_json::to_string(event).unwrap() + "\n")
        .collect();
    std::fs::write(&path, lines).unwrap();
    let kept = check(&verify::history::HistoryFile(path), &Limits::default()).unwrap();
    assert_eq!(kept.to_string(), verdict_of(&events).to_string());
    assert!(kept.violated.contains_key(&invariant));
}

/// Says how fast it is; fails only if that is hopeless.
#[test]
fn millions_of_events_are_checked_in_time() {
    let events = good(3);
    let begun = Instant::now();
    let (mut checked, mut rounds) = (0, 0);
    while rounds < 20 {
        checked += verdict_of(&events).counts.events;
        rounds += 1;
    }
    let rate = checked as f64 / begun.elapsed().as_secs_f64();
    println!("{rate:.0} events a second");
    assert!(rate > 10_000.0, "{rate}");
}
