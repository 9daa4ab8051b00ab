//! A proxy before any TCP server, which can delay, hang or cut the connections through it.
//!
//! One proxy may serve several servers, and whatever is done to it applies to all their connections. It can also spare
//! every connection whose client has not sent certain bytes. The members of a replica set, for example, speak to each
//! other through the proxies too, because they are known by the proxies' ports.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

/// How often a hanging connection checks whether it was cut.
const LOOK: Duration = Duration::from_millis(50);

/// The direction of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From a client to the server: requests.
    ToServer,
    /// From the server to a client: replies.
    ToClient,
}

/// A proxy. Clones are the same proxy. It listens as long as the process lives.
#[derive(Clone)]
pub struct Proxy {
    shared: Arc<Shared>,
}

struct Shared {
    /// If set, only connections whose client has sent these bytes are harmed.
    sign: Option<Vec<u8>>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    closed: bool,
    to_server: Passage,
    to_client: Passage,
    /// The open connections that may be harmed.
    connections: Vec<Arc<Connection>>,
    /// The reply to the next request with these bytes will be lost.
    awaited: Option<Vec<u8>>,
    lost: u64,
}

#[derive(Clone, Copy, Default)]
enum Passage {
    #[default]
    Open,
    Delayed(Duration),
    Hung,
}

/// Two streams, one to each side.
struct Connection {
    client: TcpStream,
    server: TcpStream,
    may_be_harmed: AtomicBool,
    is_cut: AtomicBool,
    /// The next reply will be lost.
    loses_reply: AtomicBool,
}

impl Proxy {
    /// Returns a proxy that harms every connection.
    pub fn new() -> Self {
        Self::harming(None)
    }

    /// Returns a proxy that harms only connections whose client has sent `sign`.
    pub fn for_those_who_send(sign: &[u8]) -> Self {
        Self::harming(Some(sign.to_vec()))
    }

    fn harming(sign: Option<Vec<u8>>) -> Self {
        Self { shared: Arc::new(Shared { sign, state: Mutex::default(), changed: Condvar::new() }) }
    }

    /// Listens on a free port for the server at `target`, a host and a port.
    pub fn before(&self, target: &str) -> Result<SocketAddr> {
        self.before_at(0, target)
    }

    /// The same on a port of the caller's choice.
    pub fn before_at(&self, port: u16, target: &str) -> Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .with_context(|| format!("the proxy cannot listen on port {port}"))?;
        let address = listener.local_addr()?;
        let (shared, target) = (Arc::clone(&self.shared), target.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().filter_map(Result::ok) {
                // A closed proxy that harms every connection looks as if nothing listened, and so does a server that is
                // away.
                if shared.sign.is_none() && shared.lock().closed {
                    continue;
                }
                let Ok(server) = TcpStream::connect(&target) else { continue };
                if let Err(error) = shared.join(client, server) {
                    eprintln!("the proxy before {target} lost a connection: {error}");
                }
            }
        });
        Ok(address)
    }

    /// Lets everything pass from now on.
    pub fn open(&self) {
        let mut state = self.shared.lock();
        (state.closed, state.to_server, state.to_client) = (false, Passage::Open, Passage::Open);
        self.shared.changed.notify_all();
    }

    /// Delays bytes in that direction, until [`Proxy::open`].
    pub fn delay(&self, direction: Direction, duration: Duration) {
        self.set(direction, Passage::Delayed(duration));
    }

    /// Keeps connections open and accepts new ones, but passes nothing in that direction until [`Proxy::open`]. What
    /// was sent meanwhile arrives then.
    pub fn hang(&self, direction: Direction) {
        self.set(direction, Passage::Hung);
    }

    /// Cuts the connections, and breaks new ones immediately until [`Proxy::open`].
    pub fn close(&self) {
        self.shared.lock().closed = true;
        self.cut();
    }

    /// Cuts the connections, and returns how many were open. New ones pass.
    pub fn cut(&self) -> usize {
        let cut: Vec<_> = self.shared.lock().connections.drain(..).collect();
        self.shared.changed.notify_all();
        cut.iter().filter(|connection| connection.cut()).count()
    }

    /// Loses the reply to the next request that contains these bytes, together with its connection.
    pub fn lose_reply_to(&self, request: &[u8]) {
        self.shared.lock().awaited = Some(request.to_vec());
    }

    /// Returns how many replies were lost.
    pub fn lost(&self) -> u64 {
        self.shared.lock().lost
    }

    fn set(&self, direction: Direction, passage: Passage) {
        *self.shared.lock().passage(direction) = passage;
        self.shared.changed.notify_all();
    }
}

