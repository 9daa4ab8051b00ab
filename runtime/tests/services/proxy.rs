//! A proxy before MongoDB that a test can close, or hold so that connections stand still without an error.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Passage {
    Open,
    Held,
    Closed,
}

struct Shared {
    passage: Mutex<Passage>,
    streams: Mutex<Vec<TcpStream>>,
}

pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Proxy {
    /// A proxy before the first server of the connection string.
    pub(crate) fn before(uri: &str) -> Self {
        let server = uri.trim_start_matches("mongodb://").split(['/', ',']).next().expect("a server").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("a port");
        let shared = Arc::new(Shared { passage: Mutex::new(Passage::Open), streams: Mutex::default() });
        let for_clients = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().filter_map(Result::ok) {
                if for_clients.passage() == Passage::Closed {
                    continue;
                }
                let Ok(server) = TcpStream::connect(&server) else { continue };
                for_clients.join(&client, &server);
                for_clients.join(&server, &client);
            }
        });
        Self { address, shared }
    }

    /// The connection string of the proxy. Direct, since the replica set's members tell where they really are.
    pub(crate) fn uri(&self) -> String {
        format!("mongodb://{}/?directConnection=true", self.address)
    }

    pub(crate) fn open(&self) {
        self.shared.set(Passage::Open);
    }

    /// Connections stay, and nothing comes through them any more.
    pub(crate) fn hold(&self) {
        self.shared.set(Passage::Held);
    }

    /// Connections break, and new ones are broken at once.
    pub(crate) fn close(&self) {
        self.shared.set(Passage::Closed);
        for stream in self.shared.streams.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn passage(&self) -> Passage {
        *self.passage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, passage: Passage) {
        *self.passage.lock().unwrap_or_else(PoisonError::into_inner) = passage;
    }

    /// Carries bytes one way until one end is closed.
    fn join(self: &Arc<Self>, from: &TcpStream, to: &TcpStream) {
        let (mut from, mut to) = (from.try_clone().expect("a stream"), to.try_clone().expect("a stream"));
        let kept = from.try_clone().expect("a stream");
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
        let shared = Arc::clone(self);
        thread::spawn(move || {
            let mut bytes = vec![0; 1 << 16];
            while let Ok(read @ 1..) = from.read(&mut bytes) {
                while shared.passage() == Passage::Held {
                    thread::sleep(Duration::from_millis(10));
                }
                if to.write_all(&bytes[..read]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Both);
        });
    }
}
