//! The way to the central generator of ids, for [`ids::PrefetchedIds`].

use std::ops::Range;

use auth::PeerChannel;
use ids::NumberServer;
use problem::Problem;
use proto::account::LeaseNumbersRequest;
use proto::account::id_internal_service_client::IdInternalServiceClient;

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
