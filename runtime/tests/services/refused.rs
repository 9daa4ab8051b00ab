//! Reasons why a host does not start.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use bson::{Document, doc};

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_string_is_asked_for() {
    let world = World::new(1).await;
    let (status, said) = world.fails(&[], &[("MONGODB_URI", "")]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("MONGODB_URI"), "{said}");
    let output = world.command(&[]).env_remove("MONGODB_URI").output().expect("weir starts");
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_names_no_handler_stops_the_start() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    world.rename("echo.wasm", "Echo_1.wasm");
    let (status, said) = world.fails(&[], &[]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("Echo_1.wasm") && said.contains("a to z"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_handlers_that_is_not_there_is_a_wrong_setting() {
    let world = World::new(1).await;
    let (status, said) = world.fails(&["--handlers", "not-there"], &[]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("HANDLERS is not-there, which cannot be read as a folder"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_reader_is_told_once_why_a_start_fails() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    world.rename("echo.wasm", "Echo_1.wasm");
    let file = tempfile::NamedTempFile::new().expect("a file");
    let to_file = || file.reopen().expect("the file");
    // The log goes where the standard error goes.
    let mut command = world.command(&[("ADMIN_LISTEN", "127.0.0.1:0")]);
    let status = command.stdout(to_file()).stderr(to_file()).status().expect("weir starts");
    let said = std::fs::read_to_string(file.path()).expect("the output");
    assert_eq!((status.code(), said.matches("Echo_1.wasm").count()), (Some(1), 1), "{said}");
    assert!(said.contains(r#""event":"failed""#) && said.contains(r#""hint":"take 1 to 63 of"#), "{said}");
    // It goes somewhere else.
    let mut command = world.command(&[("ADMIN_LISTEN", "127.0.0.1:0")]);
    let output = command.stdout(to_file()).stderr(std::process::Stdio::piped()).output().expect("weir starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.starts_with("weir: HANDLERS: ") && said.contains("\nhint: take 1 to 63 of"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_file_stops_the_start() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    let refused = |what: &str| {
        let (status, said) = world.fails(&[], &[]);
        assert_eq!(status, Some(1), "{what}: {said}");
        assert!(said.contains("it is not a file"), "{what}: {said}");
        std::fs::remove_file(world.component("odd")).expect(what);
    };
    nix::unistd::mkfifo(&world.component("odd"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    refused("a pipe that nobody writes to");
    std::os::unix::fs::symlink("/dev/zero", world.component("odd")).expect("a link");
    refused("a device without an end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_costs_the_compiler_too_much_is_refused() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    // 40 KB of which the compiler makes more than 7 GB: 12,000 blocks that take and give 1,000 values each.
    let values = "i32 ".repeat(1_000);
    let blocks = "block (type $t) end ".repeat(12_000);
    let given = "local.get 0 ".repeat(1_000);
    let module = format!(
        "(component (core module (type $t (func (param {values}) (result {values}))) (func (type $t) {given} {blocks})))"
    );
    std::fs::write(world.component("bomb"), wat::parse_str(module).expect("the text is right")).expect("a file");
    let (status, said) = world.fails(&[], &[]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("bomb.wasm is refused") && said.contains("is too large to be compiled here"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_transactions_is_refused_with_what_to_do() {
    let world = World::new(1).await;
    world.handlers(&["echo"]);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let uri = format!("mongodb://{}/", listener.local_addr().expect("a port"));
    std::thread::spawn(move || {
        for client in listener.incoming().filter_map(Result::ok) {
            std::thread::spawn(move || answer_as_standalone(client));
        }
    });
    let (status, said) = world.fails(&[], &[("MONGODB_URI", uri.as_str())]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("--replSet"), "{said}");
}

/// Answers everything like a mongod that answers `hello` and is not a member of a replica set.
fn answer_as_standalone(mut client: TcpStream) {
    const REPLY: i32 = 1;
    const QUERY: i32 = 2004;
    const MSG: i32 = 2013;
    let hello = doc! {
        "ok": 1.0, "helloOk": true, "isWritablePrimary": true, "ismaster": true, "minWireVersion": 0,
        "maxWireVersion": 17, "maxBsonObjectSize": 16_777_216, "maxMessageSizeBytes": 48_000_000,
        "maxWriteBatchSize": 100_000, "logicalSessionTimeoutMinutes": 30,
    };
    let mut header = [0; 16];
    while client.read_exact(&mut header).is_ok() {
        let number = |at: usize| i32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
        let length = usize::try_from(number(0)).expect("a length");
        let mut body = vec![0; length - header.len()];
        if client.read_exact(&mut body).is_err() {
            return;
        }
        let (operation, before): (i32, Vec<u8>) = match number(12) {
            QUERY => (REPLY, [[0; 4], [0; 4], [0; 4], [0; 4], 1_i32.to_le_bytes()].concat()),
            MSG => (MSG, vec![0; 5]),
            other => panic!("operation {other} is not one that the driver sends"),
        };
        let sent = [before, document(&hello)].concat();
        let length = i32::try_from(header.len() + sent.len()).expect("a length");
        let head = [length, 0, number(4), operation].map(i32::to_le_bytes).concat();
        if client.write_all(&[head, sent].concat()).is_err() {
            return;
        }
    }
}

fn document(document: &Document) -> Vec<u8> {
    bson::serialize_to_vec(document).expect("a document")
}