impl Default for Proxy {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    fn passage(&mut self, direction: Direction) -> &mut Passage {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(self: &Arc<Self>, client: TcpStream, server: TcpStream) -> std::io::Result<()> {
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let streams = [
            (Direction::ToServer, client.try_clone()?, server.try_clone()?),
            (Direction::ToClient, server.try_clone()?, client.try_clone()?),
        ];
        let connection = Arc::new(Connection {
            client,
            server,
            may_be_harmed: AtomicBool::new(false),
            is_cut: AtomicBool::new(false),
            loses_reply: AtomicBool::new(false),
        });
        if self.sign.is_none() {
            self.may_harm(&connection);
        }
        for (direction, from, to) in streams {
            let (shared, connection) = (Arc::clone(self), Arc::clone(&connection));
            thread::spawn(move || shared.carry(&connection, direction, from, to));
        }
        Ok(())
    }

    /// Carries bytes in one direction until an end is closed or the connection is cut.
    fn carry(&self, connection: &Arc<Connection>, direction: Direction, mut from: TcpStream, mut to: TcpStream) {
        let mut bytes = vec![0; 1 << 16];
        while let Ok(read @ 1..) = from.read(&mut bytes) {
            if direction == Direction::ToServer {
                self.look_at_request(connection, &bytes[..read]);
            }
            if !self.passes(connection, direction) || to.write_all(&bytes[..read]).is_err() {
                break;
            }
        }
        connection.cut();
        self.lock().connections.retain(|known| !Arc::ptr_eq(known, connection));
    }

    fn look_at_request(&self, connection: &Arc<Connection>, bytes: &[u8]) {
        let signed = self.sign.as_ref().is_some_and(|sign| holds(bytes, sign));
        if signed && !connection.may_be_harmed.load(Ordering::SeqCst) {
            self.may_harm(connection);
        }
        if connection.may_be_harmed.load(Ordering::SeqCst) {
            let mut state = self.lock();
            if state.awaited.as_ref().is_some_and(|awaited| holds(bytes, awaited)) {
                state.awaited = None;
                connection.loses_reply.store(true, Ordering::SeqCst);
            }
        }
    }

    fn may_harm(&self, connection: &Arc<Connection>) {
        connection.may_be_harmed.store(true, Ordering::SeqCst);
        self.lock().connections.push(Arc::clone(connection));
    }

    /// Waits as long as the direction requires, and returns whether the bytes go on.
    fn passes(&self, connection: &Connection, direction: Direction) -> bool {
        if !connection.may_be_harmed.load(Ordering::SeqCst) {
            return true;
        }
        let mut state = self.lock();
        if direction == Direction::ToClient && connection.loses_reply.load(Ordering::SeqCst) {
            state.lost += 1;
            return false;
        }
        loop {
            if state.closed || connection.is_cut.load(Ordering::SeqCst) {
                return false;
            }
            match *state.passage(direction) {
                Passage::Open => return true,
                Passage::Delayed(duration) => {
                    drop(state);
                    thread::sleep(duration);
                    return true;
                }
                Passage::Hung => {
                    let waited = self.changed.wait_timeout(state, LOOK);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }
}

impl Connection {
    /// Closes both streams. Returns whether they were open.
    fn cut(&self) -> bool {
        self.is_cut.store(true, Ordering::SeqCst);
        let open = self.client.shutdown(Shutdown::Both).is_ok();
        self.server.shutdown(Shutdown::Both).is_ok() || open
    }
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
#[path = "proxy_test.rs"]
mod tests;
