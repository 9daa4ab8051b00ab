//! Reads JSON's tokens, and keeps numbers as they are written.
//!
//! `serde_json` decodes the escapes. Everything else is read here, because the numbers of `serde_json` either lose
//! digits or cost an allocation each, and because it cannot write BSON while it reads.

use std::borrow::Cow;

use super::Invalid;

pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Returns the next byte that is not white space, without taking it.
    pub(super) fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    /// Takes the byte if it is next, and returns whether it was.
    pub(super) fn took(&mut self, byte: u8) -> bool {
        let next = self.peek() == Some(byte);
        self.at += usize::from(next);
        next
    }

    pub(super) fn take(&mut self, byte: u8) -> Result<(), Invalid> {
        if self.took(byte) { Ok(()) } else { Err(self.unexpected(&format!("`{}`", char::from(byte)))) }
    }

    pub(super) fn word(&mut self, word: &str) -> Result<(), Invalid> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.unexpected("a value"))
        }
    }

    /// Reads a key of an object, with the colon after it.
    pub(super) fn key(&mut self) -> Result<Cow<'a, str>, Invalid> {
        let key = self.string()?;
        self.take(b':')?;
        Ok(key)
    }

    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, Invalid> {
        if !self.took(b'"') {
            return Err(self.unexpected("a string"));
        }
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut escaped = false;
        loop {
            match bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.at += 2;
                }
                Some(0..=0x1f) => return Err(self.unexpected("a control character's escape")),
                Some(_) => self.at += 1,
                None => return Err(Invalid::new("not JSON: a string does not end")),
            }
        }
        let inner = start..self.at;
        self.at += 1;
        if !escaped {
            return Ok(Cow::Borrowed(&self.text[inner]));
        }
        serde_json::from_str(&self.text[inner.start - 1..self.at])
            .map(Cow::Owned)
            .map_err(|error| Invalid::new(format!("not JSON: the string at byte {}: {error}", inner.start - 1)))
    }

    /// Reads the text of a number, and checks only its grammar.
    pub(super) fn number(&mut self) -> Result<&'a str, Invalid> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        self.at += usize::from(bytes[self.at] == b'-');
        match bytes.get(self.at) {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return Err(self.unexpected("a digit")),
        }
        if bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(bytes.get(self.at), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    fn digits(&mut self) -> Result<(), Invalid> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        while bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at == start { Err(self.unexpected("a digit")) } else { Ok(()) }
    }

    pub(super) fn end(&mut self) -> Result<(), Invalid> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.unexpected("the end")),
        }
    }

    pub(super) fn unexpected(&mut self, wanted: &str) -> Invalid {
        let found = match self.text.as_bytes().get(self.at) {
            None => "the text ends".to_owned(),
            Some(byte) => format!("{:?} stands", char::from(*byte)),
        };
        Invalid::new(format!("not JSON: {found} at byte {} in place of {wanted}", self.at))
    }
}
