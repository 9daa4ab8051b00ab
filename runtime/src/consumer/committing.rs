//! The committer's own task: one bounded hop between Kafka and the commit.

use std::future;

use tokio::sync::{Mutex, mpsc};

use super::outbox::Outbox;
use crate::delivery::hop::Later;
use crate::delivery::{Committer, Entry, Hop, Said, Work};
use crate::store::{Claim, PartitionId};

/// How much work may be on its way to the committer.
const WORKS: usize = 4;
/// How much may be on its way from it.
const SAID: usize = 16;

/// The loop's ends of the two channels.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) works: Works,
    pub(super) said: mpsc::Receiver<Said>,
}

/// The way to the committer. No method but [`Works::room`] waits, and that one is for a `select!`: the loop answers Kafka,
/// probes and signals for as long as the committer takes nothing.
#[derive(Debug)]
pub(super) struct Works {
    to: mpsc::Sender<Work>,
    outbox: Outbox,
}

impl Works {
    /// The committer is to own these.
    pub(super) fn own(&mut self, claims: Vec<(PartitionId, Claim)>) {
        self.outbox.own(claims);
        self.flush();
    }

    /// The committer is to own these no longer.
    pub(super) fn disown(&mut self, partitions: &[PartitionId]) {
        self.outbox.disown(partitions);
        self.flush();
    }

    /// The committer is to account for these records, for which it has asked.
    pub(super) fn commit(&mut self, entries: Vec<Entry>) {
        self.outbox.commit(entries);
        self.flush();
    }

    /// Tells the committer which partitions have been read to their ends. That is advice, which comes again: it is dropped
    /// unless the committer has taken everything else.
    pub(super) fn advise(&mut self, at_end: Vec<(PartitionId, i64)>) {
        if !at_end.is_empty() && self.outbox.is_empty() && self.to.capacity() == self.to.max_capacity() {
            // A committer that has ended needs no advice.
            let _ = self.to.try_send(Work::AtEnd(at_end));
        }
    }

    /// Hands on what waits as soon as the committer takes some; never returns if nothing waits. May be dropped at any time.
    pub(super) async fn room(&mut self) {
        if self.outbox.is_empty() {
            return future::pending().await;
        }
        {
            // An error means that it has ended, which the loop hears from the other channel.
            let Ok(permit) = self.to.reserve().await else { return future::pending().await };
            if let Some(work) = self.outbox.take() {
                permit.send(work);
            }
        }
        self.flush();
    }

    fn flush(&mut self) {
        while !self.outbox.is_empty()
            && let Ok(permit) = self.to.try_reserve()
            && let Some(work) = self.outbox.take()
        {
            permit.send(work);
        }
    }
}

/// The committer's ends.
struct Channels {
    works: Mutex<mpsc::Receiver<Work>>,
    say: mpsc::Sender<Said>,
}

impl Hop for Channels {
    fn next(&self) -> Later<'_, Option<Work>> {
        Box::pin(async { self.works.lock().await.recv().await })
    }

    fn say(&self, said: Said) -> Later<'_, ()> {
        Box::pin(async {
            // Nobody listens any more where the loop has given up waiting: so does what is said.
            let _ = self.say.send(said).await;
        })
    }
}

/// Starts the task; it ends when the sender of work is dropped.
pub(super) fn start(committer: Committer) -> (Ends, tokio::task::JoinHandle<()>) {
    let (ends, works, say) = channels();
    let channels = Channels { works: Mutex::new(works), say };
    let task = tokio::spawn(async move { committer.run(&channels).await });
    (ends, task)
}

pub(super) fn channels() -> (Ends, mpsc::Receiver<Work>, mpsc::Sender<Said>) {
    let (to, works) = mpsc::channel(WORKS);
    let (say, said) = mpsc::channel(SAID);
    (Ends { works: Works { to, outbox: Outbox::default() }, said }, works, say)
}
