//! What happens to the topic: retention, and a topic that is recreated. Also the person who then sets the progress of
//! stopped partitions.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use weir_core::store::{Options, Store};

use super::{STORM, Shared, World};
use crate::broken::{Broken, Fault};
use crate::host::GROUP;
use crate::kafka::{Records, id};
use crate::kernel::lock;
use crate::kinds::EventKind;

/// How long to wait before trying again something that cannot happen yet.
const PAUSE: Duration = Duration::from_millis(200);

/// The partition whose topic may be recreated.
pub(super) const RENEWED: usize = 0;

impl World {
    /// Deletes the records that everybody has read.
    pub(super) fn truncate(&self) {
        // Reads the majority's progress, because anything else may be rolled back.
        let mongo = lock(&self.mongo);
        // Transaction markers after the last record go once a host has seen that they are not records.
        let read_to = |progress: &bson::Document| {
            let next = progress.get_i64("next").ok()?;
            Some((super::partition_of(progress)?, progress.get_i64("read_to").unwrap_or(next).max(next)))
        };
        let all: Vec<(i32, i64)> = mongo.progress_of_majority().filter_map(read_to).collect();
        drop(mongo);
        for (partition, next) in all {
            // The record that distinguishes a new topic from the old one stays.
            if self.setting.contains(&partition) {
                continue;
            }
            let mut kafka = lock(&self.kafka);
            let Some(log) = usize::try_from(partition).ok().and_then(|at| kafka.partitions.get_mut(at)) else {
                continue;
            };
            if next > log.start && next <= log.end {
                self.kernel.count("fault: log truncated");
                if log.after_last() < next {
                    self.kernel.count("fault: marks of transactions removed");
                }
                log.start_at(next);
            }
        }
    }

    /// Deletes unread records while no host holds the partition.
    pub(super) fn outrun(world: &Shared, partition: i32) {
        let it = lock(world);
        let (kernel, next) = (it.kernel.clone(), it.next(partition));
        let mut kafka = lock(&it.kafka);
        let log = &mut kafka.partitions[usize::try_from(partition).unwrap_or(0)];
        let unread: Vec<i64> = log.records.range(next.unwrap_or(i64::MAX)..).map(|(offset, _)| *offset).collect();
        if it.is_held(partition) || unread.is_empty() {
            drop(kafka);
            drop(it);
            let again = Arc::clone(world);
            if kernel.now() < STORM {
                kernel.after(PAUSE, move || Self::outrun(&again, partition));
            }
            return;
        }
        kernel.count("fault: log start passed progress");
        let lost = usize::try_from(kernel.below(unread.len() as u64)).unwrap_or(0);
        log.start_at(unread[lost] + 1);
    }

    /// Returns whether a process holds anything of the partition.
    fn is_held(&self, partition: i32) -> bool {
        self.members.iter().any(|member| member.process.as_ref().is_some_and(|process| process.holds(partition)))
    }

    fn next(&self, partition: i32) -> Option<i64> {
        let progress = self.progress().into_iter().find(|(number, _)| *number == partition);
        progress.and_then(|(_, progress)| progress.get_i64("next").ok())
    }

    /// Deletes and recreates the topic: one of its partitions now has other records, at least as many as before.
    pub(super) fn renew_topic(world: &Shared) {
        let mut it = lock(world);
        let (kernel, now) = (it.kernel.clone(), it.kernel.now());
        let partition = *it.renewing.get_or_insert(i32::try_from(RENEWED).unwrap_or(0));
        // The topic is deleted while no member holds the partition.
        let held = it.owners.contains_key(&partition)
            || it.unheard.iter().any(|(_, lost)| *lost == partition)
            || it.is_held(partition);
        if held || now < Duration::from_secs(12) {
            let again = Arc::clone(world);
            drop(it);
            kernel.after(PAUSE, move || Self::renew_topic(&again));
            return;
        }
        let next = it.next(partition).unwrap_or(0);
        it.renewing = None;
        let at = usize::try_from(partition).unwrap_or(0);
        if next > 0 {
            kernel.count("fault: topic made anew");
            it.renewed_at = Some(next);
            it.logs[at].retain(|logged| logged.offset < next);
            lock(&it.kafka).partitions[at] = Records::default();
            lock(&it.kafka).committed.remove(&partition);
            it.setting.insert(partition);
            for _ in 0..next + 5 {
                let produced = it.event(at, EventKind::Count);
                it.append(at, produced, 0);
            }
        }
    }

    /// Lets a person look at the stopped partitions, and set where they go on.
    pub(super) fn look_at_stopped(&mut self, world: &Shared) {
        let processes = self.members.iter().filter_map(|member| member.process.as_ref());
        let stopped: BTreeSet<i32> = processes.flat_map(|process| process.stopped.keys().copied()).collect();
        for partition in stopped {
            if self.acting.contains(&partition) {
                continue;
            }
            if let Some((next, because)) = self.way_on(partition) {
                self.acting.insert(partition);
                self.set_progress(world, partition, next, because);
            }
        }
    }

    /// Returns where a stopped partition goes on: at the beginning of a recreated topic, or at the current start of the
    /// log. Records lost before that must have no effect.
    fn way_on(&mut self, partition: i32) -> Option<(i64, &'static str)> {
        if self.setting.contains(&partition) {
            self.set.insert(partition);
            return Some((0, "a person: the topic was made anew"));
        }
        let (at, next) = (usize::try_from(partition).ok()?, self.next(partition)?);
        let start = lock(&self.kafka).partitions[at].start;
        if next >= start {
            return None;
        }
        if !self.logs[at].iter().any(|logged| (next..start).contains(&logged.offset)) {
            let what = || format!("partition {partition} stands still at {next}, and nothing was lost");
            self.wrong.get_or_insert_with(|| Fault::new(Broken::WronglyStopped, what()));
        }
        self.kernel.count("outcome: progress set past lost records");
        self.logs[at].retain(|logged| logged.offset < next || logged.offset >= start);
        Some((start, "a person: records were lost"))
    }

    fn set_progress(&self, world: &Shared, partition: i32, next: i64, because: &'static str) {
        let options = Options {
            database: "data".to_owned(),
            own_database: "weir".to_owned(),
            group: GROUP.to_owned(),
            owner: "person".to_owned(),
        };
        let store = Store::new(Arc::new(self.line.clone()), &options);
        let (kernel, world) = (self.kernel.clone(), Arc::clone(world));
        self.kernel.spawn(None, async move {
            // A person who got no answer first checks whether the command was executed.
            let done = async || {
                let progress = store.progress(&id(partition)).await.ok().flatten();
                progress.and_then(|it| it.start_because).is_some_and(|found| found == because)
            };
            while !matches!(store.set_next(&id(partition), next, because).await, Ok(true)) && !done().await {
                kernel.sleep(Duration::from_millis(500)).await;
            }
            let mut world = lock(&world);
            world.acting.remove(&partition);
            world.setting.remove(&partition);
        });
    }
}
