//! A line that tells how far something is: in place on a terminal, else a line now and then.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

const PLAIN_EVERY: Duration = Duration::from_secs(2);

/// One line that changes.
pub(crate) struct Progress {
    terminal: bool,
    said: Option<Instant>,
    last: String,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { terminal: io::stdout().is_terminal(), said: None, last: String::new() }
    }

    /// Shows where things are.
    pub(crate) fn show(&mut self, line: String) {
        if self.terminal {
            print!("\r\x1b[2K{line}");
            let _ = io::stdout().flush();
        } else if self.said.is_none_or(|said| said.elapsed() >= PLAIN_EVERY) {
            println!("{line}");
            self.said = Some(Instant::now());
            self.last.clear();
            return;
        }
        self.last = line;
    }

    /// Leaves the last state standing.
    pub(crate) fn done(&mut self) {
        if self.terminal {
            println!();
        } else if !self.last.is_empty() {
            println!("{}", self.last);
        }
        self.last.clear();
        self.said = None;
    }
}
