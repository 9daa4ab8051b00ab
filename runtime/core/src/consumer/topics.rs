//! The topics that are read, a list of names or a pattern that may later match more of them, and where reading starts.

use std::fmt;

use regex::Regex;

/// The start of a group for which neither Kafka nor Weir has progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetReset {
    /// At the log's beginning.
    Earliest,
    /// At the log's end.
    Latest,
}

/// `KAFKA_TOPIC`: the names of topics, or a pattern of them.
#[derive(Debug, Clone)]
pub enum Topics {
    /// These topics, each named once.
    Names(Vec<String>),
    /// Every topic that the pattern matches, now or later.
    Pattern(Pattern),
}

/// An extended regular expression that begins with `^` and means the same to Kafka's client and to this process.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    /// Returns the pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns whether the pattern matches the topic.
    #[must_use]
    pub fn holds(&self, topic: &str) -> bool {
        self.regex.is_match(topic)
    }
}

impl Topics {
    /// Reads a list or a pattern. Returns `None` if the text is neither.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        if text.starts_with('^') {
            return pattern(text).map(Self::Pattern);
        }
        let mut names: Vec<String> = Vec::new();
        for name in text.split(',').map(str::trim) {
            if !is_topic(name) {
                return None;
            }
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        Some(Self::Names(names))
    }

    /// Returns what Kafka's client subscribes to.
    #[must_use]
    pub fn subscription(&self) -> Vec<&str> {
        match self {
            Self::Names(names) => names.iter().map(String::as_str).collect(),
            Self::Pattern(pattern) => vec![pattern.as_str()],
        }
    }

    /// Returns the topic if there can be only one.
    #[must_use]
    pub fn only(&self) -> Option<&str> {
        match self {
            Self::Names(names) if names.len() == 1 => names.first().map(String::as_str),
            _ => None,
        }
    }
}

impl OffsetReset {
    /// Returns the name as the setting spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Earliest => "earliest",
            Self::Latest => "latest",
        }
    }
}

/// Writes the topics as the setting has them.
impl fmt::Display for Topics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.subscription().join(","))
    }
}

/// Returns whether Kafka allows this name for a topic.
fn is_topic(name: &str) -> bool {
    let fits = (1..=249).contains(&name.len()) && !matches!(name, "." | "..");
    fits && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// Reads a pattern. It refuses what POSIX and this process's expressions read differently: escapes of letters and
/// digits, `(?`, lazy repetitions, and sets within a set.
fn pattern(text: &str) -> Option<Pattern> {
    let bytes = text.as_bytes();
    let differs = bytes.windows(2).any(|pair| match pair {
        [b'\\', escaped] => escaped.is_ascii_alphanumeric(),
        [b'(' | b'*' | b'+' | b'?' | b'}', b'?'] | [b'&', b'&'] | [b'~', b'~'] | [b'-', b'-'] => true,
        _ => false,
    });
    if differs || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return None;
    }
    let regex = Regex::new(text).ok()?;
    Some(Pattern { text: text.to_owned(), regex })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_each_topic_once() {
        let topics = Topics::read("a, b.c,a").expect("a list");
        assert_eq!(topics.subscription(), ["a", "b.c"]);
        assert_eq!((topics.to_string().as_str(), topics.only()), ("a,b.c", None));
        assert_eq!(Topics::read("a").expect("a name").only(), Some("a"));
        for wrong in ["", "a,", "a,,b", "a b", "a/b", "..", "a,^b"] {
            assert!(Topics::read(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_pattern_holds_what_it_matches_from_the_beginning_on() {
        let topics = Topics::read(r"^outbox\.event\.(user|activity){1,2}").expect("a pattern");
        let Topics::Pattern(pattern) = &topics else { panic!("{topics:?}") };
        assert!(pattern.holds("outbox.event.user") && pattern.holds("outbox.event.activity.v2"));
        assert!(!pattern.holds("outboxxevent.user") && !pattern.holds("my.outbox.event.user"));
        assert_eq!(topics.only(), None);
    }

    #[test]
    fn what_kafkas_client_would_read_otherwise_is_no_pattern() {
        for wrong in [r"^outbox\d", "^(?i)outbox", "^a.*?", "^a(", "^[a&&b]", "^a b", r"^a\w+"] {
            assert!(Topics::read(wrong).is_none(), "{wrong}");
        }
        assert!(Topics::read(r"^[[:alpha:]]+\.event$").is_some());
    }
}
