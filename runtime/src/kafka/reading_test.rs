use std::time::Instant;

use rdkafka::consumer::Consumer as _;

use super::*;
use crate::clock::HostClock;
use crate::driver::{Address, Driver};
use crate::kafka::{Embedded, Recording, assigning, lists};
use weir_core::consumer::claiming::Claimed;
use weir_core::store::{Claim, Options};

/// Returns a loop on an embedded Kafka, with a MongoDB that is away.
async fn reading(committer: (Ends, JoinHandle<()>)) -> (Reading, Embedded) {
    let settings = Settings::of(&[("MONGODB_URI", "mongodb://127.0.0.1:9"), ("SHUTDOWN_TIMEOUT_SECONDS", "1")]);
    let recording = Recording::read("{\"topic\":\"t\",\"value\":1}", "t").expect("a recording");
    let kafka = Embedded::start(&recording).await.expect("an embedded kafka");
    let settings = settings.expect("the settings are right").for_embedded(kafka.brokers());
    let address = Address {
        uri: settings.mongodb_uri.expose().to_owned(),
        connect_timeout: settings.mongodb_connect_timeout,
        server_selection_timeout: settings.mongodb_server_selection_timeout,
    };
    let driver = Driver::new(&address).await.expect("an address");
    let options = Options {
        database: "d".to_owned(),
        own_database: "w".to_owned(),
        group: "g".to_owned(),
        owner: "o".to_owned(),
    };
    let store = Store::new(Arc::new(driver), &options);
    let clock: Arc<dyn Clock> = Arc::new(HostClock::default());
    let client = Kafka::of_embedded(&settings).expect("a client");
    let telemetry = Telemetry { metrics: Metrics::new(), health: Health::new() };
    (Reading::with(client, store, committer, &settings, clock, telemetry, Arc::default()), kafka)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_committer_that_takes_nothing_keeps_the_loop_from_nothing() {
    let (ends, works, say) = committing::channels();
    let (mut reading, _kafka) = reading((ends, tokio::spawn(std::future::pending()))).await;
    let partition = PartitionId { topic: Arc::from("t"), partition: 0 };
    // Far more than is ever in flight to a committer.
    for epoch in 0..100 {
        let member = &mut reading.member;
        member.changed(Change::Assigned(vec![partition.clone()]));
        member.turn(Duration::ZERO);
        member.claimed(partition.clone(), Claimed::Owned { claim: Claim::new(epoch, 0), from: 0, last: None });
        member.turn(Duration::ZERO);
        member.changed(Change::Lost(vec![partition.clone()]));
        member.turn(Duration::ZERO);
        member.returned(true, Duration::ZERO);
        while member.next_action().is_some() {}
        reading.ends.works.hand_on(&mut reading.member);
    }
    assert!(reading.member.has_work());
    let (health, shutdown) = (reading.health.clone(), Shutdown::new());
    let asked = shutdown.clone();
    let running = tokio::spawn(async move { reading.run(&asked).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(health.live(), Ok(()));
    let begun = Instant::now();
    shutdown.request();
    let stopped = tokio::time::timeout(Duration::from_secs(15), running).await.expect("a stop ends in time");
    assert!(!stopped.expect("no panic").expect("the committer has not ended"), "it is left behind");
    assert!(begun.elapsed() < Duration::from_secs(15));
    assert_eq!(health.live(), Ok(()), "the loop has ended as it should");
    drop((works, say));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_kafkas_client_refuses_keeps_no_other_from_being_read() {
    let (ends, works, say) = committing::channels();
    let (reading, _kafka) = reading((ends, tokio::spawn(std::future::pending()))).await;
    let client = &reading.kafka.client;
    let id = |partition| PartitionId { topic: Arc::from("t"), partition };
    let assigned = || {
        let mut assigned = lists::partitions(&client.assignment().expect("the client answers"));
        assigned.sort();
        assigned
    };
    let refused = assigning::assign(client, &[(id(0), Some(0)), (id(1), Some(-5)), (id(2), None)]);
    assert_eq!((refused, assigned()), (vec![id(1)], vec![id(0), id(2)]));
    let refused = assigning::assign(client, &[(id(0), Some(0)), (id(1), Some(0)), (id(2), Some(0))]);
    assert_eq!((refused, assigned()), (vec![], vec![id(0), id(1), id(2)]), "what it has is assigned anew");
    assigning::unassign(client, &[id(0), id(3)]).expect("what it has not got is given back already");
    assert_eq!(assigned(), [id(1), id(2)]);
    drop((works, say));
}
