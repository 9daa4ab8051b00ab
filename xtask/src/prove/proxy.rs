//! A proxy before each member of a replica set, which does harm to the connections of hosts and of nobody else.
//!
//! The members speak to each other through the proxies too, since they are known by the proxies' ports; a host is told
//! from them by the name that its driver gives in the first message of a connection.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// The field `name` with the text `weir`, in BSON.
const HOST: &[u8] = b"\x02name\0\x05\0\0\0weir\0";
const COMMIT: &[u8] = b"commitTransaction\0";
/// What everything takes longer while connections are slow.
const DELAY: Duration = Duration::from_millis(100);

/// What is done to the hosts' connections through all proxies that share it.
#[derive(Default)]
pub(super) struct Harm {
    hosts: Mutex<Vec<Arc<Connection>>>,
    slow_until: Mutex<Option<Instant>>,
    /// The next commit is to lose its reply.
    armed: AtomicBool,
    lost: AtomicU64,
}

/// Two streams, one to each side.
struct Connection {
    client: TcpStream,
    server: TcpStream,
    of_host: AtomicBool,
    /// The next reply is not to arrive.
    doomed: AtomicBool,
}

impl Harm {
    /// Cuts the hosts' connections, and says how many.
    pub(super) fn cut(&self) -> usize {
        let cut: Vec<_> = self.hosts.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
        cut.iter().filter(|connection| connection.cut()).count()
    }

    /// Delays whatever goes through the hosts' connections, for a while.
    pub(super) fn slow(&self, duration: Duration) {
        *self.slow_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + duration);
    }

    /// Loses the reply of the next commit, together with its connection.
    pub(super) fn lose_a_commit(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }

    /// How many replies of commits were lost.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::SeqCst)
    }

    /// Listens on one port for the member on another, as long as the process lives.
    pub(super) fn before(self: &Arc<Self>, member: u16, port: u16) -> Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).context("the proxy has no port")?;
        let harm = Arc::clone(self);
        thread::spawn(move || {
            for client in listener.incoming().filter_map(Result::ok) {
                // A member that is away looks as if nobody listened.
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, member)) else { continue };
                if let Err(error) = harm.join(client, server) {
                    eprintln!("the proxy before a member lost a connection: {error}");
                }
            }
        });
        Ok(())
    }

    fn join(self: &Arc<Self>, client: TcpStream, server: TcpStream) -> std::io::Result<()> {
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let to_server = (client.try_clone()?, server.try_clone()?);
        let to_client = (server.try_clone()?, client.try_clone()?);
        let (of_host, doomed) = (AtomicBool::new(false), AtomicBool::new(false));
        let connection = Arc::new(Connection { client, server, of_host, doomed });
        let (harm, shared) = (Arc::clone(self), Arc::clone(&connection));
        thread::spawn(move || {
            carry(to_server, |bytes| harm.command(&shared, bytes));
            shared.cut();
            harm.hosts.lock().unwrap_or_else(PoisonError::into_inner).retain(|known| !Arc::ptr_eq(known, &shared));
        });
        let harm = Arc::clone(self);
        thread::spawn(move || {
            carry(to_client, |_| harm.reply(&connection));
            connection.cut();
        });
        Ok(())
    }

    /// What becomes of bytes on their way to a member: whether they go on.
    fn command(&self, connection: &Arc<Connection>, bytes: &[u8]) -> bool {
        if !connection.of_host.load(Ordering::SeqCst) && holds(bytes, HOST) {
            connection.of_host.store(true, Ordering::SeqCst);
            self.hosts.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(connection));
        }
        if connection.of_host.load(Ordering::SeqCst) {
            self.delay();
            if holds(bytes, COMMIT) && self.armed.swap(false, Ordering::SeqCst) {
                connection.doomed.store(true, Ordering::SeqCst);
            }
        }
        true
    }

    /// The same on the way to a client.
    fn reply(&self, connection: &Connection) -> bool {
        if connection.doomed.load(Ordering::SeqCst) {
            self.lost.fetch_add(1, Ordering::SeqCst);
            return false;
        }
        if connection.of_host.load(Ordering::SeqCst) {
            self.delay();
        }
        true
    }

    fn delay(&self) {
        let until = *self.slow_until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.is_some_and(|until| Instant::now() < until) {
            thread::sleep(DELAY);
        }
    }
}

impl Connection {
    /// Closes both streams; whether they were open.
    fn cut(&self) -> bool {
        let open = self.client.shutdown(Shutdown::Both).is_ok();
        self.server.shutdown(Shutdown::Both).is_ok() || open
    }
}

/// Carries bytes one way until an end is closed or `passes` says no.
fn carry((mut from, mut to): (TcpStream, TcpStream), mut passes: impl FnMut(&[u8]) -> bool) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        if !passes(&bytes[..read]) || to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers each message with the same, behind a proxy.
    fn echo() -> (Arc<Harm>, u16) {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let member = server.local_addr().expect("a port").port();
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr()).expect("a port").port();
        thread::spawn(move || {
            for stream in server.incoming().filter_map(Result::ok) {
                let both = (stream.try_clone().expect("a stream"), stream);
                thread::spawn(move || carry(both, |_| true));
            }
        });
        let harm = Arc::new(Harm::default());
        harm.before(member, free).expect("a proxy");
        (harm, free)
    }

    fn client(port: u16, name: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
        assert_eq!(answer(&mut stream, name), name);
        stream
    }

    fn answer(stream: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
        let mut answer = vec![0; bytes.len()];
        if stream.write_all(bytes).is_err() || stream.read_exact(&mut answer).is_err() {
            answer.clear();
        }
        answer
    }

    #[test]
    fn only_hosts_are_cut_off() {
        let (harm, port) = echo();
        let (mut host, mut other) = (client(port, HOST), client(port, b"member"));
        assert_eq!(harm.cut(), 1);
        assert_eq!(answer(&mut host, b"more"), b"");
        assert_eq!(answer(&mut other, b"more"), b"more");
    }

    #[test]
    fn the_reply_of_one_commit_is_lost() {
        let (harm, port) = echo();
        let (mut host, mut other) = (client(port, HOST), client(port, HOST));
        harm.lose_a_commit();
        assert_eq!(answer(&mut host, b"insert"), b"insert");
        assert_eq!(answer(&mut host, COMMIT), b"");
        assert_eq!(answer(&mut other, COMMIT), COMMIT);
        assert_eq!(harm.lost(), 1);
    }
}
