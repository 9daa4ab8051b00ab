//! What a parked delivery is in a batch. Pure.

use super::entry::{Item, Parked};
use super::outcome::Failure;
use super::policy::MAY_PASS;
use super::routes::Routes;
use super::slot::{Delivery, Fate, Outcome};
use crate::store::{Action, Claim, State};

/// How many owners may die of a delivery that runs singly before it is dead.
const DEATHS: i32 = 2;

impl Parked {
    pub(super) fn fate(&self) -> Fate {
        match &self.held.request {
            Some(request) if request.action == Action::Discard => Fate::Discarded,
            _ => Fate::Retry(Vec::new()),
        }
    }
}

/// Returns the delivery of a parked document, unless its handler is not active.
pub(super) fn retried(parked: &Parked, item: &Item, routes: &Routes, claim: Option<&Claim>) -> Vec<Delivery> {
    let Some(version) = &parked.held.handler else { return Vec::new() };
    let Some(handler) = routes.handler(version.id, version.generation) else { return Vec::new() };
    let fatal = is_fatal(claim, parked.held.record.offset, handler.id);
    let mut delivery = Delivery::new(handler, fatal);
    delivery.attempt = u32::try_from(parked.held.attempt).unwrap_or(0).saturating_add(1);
    let dead = match item {
        Item::Event(_) => parked.exhausted.then(|| {
            let reason = MAY_PASS.into_iter().find(|reason| *reason == parked.held.reason).unwrap_or("retry");
            (reason, "the policy that holds now allows no further attempt".to_owned())
        }),
        Item::Undecodable(what) => Some(("undecodable", what.reason.clone())),
        Item::Unsent(unsent) => Some(("undecodable", unsent.why.reason.clone())),
        Item::Ignored(_) => Some(("undecodable", "with the present settings, the record is no event".to_owned())),
    };
    if let Some((reason, message)) = dead {
        delivery.outcome = Some(Outcome::Failed(Box::new(Failure::of_text(State::Dead, reason, &message))));
        delivery.decided = true;
    }
    vec![delivery]
}

/// Whether hosts have died of this delivery.
pub(super) fn is_fatal(claim: Option<&Claim>, offset: i64, handler: i32) -> bool {
    let crashes = claim.map_or(&[][..], |claim| &claim.crashes);
    let mut of_it = crashes.iter().filter(|crash| (crash.offset, crash.handler) == (offset, handler));
    of_it.any(|crash| crash.deaths >= DEATHS)
}
