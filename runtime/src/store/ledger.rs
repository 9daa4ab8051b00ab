//! The ledger: which events are accounted for.

use std::collections::HashMap;

use bson::spec::BinarySubtype;
use bson::{Binary, RawArrayBuf, RawDocumentBuf, cstr};

use super::collections::LEDGER;
use super::{Error, Marker, MarkerKey, Store};

impl Store {
    /// The hashes of those of the events that the ledger has, in one round trip.
    ///
    /// # Errors
    /// What MongoDB answers.
    pub async fn seen(&self, keys: &[MarkerKey]) -> Result<HashMap<MarkerKey, i64>, Error> {
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let mut ids = RawArrayBuf::new();
        for key in keys {
            ids.push(binary(key));
        }
        let mut among = RawDocumentBuf::new();
        among.append(cstr!("$in"), ids);
        let mut filter = RawDocumentBuf::new();
        filter.append(cstr!("_id"), among);
        let mut command = RawDocumentBuf::new();
        command.append(cstr!("find"), LEDGER);
        command.append(cstr!("filter"), filter);
        command.append(cstr!("projection"), bson::rawdoc! { "h": 1 });
        command.append(cstr!("batchSize"), i32::try_from(keys.len()).unwrap_or(i32::MAX));
        command.append(cstr!("singleBatch"), true);
        command.append(cstr!("readConcern"), bson::rawdoc! { "level": "majority" });
        let reply = self.own.run_raw_command(command).await?;
        let found = reply
            .get_document("cursor")
            .and_then(|cursor| cursor.get_array("firstBatch"))
            .map_err(|_| Error::Fault("mongodb answered a find without a cursor".to_owned()))?;
        found
            .iter()
            .map(|marker| {
                let marker = marker.as_document()?;
                let key = marker.get_binary_generic("_id").ok()?.as_slice().try_into().ok()?;
                Some((key, marker.get_i64("h").ok()?))
            })
            .map(|marker| marker.ok_or_else(|| Error::Fault("a ledger entry has another form".to_owned())))
            .collect()
    }
}

/// The marker's document.
pub(super) fn document(marker: &Marker) -> RawDocumentBuf {
    let mut handlers = RawArrayBuf::new();
    for (id, generation) in &marker.handlers {
        handlers.push(*id);
        handlers.push(*generation);
    }
    let mut document = RawDocumentBuf::new();
    document.append(cstr!("_id"), binary(&marker.key));
    document.append(cstr!("h"), marker.hash);
    document.append(cstr!("d"), handlers);
    document
}

fn binary(key: &MarkerKey) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: key.to_vec() }
}
