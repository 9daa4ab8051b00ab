//! The form of a text that says what is wrong: one line with the fact, in lower case and without a full stop, and, if
//! people can do something about it, a line that begins with `hint: `.
//!
//! Errors that carry a hint have it in their text. The terminal shows it as it is; the log, `/readyz` and problems have
//! the fact and the hint in members of their own. A refused call and a failed delivery keep them apart from the start,
//! because their fact may quote what a handler or a record chose. A handler receives both as one text. Pure.

/// The beginning of a line that is a hint.
const MARK: &str = "hint: ";

/// Returns the fact with the hint on a line of its own.
#[must_use]
pub fn with(fact: &str, hint: &str) -> String {
    format!("{fact}\n{MARK}{hint}")
}

/// Separates a text into the fact and the hint. Errors that wrap each other may bring several hints, which become one.
#[must_use]
pub fn split(text: &str) -> (String, Option<String>) {
    let (hints, facts): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with(MARK));
    let hints: Vec<&str> = hints.into_iter().filter_map(|line| line.strip_prefix(MARK)).collect();
    (facts.join("\n"), (!hints.is_empty()).then(|| hints.join("; ")))
}

/// Adds to the fact of a text. Its hint stays the last line.
#[must_use]
pub fn and(text: &str, more: &str) -> String {
    let ((fact, hint), (more, other)) = (split(text), split(more));
    let hints: Vec<String> = hint.into_iter().chain(other).collect();
    let fact = format!("{fact}; and {more}");
    if hints.is_empty() { fact } else { with(&fact, &hints.join("; ")) }
}

/// Joins an error's text and its causes' texts into one: the facts in a line, then the hint. Some errors name their
/// cause themselves, which is then left out.
#[must_use]
pub fn chain(texts: impl IntoIterator<Item = String>) -> String {
    let (mut all, mut hints) = (String::new(), Vec::new());
    for (fact, hint) in texts.into_iter().map(|text| split(&text)) {
        if all.is_empty() {
            all = fact;
        } else if !all.ends_with(&fact) {
            all = format!("{all}: {fact}");
        }
        hints.extend(hint.filter(|hint| !hints.contains(hint)));
    }
    if hints.is_empty() { all } else { with(&all, &hints.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_a_fact_and_perhaps_a_hint() {
        assert_eq!(split("no"), ("no".to_owned(), None));
        assert_eq!(split(&with("no", "try again")), ("no".to_owned(), Some("try again".to_owned())));
        assert_eq!(split("a hint: b"), ("a hint: b".to_owned(), None), "only a line of its own is a hint");
        let wrapped = format!("outer: {}\nhint: second\nmore", with("inner", "first"));
        assert_eq!(split(&wrapped), ("outer: inner\nmore".to_owned(), Some("first; second".to_owned())));
    }

    #[test]
    fn what_is_added_comes_before_the_hint() {
        assert_eq!(and("a\nhint: b", "c"), "a; and c\nhint: b");
        assert_eq!(and("a", "c\nhint: d"), "a; and c\nhint: d");
        assert_eq!(and("a", "c"), "a; and c");
    }

    #[test]
    fn causes_follow_in_the_line_of_the_fact_and_are_named_once() {
        let texts = |texts: &[&str]| chain(texts.iter().map(|text| (*text).to_owned()));
        assert_eq!(texts(&["the start failed", "a: b", "b"]), "the start failed: a: b");
        assert_eq!(texts(&["the start failed", "a\nhint: c", "a\nhint: c"]), "the start failed: a\nhint: c");
        assert_eq!(texts(&["a\nhint: c", "b\nhint: d"]), "a: b\nhint: c; d");
    }
}
