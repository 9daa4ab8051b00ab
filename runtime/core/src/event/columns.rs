//! The names of the outbox's columns, and the other columns that handlers receive. Pure.

use std::borrow::Cow;
use std::collections::BTreeSet;

/// A part of an event that a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The event's id.
    EventId,
    /// The row's place in the outbox.
    SequenceId,
    /// The id of the aggregate.
    AggregateId,
    /// The type of the aggregate.
    AggregateType,
    /// The event's type.
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

    /// Returns the field's name, which is also its column's name unless a setting changes that.
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

    /// Returns the names under which `EventRouter` or `CloudEvents` place the field beside the payload, whatever the
    /// column's name.
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

/// Why a list of columns is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongColumns {
    /// A part of the list is not a pair.
    #[error("{0:?} is no pair of a field and a column, such as event_id=id")]
    NoPair(String),
    /// A pair begins with an unknown field.
    #[error("{0} is no field of an event")]
    UnknownField(String),
    /// A field has two columns.
    #[error("{0} is there twice")]
    Twice(&'static str),
}

impl Columns {
    /// Reads a list such as `event_id=id,event_type=type`. A field that is not in the list keeps its name as its
    /// column's.
    ///
    /// # Errors
    /// What is wrong with the first part that is not valid.
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

    /// Returns the column that holds the field.
    #[must_use]
    pub fn of(&self, field: Field) -> &str {
        &self.0[field as usize]
    }

    /// Returns the names under which the field may be placed beside a payload, its column's name first.
    pub(super) fn placed(&self, field: Field) -> impl Iterator<Item = &str> {
        std::iter::once(self.of(field)).chain(field.placed().iter().copied())
    }
}

/// The other columns of a row that handlers receive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Others {
    /// None.
    #[default]
    None,
    /// The columns of these names, if the row has them.
    Named(Vec<String>),
    /// All columns that are not a field of the event.
    All,
}

impl Others {
    /// Reads a list of names such as `tenant,trace_id`, or `*` for all. Returns `None` if a name is empty.
    #[must_use]
    pub fn parse(list: &str) -> Option<Self> {
        if list.trim() == "*" {
            return Some(Self::All);
        }
        let names: Vec<String> = list.split(',').map(|name| name.trim().to_owned()).collect();
        (!names.iter().any(|name| name.is_empty() || name == "*")).then_some(Self::Named(names))
    }

    /// Returns whether handlers receive this column. Names that begin with `__` are Debezium's, and such a column must
    /// be listed by its name.
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
