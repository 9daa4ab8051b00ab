//! Asks hosts whether they live, again and again.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often a host is asked.
const STEP: Duration = Duration::from_millis(200);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks one host from a thread of its own until the value is dropped.
pub(super) struct Watch {
    ends: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    thread: Option<JoinHandle<()>>,
}

/// What the host answered.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// How often `/livez` was 200.
    pub(super) alive: u64,
    /// How often nothing listened there, because the host had ended or had not begun to listen.
    pub(super) gone: u64,
    /// All other answers.
    pub(super) others: Vec<String>,
}

impl Watch {
    /// Watches the host that serves there.
    pub(super) fn of(admin: &str) -> Self {
        let (ends, seen) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let (url, ending, found) = (format!("{admin}/livez"), Arc::clone(&ends), Arc::clone(&seen));
        let thread = thread::spawn(move || follow(&url, &ending, &found));
        Self { ends, seen, thread: Some(thread) }
    }

    /// Ends the watch, and returns what it saw.
    pub(super) fn end(mut self) -> Seen {
        self.join();
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn join(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.join();
    }
}

fn follow(url: &str, ends: &AtomicBool, seen: &Mutex<Seen>) {
    let agent =
        ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build().new_agent();
    let begun = Instant::now();
    while !ends.load(Ordering::Relaxed) {
        let answer = agent.get(url).call();
        // The host may have been asked to stop meanwhile, and be gone.
        if ends.load(Ordering::Relaxed) {
            return;
        }
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(answer) if answer.status() == 200 => seen.alive += 1,
            Ok(answer) => seen.others.push(format!("{} after {:.1} s", answer.status(), begun.elapsed().as_secs_f64())),
            Err(ureq::Error::Io(error)) if error.kind() == ErrorKind::ConnectionRefused => seen.gone += 1,
            Err(error) => seen.others.push(format!("{error} after {:.1} s", begun.elapsed().as_secs_f64())),
        }
        drop(seen);
        thread::sleep(STEP);
    }
}
