//! The result of a proof.

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

/// A proof whose services run. The argument says whether to run the quick form.
pub(crate) type Started = Box<dyn FnOnce(bool) -> Result<Verdict>>;

/// What a proof found.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    /// Whether the promise is kept.
    pub(crate) holds: bool,
    /// What was measured.
    pub(crate) figure: String,
    /// The bound for it.
    pub(crate) bound: String,
    /// What else was seen.
    pub(crate) details: Value,
}
