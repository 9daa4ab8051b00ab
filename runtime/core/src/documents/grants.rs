//! The collections that a handler may read and write. Grants use exact names, and never include MongoDB's own
//! collections.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::ejson::shown;
use super::refusal::Refusal;
use super::request::Verb;

/// The most bytes of a collection's name. MongoDB allows 255, including the names of the database and of the indexes.
const MAX_NAME_BYTES: usize = 120;

/// The operations that are allowed on one collection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Access {
    /// Documents may be found and counted.
    pub read: bool,
    /// Documents may be inserted, updated, replaced and deleted.
    pub write: bool,
}

/// The collections that are granted to a handler. There are none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    collections: BTreeMap<Arc<str>, Access>,
}

/// Why an object is not a set of grants.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("grants: {0}")]
pub struct Invalid(String);

impl Grants {
    /// Returns the grants that an object like `{"users": ["read", "write"]}` names.
    ///
    /// # Errors
    /// If a name may not be granted to any handler, or if a word is not one of those two.
    pub fn parse(grants: &Value) -> Result<Self, Invalid> {
        let Value::Object(members) = grants else {
            return Err(Invalid("not an object such as {\"users\": [\"read\", \"write\"]}".to_owned()));
        };
        let mut collections = BTreeMap::new();
        for (name, words) in members {
            check_name(name).map_err(|reason| Invalid(format!("the collection {:?} {reason}", shown(name))))?;
            collections.insert(Arc::from(name.as_str()), access(name, words)?);
        }
        Ok(Self { collections })
    }

    /// Returns the collection, if the call's verb may be used on it.
    ///
    /// # Errors
    /// `Denied` if it may not.
    pub fn check(&self, verb: Verb, name: &str) -> Result<&Arc<str>, Refusal> {
        if verb.writes() { self.write(verb, name) } else { self.read(verb, name) }
    }

    /// Returns the collection, if it may be read.
    ///
    /// # Errors
    /// `Denied` if it may not.
    pub fn read(&self, verb: Verb, name: &str) -> Result<&Arc<str>, Refusal> {
        self.granted(verb, name, "read", |access| access.read)
    }

    /// Returns the collection, if it may be written.
    ///
    /// # Errors
    /// `Denied` if it may not.
    pub fn write(&self, verb: Verb, name: &str) -> Result<&Arc<str>, Refusal> {
        self.granted(verb, name, "write", |access| access.write)
    }

    /// Iterates over the collections in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, Access)> {
        self.collections.iter().map(|(name, access)| (name, *access))
    }

    fn granted(
        &self,
        verb: Verb,
        name: &str,
        word: &str,
        allows: impl Fn(&Access) -> bool,
    ) -> Result<&Arc<str>, Refusal> {
        if let Some((granted, _)) = self.collections.get_key_value(name).filter(|(_, access)| allows(access)) {
            return Ok(granted);
        }
        let (verb, shown) = (verb.as_str(), shown(name));
        Err(Refusal::denied(match check_name(name) {
            Ok(()) => format!("{verb} on {shown:?}: the handler is not granted to {word} this collection"),
            Err(reason) => format!("{verb} on {shown:?}: the collection {reason}, and is granted to nobody"),
        }))
    }
}

fn access(name: &str, words: &Value) -> Result<Access, Invalid> {
    let wrong = || Invalid(format!("{:?} takes an array of \"read\", \"write\" or both", shown(name)));
    let words = words.as_array().filter(|words| !words.is_empty()).ok_or_else(wrong)?;
    let mut access = Access::default();
    for word in words {
        match word.as_str() {
            Some("read") => access.read = true,
            Some("write") => access.write = true,
            _ => return Err(wrong()),
        }
    }
    Ok(access)
}

fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        Err("has no name")
    } else if name.len() > MAX_NAME_BYTES {
        Err("has a name of more than 120 bytes")
    } else if name.contains(['$', '\0']) {
        Err("has a `$` or a NUL in its name")
    } else if name == "system" || name.starts_with("system.") {
        Err("is one of MongoDB's own")
    } else if name.starts_with('.') || name.ends_with('.') || name.contains("..") {
        Err("has an empty part in its name")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn grants_what_is_named_and_nothing_else() {
        let grants = Grants::parse(&json!({"users": ["read", "write"], "statistics": ["write"]})).expect("valid");
        assert_eq!(grants.check(Verb::FindOne, "users").map(|name| &**name), Ok("users"));
        assert_eq!(grants.check(Verb::InsertOne, "statistics").map(|name| &**name), Ok("statistics"));
        let denied = [
            (Verb::Count, "statistics", "count on \"statistics\": the handler is not granted to read this collection"),
            (
                Verb::DeleteMany,
                "Users",
                "delete-many on \"Users\": the handler is not granted to write this collection",
            ),
            (
                Verb::Find,
                "system.users",
                "find on \"system.users\": the collection is one of MongoDB's own, and is granted to nobody",
            ),
            (
                Verb::Find,
                "users.$cmd",
                "find on \"users.$cmd\": the collection has a `$` or a NUL in its name, and is granted to nobody",
            ),
            (Verb::Find, "", "find on \"\": the collection has no name, and is granted to nobody"),
        ];
        for (verb, name, message) in denied {
            assert_eq!(grants.check(verb, name), Err(Refusal::denied(message)), "{name}");
        }
    }

    #[test]
    fn refuses_what_is_no_grant() {
        let wrong = [
            (json!(["users"]), "grants: not an object"),
            (json!({"users": []}), "grants: \"users\" takes an array"),
            (json!({"users": "read"}), "grants: \"users\" takes an array"),
            (json!({"users": ["admin"]}), "grants: \"users\" takes an array"),
            (json!({"system.profile": ["read"]}), "grants: the collection \"system.profile\" is one of MongoDB's own"),
            (json!({"a\u{0}b": ["read"]}), "has a `$` or a NUL"),
            (json!({"a..b": ["read"]}), "has an empty part"),
            (json!({"é".repeat(61): ["read"]}), "more than 120 bytes"),
        ];
        for (grants, expected) in wrong {
            let error = Grants::parse(&grants).expect_err("invalid").to_string();
            assert!(error.contains(expected), "{grants}: {error}");
        }
    }
}
