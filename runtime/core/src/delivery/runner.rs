//! Prepares a batch for its transaction: asks the ledger, judges the events and runs their deliveries. Pure.
//!
//! While one batch commits, the next is prepared speculatively. A delivery that reads what is being committed waits for
//! that commit. If that commit fails or a claim is lost, the speculative batch is thrown away (`in_flight`).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::away::Cause;
use super::batch::{Batch, Judge, Next};
use super::caller::Caller;
use super::context::{Context, GivenUp};
use super::entry::Entry;
use super::faults::Beside;
use super::in_flight::{Heads, InFlight};
use super::lane::Lane;
use super::lines::Lines;
use super::lookup::Lookup;
use super::outcome::{Decision, decide};
use super::redo::Redo;
use super::retries::{self, Busy, Retries};
use super::routes::Identity;
use super::slot::DeliveryRef;
use super::stops::{IN_A_ROW, Turn};
use crate::call::{Run, Verdict};
use crate::documents::Mode;
use crate::failpoint;
use crate::store::{Plan, Sequence};

/// How long the deliveries of a batch may run before the rest is left to the next one. Slow handlers then commit what
/// they have done, and a stop or a revocation waits for one delivery instead of a whole batch.
const RUN_TIME: Duration = Duration::from_millis(500);

/// How many deliveries of each handler have failed in a row in a batch that is not committed yet.
#[derive(Default)]
struct Failing(HashMap<i32, u32>);

impl Failing {
    /// Notes what a run came to. Returns the handler's line if the handler would trip with it.
    fn trip(&mut self, lines: &Lines, handler: Option<Arc<Identity>>, decision: &Decision) -> Option<i32> {
        let handler = handler?;
        match decision {
            Decision::Fail(failure) if failure.was_stopped => {
                let count = self.0.entry(handler.id).or_insert_with(|| lines.in_a_row(handler.id));
                *count += 1;
                (*count >= IN_A_ROW).then_some(handler.line)
            }
            Decision::Accept | Decision::Skip(_) | Decision::Fail(_) => {
                if !self.0.is_empty() || lines.in_a_row(handler.id) > 0 {
                    self.0.insert(handler.id, 0);
                }
                None
            }
            _ => None,
        }
    }
}

#[derive(Debug)]
pub(super) struct Runner {
    context: Arc<Context>,
    lines: Arc<Lines>,
    /// The lane that it prepares batches for, or none for the group.
    lane: Option<Arc<Lane>>,
    pub(super) lookup: Lookup,
}

/// A batch whose deliveries have run.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) batch: Batch,
    pub(super) caller: Caller,
    /// The handler because of which the first event must run alone, and the reason.
    pub(super) alone: Option<(Arc<Identity>, &'static str)>,
    /// The line of the delivery before which the batch was cut, because its event must run alone.
    pub(super) cut_for: Option<i32>,
    /// Its transaction, under the claims that were expected. It is built here because MongoDB is not waiting for it
    /// yet.
    pub(super) plan: Option<Plan>,
}

/// How the run of a batch ended.
#[derive(Debug, Default)]
struct Ran {
    alone: Option<(Arc<Identity>, &'static str)>,
    cut_for: Option<i32>,
}

impl Runner {
    pub(super) fn new(context: Arc<Context>, lines: Arc<Lines>, lane: Option<Arc<Lane>>) -> Self {
        let lookup = Lookup::new(Arc::clone(&context), Arc::clone(&lines.faults));
        Self { context, lines, lane, lookup }
    }

    /// Returns what its committer tries again.
    pub(super) fn parked(&self) -> &Retries {
        self.lane.as_ref().map_or(&self.lines.without_line, |lane| &lane.retries)
    }

    /// Returns the parked deliveries that are to be tried now.
    pub(super) async fn due(&self, claims: &Heads, busy: &Busy, most: usize) -> Vec<Entry> {
        let Some(lane) = &self.lane else { return self.lines.due(claims, busy, most).await };
        let turn = self.lines.turn(lane.line);
        let entries = lane.retries.due(claims, busy, most, turn).await;
        if turn == Turn::One && entries.iter().any(retries::runs) {
            self.lines.tries(lane.line);
        }
        entries
    }

