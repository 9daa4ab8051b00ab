//! The wish to stop, and the signals that express it. How long a stop may take is the server's business.

use std::io;
use std::sync::mpsc;
use std::thread;

use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Whether a stop has been asked for. Cheap to clone; it cannot be taken back.
#[derive(Debug, Clone)]
pub struct Shutdown {
    requested: watch::Sender<bool>,
}

impl Shutdown {
    /// One that nobody has asked for yet.
    #[must_use]
    pub fn new() -> Self {
        Self { requested: watch::Sender::new(false) }
    }

    /// Asks for the stop.
    pub fn request(&self) {
        self.requested.send_replace(true);
    }

    /// Whether it has been asked for.
    #[must_use]
    pub fn requested(&self) -> bool {
        *self.requested.borrow()
    }

    /// Returns as soon as it has been asked for. May be dropped at any time.
    pub async fn wait(&self) {
        // It fails only where the sender is gone, which self holds.
        let _ = self.requested.subscribe().wait_for(|requested| *requested).await;
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

/// A stop that SIGINT or SIGTERM asks for. The second of them ends the process at once, with the status 130 or 143.
///
/// The signals have a thread and a runtime of their own, so that they are heard when every worker is busy.
///
/// # Errors
/// The thread or the signals' handlers cannot be had.
pub fn on_signals() -> io::Result<Shutdown> {
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
                    signals.listen(&asked).await;
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

    async fn listen(mut self, shutdown: &Shutdown) {
        let (name, _) = self.next().await;
        tracing::info!(signal = name, "shutdown_requested");
        shutdown.request();
        let (name, status) = self.next().await;
        tracing::warn!(signal = name, "stopped_at_once");
        std::process::exit(status);
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
