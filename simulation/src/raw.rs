//! Commands as they arrive: BSON of which only what is needed is decoded, because decoding takes much of a run's time.

use bson::{Bson, Document, RawBsonRef, RawDocument};

const BSON: &str = "what weir sends is BSON";

/// Decodes a document. The crate's own conversion makes every value twice, which costs noticeable time here.
pub(crate) fn read(raw: &RawDocument) -> Document {
    let pairs = raw.iter().map(|pair| pair.expect(BSON));
    pairs.map(|(name, value)| (name.as_str().to_owned(), read_value(value))).collect()
}

fn read_value(value: RawBsonRef<'_>) -> Bson {
    match value {
        RawBsonRef::Document(document) => Bson::Document(read(document)),
        RawBsonRef::Array(array) => array.into_iter().map(|value| read_value(value.expect(BSON))).collect(),
        other => Bson::try_from(other).expect(BSON),
    }
}

/// Returns the name of a command and what it is about.
pub(crate) fn head(command: &RawDocument) -> (&str, &str) {
    let Some(Ok((name, target))) = command.iter().next() else { panic!("a command without a name") };
    (name.as_str(), target.as_str().unwrap_or_default())
}

fn get<'a>(raw: &'a RawDocument, name: &str) -> Option<RawBsonRef<'a>> {
    raw.get(name).expect(BSON)
}

/// Decodes the document in a field.
pub(crate) fn document(raw: &RawDocument, name: &str) -> Option<Document> {
    get(raw, name)?.as_document().map(read)
}

/// Returns the documents in a list.
pub(crate) fn documents<'a>(raw: &'a RawDocument, name: &str) -> impl Iterator<Item = &'a RawDocument> {
    let list = get(raw, name).and_then(RawBsonRef::as_array);
    list.into_iter().flatten().filter_map(|value| value.expect(BSON).as_document())
}

/// Whether a field is true.
pub(crate) fn is(raw: &RawDocument, name: &str) -> bool {
    get(raw, name).and_then(RawBsonRef::as_bool).unwrap_or(false)
}

/// Returns the number in a field.
pub(crate) fn number(raw: &RawDocument, name: &str) -> Option<i64> {
    get(raw, name)?.as_i64()
}
