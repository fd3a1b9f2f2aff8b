//! The suite, verified while it is broken; and a deployment that loses messages, found out.

#[cfg(test)]
mod liar;

use std::time::Duration;

use local_stack::suite::{Options as SuiteOptions, Suite};
use soak::faults::{Fault, Target};
use soak::{Blow, verify_suite};
use verify::check::{Invariant, Limits, Verdict};
use verify::command::judge;
use verify::run::{Options, Run};

use liar::Liar;

fn options(seed: u64) -> Options {
    Options {
        seed: Some(seed),
        people: 6,
        groups: 4,
        pairs: 4,
        rate: 30,
        warm_up_seconds: 5,
        chaos_seconds: 20,
        heal_seconds: 5,
        quiesce_seconds: 90,
        drops_per_minute: 15,
        ..Options::default()
    }
}

#[tokio::test]
async fn the_promise_is_kept_while_processes_die_and_stand_still() {
    let folder = tempfile::tempdir().unwrap();
    let blows = [
        vec![Fault::Kill(Target::Gateway(0), Duration::from_millis(500))],
        vec![Fault::Pause(Target::Message(0), Duration::from_secs(3))],
        vec![Fault::Flush, Fault::Throttle(1_000, Duration::from_secs(2))],
        vec![
            Fault::Cut(("chat-gateway", "kafka"), Duration::from_secs(3)),
            Fault::LoseAnswers(100, Duration::from_secs(4)),
        ],
        vec![
            Fault::Kill(Target::Message(1), Duration::ZERO),
            Fault::Stall(("message", "dynamodb"), Duration::from_secs(2)),
        ],
    ]
    .map(|faults| Blow {
        after: Duration::from_secs(2),
        faults,
    });
    let (outcome, most_memory) = Box::pin(verify_suite(
        SuiteOptions::for_tests(&folder.path().join("data")),
        options(20_251_125),
        &blows,
        &folder.path().join("history.ndjson"),
    ))
    .await
    .unwrap();
    println!("{}\n{}", outcome.figures, outcome.report);
    println!("most memory: {most_memory:?}");
    assert_eq!(outcome.report.verdict, Verdict::Passed);
    assert!(most_memory["message"] > 1_000_000);
    assert!(outcome.report.counts.acknowledged > 500);
    assert!(outcome.report.counts.faults_seen >= 8);
}

#[tokio::test]
async fn a_deployment_that_loses_messages_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let suite = Suite::start(SuiteOptions::for_tests(&folder.path().join("data")))
        .await
        .unwrap();
    // Its history lacks some of what was acknowledged and shown.
    let liar = Liar::before(&suite.origin()).await.unwrap();
    let history = folder.path().join("history.ndjson");
    let run = Run {
        server: liar.origin(),
        options: Options {
            drops_per_minute: 0,
            chaos_seconds: 5,
            ..options(1)
        },
        history: history.clone(),
    };
    Box::pin(run.go(async |_| Ok(()))).await.unwrap();
    suite.stop().await;
    assert!(liar.withheld() > 0);
    let report = judge(&history, &Limits::default()).unwrap().report;
    println!("{report}");
    assert_eq!(report.verdict, Verdict::Violated);
    assert!(report.violated.contains_key(&Invariant::LostFromHistory));
    // And nothing else is made up.
    for invariant in report.violated.keys() {
        assert!(
            matches!(
                invariant,
                Invariant::LostFromHistory | Invariant::ReadYourWrites
            ),
            "{report}"
        );
    }
}
