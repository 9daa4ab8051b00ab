//! The version of Weir's own collections.

use bson::doc;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_version_is_written_at_the_first_start_and_a_database_from_before_gets_it() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    let version = async || {
        let found = world.own("format").find_one(doc! { "_id": "weir" }).await.expect("mongodb");
        found.and_then(|found| found.get_i32("version").ok())
    };
    world.host(&[]).await.stop().await;
    assert_eq!(version().await, Some(2));
    world.own("format").drop().await.expect("mongodb");
    world.host(&[]).await.stop().await;
    assert_eq!(version().await, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_version_is_refused_and_nothing_is_made() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    world.own("format").insert_one(doc! { "_id": "weir", "version": 1_000 }).await.expect("mongodb");
    let (status, said) = world.fails(&[], &[]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("format version 1000") && said.contains("upgrade weir"), "{said}");
    assert_eq!(world.own.list_collection_names().await.expect("mongodb"), ["format"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_installations_secret_is_made_once() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    let secret = async || {
        let found = world.own("format").find_one(doc! { "_id": "secret" }).await.expect("mongodb").expect("a secret");
        found.get_binary_generic("bytes").expect("bytes").clone()
    };
    world.host(&[]).await.stop().await;
    let first = secret().await;
    assert_eq!(first.len(), 32);
    world.host(&[]).await.stop().await;
    assert_eq!(secret().await, first);
}
