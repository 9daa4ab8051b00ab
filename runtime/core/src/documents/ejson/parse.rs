//! Parses Extended JSON text into raw BSON, in one pass over the text.
//!
//! Memory is bounded: `out` never exceeds [`MAX_BYTES`] by more than one value, so the capacities of the vectors never
//! exceed twice that. Everything that recurses (documents, arrays, code with scope) calls [`Parser::enter`] first.

use bson::spec::ElementType;
use bson::{RawBson, RawBsonRef, RawDocument, RawDocumentBuf};

use super::number::{self, Number};
use super::scan::Scanner;
use super::wrapper::Wrapper;
use super::{Invalid, MAX_BYTES, MAX_DEPTH, MAX_TEXT_BYTES, shown};

/// Up to this many keys of an object are compared with each other to find a repeated one. If there are more, they are
/// sorted.
const COMPARED: usize = 16;

/// A buffer is shrunk before it is kept if its spare room exceeds both this and half of what it holds.
const SPARE: usize = 128;

pub(super) struct Parser<'a> {
    pub(super) scan: Scanner<'a>,
    pub(super) out: Vec<u8>,
    /// The start and the end in `out` of each key of the open objects. Both are below [`MAX_BYTES`].
    keys: Vec<(u32, u32)>,
    depth: usize,
}

pub(super) fn document(text: &str) -> Result<RawDocumentBuf, Invalid> {
    let mut parser = Parser::new(text)?;
    if parser.scan.peek() != Some(b'{') {
        return Err(Invalid::new("not a document: it begins with `{`"));
    }
    if parser.object()? != ElementType::EmbeddedDocument {
        return Err(Invalid::new("not a document but a single value"));
    }
    parser.scan.end()?;
    parser.room_for(0)?;
    RawDocumentBuf::from_bytes(packed(parser.out)).map_err(|error| Invalid::new(error.to_string()))
}

pub(super) fn value(text: &str) -> Result<RawBson, Invalid> {
    let mut parser = Parser::new(text)?;
    let start = parser.open();
    parser.out.extend([0, 0]);
    let element = parser.value()?;
    parser.out[start + 4] = element as u8;
    parser.close(start);
    parser.scan.end()?;
    parser.room_for(0)?;
    let holder = RawDocument::from_bytes(&parser.out).map_err(|error| Invalid::new(error.to_string()))?;
    match holder.get("") {
        Ok(Some(value)) => Ok(RawBson::from(value)),
        Ok(None) => Ok(RawBson::from(RawBsonRef::Null)),
        Err(error) => Err(Invalid::new(error.to_string())),
    }
}

