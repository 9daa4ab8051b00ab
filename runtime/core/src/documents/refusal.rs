//! A call that the host or MongoDB refused. The refusal decides the delivery, whatever the handler then returns.

use crate::hint;

/// Why a call was refused, for programs to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// It is not granted to the handler, or to any handler.
    Denied,
    /// The arguments are not what the call takes.
    Invalid,
    /// A limit of the host was exceeded.
    Limit,
    /// MongoDB refused the call.
    Refused,
    /// A must-match write matched nothing.
    MustMatch,
    /// A document found cannot be decoded.
    Undecodable,
}

impl Code {
    /// Returns the code as the contract spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Invalid => "invalid",
            Self::Limit => "limit",
            Self::Refused => "refused",
            Self::MustMatch => "must-match",
            Self::Undecodable => "undecodable",
        }
    }
}

/// A refused call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", code.as_str())]
pub struct Refusal {
    /// The reason, for programs to read.
    pub code: Code,
    /// The reason, for people to read: it names the call, the collection and the place in the document.
    pub message: String,
    /// What the handler can do instead, if that is known. It is Weir's own advice: unlike the message, it holds no text
    /// that a handler or a record chose.
    pub hint: Option<&'static str>,
}

impl Refusal {
    /// Returns a refusal without a hint.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// Returns the text that the handler receives: the message, and the hint on a line of its own.
    #[must_use]
    pub fn text(&self) -> String {
        self.hint.map_or_else(|| self.message.clone(), |hint| hint::with(&self.message, hint))
    }

    /// Returns a refusal of something that is not granted to the handler, or to any handler.
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(Code::Denied, message)
    }

    /// Returns a refusal of arguments that are not what the call takes.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::Invalid, message)
    }

    /// Returns a refusal because a limit of the host was exceeded.
    pub fn limit(message: impl Into<String>) -> Self {
        Self::new(Code::Limit, message)
    }

    /// Returns a refusal by MongoDB.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(Code::Refused, message)
    }
}
