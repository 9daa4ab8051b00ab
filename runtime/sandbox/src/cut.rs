//! Text that others supplied, cut where it enters. Pure.

/// The text, or as much of its beginning as fits with a note of how long it was.
#[must_use]
pub(crate) fn cut(mut text: String, most_bytes: usize) -> String {
    let bytes = text.len();
    if bytes <= most_bytes {
        return text;
    }
    let note = format!("… ({bytes} bytes)");
    text.truncate(text.floor_char_boundary(most_bytes.saturating_sub(note.len())));
    text.push_str(&note);
    // What was cut off is not to be held either.
    text.shrink_to_fit();
    text
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn what_fits_stands_and_the_rest_is_noted() {
        assert_eq!(cut("short".to_owned(), 5), "short");
        assert_eq!(cut("é".repeat(100), 40), format!("{}… (200 bytes)", "é".repeat(12)));
        for bytes in 0..300 {
            let cut = cut("é".repeat(200), bytes);
            assert!(cut.len() <= bytes.max("… (400 bytes)".len()), "{bytes}: {cut}");
        }
    }
}
