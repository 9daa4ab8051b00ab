//! How much of a record is read: every bound on depth, size and work, in one place. Pure.
//!
//! Kafka bounds the compressed size of a record (`message.max.bytes`), and a megabyte of gzip may hold a gigabyte. The
//! bounds here limit the cost of a record, so that none holds up the records behind it. A record beyond a bound is
//! undecodable: it is kept with the reason, and with its bytes unless they are too many. `docs/records.md` and
//! `docs/security.md` list the bounds for users.

use std::borrow::Cow;

use crate::event::error::Error;

/// The most bytes of a record's key, value and headers together, after decompression. A larger record is neither read
/// nor kept, because a transaction that holds it may not fit in MongoDB's cache.
pub const MAX_RECORD_BYTES: usize = 32 << 20;
/// The most levels of nested arrays and objects in a payload and in the other columns: as many as `serde_json` reads
/// into a handler's types.
pub(super) const MAX_LEVELS: usize = 127;
/// The most bytes of an id, a type or a sequence. Progress stores the id of each partition's last record, and a parked
/// delivery stores all of them.
pub(super) const MAX_NAME_BYTES: usize = 1024;
/// The most bytes of a key that is read as the aggregate's id. The key holds the schema too if the converter writes
/// one.
pub(super) const MAX_KEY_BYTES: usize = 64 << 10;
/// The most headers that a handler receives.
pub(super) const MAX_HEADERS: usize = 1000;
/// The most bytes of the names and values of these headers together.
pub(super) const MAX_HEADER_BYTES: usize = 1 << 20;
/// The most bytes of a schema. Reading it takes about 35 bytes of memory for each of its bytes.
pub(super) const MAX_SCHEMA_BYTES: usize = 1 << 20;
/// The most columns that a handler receives besides the event's own. PostgreSQL's tables have at most 1,600.
pub(super) const MAX_COLUMNS: usize = 10_000;
/// The most bytes of these columns as JSON. A number of seven bytes may stand for a decimal of 20,000 digits.
pub(super) const MAX_COLUMNS_BYTES: usize = 16 << 20;
/// The most levels of arrays that are read by their schema. Each level reads the text once more.
pub(super) const MAX_ARRAY_LEVELS: usize = 8;
/// The most bytes of a decimal, which is some 39,000 digits.
pub(super) const MAX_DECIMAL_BYTES: usize = 16 << 10;
/// The most digits after a decimal's point, or zeros before it. PostgreSQL allows 16,383.
pub(super) const MAX_SCALE: u32 = 20_000;
/// The most work that a record's decimals may take together, in squared bytes, because writing the digits of a decimal
/// costs the square of its length. Four of the longest decimals use it up, and decimals of 64 bytes never reach it.
pub(super) const MAX_DECIMAL_WORK: usize = 4 * MAX_DECIMAL_BYTES * MAX_DECIMAL_BYTES;
/// The most characters of a name that a reason quotes from the record.
const MAX_SHOWN: usize = 100;

/// Returns the text of an id, a type or a sequence unless it is too long.
pub(super) fn short<'a>(column: &str, text: Cow<'a, str>) -> Result<Cow<'a, str>, Error> {
    if text.len() <= MAX_NAME_BYTES {
        return Ok(text);
    }
    Err(Error::TooLong { column: column.to_owned(), bytes: text.len(), limit: MAX_NAME_BYTES })
}

/// Returns a name from the record as a reason shows it: cut, and with its control characters escaped.
pub(super) fn shown(name: &str) -> String {
    let mut shown: String = name.chars().take(MAX_SHOWN).flat_map(char::escape_debug).collect();
    if name.chars().nth(MAX_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// Returns whether valid JSON nests deeper than [`MAX_LEVELS`]. Skipping JSON needs no stack, so nothing has refused
/// such JSON before.
pub(super) fn nests_too_deep(json: &str) -> bool {
    let openings = json.bytes().filter(|byte| matches!(byte, b'{' | b'[')).count();
    openings > MAX_LEVELS && deepest(json) > MAX_LEVELS
}

fn deepest(json: &str) -> usize {
    let (mut level, mut deepest) = (0_usize, 0);
    let mut bytes = json.bytes();
    let mut in_string = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' => _ = bytes.next(),
            b'{' | b'[' if !in_string => {
                level += 1;
                deepest = deepest.max(level);
            }
            b'}' | b']' if !in_string => level = level.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_name_is_short_and_plain() {
        assert_eq!(shown("tenant"), "tenant");
        assert_eq!(shown("a\u{1b}[2J\u{202e}"), "a\\u{1b}[2J\\u{202e}");
        assert_eq!(shown(&"ü".repeat(100)), "ü".repeat(100));
        assert_eq!(shown(&"x".repeat(1 << 20)), format!("{}…", "x".repeat(100)));
    }
}
