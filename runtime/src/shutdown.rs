//! The request to stop, the signals that make it, and the bound on what follows.

use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::logging::log;

/// The exit status of a stop that did not end in time.
const LATE: i32 = 1;
/// How long writing the log may take when a signal ends the process.
const LAST_LINES: Duration = Duration::from_millis(500);

/// Whether a stop was requested. Cheap to clone. A request cannot be taken back.
#[derive(Debug, Clone)]
pub struct Shutdown {
    requested: watch::Sender<bool>,
}

impl Shutdown {
    /// Makes one that is not requested yet.
    #[must_use]
    pub fn new() -> Self {
        Self { requested: watch::Sender::new(false) }
    }

    /// Requests the stop.
    pub fn request(&self) {
        self.requested.send_replace(true);
    }

    /// Returns whether the stop was requested.
    #[must_use]
    pub fn requested(&self) -> bool {
        *self.requested.borrow()
    }

    /// Returns as soon as the stop is requested. May be dropped at any time.
    pub async fn wait(&self) {
        let mut seen = self.requested.subscribe();
        // The sender lives in `self`, so the other end cannot go away meanwhile.
        let _ = seen.wait_for(|requested| *requested).await;
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns a stop that SIGINT or SIGTERM requests. The second signal ends the process at once, with the status 130 or
/// 143. So does a stop that takes longer than `within`, with the status 1.
///
/// The signals have a thread and a runtime of their own, so that they are heard, and the stop ends in time, even if
/// every worker is busy.
///
/// # Errors
/// The thread or the handlers of the signals cannot be set up.
pub fn on_signals(within: Duration) -> io::Result<Shutdown> {
    let shutdown = Shutdown::new();
    let asked = shutdown.clone();
    let (ready, started) = mpsc::sync_channel(1);
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(ready.send(Err(error))),
        };
        runtime.block_on(async {
            match Signals::new() {
                Ok(signals) => {
                    let _ = ready.send(Ok(()));
                    let status = signals.listen(&asked, within).await;
                    log::flush(LAST_LINES);
                    std::process::exit(status);
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        });
    })?;
    started.recv().map_err(|_| io::Error::other("the thread for signals has ended"))??;
    Ok(shutdown)
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Returns with a status if the process must end at once.
    async fn listen(mut self, shutdown: &Shutdown, within: Duration) -> i32 {
        let (name, _) = self.next().await;
        tracing::info!(signal = name, "shutdown_requested");
        shutdown.request();
        tokio::select! {
            (name, status) = self.next() => {
                tracing::warn!(signal = name, "stopped_at_once");
                status
            }
            () = tokio::time::sleep(within) => {
                tracing::error!(seconds = within.as_secs(), "stop_timed_out: the next owner ends what is left open");
                LATE
            }
        }
    }

    async fn next(&mut self) -> (&'static str, i32) {
        tokio::select! {
            _ = self.interrupt.recv() => ("SIGINT", 130),
            _ = self.terminate.recv() => ("SIGTERM", 143),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn every_clone_hears_the_request_also_afterwards() {
        let shutdown = Shutdown::new();
        let early = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.wait().await }
        });
        assert!(tokio::time::timeout(Duration::from_millis(20), shutdown.wait()).await.is_err());
        assert!(!shutdown.requested());
        shutdown.clone().request();
        early.await.expect("it waits without failing");
        shutdown.wait().await;
        assert!(shutdown.requested());
    }
}
