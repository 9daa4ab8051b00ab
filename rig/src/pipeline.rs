//! One way through the services: a topic, a group and databases, and how Weir gets their names.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::instance::{Environment, TOPIC};
use crate::paths;

/// The consumer group of the reference page.
const GROUP: &str = "event-processor-group";
/// The handlers' database of the reference page.
const DATA: &str = "activity_read";
/// Weir's own database by default.
const OWN: &str = "weir";

/// The source of events and the destination of documents. Two of them on one instance never meet.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// Its unique name, made of a to z, 0 to 9 and _.
    pub name: String,
    /// Kafka's bootstrap servers.
    pub kafka: String,
    /// MongoDB's URI.
    pub mongodb: String,
    /// The URI of the database that holds the outbox. It exists once an [`crate::instance::Outbox`] was made for it.
    pub postgres: String,
    /// Kafka's topic.
    pub topic: String,
    /// The consumer group.
    pub group: String,
    /// The handlers' database.
    pub data: String,
    /// Weir's own database.
    pub own: String,
}

impl Pipeline {
    /// Returns the pipeline that the reference page names.
    pub fn documented(there: &Environment) -> Self {
        Self {
            name: "documented".to_owned(),
            kafka: there.kafka.clone(),
            mongodb: there.mongodb.clone(),
            postgres: there.postgres.clone(),
            topic: TOPIC.to_owned(),
            group: GROUP.to_owned(),
            data: DATA.to_owned(),
            own: OWN.to_owned(),
        }
    }

    /// Returns a new pipeline; `what` begins its names.
    pub fn fresh(there: &Environment, what: &str) -> Self {
        Self::on(&there.kafka, &there.mongodb, &there.postgres, what)
    }

    /// The same on services that are known by their addresses.
    pub fn on(kafka: &str, mongodb: &str, postgres: &str, what: &str) -> Self {
        let name = fresh_name(what);
        let server = postgres.rsplit_once('/').map_or(postgres, |(server, _)| server);
        Self {
            kafka: kafka.to_owned(),
            mongodb: mongodb.to_owned(),
            postgres: format!("{server}/{name}"),
            topic: format!("{name}.activity.event_outbox"),
            group: format!("{name}-group"),
            data: format!("{name}_data"),
            own: format!("{name}_weir"),
            name,
        }
    }

    /// Returns `weir run` with a folder of handlers, as a user would type it. The folder may hold a `weir.toml`. Files
    /// of the current folder are not read.
    pub fn command(&self, weir: &Path, handlers: &Path) -> Command {
        let mut command = Command::new(weir);
        command.current_dir(handlers).arg("run").env("HANDLERS", handlers);
        command.env("KAFKA_BOOTSTRAP_SERVERS", &self.kafka).env("KAFKA_TOPIC", &self.topic);
        command.env("KAFKA_GROUP_ID", &self.group).env("MONGODB_URI", &self.mongodb);
        command.env("MONGODB_DATABASE", &self.data).env("WEIR_DATABASE", &self.own);
        command.env("HANDLERS_CACHE", paths::handlers_cache());
        // A failure is final at once and holds nothing, unless it is retries that are tested.
        command.env("MAX_RETRIES", "0").env("ON_DEAD", "skip");
        command
    }
}

/// Returns a name that is new on this machine. PostgreSQL accepts it for a slot too.
fn fresh_name(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let fits = |letter: char| if letter.is_ascii_lowercase() || letter.is_ascii_digit() { letter } else { '_' };
    let what: String = what.chars().map(fits).take(16).collect();
    let moment = crate::clock::now_ms();
    format!("{what}_{moment:x}_{:x}_{count:x}", std::process::id())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::fresh_name;

    #[test]
    fn names_are_unique_and_fit_everywhere() {
        let names: BTreeSet<String> = (0..100).map(|_| fresh_name("exactly-Once: and more than that")).collect();
        assert_eq!(names.len(), 100);
        for name in names {
            // PostgreSQL cuts a name at 63 bytes, and so does MongoDB. `_data` and `_weir` are appended.
            assert!(name.len() <= 58, "{name}");
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{name}");
        }
    }
}
