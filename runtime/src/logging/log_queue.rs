//! The lines that wait to be written, and the one thread that writes them.
//!
//! Invariant: a thread that logs never waits for the log's reader. The queue is bounded in bytes. A line that finds no
//! room is lost and counted, and the log says how many were lost as soon as it is read again.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The most bytes that wait, besides as many that are being written.
const BYTES: usize = 8 << 20;
/// How much of its memory a buffer keeps when it is empty.
const KEPT_BYTES: usize = 256 << 10;

/// The queue of lines. Cheap to clone.
#[derive(Clone)]
pub(super) struct LogQueue {
    shared: Arc<Shared>,
    bound: usize,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    writing: bool,
    /// Lost lines that the log has not mentioned yet.
    untold: u64,
    /// Lines lost since the start.
    lost: u64,
}

impl LogQueue {
    /// Starts the thread that writes to `out`. `lost` makes the line that says how many lines were lost.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(super) fn start(out: Box<dyn Write + Send>, lost: impl Fn(u64) -> String + Send + 'static) -> io::Result<Self> {
        Self::bounded(BYTES, out, lost)
    }

    fn bounded(
        bound: usize,
        mut out: Box<dyn Write + Send>,
        lost: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let queue = Self { shared: Arc::default(), bound };
        let shared = Arc::clone(&queue.shared);
        thread::Builder::new().name("log".to_owned()).spawn(move || shared.write(&mut *out, lost))?;
        Ok(queue)
    }

    /// Adds a line, or loses it if there is no room.
    pub(super) fn push(&self, line: &str) {
        let mut state = self.shared.lock();
        if state.waiting.len() + line.len() > self.bound {
            state.untold += 1;
            state.lost += 1;
        } else {
            state.waiting.extend_from_slice(line.as_bytes());
        }
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Returns how many lines were lost since the start.
    pub(super) fn lost(&self) -> u64 {
        self.shared.lock().lost
    }

    /// Waits until everything is written, and returns whether it was in time.
    pub(super) fn flush(&self, within: Duration) -> bool {
        let busy = |state: &mut State| state.writing || !state.is_told();
        let waited = self.shared.changed.wait_timeout_while(self.shared.lock(), within, busy);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl State {
    fn is_told(&self) -> bool {
        self.waiting.is_empty() && self.untold == 0
    }
}

impl Shared {
    /// Runs the writing thread. It holds no lock while it writes, so that a reader that stalls holds up no other
    /// thread.
    fn write(&self, out: &mut dyn Write, lost: impl Fn(u64) -> String) {
        let mut lines = Vec::new();
        loop {
            let waiting = self.changed.wait_while(self.lock(), |state| state.is_told());
            let mut state = waiting.unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut lines, &mut state.waiting);
            let untold = std::mem::take(&mut state.untold);
            state.writing = true;
            drop(state);
            if untold > 0 {
                // They were lost while the queue was full, so after all the lines in it.
                lines.extend_from_slice(lost(untold).as_bytes());
            }
            // An output that takes nothing, such as a closed pipe, stops nothing.
            let _ = out.write_all(&lines).and_then(|()| out.flush());
            lines.clear();
            lines.shrink_to(KEPT_BYTES);
            self.lock().writing = false;
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    /// An output that blocks every write until the test lets it go on.
    struct Blocked {
        begun: SyncSender<()>,
        go_on: Receiver<()>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Blocked {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.begun.send(()).map_err(io::Error::other)?;
            self.go_on.recv().map_err(io::Error::other)?;
            self.written.lock().expect("no test panics here").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_find_no_room_are_lost_counted_and_told_of_once_there_is_room() {
        let (begun, begins) = sync_channel(10);
        let (go_on, goes_on) = sync_channel(10);
        let written: Arc<Mutex<Vec<u8>>> = Arc::default();
        let out = Blocked { begun, go_on: goes_on, written: Arc::clone(&written) };
        let queue = LogQueue::bounded(20, Box::new(out), |lost| format!("{lost} lost\n")).expect("a thread");
        queue.push("first\n");
        begins.recv_timeout(SOON).expect("the writer takes the first line");
        for number in 0..5 {
            queue.push(&format!("line {number}\n"));
        }
        assert_eq!(queue.lost(), 3, "two of seven bytes fit into twenty");
        assert!(!queue.flush(Duration::from_millis(20)), "nobody reads");
        go_on.send(()).expect("it waits");
        begins.recv_timeout(SOON).expect("the writer goes on");
        queue.push("last\n");
        for _ in 0..2 {
            go_on.send(()).expect("it waits");
        }
        assert!(queue.flush(SOON));
        let text = String::from_utf8(written.lock().expect("no test panics here").clone()).expect("text");
        assert_eq!(text, "first\nline 0\nline 1\n3 lost\nlast\n");
        assert_eq!(queue.lost(), 3);
    }

    #[test]
    fn a_reader_that_is_gone_stops_nothing() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let queue = LogQueue::start(Box::new(Gone), |_| String::new()).expect("a thread");
        for _ in 0..10 {
            queue.push("line\n");
            assert!(queue.flush(SOON));
        }
        assert_eq!(queue.lost(), 0);
    }
}
