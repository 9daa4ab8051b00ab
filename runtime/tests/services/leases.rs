//! Turns at a collection that several hosts write to.

use std::sync::Arc;
use std::time::Duration;

use weir::driver::{Address, Driver};
use weir_core::store::{Options, Store};

use crate::world::{World, given};

const QUICK: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn one_host_has_a_collections_lease_until_it_ends_it_or_its_time_is_over() {
    let world = World::new(1).await;
    let address = Address { uri: given("WEIR_TEST_MONGODB"), connect_timeout: QUICK, server_selection_timeout: QUICK };
    let driver = Driver::new(&address).await.expect("a connection string");
    let store = |owner: &str| {
        let options = Options {
            database: world.data.name().to_owned(),
            own_database: world.own.name().to_owned(),
            group: world.group.clone(),
            owner: owner.to_owned(),
        };
        Store::new(Arc::new(driver.clone()), &options)
    };
    let (one, other) = (store("one"), store("other"));
    let take = async |store: &Store| store.take_lease("hot").await.expect("mongodb answers");

    assert!(take(&one).await);
    assert!(!take(&other).await);
    assert!(other.take_lease("cold").await.expect("mongodb answers"), "each collection has its own");
    other.end_lease("hot").await.expect("mongodb answers");
    assert!(!take(&other).await, "only who has it ends it");
    one.end_lease("hot").await.expect("mongodb answers");
    assert!(take(&other).await);
    let mut tries = 0;
    while !take(&one).await {
        tries += 1;
        assert!(tries < 100, "it ends by itself");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(tries > 0);
}
