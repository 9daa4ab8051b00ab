//! The person who deals with what is dead.

use std::collections::BTreeMap;
use std::sync::Arc;

use bson::{Bson, DateTime, Document, doc};

use super::World;
use crate::kernel::lock;
use crate::kinds::FRAGILE;
use crate::mongo::id_bytes;
use crate::stops::HANDLERS;

const PARKED: &str = "weir.parked";

fn is_fragile(letter: &Document) -> bool {
    letter.get_document("handler").and_then(|handler| handler.get_i32("id")).is_ok_and(|id| id == FRAGILE)
}

impl World {
    /// Has one of the failures tried again or discarded.
    pub(super) fn ask(&self) {
        let mut mongo = lock(&self.mongo);
        let retries = self.kernel.chance(600);
        let may = |state: &str| state == "dead" || state == "parked" || (state == "waiting" && !retries);
        let letters = mongo.all(PARKED).into_iter().filter(|letter| is_fragile(letter));
        let letters: Vec<Arc<Document>> = letters.filter(|it| it.get_str("state").is_ok_and(may)).collect();
        if letters.is_empty() {
            return;
        }
        let at = usize::try_from(self.kernel.below(letters.len() as u64)).unwrap_or(0);
        let mut letter = Document::clone(&letters[at]);
        let action = if retries { "retry" } else { "discard" };
        letter.insert("request", doc! { "action": action, "at": DateTime::from_millis(0), "by": "p", "why": "w" });
        let key = (Arc::from(PARKED), id_bytes(letter.get("_id").unwrap_or(&Bson::Null)));
        // A transaction may hold the document. The person does not insist.
        if mongo.write(key, Some(Arc::new(letter)), None).is_ok() {
            self.kernel.count(if retries { "fault: somebody retries" } else { "fault: somebody discards" });
        }
    }

    /// Describes what is parked and not dead or asked for, and who claims lanes.
    pub(super) fn waits(&self) -> String {
        let mongo = lock(&self.mongo);
        let letters = mongo.all(PARKED).into_iter();
        let letters =
            letters.filter(|it| it.contains_key("request") || !it.get_str("state").is_ok_and(|is| is == "dead"));
        let shown = |it: &Arc<Document>| {
            let of = |name| it.get(name).cloned().unwrap_or(Bson::Null);
            let record = it.get_document("record");
            let at = record.map(|at| format!("{:?}/{:?}/{:?}", at.get("topic"), at.get("partition"), at.get("offset")));
            format!(
                "{at:?} line {} {} holds {} attempt {} request {} last {:?}",
                of("line"),
                of("state"),
                of("holds"),
                of("attempt"),
                of("request"),
                it.get_array("attempts").ok().and_then(|all| all.last().cloned())
            )
        };
        let letters: Vec<String> = letters.map(|it| shown(&it)).collect();
        format!("parked {letters:?}, lanes {:?}, handlers {:?}", mongo.all("weir.lanes"), mongo.all(HANDLERS))
    }

    /// Whether no parked delivery can be tried and nothing is asked for.
    pub(super) fn nothing_is_due(&self) -> bool {
        let letters = lock(&self.mongo).all(PARKED);
        if letters.iter().any(|letter| letter.contains_key("request")) {
            return false;
        }
        let mut first: BTreeMap<String, (i64, i64, i32, bool)> = BTreeMap::new();
        for letter in letters.iter().filter(|letter| letter.get_bool("holds").unwrap_or(false)) {
            let record = letter.get_document("record").and_then(|record| record.get_i64("offset")).unwrap_or(0);
            let handler = letter.get_document("handler").and_then(|it| it.get_i32("id")).unwrap_or(0);
            let is_dead = letter.get_str("state").is_ok_and(|state| state == "dead");
            let place = (letter.get_i64("epoch").unwrap_or(0), record, handler, is_dead);
            let sequence = letter.get_str("sequence").unwrap_or_default().to_owned();
            let known = first.entry(sequence).or_insert(place);
            *known = place.min(*known);
        }
        first.values().all(|(.., is_dead)| *is_dead)
    }
}
