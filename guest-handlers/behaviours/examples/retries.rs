//! Asks for another attempt, `after_ms` later, until attempt `until`.

use std::time::Duration;

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    until: Option<u32>,
    after_ms: Option<u64>,
}

struct Retries;

impl Handler for Retries {
    type Payload = Payload;
    const EVENTS: &[&str] = &["Retries"];
    const GRANTS: &[Grant] = &[write("retried")];
    const DESCRIPTION: &str = "Asks for another attempt, `after_ms` later, until attempt `until`.";

    fn handle(&self, event: Event<Payload>) -> Result {
        let Payload { until, after_ms } = event.payload;
        if attempt() < until.unwrap_or(u32::MAX) {
            let retry = Retry::new(format!("attempt {} is not enough", attempt()));
            return Err(after_ms.map_or(retry.clone(), |ms| retry.after(Duration::from_millis(ms))).into());
        }
        collection("retried").insert_one(doc! { "_id": event.id, "attempt": attempt() })?;
        Ok(())
    }
}
weir_sdk::export!(Retries);
