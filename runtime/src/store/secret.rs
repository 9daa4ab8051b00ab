//! The installation's secret: 32 random bytes, shared by every host of a `WEIR_DATABASE`. Pure.

use bson::spec::BinarySubtype;
use bson::{Binary, Bson, doc};

use super::codes::DUPLICATE_KEY;
use super::collections::FORMAT;
use super::{Error, Store};

const ID: &str = "secret";

impl Store {
    /// Returns the secret. If there was none, stores `fresh` as the secret.
    ///
    /// # Errors
    /// Fails if MongoDB refuses a command or does not answer.
    pub async fn secret(&self, fresh: [u8; 32]) -> Result<[u8; 32], Error> {
        let bytes = Binary { subtype: BinarySubtype::Generic, bytes: fresh.to_vec() };
        loop {
            let reply = self
                .own(doc! {
                    "findAndModify": FORMAT, "query": { "_id": ID }, "update": { "$setOnInsert": { "bytes": &bytes } },
                    "upsert": true, "new": true, "writeConcern": { "w": "majority" },
                })
                .await;
            let reply = match reply {
                // Another host was faster, so read its bytes.
                Err(Error::Refused { code: DUPLICATE_KEY, .. }) => continue,
                reply => reply?,
            };
            let found = reply.get_document("value").ok().and_then(|value| value.get("bytes"));
            let Some(Bson::Binary(found)) = found else { return Err(Error::odd("the installation's secret")) };
            return found.bytes.as_slice().try_into().map_err(|_| Error::odd("the installation's secret"));
        }
    }
}
