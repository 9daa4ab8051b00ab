//! Texts that others supplied, cut between two characters. Pure.

/// Returns the beginning of a text: at most this many bytes.
#[must_use]
pub fn prefix(text: &str, most_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(most_bytes)]
}

/// Cuts a text to at most this many bytes, and frees the memory of the rest.
pub fn shorten(text: &mut String, most_bytes: usize) {
    if text.len() > most_bytes {
        text.truncate(text.floor_char_boundary(most_bytes));
        text.shrink_to_fit();
    }
}

/// Returns the text, or as much of its beginning as fits with a note of how long it was.
#[must_use]
pub fn noted(mut text: String, most_bytes: usize) -> String {
    let bytes = text.len();
    if bytes > most_bytes {
        let note = format!("… ({bytes} bytes)");
        text.truncate(text.floor_char_boundary(most_bytes.saturating_sub(note.len())));
        text.push_str(&note);
        text.shrink_to_fit();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_is_cut_in_two() {
        let text = "aé😀";
        let prefixes = [0, 1, 2, 3, 6, 7, 100].map(|bytes| prefix(text, bytes));
        assert_eq!(prefixes, ["", "a", "a", "aé", "aé", text, text]);
        for bytes in 0..10 {
            let mut short = text.to_owned();
            shorten(&mut short, bytes);
            assert_eq!(short, prefix(text, bytes), "{bytes}");
        }
    }

    #[test]
    fn what_fits_stands_and_the_rest_is_noted() {
        assert_eq!(noted("short".to_owned(), 5), "short");
        assert_eq!(noted("é".repeat(100), 40), format!("{}… (200 bytes)", "é".repeat(12)));
        for bytes in 0..300 {
            let noted = noted("é".repeat(200), bytes);
            assert!(noted.len() <= bytes.max("… (400 bytes)".len()), "{bytes}: {noted}");
        }
    }
}