/// Frees most of the spare room behind the bytes, because a write is kept until its batch is committed, and only its
/// length is counted.
fn packed(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.capacity() - bytes.len() > (bytes.len() / 2).max(SPARE) {
        bytes.shrink_to_fit();
    }
    bytes
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self, Invalid> {
        if text.len() > MAX_TEXT_BYTES {
            let message = format!("{} bytes of text, more than the {MAX_TEXT_BYTES} that are looked at", text.len());
            return Err(Invalid { too_large: true, ..Invalid::new(message) });
        }
        let out = Vec::with_capacity(text.len().min(MAX_BYTES) + 64);
        Ok(Self { scan: Scanner::new(text), out, keys: Vec::new(), depth: 0 })
    }

    /// Returns the bytes of memory that the parser has allocated.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.out.capacity() + self.keys.capacity() * size_of::<(u32, u32)>()
    }

    /// Refuses a text whose BSON, with `bytes` more, would be longer than MongoDB accepts.
    pub(super) fn room_for(&self, bytes: usize) -> Result<(), Invalid> {
        if self.out.len().saturating_add(bytes) <= MAX_BYTES { Ok(()) } else { Err(Invalid::too_large()) }
    }

    /// Writes the next value's bytes and returns its type.
    pub(super) fn value(&mut self) -> Result<ElementType, Invalid> {
        match self.scan.peek() {
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(b'"') => {
                let text = self.scan.string()?;
                self.write_string(&text)?;
                Ok(ElementType::String)
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.constant("true", &[1], ElementType::Boolean),
            Some(b'f') => self.constant("false", &[0], ElementType::Boolean),
            Some(b'n') => self.constant("null", &[], ElementType::Null),
            _ => Err(self.scan.unexpected("a value")),
        }
    }

    /// Reads a document, or the value that a wrapper stands for.
    pub(super) fn object(&mut self) -> Result<ElementType, Invalid> {
        self.scan.take(b'{')?;
        let empty = self.scan.took(b'}');
        let first = if empty { None } else { Some(self.scan.key()?) };
        if let Some(wrapper) = first.as_deref().and_then(Wrapper::named) {
            return self.wrapped(wrapper);
        }
        self.enter()?;
        let start = self.open();
        if let Some(first) = first {
            self.members(first)?;
        }
        self.close(start);
        self.leave();
        Ok(ElementType::EmbeddedDocument)
    }

    fn members(&mut self, first: std::borrow::Cow<'a, str>) -> Result<(), Invalid> {
        let frame = self.keys.len();
        let mut key = first;
        loop {
            if let Some(wrapper) = Wrapper::named(&key) {
                return Err(Invalid::new(format!("`{}` must stand alone in its object", wrapper.name())));
            }
            if key.contains('\0') {
                return Err(Invalid::new(format!("the key {:?} has a NUL in it", shown(&key))));
            }
            self.room_for(key.len())?;
            let tag = self.out.len();
            self.out.push(0);
            self.out.extend_from_slice(key.as_bytes());
            self.keys.push((place(tag + 1), place(self.out.len())));
            self.out.push(0);
            self.out[tag] = self.value().map_err(|invalid| invalid.within(&key))? as u8;
            if !self.scan.took(b',') {
                break;
            }
            key = self.scan.key()?;
        }
        self.scan.take(b'}')?;
        self.refuse_repeated(frame)?;
        self.keys.truncate(frame);
        Ok(())
    }

    fn array(&mut self) -> Result<ElementType, Invalid> {
        self.scan.take(b'[')?;
        self.enter()?;
        let start = self.open();
        if !self.scan.took(b']') {
            let mut index = 0_usize;
            loop {
                self.room_for(0)?;
                let tag = self.out.len();
                self.out.push(0);
                self.write_index(index);
                self.out[tag] = self.value().map_err(|invalid| invalid.within(&index.to_string()))? as u8;
                index += 1;
                if !self.scan.took(b',') {
                    break;
                }
            }
            self.scan.take(b']')?;
        }
        self.close(start);
        self.leave();
        Ok(ElementType::Array)
    }

    fn number(&mut self) -> Result<ElementType, Invalid> {
        Ok(match number::of(self.scan.number()?)? {
            Number::Int32(number) => {
                self.out.extend(number.to_le_bytes());
                ElementType::Int32
            }
            Number::Int64(number) => {
                self.out.extend(number.to_le_bytes());
                ElementType::Int64
            }
            Number::Double(number) => {
                self.out.extend(number.to_le_bytes());
                ElementType::Double
            }
        })
    }

    fn constant(&mut self, word: &str, bytes: &[u8], element: ElementType) -> Result<ElementType, Invalid> {
        self.scan.word(word)?;
        self.out.extend_from_slice(bytes);
        Ok(element)
    }

    /// Goes one level down. Everything that calls [`Parser::value`] or [`Parser::object`] again must call this first.
    pub(super) fn enter(&mut self) -> Result<(), Invalid> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Invalid::new(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    fn refuse_repeated(&mut self, frame: usize) -> Result<(), Invalid> {
        let out = &self.out;
        let text = |key: &(u32, u32)| &out[key.0 as usize..key.1 as usize];
        let keys = &mut self.keys[frame..];
        let repeated = if keys.len() <= COMPARED {
            keys.iter().enumerate().find(|(at, key)| keys[..*at].iter().any(|other| text(other) == text(key)))
        } else {
            keys.sort_unstable_by(|one, other| text(one).cmp(text(other)));
            keys.iter().enumerate().skip(1).find(|(at, key)| text(&keys[at - 1]) == text(key))
        };
        match repeated {
            None => Ok(()),
            Some((_, key)) => {
                let name = String::from_utf8_lossy(text(key)).into_owned();
                Err(Invalid::new(format!("the key {:?} occurs twice", shown(&name))))
            }
        }
    }

    pub(super) fn write_string(&mut self, text: &str) -> Result<(), Invalid> {
        self.room_for(text.len())?;
        let length = i32::try_from(text.len() + 1).unwrap_or(i32::MAX);
        self.out.extend(length.to_le_bytes());
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(0);
        Ok(())
    }

    fn write_index(&mut self, index: usize) {
        let mut digits = [0_u8; 20];
        let mut start = digits.len();
        let mut rest = index;
        loop {
            start -= 1;
            digits[start] = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.out.extend_from_slice(&digits[start..]);
        self.out.push(0);
    }

    pub(super) fn open(&mut self) -> usize {
        let start = self.out.len();
        self.out.extend([0; 4]);
        start
    }

    fn close(&mut self, start: usize) {
        self.out.push(0);
        self.write_length(start);
    }

    /// Writes the number of bytes since `start` at `start`.
    pub(super) fn write_length(&mut self, start: usize) {
        let length = i32::try_from(self.out.len() - start).unwrap_or(i32::MAX);
        self.out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    }
}

/// Returns a place in `out`, which is never too long for 32 bits.
fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
