//! The hop between a simulated member and its committer, with the same bound as the real one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use weir_core::consumer::Member;
use weir_core::delivery::hop::Later;
use weir_core::delivery::{Hop, Said, Work};

use crate::kernel::{Slot, lock};

/// How much work may be queued for the committer.
const WORKS: usize = 4;

#[derive(Default)]
struct Works {
    sent: VecDeque<Work>,
    /// Filled when there is work.
    waiting: Option<Slot<()>>,
}

#[derive(Default)]
pub(crate) struct Channel {
    works: Mutex<Works>,
    said: Mutex<VecDeque<Said>>,
    /// How many records the committer was sent and has not finished.
    held: Mutex<usize>,
}

impl Channel {
    /// Hands over as much of the member's work as there is room for. Returns whether some of it has to wait.
    pub(crate) fn hand_on(&self, member: &mut Member) -> bool {
        while lock(&self.works).sent.len() < WORKS
            && let Some(work) = member.next_work()
        {
            self.send(work);
        }
        member.has_work()
    }

    /// Sends advice, unless the committer is busy.
    pub(crate) fn advise(&self, work: Work, member: &Member) {
        if !member.has_work() && lock(&self.works).sent.is_empty() {
            self.send(work);
        }
    }

    pub(crate) fn said(&self) -> VecDeque<Said> {
        std::mem::take(&mut lock(&self.said))
    }

    /// Returns how many records the committer holds.
    pub(crate) fn held(&self) -> usize {
        *lock(&self.held)
    }

    fn send(&self, work: Work) {
        if let Work::Commit(entries) = &work {
            *lock(&self.held) += entries.len();
        }
        let mut works = lock(&self.works);
        works.sent.push_back(work);
        let waiting = works.waiting.take();
        drop(works);
        if let Some(waiting) = waiting {
            waiting.fill(());
        }
    }
}

/// The committer's end.
pub(crate) struct CommitterEnd(pub(crate) Arc<Channel>);

impl Hop for CommitterEnd {
    fn next(&self) -> Later<'_, Option<Work>> {
        Box::pin(async {
            loop {
                let waiting = {
                    let mut works = lock(&self.0.works);
                    if let Some(work) = works.sent.pop_front() {
                        return Some(work);
                    }
                    let slot = Slot::default();
                    works.waiting = Some(slot.clone());
                    slot
                };
                waiting.await;
            }
        })
    }

    fn say(&self, said: Said) -> Later<'_, ()> {
        if let Said::Done(done) = &said {
            *lock(&self.0.held) -= done.finished;
        }
        lock(&self.0.said).push_back(said);
        Box::pin(async {})
    }
}
