//! What the six handlers write, without the handlers: BSON statements written by hand, for the bare ceiling.
//!
//! They leave the same documents as the handlers. One `update` command per collection holds all updates in their order,
//! which MongoDB keeps. Weir itself needs more commands, because it must know which statements matched.

use anyhow::{Context as _, Result, bail};
use bson::{Bson, Document, RawArrayBuf, RawDocumentBuf, doc};
use serde_json::{Map, Value};
use weir_core::event::Event;

/// Statements of one event, each for a command.
#[derive(Debug, Default)]
pub struct Writes {
    /// For collections' `insert` commands.
    pub inserts: Vec<(&'static str, RawDocumentBuf)>,
    /// For collections' `update` commands.
    pub updates: Vec<(&'static str, RawDocumentBuf)>,
}

/// The statements of a batch, by command.
#[derive(Debug, Default)]
pub struct Grouped {
    /// `users`, inserted.
    pub users: RawArrayBuf,
    /// `users`, updated.
    pub users_updates: RawArrayBuf,
    /// `statistics`, updated.
    pub statistics_updates: RawArrayBuf,
    /// `activities`, inserted.
    pub activities: RawArrayBuf,
    /// `activities`, updated.
    pub activities_updates: RawArrayBuf,
}

impl Grouped {
    /// Adds an event's statements.
    pub fn add(&mut self, writes: &Writes) {
        for (collection, statement) in &writes.inserts {
            let list = if *collection == "users" { &mut self.users } else { &mut self.activities };
            list.push(statement.as_ref());
        }
        for (collection, statement) in &writes.updates {
            let list = match *collection {
                "users" => &mut self.users_updates,
                "statistics" => &mut self.statistics_updates,
                _ => &mut self.activities_updates,
            };
            list.push(statement.as_ref());
        }
    }
}

/// Returns what the event's handlers write. If `hot` is set, users are counted in the one document `global_stats`.
///
/// # Errors
/// The event is not of the mix.
pub fn of(event: &Event, now_ms: i64, hot: bool) -> Result<Writes> {
    let payload: Map<String, Value> = serde_json::from_str(&event.payload).context("a payload is no object")?;
    let make = Make { event, payload, now: bson::DateTime::from_millis(now_ms) };
    let mut writes = Writes::default();
    match event.event_type.as_str() {
        "UserCreated" => {
            writes.inserts.push(("users", raw(&make.user())?));
            if hot {
                let count = doc! { "$inc": { "total_users": 1 }, "$set": { "last_updated": make.now } };
                let statement = doc! { "q": { "_id": "global_stats" }, "u": count, "upsert": true };
                writes.updates.push(("statistics", raw(&statement)?));
            }
        }
        "UserUpdated" => writes.updates.push(("users", raw(&make.update(make.user_changes()))?)),
        "ActivityCreated" => writes.inserts.push(("activities", raw(&make.activity()?)?)),
        "ParticipantJoined" => {
            for statement in make.join()? {
                writes.updates.push(("activities", raw(&statement)?));
            }
        }
        "ActivityUpdated" => {
            let fields = [
                ("title", "title"),
                ("description", "description"),
                ("status", "status"),
                ("location_name", "location.name"),
                ("location_address", "location.address"),
            ];
            let set = doc! { "$set": make.given(&fields) };
            writes.updates.push(("activities", raw(&make.update(set.into()))?));
        }
        other => bail!("{other} is not of the mix"),
    }
    Ok(writes)
}

fn raw(document: &Document) -> Result<RawDocumentBuf> {
    Ok(RawDocumentBuf::try_from(document)?)
}

struct Make<'a> {
    event: &'a Event,
    payload: Map<String, Value>,
    now: bson::DateTime,
}

impl Make<'_> {
    fn text(&self, key: &str) -> Option<&str> {
        self.payload.get(key).and_then(Value::as_str)
    }

    fn name(&self) -> String {
        let part = |key| self.text(key).unwrap_or_default();
        format!("{} {}", part("first_name"), part("last_name")).trim().to_owned()
    }

    fn metadata(&self) -> Document {
        let created_at = bson::DateTime::from_millis(self.event.created_at_ms);
        doc! { "created_at": created_at, "updated_at": self.now, "source_event_id": &self.event.id }
    }

