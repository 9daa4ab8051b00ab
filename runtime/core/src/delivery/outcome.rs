//! How the run of a handler ends its delivery. Pure.
//!
//! This is the only place that turns the three kinds of failure (what the handler returned, what the sandbox stopped,
//! what the host suffered) into an outcome. Invariant: a fault of Kafka or MongoDB never costs a handler an attempt.

use crate::call::{Action, Failure as Returned, Fault, LogLine, StopKind, Verdict};
use crate::cut;
use crate::documents::Code;
use crate::hint;
use crate::seeded::{self, Bug};
use crate::store::{self, State, WriteError};

const MESSAGE_BYTES: usize = 64 << 10;
const ERROR_TYPE_BYTES: usize = 256;
const TRACE_BYTES: usize = 16 << 10;
/// The most bytes of log lines that are kept.
const LOG_BYTES: usize = 4 << 20;

/// Why a delivery did not succeed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What becomes of the delivery.
    pub state: State,
    /// The reason, as metrics and parked documents spell it.
    pub reason: &'static str,
    /// The reason in words, for people.
    pub message: String,
    /// What to do about it: Weir's own advice, unlike the message, which may be a handler's.
    pub hint: Option<String>,
    /// The type that failures are grouped by, if the handler gave one.
    pub error_type: Option<String>,
    /// The handler's stack, if there is one.
    pub trace: Option<String>,
    /// The limit that stopped it, if one did.
    pub limit: Option<&'static str>,
    /// What the handler logged in this attempt.
    pub log: Vec<LogLine>,
    /// The shortest delay before the next attempt that the handler has asked for, in milliseconds.
    pub after_ms: Option<u32>,
    /// Whether the sandbox stopped it. A handler to which that happens again and again trips (`stops`).
    pub was_stopped: bool,
}

impl Failure {
    /// Creates a failure without a hint, a stack or a type.
    #[must_use]
    pub fn new(state: State, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            state,
            reason,
            message: message.into(),
            hint: None,
            error_type: None,
            trace: None,
            limit: None,
            log: Vec::new(),
            after_ms: None,
            was_stopped: false,
        }
    }

    /// Creates a failure of a text that Weir wrote, which is a fact and perhaps a hint.
    #[must_use]
    pub fn of_text(state: State, reason: &'static str, text: &str) -> Self {
        let (fact, hint) = hint::split(text);
        Self { hint, ..Self::new(state, reason, fact) }
    }

    /// Returns the failure of a delivery that no transaction takes.
    #[must_use]
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(State::Dead, "too-large", message)
    }

    /// Returns the failure of a delivery whose write MongoDB did not do.
    #[must_use]
    pub fn of_write(error: &WriteError) -> Self {
        match error {
            WriteError::MustMatch => {
                Self::new(State::Parked, "must-match", "a write had to match a document and matched none")
            }
            WriteError::Refused { code, message } => {
                let fact = format!("mongodb refused a write: {message} (code {code})");
                let hint = store::remedy(*code, true).map(str::to_owned);
                Self { hint, ..Self::new(State::Parked, "refused", fact) }
            }
        }
    }

    /// Cuts its texts, which a handler or MongoDB may have made as large as a message, and frees the rest of their
    /// memory.
    fn cut(&mut self) {
        cut::shorten(&mut self.message, MESSAGE_BYTES);
        if let Some(hint) = &mut self.hint {
            cut::shorten(hint, MESSAGE_BYTES);
        }
        if let Some(name) = &mut self.error_type {
            cut::shorten(name, ERROR_TYPE_BYTES);
        }
        if let Some(trace) = &mut self.trace {
            cut::shorten(trace, TRACE_BYTES);
        }
        let mut left = LOG_BYTES;
        let fits = self.log.iter().take_while(|line| {
            left = left.saturating_sub(line_bytes(line));
            left > 0
        });
        let fits = fits.count();
        self.log.truncate(fits);
    }

    /// Returns roughly how much memory it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let log: usize = self.log.iter().map(line_bytes).sum();
        let texts = self.message.len() + optional(&self.hint) + optional(&self.error_type) + optional(&self.trace);
        size_of::<Self>() + texts + log
    }
}

