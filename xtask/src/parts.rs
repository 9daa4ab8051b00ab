//! Behaviours that are written as parts of a component: the contents of their core module. The frame adds the rest.
//!
//! A file's first comment says what the behaviour is. Sections follow it, each after a line of its own: `;; @top`,
//! `;; @handle` and `;; @describe`. `;; @own-realloc` lets the host use the `realloc` that the part exports,
//! `;; @post-return` its `post-return`, and `;; @grants {…}` is what it asks for. `{repeat 3 text}` is the text three
//! times.

use anyhow::{Context as _, Result, bail};

/// How the frame lifts `handle`.
const LIFTED: &str = r#"(canon lift (core func $guest "handle") (memory $memory) (realloc $realloc))"#;

/// Returns the component's text.
pub(crate) fn fill(frame: &str, name: &str, parts: &str) -> Result<String> {
    let (mut top, mut handle, mut describe) = (String::new(), String::new(), String::new());
    let (mut realloc, mut post_return, mut grants) = ("$realloc", "", "{}");
    let mut nowhere = String::new();
    let mut section = &mut nowhere;
    for line in parts.lines() {
        match line.strip_prefix(";; @") {
            Some("top") => section = &mut top,
            Some("handle") => section = &mut handle,
            Some("describe") => section = &mut describe,
            Some("own-realloc") => realloc = r#"(core func $guest "realloc")"#,
            Some("post-return") => post_return = r#" (post-return (core func $guest "post-return"))"#,
            Some(option) => grants = option.strip_prefix("grants ").with_context(|| format!("no section @{option}"))?,
            None => {
                section.push_str(line);
                section.push('\n');
            }
        }
    }
    let about = parts.lines().next().and_then(|line| line.strip_prefix(";; ")).context("it does not say what it is")?;
    let description =
        format!(r#"{{"description": "{about}", "events": ["{}"], "grants": {grants}}}"#, camel_case(name));
    let lifted =
        format!(r#"(canon lift (core func $guest "handle") (memory $memory) (realloc {realloc}){post_return})"#);
    if !frame.contains(LIFTED) {
        bail!("the frame lifts `handle` in another way");
    }
    let (length, data) = (description.len().to_string(), description.replace('"', "\\22"));
    let places = [
        (LIFTED, &*lifted),
        ("{top}", &top),
        ("{handle}", &handle),
        ("{describe}", &describe),
        ("{description}", &data),
        ("{length}", &length),
    ];
    repeat(&places.iter().fold(frame.to_owned(), |text, (place, part)| text.replace(place, part)))
}

/// Expands each `{repeat COUNT TEXT}`.
fn repeat(text: &str) -> Result<String> {
    let mut written = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{repeat ") {
        let (repeated, behind) = after.split_once('}').context("a {repeat …} has no end")?;
        let (count, repeated) = repeated.split_once(' ').context("a {repeat …} has no text")?;
        written.push_str(before);
        written.push_str(&repeated.repeat(count.parse().context("a {repeat …} has no number")?));
        rest = behind;
    }
    written.push_str(rest);
    Ok(written)
}

fn camel_case(name: &str) -> String {
    let word = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    name.split('-').map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: &str = r#"{top}|{handle}|{describe}|{description}|{length}|
        (canon lift (core func $guest "handle") (memory $memory) (realloc $realloc))"#;

    #[test]
    fn parts_stand_in_their_places() {
        let parts = ";; Does nothing.\n;; @own-realloc\n;; @top\n(func)\n;; @handle\n{repeat 3 (nop) }\n";
        let text = fill(FRAME, "does-nothing", parts).expect("the parts are right");
        assert!(text.starts_with("(func)\n|(nop) (nop) (nop) \n||{\\22description"), "{text}");
        assert!(text.contains("[\\22DoesNothing\\22]") && text.contains(r#"(realloc (core func $guest "realloc"))"#));
        assert!(fill(FRAME, "a", ";; A.\n;; @nonsense\n").is_err());
        assert!(fill("", "a", ";; A.\n").is_err());
    }
}
