//! (in work)

use crate::config::Settings;
use crate::shutdown::Shutdown;

/// The signature that `cli` calls.
///
/// # Errors
/// Always, until the server is merged.
#[allow(clippy::unused_async, reason = "the server that is merged here awaits")]
pub async fn run(_settings: Settings, _shutdown: Shutdown) -> anyhow::Result<()> {
    anyhow::bail!("the server is not merged yet")
}
