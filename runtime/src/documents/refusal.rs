//! A call that the host, or MongoDB, refused. It decides the delivery, whatever the handler then returns.

/// Why a call was refused, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The handler is not granted that, or nobody is.
    Denied,
    /// The arguments are not what the call takes.
    Invalid,
    /// A limit of the host's was passed.
    Limit,
    /// MongoDB said no.
    Refused,
    /// A must-match write matched nothing.
    MustMatch,
    /// A document found cannot be decoded.
    Undecodable,
}

impl Code {
    /// The code as the contract spells it.
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
    /// For programs.
    pub code: Code,
    /// For people: the call, the collection and the place in the document.
    pub message: String,
}

impl Refusal {
    /// What the handler is not granted, or nobody is.
    pub fn denied(message: impl Into<String>) -> Self {
        Self { code: Code::Denied, message: message.into() }
    }

    /// Arguments that are not what the call takes.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { code: Code::Invalid, message: message.into() }
    }

    /// A limit of the host's that was passed.
    pub fn limit(message: impl Into<String>) -> Self {
        Self { code: Code::Limit, message: message.into() }
    }

    /// What MongoDB said no to.
    pub fn refused(message: impl Into<String>) -> Self {
        Self { code: Code::Refused, message: message.into() }
    }
}
