use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use local_stack::suite::Suite;

/// The most resident memory that a process of each name held whenever it was looked at, in bytes. What the
/// children of a process hold is not in it.
pub type MostMemory = BTreeMap<String, u64>;

const EVERY: Duration = Duration::from_secs(1);

/// Looks at every process of the suite for as long as it is polled.
pub async fn watch(suite: &Suite, most: &mut MostMemory) -> Infallible {
    loop {
        for process in suite.processes() {
            if let Some(bytes) = process.resident_bytes() {
                let most = most.entry(process.name().to_owned()).or_default();
                *most = bytes.max(*most);
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}