    fn user(&self) -> Document {
        doc! {
            "_id": &self.event.aggregate_id,
            "email": self.text("email"), "username": self.text("username"), "name": self.name(),
            "first_name": self.text("first_name"), "last_name": self.text("last_name"),
            "profile": { "bio": self.text("bio"), "avatar_url": self.text("avatar_url") },
            "metadata": self.metadata(),
            "allowed_users": [&self.event.aggregate_id],
        }
    }

    fn activity(&self) -> Result<Document> {
        let creator = self.text("creator_user_id");
        let value = |key: &str| self.payload.get(key).map_or(Ok(Bson::Null), of_json);
        Ok(doc! {
            "_id": &self.event.aggregate_id,
            "title": self.text("title"), "description": self.text("description"),
            "creator_id": creator, "type": self.text("activity_type"),
            "location": {
                "name": self.text("location_name"), "address": self.text("location_address"),
                "coordinates": value("coordinates")?,
            },
            "schedule": {
                "start_date": self.text("start_date"), "end_date": self.text("end_date"),
                "timezone": self.text("timezone"),
            },
            "participants": { "current_count": 0, "max_count": value("max_participants")?, "list": [] },
            "status": "active",
            "metadata": self.metadata(),
            "allowed_users": creator.into_iter().collect::<Vec<_>>(),
        })
    }

    /// Returns the texts that the payload has, under the document's names, and the marks of a change.
    fn given(&self, fields: &[(&str, &str)]) -> Document {
        let given = fields.iter().filter_map(|(key, name)| Some(((*name).to_owned(), self.text(key)?.into())));
        let mut set: Document = given.collect();
        set.insert("metadata.updated_at", self.now);
        set.insert("metadata.last_event_id", &self.event.id);
        set
    }

    fn user_changes(&self) -> Bson {
        let fields = [
            ("email", "email"),
            ("username", "username"),
            ("first_name", "first_name"),
            ("last_name", "last_name"),
            ("bio", "profile.bio"),
            ("avatar_url", "profile.avatar_url"),
        ];
        let mut set = self.given(&fields);
        match (self.text("first_name"), self.text("last_name")) {
            (None, None) => doc! { "$set": set }.into(),
            (Some(_), Some(_)) => {
                set.insert("name", self.name());
                doc! { "$set": set }.into()
            }
            _ => {
                let set: Document =
                    set.into_iter().map(|(key, value)| (key, doc! { "$literal": value }.into())).collect();
                let part = |path: &str| doc! { "$ifNull": [path, ""] };
                let parts = vec![part("$first_name").into(), Bson::from(" "), part("$last_name").into()];
                let name = doc! { "$trim": { "input": { "$concat": parts } } };
                Bson::Array(vec![doc! { "$set": set }.into(), doc! { "$set": { "name": name } }.into()])
            }
        }
    }

    fn update(&self, change: Bson) -> Document {
        doc! { "q": { "_id": &self.event.aggregate_id }, "u": change }
    }

    fn join(&self) -> Result<[Document; 2]> {
        let user = self.text("user_id").context("a join names no user")?;
        let joined_at = bson::DateTime::from_millis(self.event.created_at_ms);
        let entry = doc! { "user_id": user, "joined_at": joined_at, "status": "confirmed" };
        let id = &self.event.aggregate_id;
        let join = doc! {
            "q": { "_id": id, "participants.list.user_id": { "$ne": user } },
            "u": { "$push": { "participants.list": entry }, "$inc": { "participants.current_count": 1 } },
        };
        let set = doc! { "metadata.updated_at": self.now, "metadata.last_event_id": &self.event.id };
        let note = doc! { "$addToSet": { "allowed_users": user }, "$set": set };
        Ok([join, self.update(note.into())])
    }
}

/// Converts plain JSON to BSON. Whole numbers get the smallest type that holds them.
fn of_json(value: &Value) -> Result<Bson> {
    Ok(match value {
        Value::Null => Bson::Null,
        Value::Bool(value) => Bson::Boolean(*value),
        Value::String(text) => Bson::from(text.as_str()),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => i32::try_from(whole).map_or(Bson::Int64(whole), Bson::Int32),
            None => Bson::Double(number.as_f64().context("a number is too large")?),
        },
        Value::Array(list) => Bson::Array(list.iter().map(of_json).collect::<Result<_>>()?),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| Ok((key.clone(), of_json(value)?)));
            Bson::Document(fields.collect::<Result<_>>()?)
        }
    })
}
