//! The committer's own task: one bounded hop between Kafka and the commit.

use std::future;

use tokio::sync::{Mutex, mpsc};

use weir_core::consumer::member::Member;
use weir_core::delivery::hop::Later;
use weir_core::delivery::{AtEnd, Committer, Hop, Said, Work};

/// How much work may be queued for the committer.
const WORKS: usize = 4;
/// How many reports from it may be queued.
const SAID: usize = 16;

/// The loop's ends of the two channels.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) works: Works,
    pub(super) said: mpsc::Receiver<Said>,
}

/// The channel to the committer. No method but [`Works::room`] waits, and that one is for a `select!`. So the loop
/// answers Kafka, probes and signals even if the committer takes nothing.
#[derive(Debug)]
pub(super) struct Works(mpsc::Sender<Work>);

impl Works {
    /// Hands on as much of the member's work as the committer takes now.
    pub(super) fn hand_on(&self, member: &mut Member) {
        while member.has_work()
            && let Ok(permit) = self.0.try_reserve()
            && let Some(work) = member.next_work()
        {
            permit.send(work);
        }
    }

    /// Tells the committer which partitions have been read to their ends. This is advice that comes again, so it is
    /// dropped unless the committer has taken everything else.
    pub(super) fn advise(&self, at_end: Vec<AtEnd>, member: &Member) {
        if !at_end.is_empty() && !member.has_work() && self.0.capacity() == self.0.max_capacity() {
            // A committer that has ended needs no advice.
            let _ = self.0.try_send(Work::AtEnd(at_end));
        }
    }

    /// Waits until the committer takes more. May be dropped at any time.
    pub(super) async fn room(&self) {
        if self.0.reserve().await.is_err() {
            // It has ended, which the loop learns from the other channel.
            future::pending::<()>().await;
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
            // Nobody listens any more if the loop has stopped waiting. Then the report is dropped.
            let _ = self.say.send(said).await;
        })
    }
}

/// Starts the task, which ends when the sender of work is dropped.
pub(super) fn start(committer: Committer) -> (Ends, tokio::task::JoinHandle<()>) {
    let (ends, works, say) = channels();
    let channels = Channels { works: Mutex::new(works), say };
    let task = tokio::spawn(async move { committer.run(&channels).await });
    (ends, task)
}

pub(super) fn channels() -> (Ends, mpsc::Receiver<Work>, mpsc::Sender<Said>) {
    let (to, works) = mpsc::channel(WORKS);
    let (say, said) = mpsc::channel(SAID);
    (Ends { works: Works(to), said }, works, say)
}
