//! Sends the payload's filter or update as it is; without one, `$where`. Denied.

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    filter: Option<Json>,
    /// A document, or the stages of a pipeline.
    update: Option<Json>,
}

/// The document with its operators, which the SDK would refuse in data.
fn document(json: &Json) -> Document {
    let fields = json.as_object().into_iter().flatten();
    fields.map(|(key, value)| (key.clone(), as_written(value))).collect()
}

fn as_written(json: &Json) -> Value {
    match json {
        Json::Object(_) => Value::Document(document(json)),
        Json::Array(elements) => Value::Array(elements.iter().map(as_written).collect()),
        other => weir_sdk::ToValue::to_value(other),
    }
}

struct ForbiddenOperator;

impl Handler for ForbiddenOperator {
    type Payload = Payload;
    const EVENTS: &[&str] = &["ForbiddenOperator"];
    const GRANTS: &[Grant] = &[read_write("operators")];
    const DESCRIPTION: &str = "Sends the filter or the update of the payload as it stands; without one, `$where`.";

    fn handle(&self, event: Event<Payload>) -> Result {
        let Payload { filter, update } = event.payload;
        let operators = collection("operators");
        let filter = match (filter, &update) {
            (Some(filter), _) => document(&filter),
            (None, Some(_)) => doc! { "_id": event.id },
            (None, None) => doc! { "$where": "true" },
        };
        match update {
            Some(Json::Array(stages)) => {
                operators.update_one(filter, stages.iter().map(document).collect::<Vec<_>>())?
            }
            Some(update) => operators.update_one(filter, document(&update))?,
            None => {
                operators.find_one(filter)?;
                return Ok(());
            }
        };
        Ok(())
    }
}
weir_sdk::export!(ForbiddenOperator);
