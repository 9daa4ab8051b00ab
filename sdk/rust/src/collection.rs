//! MongoDB, as far as a handler is granted it. Every verb acts at once, and its options come before it:
//! `collection("users").must_match().update_one(…)`.

use std::borrow::Cow;

use crate::host::{self, Answer};
use crate::{CallError, Document, ToValue, Value, extended, failure};

/// Returns the collection with this exact name, as granted.
#[must_use]
pub fn collection<'a>(name: impl Into<Cow<'a, str>>) -> Collection<'a> {
    Collection { name: name.into(), options: Document::new() }
}

/// A collection and the options of the calls made on it. The host refuses an option that a verb does not know.
#[derive(Debug, Clone)]
pub struct Collection<'a> {
    name: Cow<'a, str>,
    options: Document,
}

/// An index to use: its name, or its keys.
#[derive(Debug, Clone)]
pub struct Hint(Value);

impl From<&str> for Hint {
    fn from(name: &str) -> Self {
        Self(name.to_value())
    }
}

impl From<Document> for Hint {
    fn from(keys: Document) -> Self {
        Self(Value::Document(keys))
    }
}

/// What an update does.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// A document of update operators.
    Operators(Document),
    /// Stages `$set`, `$unset` and `$replaceWith`. A text in them that starts with `$` is a path unless it is wrapped
    /// in [`literal`](crate::literal).
    Pipeline(Vec<Document>),
}

impl From<Document> for Update {
    fn from(operators: Document) -> Self {
        Self::Operators(operators)
    }
}

impl From<&Document> for Update {
    fn from(operators: &Document) -> Self {
        Self::Operators(operators.clone())
    }
}

impl From<Vec<Document>> for Update {
    fn from(stages: Vec<Document>) -> Self {
        Self::Pipeline(stages)
    }
}

impl<const N: usize> From<[Document; N]> for Update {
    fn from(stages: [Document; N]) -> Self {
        Self::Pipeline(stages.into())
    }
}

/// A write of this delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Write(u32);

/// What a write did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Effect {
    /// Documents inserted.
    pub inserted: u64,
    /// Documents that the filter matched.
    pub matched: u64,
    /// Documents that were changed.
    pub modified: u64,
    /// Documents deleted.
    pub deleted: u64,
    /// The `_id` of the document that an upsert inserted.
    pub upserted_id: Option<Value>,
}

/// Returns what a write did. Asking costs round trips; a delivery that only writes needs none.
///
/// # Errors
///
/// If MongoDB refused the write.
pub fn effect_of(write: Write) -> Result<Effect, CallError> {
    let raw = host::effect_of(write.0)?;
    let upserted_id = raw
        .upserted_id
        .map(|text| extended::parse_value(&text).map_err(|error| unreadable("the upserted `_id`", &error)))
        .transpose()?;
    let (inserted, matched, modified, deleted) = (raw.inserted, raw.matched, raw.modified, raw.deleted);
    Ok(Effect { inserted, matched, modified, deleted, upserted_id })
}

/// Options of the verb that follows.
impl<'a> Collection<'a> {
    fn with(&self, name: &'static str, value: impl ToValue) -> Collection<'a> {
        let mut options = self.options.clone();
        options.insert(name, value);
        Collection { name: self.name.clone(), options }
    }

    /// Fails the delivery, to be retried, if nothing matches.
    #[must_use]
    pub fn must_match(&self) -> Collection<'a> {
        self.with("mustMatch", true)
    }

    /// Inserts a document if nothing matches.
    #[must_use]
    pub fn upsert(&self) -> Collection<'a> {
        self.with("upsert", true)
    }

    /// Sets which elements of arrays `$[name]` stands for.
    #[must_use]
    pub fn array_filters(&self, filters: impl IntoIterator<Item = Document>) -> Collection<'a> {
        self.with("arrayFilters", filters.into_iter().collect::<Vec<_>>())
    }

    /// Sets the order in which documents are found.
    #[must_use]
    pub fn sort(&self, order: Document) -> Collection<'a> {
        self.with("sort", order)
    }

    /// Finds at most `count` documents.
    #[must_use]
    pub fn limit(&self, count: u32) -> Collection<'a> {
        self.with("limit", count)
    }

    /// Skips the first `count` documents.
    #[must_use]
    pub fn skip(&self, count: u32) -> Collection<'a> {
        self.with("skip", count)
    }

    /// Sets which fields are returned.
    #[must_use]
    pub fn projection(&self, fields: Document) -> Collection<'a> {
        self.with("projection", fields)
    }

    /// Sets how texts are compared.
    #[must_use]
    pub fn collation(&self, rules: Document) -> Collection<'a> {
        self.with("collation", rules)
    }

    /// Sets which index is used.
    #[must_use]
    pub fn hint(&self, index: impl Into<Hint>) -> Collection<'a> {
        self.with("hint", index.into().0)
    }

    fn options(&self) -> Answer<Option<String>> {
        if self.options.is_empty() { Ok(None) } else { self.text(&self.options).map(Some) }
    }

    fn text(&self, document: &Document) -> Answer<String> {
        extended::render_document(document).map_err(|reason| self.refused(&reason))
    }

    fn refused(&self, reason: &str) -> CallError {
        failure::refuse(format!("collection `{}`: {reason}", self.name))
    }

    fn found(&self, text: &str) -> Answer<Document> {
        extended::parse_document(text).map_err(|error| unreadable(&format!("a document of `{}`", self.name), &error))
    }
}

