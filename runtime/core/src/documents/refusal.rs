//! A call that the host or MongoDB refused. The refusal decides the delivery, whatever the handler then returns.

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
}

impl Refusal {
    /// Returns a refusal of something that is not granted to the handler, or to any handler.
    pub fn denied(message: impl Into<String>) -> Self {
        Self { code: Code::Denied, message: message.into() }
    }

    /// Returns a refusal of arguments that are not what the call takes.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { code: Code::Invalid, message: message.into() }
    }

    /// Returns a refusal because a limit of the host was exceeded.
    pub fn limit(message: impl Into<String>) -> Self {
        Self { code: Code::Limit, message: message.into() }
    }

    /// Returns a refusal by MongoDB.
    pub fn refused(message: impl Into<String>) -> Self {
        Self { code: Code::Refused, message: message.into() }
    }
}
