//! How a run of a handler ends its delivery. Pure.
//!
//! The only place where the three kinds of failure (what the handler returned, what the sandbox stopped, what the host
//! suffered) become an outcome. Invariant: a fault of Kafka or MongoDB never costs a handler an attempt.

use crate::host::{Action, Code, LogLine, StopKind, Verdict};
use crate::seeded::{self, Bug};
use crate::store::WriteError;

/// What becomes of a delivery that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Another attempt may succeed.
    Parked,
    /// No attempt can.
    Dead,
}

impl State {
    /// As parked documents spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parked => "parked",
            Self::Dead => "dead",
        }
    }
}

/// Why a delivery did not succeed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What becomes of it.
    pub state: State,
    /// The reason, as metrics and parked documents spell it.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// What failures are grouped by, where the handler gave it.
    pub error_type: Option<String>,
    /// The handler's stack, where there is one.
    pub trace: Option<String>,
    /// The limit that stopped it, where one did.
    pub limit: Option<&'static str>,
    /// What the handler logged in this attempt.
    pub log: Vec<LogLine>,
}

impl Failure {
    /// A failure without a stack or a type.
    #[must_use]
    pub fn new(state: State, reason: &'static str, message: impl Into<String>) -> Self {
        Self { state, reason, message: message.into(), error_type: None, trace: None, limit: None, log: Vec::new() }
    }

    /// What a write that MongoDB did not do makes of the delivery behind it.
    #[must_use]
    pub fn of_write(error: &WriteError) -> Self {
        match error {
            WriteError::MustMatch => {
                Self::new(State::Parked, "must-match", "a write had to match a document and matched none")
            }
            WriteError::Refused { code, message } => {
                Self::new(State::Parked, "refused", format!("mongodb refused a write: {message} (code {code})"))
            }
        }
    }
}

/// What a run says about its delivery.
#[derive(Debug)]
pub enum Decision {
    /// Its writes are to be committed.
    Accept,
    /// Nothing of it is to be committed, and that is well.
    Skip(String),
    /// It did not succeed.
    Fail(Box<Failure>),
    /// Nobody's doing: the same again, uncounted.
    Again(String),
    /// What is pending is to be committed before it runs.
    NeedsCommit,
    /// It is to run alone in a transaction, for this reason.
    NeedsAlone(&'static str),
}

/// What the verdict of a run says about its delivery.
#[must_use]
pub fn decide(verdict: Verdict, log: Vec<LogLine>) -> Decision {
    let mut failure = match verdict {
        Verdict::Accepted => return Decision::Accept,
        Verdict::Fault(why) if seeded::on(Bug::FaultIsFailure) => Failure::new(State::Parked, "retry", why),
        Verdict::Fault(why) => return Decision::Again(why),
        Verdict::NeedsCommit => return Decision::NeedsCommit,
        Verdict::NeedsAlone(why) => return Decision::NeedsAlone(why),
        Verdict::Failed(failure) if failure.action == Action::Skip => return Decision::Skip(failure.message),
        Verdict::Failed(failure) => {
            let (state, reason) = match failure.action {
                Action::Retry => (State::Parked, "retry"),
                Action::Reject | Action::Skip => (State::Dead, "reject"),
            };
            let error_type = Some(failure.error_type).filter(|name| !name.is_empty());
            Failure { error_type, trace: failure.trace, ..Failure::new(state, reason, failure.message) }
        }
        Verdict::Stopped(stop) => {
            let state = if stop.kind == StopKind::Deadline { State::Parked } else { State::Dead };
            let failure = Failure::new(state, stop.kind.reason(), stop.message);
            Failure { trace: stop.backtrace, limit: stop.kind.limit(), ..failure }
        }
        Verdict::Refused(refusal) => {
            let state = match refusal.code {
                Code::Refused | Code::MustMatch => State::Parked,
                Code::Denied | Code::Invalid | Code::Limit => State::Dead,
            };
            Failure::new(state, refusal.code.as_str(), refusal.message)
        }
    };
    failure.log = log;
    Decision::Fail(Box::new(failure))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Failure as Returned, Refusal, Stop};

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

    fn refused(code: Code) -> Verdict {
        Verdict::Refused(Refusal { code, message: String::new() })
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
    fn a_fault_is_no_outcome() {
        assert!(matches!(decide(Verdict::Fault("gone".to_owned()), Vec::new()), Decision::Again(_)));
    }
}
