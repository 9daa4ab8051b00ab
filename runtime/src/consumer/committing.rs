//! The committer's own task: one bounded hop between Kafka and the commit.

use tokio::sync::{Mutex, mpsc};

use crate::delivery::hop::Later;
use crate::delivery::{Committer, Hop, Said, Work};

/// The loop's ends of the two channels.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) work: mpsc::Sender<Work>,
    pub(super) said: mpsc::Receiver<Said>,
}

/// The committer's.
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
    let (work, works) = mpsc::channel(4);
    let (say, said) = mpsc::channel(16);
    let channels = Channels { works: Mutex::new(works), say };
    let task = tokio::spawn(async move { committer.run(&channels).await });
    (Ends { work, said }, task)
}
