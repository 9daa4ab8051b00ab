//! The handlers as the committer calls them.

use std::sync::Arc;

use super::hop::Later;
use crate::event::Event;
use crate::host::{Call, Mode, Run};
use crate::registry::{Identity, Registry, Routes};

/// Handlers that can be called.
pub trait Handlers: std::fmt::Debug + Send + Sync {
    /// Which handlers an event type has.
    fn routes(&self) -> &Routes;

    /// Gives an event to a handler; `now_ms` is what it takes for now.
    fn deliver<'a>(&'a self, to: &'a Identity, event: Arc<Event>, now_ms: i64, mode: Mode) -> Later<'a, Run>;
}

impl Handlers for Registry {
    fn routes(&self) -> &Routes {
        Self::routes(self)
    }

    fn deliver<'a>(&'a self, to: &'a Identity, event: Arc<Event>, now_ms: i64, mode: Mode) -> Later<'a, Run> {
        Box::pin(async move {
            let deployed = self.deployed(to.id).expect("what is routed is deployed");
            let call = Call { event, handler: deployed.key(), attempt: 1, now_ms, mode };
            let run = deployed.handler().deliver(call).await;
            deployed.metrics().ran(run.running, run.fuel);
            if run.log_lines_dropped > 0 {
                deployed.metrics().log_lines_dropped(run.log_lines_dropped);
            }
            run
        })
    }
}
