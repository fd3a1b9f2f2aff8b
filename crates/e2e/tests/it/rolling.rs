//! A deploy that nobody notices: each process is asked to end, and started again, while people talk.

use std::time::Duration;

use local_stack::process::Stopped;
use local_stack::suite::{Service, Suite};
use tokio::time::{Instant, sleep};

use crate::people::{Turn, own_stage};
use crate::steady_chat::steady_chat;

/// Between two restarts, as an orchestrator waits until a pod is ready and its routes have changed.
const BETWEEN: Duration = Duration::from_secs(4);
const WINDOW: Duration = Duration::from_secs(90);

async fn restart(suite: &Suite, service: &Service) {
    let before = service.pid();
    let began = Instant::now();
    let stopped = service.stop().await;
    let took = began.elapsed();
    assert_eq!(stopped, Stopped::Well, "{}", service.name());
    service.start().await.unwrap();
    assert_ne!(service.pid(), before, "the restart has to happen");
    println!(
        "{}: ended after {took:?}, ready again after {:?}",
        service.name(),
        began.elapsed()
    );
    assert!(suite.error_lines().is_empty(), "{:?}", suite.error_lines());
}

#[tokio::test]
async fn a_rolling_restart_of_every_service_loses_nothing_and_is_hardly_seen() {
    let stage = own_stage(Turn::alone().await, |options| options.message_pods = 2).await;
    let suite = &stage.suite;
    let outcome = steady_chat(&stage, WINDOW, async {
        sleep(BETWEEN).await;
        for service in suite.services() {
            restart(suite, service).await;
            sleep(BETWEEN).await;
        }
    })
    .await;
    let (p50, p99, max) = (
        outcome.delivered_within(0.5),
        outcome.delivered_within(0.99),
        outcome.delivered_within(1.0),
    );
    println!(
        "{} messages; to a device p50 {p50:?}, p99 {p99:?}, max {max:?}; the slowest acknowledged \
         after {:?}; at most {} connections lost",
        outcome.acknowledged, outcome.longest, outcome.disconnects
    );
    // Each gateway is restarted once, and the way back may lead to the one that is next.
    assert!(outcome.disconnects <= 2, "{}", outcome.disconnects);
    assert!(p99 <= Duration::from_millis(500), "{p99:?}");
    assert!(max <= Duration::from_secs(5), "{max:?}");
}