fn unreadable(what: &str, error: &serde_json::Error) -> CallError {
    failure::refuse(format!("{what} is not Extended JSON: {error}"))
}

/// Reads. They see what earlier events of the same aggregate wrote, and what this delivery did.
///
/// # Errors
///
/// All of them fail if the host or MongoDB refuses the call, and that decides the delivery.
impl Collection<'_> {
    /// Returns the first document that matches.
    ///
    /// # Errors
    ///
    /// If the call is refused.
    pub fn find_one(&self, filter: impl AsRef<Document>) -> Result<Option<Document>, CallError> {
        let filter = self.text(filter.as_ref())?;
        host::find_one(&self.name, &filter, self.options()?.as_deref())?.map(|text| self.found(&text)).transpose()
    }

    /// Returns all documents that match.
    ///
    /// # Errors
    ///
    /// If the call is refused, or if there are more documents than the host allows.
    pub fn find(&self, filter: impl AsRef<Document>) -> Result<Vec<Document>, CallError> {
        let filter = self.text(filter.as_ref())?;
        let texts = host::find(&self.name, &filter, self.options()?.as_deref())?;
        texts.iter().map(|text| self.found(text)).collect()
    }

    /// Returns how many documents match.
    ///
    /// # Errors
    ///
    /// If the call is refused.
    pub fn count(&self, filter: impl AsRef<Document>) -> Result<u64, CallError> {
        host::count(&self.name, &self.text(filter.as_ref())?, self.options()?.as_deref())
    }
}

/// Writes. They are checked at once, and take effect with the delivery.
impl Collection<'_> {
    /// Inserts a document. One without `_id` gets an id that is the same in every run.
    ///
    /// # Errors
    ///
    /// If the call is refused.
    pub fn insert_one(&self, document: impl AsRef<Document>) -> Result<Write, CallError> {
        host::insert_one(&self.name, &self.text(document.as_ref())?, self.options()?.as_deref()).map(Write)
    }

    /// Inserts documents.
    ///
    /// # Errors
    ///
    /// If the call is refused.
    pub fn insert_many<D: AsRef<Document>>(&self, documents: impl IntoIterator<Item = D>) -> Result<Write, CallError> {
        let texts = documents.into_iter().map(|document| self.text(document.as_ref())).collect::<Answer<Vec<_>>>()?;
        host::insert_many(&self.name, &texts, self.options()?.as_deref()).map(Write)
    }

    /// Updates the first document that matches.
    ///
    /// # Errors
    ///
    /// If the call is refused.
    pub fn update_one(&self, filter: impl AsRef<Document>, update: impl Into<Update>) -> Result<Write, CallError> {
        let (filter, update) = (self.text(filter.as_ref())?, self.update_text(&update.into())?);
        host::update_one(&self.name, &filter, &update, self.options()?.as_deref()).map(Write)
    }

    /// Updates every document that matches.
    ///
    /// # Errors
    ///
    /// If the call is refused.
    pub fn update_many(&self, filter: impl AsRef<Document>, update: impl Into<Update>) -> Result<Write, CallError> {
        let (filter, update) = (self.text(filter.as_ref())?, self.update_text(&update.into())?);
        host::update_many(&self.name, &filter, &update, self.options()?.as_deref()).map(Write)
    }

    /// Replaces the first document that matches.
    ///
    /// # Errors
    ///
    /// If the call is refused.
    pub fn replace_one(
        &self,
        filter: impl AsRef<Document>,
        document: impl AsRef<Document>,
    ) -> Result<Write, CallError> {
        let (filter, document) = (self.text(filter.as_ref())?, self.text(document.as_ref())?);
        host::replace_one(&self.name, &filter, &document, self.options()?.as_deref()).map(Write)
    }

    /// Deletes the first document that matches.
    ///
    /// # Errors
    ///
    /// If the call is refused.
    pub fn delete_one(&self, filter: impl AsRef<Document>) -> Result<Write, CallError> {
        host::delete_one(&self.name, &self.text(filter.as_ref())?, self.options()?.as_deref()).map(Write)
    }

    /// Deletes every document that matches.
    ///
    /// # Errors
    ///
    /// If the call is refused.
    pub fn delete_many(&self, filter: impl AsRef<Document>) -> Result<Write, CallError> {
        host::delete_many(&self.name, &self.text(filter.as_ref())?, self.options()?.as_deref()).map(Write)
    }

    fn update_text(&self, update: &Update) -> Answer<String> {
        match update {
            Update::Operators(operators) => self.text(operators),
            Update::Pipeline(stages) => extended::render_pipeline(stages).map_err(|reason| self.refused(&reason)),
        }
    }
}