    /// Runs the records' deliveries. `in_flight` is the batch that is being committed meanwhile.
    pub(super) async fn prepare(
        &self,
        entries: Vec<Entry>,
        heads: &Heads,
        in_flight: Option<&InFlight>,
    ) -> Result<Ready, GivenUp> {
        let mut batch = Batch::new(entries, &self.context.ledger, in_flight.map(|in_flight| &in_flight.keys));
        let (seen, floors) = self.lookup.ask(&batch, heads).await?;
        failpoint::pass("after-finds");
        let buckets = self.lookup.buckets();
        let now_ms = self.lookup.now_ms();
        let caller = Caller::new(Arc::clone(&self.context), Arc::clone(&self.lines));
        let routes = caller.routes();
        let parks = in_flight.map(|in_flight| &in_flight.parks).filter(|parks| !parks.is_empty());
        let holds = |line, of| self.lines.hold(line, of) || parks.is_some_and(|parks| parks.contains(&of));
        let held: Option<&dyn Fn(i32, Sequence) -> bool> =
            if parks.is_some() || self.lines.hold_any() { Some(&holds) } else { None };
        batch.begun_at(self.lines.now_ms());
        batch.route(&Judge { seen: &seen.hashes, routes, heads, buckets: &buckets, floors: &floors, now_ms, held });
        self.lookup.make_buckets(&batch).await?;
        let Ran { alone, cut_for } = self.run(&caller, &mut batch, in_flight).await?;
        let plan = alone.is_none().then(|| self.plan(&batch, heads));
        Ok(Ready { batch, caller, alone, cut_for, plan })
    }

    pub(super) fn plan(&self, batch: &Batch, claims: &Heads) -> Plan {
        batch.plan(
            claims,
            &self.context.ledger,
            Redo::strict(batch.has_one_writer()).form(),
            self.context.clock.now_ms(),
        )
    }

    /// Notes how long a delivery has taken, by the clock and of its lane's processor.
    fn note(&self, batch: &Batch, at: DeliveryRef, (took, run): (Duration, &Run), changes: u64) {
        let Some(handler) = batch.handler(at) else { return };
        // What MongoDB failed to do says nothing about the handler, nor does a read that waited until it was back.
        if matches!(run.verdict, Verdict::Fault(_)) || changes != self.context.store.server_changes() {
            return;
        }
        match &self.lane {
            Some(lane) => {
                self.lines.ran_away(handler.line, run.running);
                // A unit of fuel takes roughly a nanosecond, and a handler that sleeps takes none.
                lane.computed(run.running.min(Duration::from_nanos(run.fuel)));
            }
            None => self.lines.took(handler.line, took),
        }
    }

    /// Runs the batch's deliveries.
    async fn run(&self, caller: &Caller, batch: &mut Batch, in_flight: Option<&InFlight>) -> Result<Ran, GivenUp> {
        let (mut at, mut ran, mut failing) = (None, Duration::ZERO, Failing::default());
        while let Some(next) = batch.next(at) {
            if in_flight.is_some_and(InFlight::is_thrown_away) {
                return Ok(Ran::default());
            }
            if self.context.gives_up() {
                return Err(GivenUp);
            }
            if (batch.is_full() || ran > RUN_TIME) && next.slot > 0 && next.place == 0 {
                batch.cut(next.slot);
                break;
            }
            let undecided = in_flight.filter(|in_flight| in_flight.is_undecided());
            if let Some(in_flight) = undecided {
                // Without this, a batch of handlers would run in one go while MongoDB waits for the next command.
                in_flight.bell.give_way().await;
            }
            let committing = undecided.map(InFlight::pending).unwrap_or_default();
            let patience = if self.lane.is_none() { self.lines.patience() } else { None };
            let (reader, pending) = (self.context.store.reader(), batch.pending());
            let mode = Mode::Batch { reader, pending, committing, patience };
            let (begun, changes) = (self.context.clock.elapsed(), self.context.store.server_changes());
            let run = caller.deliver(batch, next, mode).await;
            let took = self.context.clock.elapsed().saturating_sub(begun);
            ran += took;
            self.note(batch, next, (took, &run), changes);
            let decision = decide(run.verdict, run.log);
            let needs_alone = matches!(decision, Decision::NeedsAlone(_));
            let handler = batch.handler(next);
            let line = handler.as_ref().map(|handler| handler.line);
            let trips = failing.trip(&self.lines, handler, &decision);
            if let (Decision::NeedsCommit, Some(in_flight)) = (&decision, undecided) {
                in_flight.settled().await;
                continue;
            }
            match batch.ran(next, decision, run.writes, run.reads) {
                Next::Go => at = Some(next),
                Next::Again(fault) => {
                    if let Some(failure) = self.lines.faults.judge(batch, next, &fault, Beside::Read).await? {
                        batch.fail(next, failure);
                        at = Some(next);
                    }
                }
                Next::Cut(why) => {
                    self.context.metrics.batch_cut(why);
                    return Ok(Ran { cut_for: line.filter(|_| needs_alone), ..Ran::default() });
                }
                Next::Alone(why) => {
                    let alone = batch.handler(next).map(|handler| (handler, why));
                    return Ok(Ran { alone, ..Ran::default() });
                }
                Next::SendAway => {
                    if let Some(handler) = batch.handler(next) {
                        self.lines.send_away(handler.line, Cause::Slow);
                        batch.rest_waits(handler.line);
                    }
                }
            }
            if let Some(line) = trips {
                batch.rest_waits(line);
            }
        }
        Ok(Ran::default())
    }
}
