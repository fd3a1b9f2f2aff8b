//! Where a service gets new ids from: made on the spot, or with numbers of the central generator, which
//! is the account service.

use std::ops::Range;
use std::time::Duration;

use auth::PeerChannel;
use clock::Clock;
use ids::{NumberServer, PrefetchSettings, PrefetchedIds, Prefetcher};
use problem::Problem;
use proto::account::LeaseNumbersRequest;
use proto::account::id_internal_service_client::IdInternalServiceClient;
use serde::Deserialize;
use uuid::Uuid;

/// The `[ids]` section of a service's configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdSettings {
    pub generator: Generator,
    /// Numbers asked for at once, 1 to 1,000,000.
    pub batch: u32,
    /// More are asked for when no more than these are left.
    pub low_water: u32,
    /// How long a call waits for an id when none is left.
    pub patience_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Generator {
    /// None: the random bits of a UUIDv7.
    Random,
    /// The account service.
    Account,
}

/// New ids. Cheap to clone.
#[derive(Clone)]
pub struct NewIds(Source);

#[derive(Clone)]
enum Source {
    Random(Clock),
    Central(PrefetchedIds),
}

impl NewIds {
    /// As the settings say; with a central generator, also the task that fetches ahead.
    #[must_use]
    pub fn new(
        settings: &IdSettings,
        account: PeerChannel,
        clock: Clock,
    ) -> (Self, Option<Prefetcher<CentralNumbers>>) {
        match settings.generator {
            Generator::Random => (Self(Source::Random(clock)), None),
            Generator::Account => {
                let prefetch = PrefetchSettings {
                    batch: settings.batch,
                    low_water: settings.low_water,
                    patience: Duration::from_millis(settings.patience_ms),
                };
                let numbers = CentralNumbers::new(account);
                let (source, prefetcher) = PrefetchedIds::new(numbers, prefetch, clock);
                (Self(Source::Central(source)), Some(prefetcher))
            }
        }
    }

    /// A new id.
    ///
    /// # Errors
    /// `unavailable` when the central generator gave none in time.
    pub async fn next(&self) -> Result<Uuid, Problem> {
        match &self.0 {
            Source::Random(clock) => Ok(ids::MessageId::generate(clock).as_uuid()),
            Source::Central(source) => source
                .next()
                .await
                .map_err(|error| Problem::unavailable("ids", &error)),
        }
    }
}

/// The counter of the account service, by its internal port. Every process that may call it takes its
/// numbers from the same one.
#[derive(Clone)]
pub struct CentralNumbers(PeerChannel);

impl CentralNumbers {
    /// By a channel to the account service.
    #[must_use]
    pub const fn new(account: PeerChannel) -> Self {
        Self(account)
    }
}

impl NumberServer for CentralNumbers {
    type Error = Problem;

    async fn lease(&self, count: u32) -> Result<Range<u64>, Problem> {
        let lease = IdInternalServiceClient::new(self.0.channel())
            .lease_numbers(self.0.request(LeaseNumbersRequest { count }, None))
            .await
            .map_err(|status| Problem::from_status(&status))?
            .into_inner();
        Ok(lease.first..lease.first.saturating_add(u64::from(lease.count)))
    }
}
