//! Records that are produced into the topic, and kept for the model.

use std::sync::Arc;
use std::time::Duration;

use weir_core::delivery::Item;
use weir_core::event::{Event, Ignored, RawRecord, Undecodable};

use super::topic::RENEWED;
use super::{AGGREGATES, Logged, PARTITIONS, World};

/// When the second topic starts to get records.
const LATE_FROM: Duration = Duration::from_secs(14);
/// How old its events are.
const LATE_BY_MS: i64 = 20 * 3_600_000;
/// How much older than the ledger some events are.
const AGED_MS: std::ops::Range<i64> = 3_600_000..30 * 3_600_000;

/// How long after an event came it may come in another partition. If it was new, the ledger cannot have forgotten it by
/// then. If it was old, both copies may be read while its time is swept.
const TWIN_MS: i64 = 2 * 3_600_000;
/// How many of a thousand events are far older than their neighbours.
const AGED: u64 = 16;
/// The same for those that may come in two partitions.
const AGED_TALLIES: u64 = 150;

/// How old those are in a world that has many of them, because a sweep can close the bucket of such an event while a batch
/// waits for it.
const AT_FLOOR_MS: std::ops::Range<i64> = 3_600_000..10 * 3_600_000;
/// How many of a thousand events are such an event, and how many of these are old and may come in two partitions.
const CROWDED: u64 = 300;
const AGED_AT_FLOOR: u64 = 600;
const TWINS_AT_FLOOR: u64 = 900;

/// An event that may come in another partition too.
#[derive(Debug)]
pub(super) struct Twin {
    from: usize,
    came_at_ms: i64,
    produced: Produced,
}

/// Whether the partition is one of the first topic.
fn may_have_twin(at: usize) -> bool {
    i32::try_from(at).is_ok_and(|at| at < LATE.start)
}

use crate::command::clock_ms;
use crate::host::LEAST_RETENTION_MS;
use crate::kafka::{LATE, Stored};
use crate::kernel::lock;
use crate::kinds::EventKind;
use crate::model::Produced;

impl World {
    pub(super) fn event(&mut self, partition: usize, kind: EventKind) -> Produced {
        self.numbers += 1;
        let late = LATE.contains(&i32::try_from(partition).unwrap_or(-1));
        let now = clock_ms(self.kernel.now()) - if late { LATE_BY_MS } else { 0 };
        Produced::Event {
            id: format!("e{}", self.numbers),
            kind,
            aggregate: format!("a{partition}-{}", self.kernel.below(AGGREGATES)),
            number: self.numbers,
            created_at_ms: now,
            has_created_at: late || self.kernel.chance(900),
        }
    }

    pub(super) fn produce(&mut self) {
        let mut at = usize::try_from(self.kernel.below(self.logs.len() as u64)).unwrap_or(0);
        if LATE.contains(&i32::try_from(at).unwrap_or(-1)) && self.kernel.now() < LATE_FROM {
            at %= usize::try_from(LATE.start).unwrap_or(1);
        }
        // A topic that is being recreated accepts nothing, and its new incarnation gets only the records of the
        // renewal.
        let number = i32::try_from(at).unwrap_or(0);
        if self.renewing == Some(number) || self.setting.contains(&number) {
            return;
        }
        let gap = if self.kernel.chance(50) { i64::try_from(self.kernel.below(4)).unwrap_or(0) } else { 0 };
        if gap > 0 {
            self.kernel.count("fault: gap in offsets");
        }
        let produced = match self.kernel.below(100) {
            0 => Produced::Ignored,
            1 => Produced::Undecodable,
            2..=9 => match self.again(at) {
                Some(produced) => produced,
                None => self.event(at, EventKind::Count),
            },
            _ => {
                let kind = self.kind();
                let produced = self.event(at, kind);
                self.aged(produced)
            }
        };
        let produced = self.twin(at).unwrap_or(produced);
        self.remember(at, &produced);
        let twice = self.kernel.chance(40).then(|| produced.clone());
        self.append(at, produced, gap);
        if let Some(again @ Produced::Event { has_created_at: true, .. }) = twice {
            self.kernel.count("fault: duplicate at a new offset");
            self.append(at, again, 0);
        }
        if self.kernel.chance(30) {
            self.kernel.count("fault: mark of a transaction");
            lock(&self.kafka).mark(at);
        }
    }

    /// Begins a new partition with an old event of another one.
    pub(super) fn repeat_old(&mut self) {
        // One that was already old when it came may have been forgotten before its own partition got to it.
        let is_tally = |logged: &&Logged| {
            matches!(&logged.produced, Produced::Event { kind: EventKind::Tally, has_created_at: true, created_at_ms, .. }
                if logged.at_ms - created_at_ms < TWIN_MS)
        };
        // The first partition may be recreated.
        let logs = self.logs[RENEWED + 1..].iter().take(2);
        let old = logs.flatten().find(is_tally).map(|logged| logged.produced.clone());
        if let Some(old) = old {
            self.kernel.count("fault: a new partition begins with an old event");
            self.append(PARTITIONS, old, 0);
        }
    }

