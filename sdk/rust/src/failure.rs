//! The reasons why a delivery does not take effect: what a handler returns, and what `?` turns errors into.

use std::any::type_name;
use std::cell::RefCell;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::time::Duration;

/// A handler's result: nothing, or a [`Failure`].
pub type Result<T = (), E = Failure> = std::result::Result<T, E>;

/// What becomes of an event whose delivery did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Another attempt may succeed.
    Retry,
    /// No attempt can succeed.
    Reject,
    /// This handler does not want the event.
    Skip,
}

/// Why none of a delivery's writes take effect. `?` turns every error into one: [`Retry`], [`Reject`] and [`Skip`] keep
/// their meaning, a call that MongoDB refused becomes a retry, and any other error a rejection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What becomes of the event.
    pub action: Action,
    /// The error's type, by which failures are grouped.
    pub error_type: String,
    /// For people.
    pub message: String,
    /// For a retry: the least time until the next attempt.
    pub after: Option<Duration>,
}

/// Try again later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    message: String,
    after: Option<Duration>,
}

impl Retry {
    /// Gives the reason.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), after: None }
    }

    /// Sets the least time until the next attempt.
    #[must_use]
    pub fn after(mut self, duration: Duration) -> Self {
        self.after = Some(duration);
        self
    }
}

/// No attempt can succeed: the event becomes a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    message: String,
}

impl Reject {
    /// Gives the reason.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

/// This handler does not want the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    message: String,
}

impl Skip {
    /// Gives the reason.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

/// A call that was refused. It decides the delivery, even if the handler goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// For programs: `denied`, `invalid`, `limit`, `refused` (by MongoDB), or one that was added later.
    pub code: String,
    /// For people: the call, the collection and the place in the document. If there is something to do about it, a last
    /// line that begins with `hint: ` says what.
    pub message: String,
}

impl fmt::Display for CallError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code, self.message)
    }
}

impl Error for CallError {}

/// Implements `Display`, which shows the message, and `Error`.
macro_rules! messages {
    ($($type:ty),+) => {
        $(impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.message)
            }
        }

        impl Error for $type {})+
    };
}

messages!(Retry, Reject, Skip);

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let any: &(dyn Error + 'static) = &error;
        let (action, after) = if let Some(retry) = any.downcast_ref::<Retry>() {
            (Action::Retry, retry.after)
        } else if any.is::<Skip>() {
            (Action::Skip, None)
        } else if any.downcast_ref::<CallError>().is_some_and(|call| call.code == "refused") {
            (Action::Retry, None)
        } else {
            (Action::Reject, None)
        };
        Self { action, error_type: short_name(type_name::<E>()).to_owned(), message: chain(any), after }
    }
}

/// Returns the type's own name, without its modules and parameters.
fn short_name(full: &str) -> &str {
    let bare = full.split('<').next().unwrap_or(full);
    bare.rsplit("::").next().unwrap_or(bare)
}

/// Returns the error's text and those of its sources.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}

thread_local! {
    /// The first call that this crate refused by itself. The host knows nothing of it.
    static REFUSED: RefCell<Option<CallError>> = const { RefCell::new(None) };
}

/// Records a call that never reached the host, so that it decides the delivery nevertheless.
pub(crate) fn refuse(message: String) -> CallError {
    let error = CallError { code: "invalid".to_owned(), message };
    REFUSED.with_borrow_mut(|first| {
        first.get_or_insert_with(|| error.clone());
    });
    error
}

/// Takes the call that was recorded since the last time.
pub(crate) fn take_refused() -> Option<CallError> {
    REFUSED.take()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing(error: impl Error + 'static) -> Failure {
        let run = || -> Result {
            Err(error)?;
            Ok(())
        };
        run().expect_err("it fails")
    }

    #[test]
    fn each_error_says_what_becomes_of_the_event() {
        let retry = failing(Retry::new("later").after(Duration::from_secs(2)));
        assert_eq!((retry.action, retry.after), (Action::Retry, Some(Duration::from_secs(2))));
        assert_eq!(retry.error_type, "Retry");
        assert_eq!(failing(Skip::new("no")).action, Action::Skip);
        assert_eq!(failing(Reject::new("no")).action, Action::Reject);
        let call = |code: &str| failing(CallError { code: code.to_owned(), message: "m".to_owned() });
        assert_eq!(call("denied").action, Action::Reject);
        assert_eq!(call("refused").action, Action::Retry);
        assert_eq!(call("denied").message, "denied: m");
    }

    #[test]
    fn any_other_error_rejects_under_its_own_name() {
        let failure = failing("x".parse::<i32>().expect_err("no number"));
        assert_eq!((failure.action, failure.error_type.as_str()), (Action::Reject, "ParseIntError"));
        assert_eq!(failure.message, "invalid digit found in string");
    }
}
