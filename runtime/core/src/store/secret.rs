//! The installation's secret: 32 random bytes, shared by every host of a `WEIR_DATABASE`. Pure.

use bson::spec::BinarySubtype;
use bson::{Binary, doc};
use serde::Deserialize;

use super::codes::DUPLICATE_KEY;
use super::collections::FORMAT;
use super::{Error, Store, typed};

const ID: &str = "secret";

/// The document of `format` that has the secret.
#[derive(Deserialize)]
struct Secret {
    bytes: Binary,
}

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
            let odd = || Error::odd("the installation's secret");
            let found: Secret = typed::value(FORMAT, reply)?.ok_or_else(odd)?;
            return found.bytes.bytes.as_slice().try_into().map_err(|_| odd());
        }
    }
}
