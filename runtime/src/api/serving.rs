//! The HTTP server around the routes, and its bounds: a client that reaches the port must not exhaust the host's
//! descriptors or memory, nor hold up its end.

use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use super::peer::Peer;

/// How long to wait if the system has no descriptor left for a connection.
const PAUSE: Duration = Duration::from_millis(100);
/// How long connections may take to end when the host ends.
const LAST: Duration = Duration::from_secs(1);

/// The bounds of the server.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Connections at a time. If all are open, the next one waits until one ends or the oldest has had its time.
    pub connections: usize,
    /// How long a connection has in any case. An answer takes milliseconds, so this is enough to ask, however many others
    /// open connections, and a client that only holds one cannot keep others out.
    pub least: Duration,
    /// How long a request's head may take to arrive, counted from the connection or the previous answer.
    pub head: Duration,
    /// Bytes of a request's head. No body is read.
    pub head_bytes: usize,
    /// How long a connection may last.
    pub connection: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 64,
            least: Duration::from_millis(250),
            head: Duration::from_secs(5),
            head_bytes: 16 << 10,
            connection: Duration::from_secs(30),
        }
    }
}

/// Serves until `until` ends. `router` makes the routes for each kind of peer.
pub(super) async fn serve(
    listener: TcpListener,
    router: impl Fn(Peer) -> Router + Send,
    bounds: Bounds,
    until: impl Future<Output = ()> + Send,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(bounds.head).max_buf_size(bounds.head_bytes);
    let closing = GracefulShutdown::new();
    let mut open = Open::default();
    let mut until = pin!(until);
    let (here, elsewhere) = (router(Peer::Here), router(Peer::Elsewhere));
    loop {
        let accepted = tokio::select! {
            () = &mut until => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "admin_connection_not_accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        open.make_room(bounds).await;
        let router = match Peer::at(peer.ip()) {
            Peer::Here => &here,
            Peer::Elsewhere => &elsewhere,
        };
        let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
        let connection = tokio::time::timeout(bounds.connection, closing.watch(connection));
        // How a connection ends matters only to the client.
        let handle = open.tasks.spawn(async { drop(connection.await) });
        open.oldest_first.push_back((Instant::now(), handle));
    }
    drop(listener);
    let _ = tokio::time::timeout(LAST, closing.shutdown()).await;
}

/// The connections that are open. They end with it.
#[derive(Default)]
struct Open {
    tasks: JoinSet<()>,
    oldest_first: VecDeque<(Instant, AbortHandle)>,
}

impl Open {
    /// Waits until there may be one connection more, and ends the oldest if it has had its time.
    async fn make_room(&mut self, bounds: Bounds) {
        while self.tasks.try_join_next().is_some() {}
        self.oldest_first.retain(|(_, connection)| !connection.is_finished());
        while self.oldest_first.len() >= bounds.connections
            && let Some((since, oldest)) = self.oldest_first.front()
        {
            tokio::select! {
                _ = self.tasks.join_next() => {}
                () = tokio::time::sleep_until(*since + bounds.least) => {
                    oldest.abort();
                    // It has ended, or another has, before the next one is accepted.
                    self.tasks.join_next().await;
                }
            }
            self.oldest_first.retain(|(_, connection)| !connection.is_finished());
        }
    }
}
