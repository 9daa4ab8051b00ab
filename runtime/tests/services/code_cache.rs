//! A folder that keeps compiled handlers.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::world::World;

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("an entry").path()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_compiles_only_what_the_folder_lacks() {
    let world = World::new(1).await;
    world.handlers(&["echo", "tallies"]);
    let root = tempfile::tempdir().expect("a folder");
    let folder = root.path().join("code");
    let settings = [("HANDLERS_CACHE", folder.to_str().expect("text")), ("LOG_LEVEL", "DEBUG")];
    let compiled = || world.log().matches("component_compiled").count();

    world.host(&settings).await.stop().await;
    assert_eq!((compiled(), files(&folder).len()), (2, 2));

    world.host(&settings).await.stop().await;
    assert_eq!(compiled(), 2, "nothing is compiled again");

    let damaged = files(&folder).remove(0);
    let whole = fs::read(&damaged).expect("it can be read");
    fs::write(&damaged, &whole[..whole.len() / 2]).expect("it can be written");
    world.host(&settings).await.stop().await;
    assert_eq!(compiled(), 3, "only what was damaged is compiled again");
    assert!(world.log().contains("compiled_code_not_read"), "the log names the file");
    assert_eq!(fs::read(&damaged).expect("it can be read"), whole, "it is whole again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_others_may_write_stops_the_start() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).expect("ours");
    let (status, said) = world.fails(&[], &[("HANDLERS_CACHE", folder.path().to_str().expect("text"))]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("HANDLERS_CACHE") && said.contains("can be written by other users"), "{said}");
}