    /// Now and then returns an event that another partition has got a moment ago.
    fn twin(&mut self, at: usize) -> Option<Produced> {
        let Twin { from, came_at_ms, produced } = self.twin.take_if(|twin| twin.from != at && may_have_twin(at))?;
        let now_ms = clock_ms(self.kernel.now());
        if now_ms - came_at_ms > TWIN_MS || self.renewing == i32::try_from(from).ok() {
            return None;
        }
        self.kernel.count("fault: duplicate in another partition");
        if let Produced::Event { created_at_ms, .. } = &produced
            && now_ms - created_at_ms > LEAST_RETENTION_MS
        {
            self.kernel.count("fault: an old event in two partitions");
        }
        Some(produced)
    }

    fn remember(&mut self, at: usize, produced: &Produced) {
        if matches!(produced, Produced::Event { kind: EventKind::Tally, has_created_at: true, .. })
            && may_have_twin(at)
            && self.kernel.chance(if self.at_floor { TWINS_AT_FLOOR } else { 500 })
        {
            let came_at_ms = clock_ms(self.kernel.now());
            self.twin = Some(Twin { from: at, came_at_ms, produced: produced.clone() });
        }
    }

    fn kind(&mut self) -> EventKind {
        if self.at_floor && self.kernel.chance(CROWDED) {
            return EventKind::Tally;
        }
        match self.kernel.below(100) {
            0..=17 => EventKind::Count,
            18..=21 => EventKind::Tally,
            22..=25 => EventKind::Row,
            26 | 27 => EventKind::Raise,
            28 | 29 => EventKind::Clear,
            30..=44 => EventKind::Change,
            45..=54 => EventKind::Shared,
            55..=64 => EventKind::Make,
            65..=76 => EventKind::Must,
            77..=81 => EventKind::Effect,
            82..=84 => EventKind::Query,
            85 | 86 => EventKind::Falls,
            87 | 88 => EventKind::Once,
            89..=91 => EventKind::Flaky,
            92 => EventKind::Broken,
            93 => EventKind::Reject,
            94 | 95 => EventKind::Skip,
            96 | 97 => EventKind::Unwanted,
            98 => match self.kernel.below(5) {
                0 | 1 => EventKind::Huge,
                2 => EventKind::Stuck,
                3 => EventKind::Slow,
                _ => EventKind::Secret,
            },
            _ if std::mem::take(&mut self.deadly) => EventKind::Deadly,
            _ => EventKind::Count,
        }
    }

    /// Returns an event of the log again, or another one under its id.
    fn again(&self, at: usize) -> Option<Produced> {
        let log = &self.logs[at];
        let back = usize::try_from(self.kernel.below(log.len() as u64)).unwrap_or(0);
        let mut produced = log.get(back)?.produced.clone();
        let Produced::Event { kind, has_created_at, created_at_ms, .. } = &mut produced else { return None };
        let old = clock_ms(self.kernel.now()) - *created_at_ms > LEAST_RETENTION_MS / 2;
        if *kind == EventKind::Deadly || (!*has_created_at && old) {
            return None;
        }
        // Which of two events under one id counts is known only if both are in one partition.
        if *kind != EventKind::Tally && self.kernel.chance(150) {
            *kind = if *kind == EventKind::Make { EventKind::Count } else { EventKind::Make };
        } else {
            self.kernel.count("fault: duplicate at a new offset");
        }
        Some(produced)
    }

    /// Now and then makes an event far older than its neighbours.
    fn aged(&self, mut produced: Produced) -> Produced {
        if let Produced::Event { kind, created_at_ms, has_created_at: true, .. } = &mut produced {
            let (share, ages) = match kind {
                EventKind::Tally if self.at_floor => (AGED_AT_FLOOR, AT_FLOOR_MS),
                EventKind::Tally => (AGED_TALLIES, AGED_MS),
                _ => (AGED, AGED_MS),
            };
            if self.kernel.chance(share) {
                let most = u64::try_from(ages.end - ages.start).unwrap_or(1);
                *created_at_ms -= ages.start + i64::try_from(self.kernel.below(most)).unwrap_or(0);
            }
        }
        produced
    }

    pub(super) fn append(&mut self, at: usize, mut produced: Produced, gap: i64) {
        let now_ms = clock_ms(self.kernel.now());
        if let Produced::Event { created_at_ms, has_created_at: false, .. } = &mut produced {
            *created_at_ms = now_ms;
        }
        let item = match &produced {
            Produced::Ignored => Item::Ignored(Ignored::Update),
            Produced::Undecodable => Item::Undecodable(Undecodable {
                reason: "not JSON".to_owned(),
                event_id: None,
                event_type: None,
                aggregate_id: None,
            }),
            Produced::Event { id, kind, aggregate, number, created_at_ms, has_created_at } => {
                Item::Event(Arc::new(Event {
                    id: id.clone(),
                    sequence: None,
                    event_type: kind.name().to_owned(),
                    aggregate_type: "A".to_owned(),
                    aggregate_id: aggregate.clone(),
                    payload: number.to_string(),
                    created_at_ms: *created_at_ms,
                    row_created_at_us: has_created_at.then_some(*created_at_ms * 1_000),
                    headers: Vec::new(),
                    columns: "{}".to_owned(),
                    says_op: true,
                }))
            }
        };
        let value = Some(format!("{produced:?}").into_bytes());
        let raw = Arc::new(RawRecord { value, timestamp_ms: Some(now_ms), ..RawRecord::default() });
        let offset = lock(&self.kafka).append(at, Stored { item, raw }, gap);
        let is_renewed = at == RENEWED && self.renewed_at.is_some();
        self.logs[at].push(Logged { is_renewed, offset, produced, at_ms: now_ms });
    }
}
