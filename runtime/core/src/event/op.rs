//! What happened to a row, and whether that is an event. Pure.

use serde_json::value::RawValue;

use crate::event::error::Error;
use crate::event::json::{self, Read};
use crate::event::{Ignored, Settings};

/// Debezium's op.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Create,
    Read,
    Update,
    Delete,
    Truncate,
    Message,
}

impl Op {
    pub(super) fn of(raw: &RawValue) -> Result<Self, Error> {
        match json::string(raw) {
            Read::Text(text) => Self::named(&text),
            Read::Broken | Read::NotText => Err(Error::OpNotText(json::kind(raw))),
        }
    }

    pub(super) fn named(text: &str) -> Result<Self, Error> {
        match text {
            "c" => Ok(Self::Create),
            "r" => Ok(Self::Read),
            "u" => Ok(Self::Update),
            "d" => Ok(Self::Delete),
            "t" => Ok(Self::Truncate),
            "m" => Ok(Self::Message),
            other => Err(Error::UnknownOp(other.chars().take(16).collect())),
        }
    }

    pub(super) fn letter(self) -> &'static str {
        match self {
            Self::Create => "c",
            Self::Read => "r",
            Self::Update => "u",
            Self::Delete => "d",
            Self::Truncate => "t",
            Self::Message => "m",
        }
    }

    /// Returns why a record of this op is not an event, or `None` if it is one.
    pub(super) fn ignored(self, settings: &Settings) -> Option<Ignored> {
        match self {
            Self::Create => None,
            Self::Read if settings.snapshot_events => None,
            Self::Read => Some(Ignored::Snapshot),
            Self::Update => Some(Ignored::Update),
            Self::Delete => Some(Ignored::Delete),
            Self::Truncate => Some(Ignored::Truncate),
            Self::Message => Some(Ignored::LogicalMessage),
        }
    }
}
