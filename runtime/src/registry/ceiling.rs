//! Whether a handler asks for more than its operator allows. Pure.

use crate::config::{Allowed, Ceiling};
use weir_sandbox::Description;

/// The most event types, and the most collections, that a text lists.
const NAMED: usize = 20;

/// Returns in words what a handler asks for beyond its ceiling, or `None` if it stays below.
pub(super) fn exceeded(ceiling: &Ceiling, asked: &Description) -> Option<String> {
    let events: Vec<&str> = match &ceiling.events {
        Some(allowed) => asked.events.iter().map(String::as_str).filter(|event| !allowed.contains(*event)).collect(),
        None => Vec::new(),
    };
    let grants: Vec<String> = match &ceiling.grants {
        Some(allowed) => asked
            .grants
            .iter()
            .filter_map(|(name, access)| {
                let allowed = allowed.get(&**name).copied().unwrap_or_default();
                let beyond = Allowed { read: access.read && !allowed.read, write: access.write && !allowed.write };
                (beyond.read || beyond.write).then(|| format!("{} {name}", verbs(beyond.read, beyond.write)))
            })
            .collect(),
        None => Vec::new(),
    };
    let parts = [("events", named(&events)), ("grants", named(&grants))];
    let parts: Vec<String> =
        parts.into_iter().filter_map(|(part, named)| named.map(|named| format!("{part}: {named}"))).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Returns what may be done with a collection, in words for people.
pub(super) fn verbs(read: bool, write: bool) -> &'static str {
    match (read, write) {
        (true, true) => "read and write",
        (true, false) => "read",
        (false, true) => "write",
        (false, false) => "neither read nor write",
    }
}

/// Returns the first of them and how many more there are, or `None` if there are none.
pub(super) fn named<T: AsRef<str>>(all: &[T]) -> Option<String> {
    let first: Vec<&str> = all.iter().take(NAMED).map(AsRef::as_ref).collect();
    let more = all.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!first.is_empty()).then(|| first.join(", ") + &more)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use weir_core::documents::Grants;

    fn asked() -> Description {
        let grants = Grants::parse(&json!({"users": ["read", "write"], "statistics": ["write"]})).expect("valid");
        Description { description: None, events: vec!["UserCreated".to_owned(), "UserUpdated".to_owned()], grants }
    }

    fn ceiling(events: &[&str], grants: &[(&str, bool, bool)]) -> Ceiling {
        let grants: BTreeMap<_, _> = grants
            .iter()
            .map(|(name, read, write)| ((*name).to_owned(), Allowed { read: *read, write: *write }))
            .collect();
        Ceiling { events: Some(events.iter().map(|event| (*event).to_owned()).collect()), grants: Some(grants) }
    }

    #[test]
    fn what_stays_below_or_has_no_ceiling_passes() {
        assert_eq!(exceeded(&Ceiling::default(), &asked()), None);
        let all = [("users", true, true), ("statistics", true, true), ("others", true, true)];
        assert_eq!(exceeded(&ceiling(&["UserUpdated", "UserCreated", "Other"], &all), &asked()), None);
    }

    #[test]
    fn everything_beyond_it_is_named() {
        let beyond = exceeded(&ceiling(&["UserCreated"], &[("users", true, false)]), &asked());
        assert_eq!(beyond.as_deref(), Some("events: UserUpdated; grants: write statistics, write users"));
        let beyond = exceeded(&ceiling(&[], &[]), &asked());
        let expected = "events: UserCreated, UserUpdated; grants: write statistics, read and write users";
        assert_eq!(beyond.as_deref(), Some(expected));
    }

    #[test]
    fn a_long_list_is_named_in_part() {
        let events: Vec<String> = (0..1_000).map(|number| format!("e{number}")).collect();
        assert!(named(&events).is_some_and(|text| text.ends_with("e19 and 980 more")));
        assert_eq!(named::<&str>(&[]), None);
    }
}
