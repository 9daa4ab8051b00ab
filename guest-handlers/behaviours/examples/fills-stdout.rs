//! Prints `lines` lines of 1 KiB to stdout, or to stderr. Lines over the limit are dropped.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is what this guest is about")]

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    lines: Option<u64>,
    stderr: bool,
}

struct FillsStdout;

impl Handler for FillsStdout {
    type Payload = Payload;
    const EVENTS: &[&str] = &["FillsStdout"];
    const GRANTS: &[Grant] = &[];
    const DESCRIPTION: &str = "Prints `lines` lines of 1 KiB to stdout, or to stderr.";

    fn handle(&self, event: Event<Payload>) -> Result {
        let line = "s".repeat(1 << 10);
        for _ in 0..event.payload.lines.unwrap_or(1_000) {
            if event.payload.stderr {
                eprintln!("{line}");
            } else {
                println!("{line}");
            }
        }
        Ok(())
    }
}
weir_sdk::export!(FillsStdout);