/// What a run means for its delivery.
#[derive(Debug)]
pub enum Decision {
    /// Commit its writes.
    Accept,
    /// Commit nothing of it, which is no failure.
    Skip(String),
    /// It did not succeed.
    Fail(Box<Failure>),
    /// Run it again: MongoDB or the delivery is to blame, and a probe shows which.
    Again(Fault),
    /// Commit the pending writes before it runs.
    NeedsCommit,
    /// Run it alone in a transaction, for this reason.
    NeedsAlone(&'static str),
    /// Run it in the lane of its line, for which the others do not wait.
    SendAway,
}

/// Decides what the verdict of a run means for its delivery.
#[must_use]
pub fn decide(verdict: Verdict, log: Vec<LogLine>) -> Decision {
    let mut failure = match verdict {
        Verdict::Accepted => return Decision::Accept,
        Verdict::Fault(fault) if seeded::on(Bug::FaultIsFailure) => Failure::new(State::Parked, "retry", fault.message),
        Verdict::Fault(fault) => return Decision::Again(fault),
        Verdict::NeedsCommit => return Decision::NeedsCommit,
        Verdict::NeedsAlone(why) => return Decision::NeedsAlone(why),
        Verdict::Slow => return Decision::SendAway,
        Verdict::Failed(failure) if failure.action == Action::Skip => return Decision::Skip(failure.message),
        Verdict::Failed(failure) => {
            let (state, reason) = match failure.action {
                Action::Retry => (State::Parked, "retry"),
                Action::Reject | Action::Skip => (State::Dead, "reject"),
            };
            let Returned { error_type, message, trace, after_ms, .. } = failure;
            let error_type = Some(error_type).filter(|name| !name.is_empty());
            Failure { error_type, trace, after_ms, ..Failure::new(state, reason, message) }
        }
        Verdict::Stopped(stop) => {
            let state = if stop.kind == StopKind::Deadline { State::Parked } else { State::Dead };
            let failure = Failure::new(state, stop.kind.reason(), stop.message);
            // A large event says nothing about the handler.
            let was_stopped = stop.kind != StopKind::EventSize;
            Failure { trace: stop.backtrace, limit: stop.kind.limit(), was_stopped, ..failure }
        }
        Verdict::Refused(refusal) => {
            let state = match refusal.code {
                Code::Refused | Code::MustMatch | Code::Undecodable => State::Parked,
                Code::Denied | Code::Invalid | Code::Limit => State::Dead,
            };
            let hint = refusal.hint.map(str::to_owned);
            Failure { hint, ..Failure::new(state, refusal.code.as_str(), refusal.message) }
        }
    };
    failure.log = log;
    failure.cut();
    Decision::Fail(Box::new(failure))
}

fn line_bytes(line: &LogLine) -> usize {
    size_of::<LogLine>() + line.text.len() + line.fields.as_ref().map_or(0, |fields| fields.get().len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Stop;
    use crate::documents::Refusal;

    fn outcome(verdict: Verdict) -> Option<(State, &'static str)> {
        match decide(verdict, Vec::new()) {
            Decision::Fail(failure) => Some((failure.state, failure.reason)),
            _ => None,
        }
    }

    fn returned(action: Action) -> Verdict {
        let text = String::new;
        Verdict::Failed(Returned { action, error_type: text(), message: text(), trace: None, after_ms: None })
    }

    fn stopped(kind: StopKind) -> Verdict {
        Verdict::Stopped(Stop { kind, message: String::new(), backtrace: None })
    }

    fn failure(verdict: Verdict) -> Failure {
        match decide(verdict, Vec::new()) {
            Decision::Fail(failure) => *failure,
            other => panic!("{other:?}"),
        }
    }

    fn refused(code: Code) -> Verdict {
        Verdict::Refused(Refusal::new(code, ""))
    }

    #[test]
    fn what_may_heal_is_parked_and_the_rest_is_dead() {
        assert_eq!(outcome(returned(Action::Retry)), Some((State::Parked, "retry")));
        assert_eq!(outcome(stopped(StopKind::Deadline)), Some((State::Parked, "deadline")));
        assert_eq!(outcome(refused(Code::Refused)), Some((State::Parked, "refused")));
        assert_eq!(outcome(returned(Action::Reject)), Some((State::Dead, "reject")));
        assert_eq!(outcome(stopped(StopKind::Trap)), Some((State::Dead, "trap")));
        assert_eq!(outcome(stopped(StopKind::Fuel)), Some((State::Dead, "fuel")));
        assert_eq!(outcome(stopped(StopKind::Memory)), Some((State::Dead, "memory")));
        for code in [Code::Denied, Code::Invalid, Code::Limit] {
            assert_eq!(outcome(refused(code)), Some((State::Dead, code.as_str())));
        }
    }

    #[test]
    fn a_hint_is_weirs_own() {
        let text = || hint::with("no", "run this");
        let returned =
            Returned { action: Action::Reject, error_type: text(), message: text(), trace: None, after_ms: None };
        let of_handler = failure(Verdict::Failed(returned));
        assert_eq!((of_handler.message, of_handler.hint), (text(), None), "a handler's words stay as they are");

        let refusal = Refusal { hint: Some("do that"), ..Refusal::denied(text()) };
        let refused = failure(Verdict::Refused(refusal));
        assert_eq!((refused.message, refused.hint.as_deref()), (text(), Some("do that")));

        let write = |code| Failure::of_write(&WriteError::Refused { code, message: text() });
        assert_eq!(write(121).hint, None);
        let duplicate = write(11_000);
        assert_eq!(duplicate.message, "mongodb refused a write: no\nhint: run this (code 11000)");
        assert_eq!(duplicate.hint.as_deref(), Some("use `upsert` for a document that may be there already"));
    }

    #[test]
    fn a_fault_is_no_outcome() {
        let fault = Fault::of_host("gone".to_owned());
        assert!(matches!(decide(Verdict::Fault(fault), Vec::new()), Decision::Again(_)));
    }

    #[test]
    fn no_failure_is_larger_than_its_bounds() {
        let text = || "ü".repeat(8 << 20);
        let returned = Returned {
            action: Action::Reject,
            error_type: text(),
            message: text(),
            trace: Some(text()),
            after_ms: None,
        };
        let line = || LogLine { level: crate::call::Level::Info, text: "x".repeat(1 << 20), fields: None };
        let Decision::Fail(failure) = decide(Verdict::Failed(returned), (0..9).map(|_| line()).collect()) else {
            panic!("a failure")
        };
        assert_eq!((failure.message.len(), failure.message.capacity()), (MESSAGE_BYTES, MESSAGE_BYTES));
        assert_eq!(failure.error_type.as_ref().map(String::len), Some(ERROR_TYPE_BYTES));
        assert_eq!(failure.trace.as_ref().map(String::len), Some(TRACE_BYTES));
        assert_eq!(failure.log.len(), 3);
        assert!(failure.bytes() < LOG_BYTES, "{}", failure.bytes());
    }
}
