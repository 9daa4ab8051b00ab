//! What the outbox's columns are called, and which others handlers are given. Pure.

use std::borrow::Cow;
use std::collections::BTreeSet;

/// A part of an event that a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The event's id.
    EventId,
    /// The row's place in the outbox.
    SequenceId,
    /// Which aggregate it happened to.
    AggregateId,
    /// What kind of aggregate.
    AggregateType,
    /// What happened.
    EventType,
    /// The payload.
    Payload,
    /// The row's own time.
    CreatedAt,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 7] = [
        Self::EventId,
        Self::SequenceId,
        Self::AggregateId,
        Self::AggregateType,
        Self::EventType,
        Self::Payload,
        Self::CreatedAt,
    ];

    /// Its name, which is the column's too where nothing else is set.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EventId => "event_id",
            Self::SequenceId => "sequence_id",
            Self::AggregateId => "aggregate_id",
            Self::AggregateType => "aggregate_type",
            Self::EventType => "event_type",
            Self::Payload => "payload",
            Self::CreatedAt => "created_at",
        }
    }

    /// What it is called where `EventRouter` or `CloudEvents` place it beside the payload, whatever the column's name.
    pub(super) const fn placed(self) -> &'static [&'static str] {
        match self {
            Self::EventId => &["event_id", "eventId"],
            Self::SequenceId => &["sequence_id", "sequenceId"],
            Self::AggregateId => &["aggregate_id", "aggregateId", "aggregateid"],
            Self::AggregateType => &["aggregate_type", "aggregateType", "aggregatetype"],
            Self::EventType => &["event_type", "eventType", "type"],
            Self::Payload => &["payload"],
            Self::CreatedAt => &["created_at", "createdAt"],
        }
    }
}

/// The column of each field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns([Cow<'static, str>; Field::ALL.len()]);

impl Default for Columns {
    fn default() -> Self {
        Self(Field::ALL.map(|field| Cow::Borrowed(field.name())))
    }
}

/// What is wrong with a list of columns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongColumns {
    /// A part of the list is no pair.
    #[error("{0:?} is no pair of a field and a column, such as event_id=id")]
    NoPair(String),
    /// A pair begins with what is no field.
    #[error("{0} is no field of an event")]
    UnknownField(String),
    /// A field has two columns.
    #[error("{0} is there twice")]
    Twice(&'static str),
}

impl Columns {
    /// The columns of a list such as `event_id=id,event_type=type`; what is not in it keeps its name.
    ///
    /// # Errors
    /// What is wrong with the list, by the first part that is.
    pub fn parse(list: &str) -> Result<Self, WrongColumns> {
        let mut columns = Self::default();
        let mut given = BTreeSet::new();
        for pair in list.split(',') {
            let (name, column) = pair
                .split_once('=')
                .map(|(name, column)| (name.trim(), column.trim()))
                .filter(|(name, column)| !name.is_empty() && !column.is_empty())
                .ok_or_else(|| WrongColumns::NoPair(pair.trim().to_owned()))?;
            let field = Field::ALL.into_iter().find(|field| field.name() == name);
            let field = field.ok_or_else(|| WrongColumns::UnknownField(name.to_owned()))?;
            if !given.insert(name) {
                return Err(WrongColumns::Twice(field.name()));
            }
            columns.0[field as usize] = Cow::Owned(column.to_owned());
        }
        Ok(columns)
    }

    /// The column that holds it.
    #[must_use]
    pub fn of(&self, field: Field) -> &str {
        &self.0[field as usize]
    }

    /// The names under which it may be placed beside a payload: its column's first.
    pub(super) fn placed(&self, field: Field) -> impl Iterator<Item = &str> {
        std::iter::once(self.of(field)).chain(field.placed().iter().copied())
    }
}

/// Which of a row's other columns handlers are given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Others {
    /// None.
    #[default]
    None,
    /// Those of these names, as far as the row has them.
    Named(Vec<String>),
    /// All that are no field of the event.
    All,
}

impl Others {
    /// A list of names such as `tenant,trace_id`, or `*` for all; none where a name is empty.
    #[must_use]
    pub fn parse(list: &str) -> Option<Self> {
        if list.trim() == "*" {
            return Some(Self::All);
        }
        let names: Vec<String> = list.split(',').map(|name| name.trim().to_owned()).collect();
        (!names.iter().any(|name| name.is_empty() || name == "*")).then_some(Self::Named(names))
    }

    /// Whether a column that is no field of the event is to be given. What begins with `__` is Debezium's, and given by
    /// name only.
    pub(super) fn take(&self, name: &str, is_field: bool) -> bool {
        match self {
            Self::None => false,
            Self::Named(names) => names.iter().any(|named| named == name),
            Self::All => !is_field && !name.starts_with("__"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_some_columns_and_the_rest_keep_theirs() {
        let columns = Columns::parse("event_id=id, aggregate_id = aggregateid ,event_type=type").expect("a list");
        assert_eq!(columns.of(Field::EventId), "id");
        assert_eq!(columns.of(Field::AggregateId), "aggregateid");
        assert_eq!(columns.of(Field::EventType), "type");
        assert_eq!(columns.of(Field::AggregateType), "aggregate_type");
        assert_eq!(columns.placed(Field::EventType).collect::<Vec<_>>(), ["type", "event_type", "eventType", "type"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |list| Columns::parse(list).expect_err(list).to_string();
        assert_eq!(wrong("evnt_id=id"), "evnt_id is no field of an event");
        assert_eq!(wrong("event_id=id,event_id=key"), "event_id is there twice");
        assert_eq!(wrong("event_id"), "\"event_id\" is no pair of a field and a column, such as event_id=id");
        assert_eq!(wrong("event_id=id,"), "\"\" is no pair of a field and a column, such as event_id=id");
        assert_eq!(wrong("event_id="), "\"event_id=\" is no pair of a field and a column, such as event_id=id");
    }

    #[test]
    fn other_columns_are_none_some_or_all() {
        assert_eq!(Others::parse("*"), Some(Others::All));
        let named = Others::parse("tenant, trace").expect("a list");
        assert!(named.take("trace", false) && named.take("tenant", true) && !named.take("payload", true));
        assert!(Others::All.take("tenant", false) && !Others::All.take("payload", true));
        assert!(!Others::All.take("__op", false));
        assert!(!Others::None.take("tenant", false));
        for wrong in ["", "a,,b", "a,*"] {
            assert_eq!(Others::parse(wrong), None, "{wrong}");
        }
    }
}
