use std::ops::Range;
use std::time::Duration;

use auth::PeerChannel;
use clock::Clock;
use futures_util::future::join_all;
use ids::{NumberServer, PrefetchSettings, PrefetchedIds};
use lifecycle::Lifecycle;
use local_stack::servers::{Server, TestServers};
use problem::Problem;
use proto::account::LeaseNumbersRequest;
use proto::account::id_internal_service_client::IdInternalServiceClient;
use tonic::{Code, Status};

use crate::service::{Service, servers};

async fn lease(service: &Service, count: u32) -> Result<Range<u64>, Status> {
    let url = format!("http://{}", service.at.internal);
    let peer = PeerChannel::new("account", &url, service.peer("message")).unwrap();
    IdInternalServiceClient::new(peer.channel())
        .lease_numbers(peer.request(LeaseNumbersRequest { count }, None))
        .await
        .map(|answer| {
            let lease = answer.into_inner();
            assert_eq!(lease.count, count);
            lease.first..lease.first + u64::from(count)
        })
}

#[tokio::test]
async fn no_number_is_leased_twice_by_any_replica_or_after_a_restart() {
    let mut first = Service::start().await;
    let second = Service::start_with(servers().await, |config| {
        config.database = first.config.database.clone();
    })
    .await;
    let mut leases: Vec<Range<u64>> = Vec::new();
    for round in 0..3 {
        let leased = join_all((0..20).map(|n| {
            let replica = if n % 2 == 0 { &first } else { &second };
            lease(replica, 1 + n * 37)
        }))
        .await;
        let highest = leases.iter().map(|lease| lease.end).max().unwrap_or(0);
        for leased in leased {
            let leased = leased.unwrap();
            assert!(leased.start >= highest, "round {round}");
            leases.push(leased);
        }
        first.restart().await;
    }
    leases.sort_by_key(|lease| lease.start);
    assert!(leases.windows(2).all(|pair| pair[0].end <= pair[1].start));
}

#[tokio::test]
async fn a_lease_has_a_size() {
    let service = Service::start().await;
    for count in [0, 1_000_001] {
        let refused = lease(&service, count).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        let problem = Problem::from_status(&refused);
        assert_eq!(problem.code, "input_invalid");
    }
    assert_eq!(lease(&service, 1_000_000).await.unwrap().count(), 1_000_000);
}

/// The way of `central-ids` to this service.
struct Central(PeerChannel);

impl NumberServer for Central {
    type Error = Status;

    async fn lease(&self, count: u32) -> Result<Range<u64>, Status> {
        let lease = IdInternalServiceClient::new(self.0.channel())
            .lease_numbers(self.0.request(LeaseNumbersRequest { count }, None))
            .await?
            .into_inner();
        Ok(lease.first..lease.first + u64::from(lease.count))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_of_many_processes_are_unique_while_postgres_goes_and_comes_back() {
    let servers = TestServers::start(&[Server::Postgres, Server::Redis, Server::Kafka])
        .await
        .unwrap();
    let service = Service::start_with(&servers, |_| {}).await;
    let url = format!("http://{}", service.at.internal);
    let settings = PrefetchSettings {
        batch: 500,
        low_water: 250,
        patience: Duration::from_secs(30),
    };
    let lifecycle = Lifecycle::new();
    // Four processes, as far as the generator can tell.
    let drawing: Vec<_> = (0..4)
        .map(|_| {
            let peer = PeerChannel::new("account", &url, service.peer("message")).unwrap();
            let (source, prefetcher) = PrefetchedIds::new(Central(peer), settings, Clock::system());
            tokio::spawn(prefetcher.run(lifecycle.stopping()));
            tokio::spawn(async move {
                let mut drawn = Vec::new();
                for _ in 0..50_000 {
                    drawn.push(source.next().await.unwrap());
                }
                drawn
            })
        })
        .collect();
    servers.postgres().kill9().await;
    servers.postgres().start().await.unwrap();
    let mut all = Vec::new();
    for drawn in drawing {
        let drawn = drawn.await.unwrap();
        assert!(drawn.is_sorted());
        all.extend(drawn);
    }
    lifecycle.stop();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 200_000);
}
