//! Lines that show progress: updated in place on a terminal, otherwise the first of them now and then.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

const PLAIN_EVERY: Duration = Duration::from_secs(2);

/// Lines that change.
pub struct Progress {
    terminal: bool,
    /// How many lines are shown on the terminal.
    standing: usize,
    said: Option<Instant>,
    unsaid: Option<String>,
}

impl Default for Progress {
    fn default() -> Self {
        Self { terminal: io::stdout().is_terminal(), standing: 0, said: None, unsaid: None }
    }
}

impl Progress {
    /// Shows the current state.
    pub fn show(&mut self, lines: &[String]) {
        if self.terminal {
            if self.standing > 0 {
                print!("\x1b[{}A", self.standing);
            }
            for line in lines {
                println!("\x1b[2K{line}");
            }
            // If there are fewer lines than before, the rest must go.
            print!("\x1b[J");
            let _ = io::stdout().flush();
            self.standing = lines.len();
        } else if let Some(line) = lines.first() {
            if self.said.is_none_or(|said| said.elapsed() >= PLAIN_EVERY) {
                println!("{line}");
                self.said = Some(Instant::now());
                self.unsaid = None;
            } else {
                self.unsaid = Some(line.clone());
            }
        }
    }

    /// Leaves the last state on the terminal.
    pub fn done(&mut self) {
        if let Some(line) = self.unsaid.take() {
            println!("{line}");
        }
        self.standing = 0;
        self.said = None;
    }
}
