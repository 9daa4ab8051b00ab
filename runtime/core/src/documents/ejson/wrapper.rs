//! The objects that stand for a value of a type that JSON does not have.

use std::borrow::Cow;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bson::Decimal128;
use bson::spec::ElementType;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::parse::Parser;
use super::{Invalid, shown};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrapper {
    Binary,
    Code,
    Date,
    DbPointer,
    MaxKey,
    MinKey,
    NumberDecimal,
    NumberDouble,
    NumberInt,
    NumberLong,
    Oid,
    RegularExpression,
    Scope,
    Symbol,
    Timestamp,
    Undefined,
    Uuid,
}

/// The names that make an object a wrapper. Those of version 1 that are also operators (`$regex`, `$options`, `$type`)
/// do not, and neither do those of a reference (`$ref`, `$id`, `$db`), which stays a document.
const NAMES: [(&str, Wrapper); 17] = [
    ("$binary", Wrapper::Binary),
    ("$code", Wrapper::Code),
    ("$date", Wrapper::Date),
    ("$dbPointer", Wrapper::DbPointer),
    ("$maxKey", Wrapper::MaxKey),
    ("$minKey", Wrapper::MinKey),
    ("$numberDecimal", Wrapper::NumberDecimal),
    ("$numberDouble", Wrapper::NumberDouble),
    ("$numberInt", Wrapper::NumberInt),
    ("$numberLong", Wrapper::NumberLong),
    ("$oid", Wrapper::Oid),
    ("$regularExpression", Wrapper::RegularExpression),
    ("$scope", Wrapper::Scope),
    ("$symbol", Wrapper::Symbol),
    ("$timestamp", Wrapper::Timestamp),
    ("$undefined", Wrapper::Undefined),
    ("$uuid", Wrapper::Uuid),
];

const UUID_SUBTYPE: u8 = 4;
const OLD_SUBTYPE: u8 = 2;

/// The most bytes of a regular expression's options, which must be sorted. MongoDB knows six letters.
const MAX_OPTIONS: usize = 64;
/// The most bytes of a decimal's text. The smallest number takes 6,178 if it is written without an exponent.
const MAX_DECIMAL: usize = 8_192;

impl Wrapper {
    pub(super) fn named(key: &str) -> Option<Self> {
        if !key.starts_with('$') {
            return None;
        }
        NAMES.iter().find(|(name, _)| *name == key).map(|(_, wrapper)| *wrapper)
    }

    pub(super) fn name(self) -> &'static str {
        NAMES.iter().find(|(_, wrapper)| *wrapper == self).map_or("", |(name, _)| name)
    }
}

fn wrong(wrapper: Wrapper, wanted: &str) -> Invalid {
    Invalid::new(format!("`{}` takes {wanted}", wrapper.name()))
}

impl<'a> Parser<'a> {
    /// Reads the value of a wrapper whose first key has been read, up to its closing brace.
    pub(super) fn wrapped(&mut self, wrapper: Wrapper) -> Result<ElementType, Invalid> {
        use Wrapper as W;
        let element = match wrapper {
            W::Code | W::Scope => return self.code(wrapper),
            W::Oid => self.oid()?,
            W::Date => self.date()?,
            W::Binary => self.binary()?,
            W::Uuid => self.uuid()?,
            W::Timestamp => self.timestamp()?,
            W::RegularExpression => self.regular_expression()?,
            W::DbPointer => self.db_pointer()?,
            W::NumberInt => self.wrapped_number::<i32>(wrapper, "an integer of 32 bits", ElementType::Int32)?,
            W::NumberLong => self.wrapped_number::<i64>(wrapper, "an integer of 64 bits", ElementType::Int64)?,
            W::NumberDouble => self.double()?,
            W::NumberDecimal => self.decimal()?,
            W::Symbol => {
                let text = self.text(wrapper)?;
                self.write_string(&text)?;
                ElementType::Symbol
            }
            W::MinKey => self.one(wrapper, ElementType::MinKey)?,
            W::MaxKey => self.one(wrapper, ElementType::MaxKey)?,
            W::Undefined => self.truth()?,
        };
        if self.scan.took(b'}') {
            return Ok(element);
        }
        Err(Invalid::new(format!("`{}` must stand alone in its object", wrapper.name())))
    }

    /// Reads the string that a wrapper takes.
    fn text(&mut self, wrapper: Wrapper) -> Result<Cow<'a, str>, Invalid> {
        if self.scan.peek() == Some(b'"') { self.scan.string() } else { Err(wrong(wrapper, "a string")) }
    }

    fn oid(&mut self) -> Result<ElementType, Invalid> {
        let bytes = self.oid_bytes()?;
        self.out.extend(bytes);
        Ok(ElementType::ObjectId)
    }

    fn oid_bytes(&mut self) -> Result<[u8; 12], Invalid> {
        let text = self.text(Wrapper::Oid)?;
        let mut bytes = [0_u8; 12];
        hex::decode_to_slice(text.as_bytes(), &mut bytes).map_err(|_| wrong(Wrapper::Oid, "24 hexadecimal digits"))?;
        Ok(bytes)
    }

    fn wrapped_number<N: FromStr + WriteTo>(
        &mut self,
        wrapper: Wrapper,
        wanted: &str,
        element: ElementType,
    ) -> Result<ElementType, Invalid> {
        let text = self.text(wrapper)?;
        let number = integer::<N>(&text).ok_or_else(|| wrong(wrapper, &format!("{wanted}, as a string")))?;
        number.write_to(&mut self.out);
        Ok(element)
    }

    fn double(&mut self) -> Result<ElementType, Invalid> {
        let text = self.text(Wrapper::NumberDouble)?;
        let number = match &*text {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            text if text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')) => {
                text.parse().ok().filter(|number: &f64| number.is_finite())
            }
            _ => None,
        };
        let number = number.ok_or_else(|| {
            wrong(Wrapper::NumberDouble, "a number within a double's range, Infinity, -Infinity or NaN, as a string")
        })?;
        self.out.extend(number.to_le_bytes());
        Ok(ElementType::Double)
    }

    fn decimal(&mut self) -> Result<ElementType, Invalid> {
        let text = self.text(Wrapper::NumberDecimal)?;
        let number =
            if text.len() <= MAX_DECIMAL && is_decimal(&text) { Decimal128::from_str(&text).ok() } else { None };
        let number = number.ok_or_else(|| {
            wrong(Wrapper::NumberDecimal, "a decimal of at most 34 digits, Infinity, -Infinity or NaN, as a string")
        })?;
        self.out.extend(number.bytes());
        Ok(ElementType::Decimal128)
    }

    fn date(&mut self) -> Result<ElementType, Invalid> {
        const WANTED: &str = "an ISO 8601 time with a zone, or {\"$numberLong\": \"milliseconds since 1970\"}";
        let wrong = || wrong(Wrapper::Date, WANTED);
        let millis = match self.scan.peek() {
            Some(b'"') => millis_of(&self.scan.string()?)?,
            Some(b'{') => {
                self.scan.take(b'{')?;
                if self.scan.key()? != "$numberLong" {
                    return Err(wrong());
                }
                let millis = integer::<i64>(&self.text(Wrapper::NumberLong)?).ok_or_else(wrong)?;
                self.scan.take(b'}')?;
                millis
            }
            _ => return Err(wrong()),
        };
        self.out.extend(millis.to_le_bytes());
        Ok(ElementType::DateTime)
    }

    fn binary(&mut self) -> Result<ElementType, Invalid> {
        const WANTED: &str = "{\"base64\": \"…\", \"subType\": \"one or two hexadecimal digits\"}";
        let wrong = || wrong(Wrapper::Binary, WANTED);
        let (base64, subtype) = self.pair(["base64", "subType"], wrong)?;
        let hexadecimal = (1..=2).contains(&subtype.len()) && subtype.bytes().all(|byte| byte.is_ascii_hexdigit());
        let subtype = u8::from_str_radix(&subtype, 16).ok().filter(|_| hexadecimal).ok_or_else(wrong)?;
        self.room_for(base64.len() / 4 * 3)?;
        self.write_binary(subtype, |out| STANDARD.decode_vec(base64.as_bytes(), out).map_err(|_| wrong()))
    }

    fn uuid(&mut self) -> Result<ElementType, Invalid> {
        let text = self.text(Wrapper::Uuid)?;
        let uuid = uuid::Uuid::try_parse(&text).ok().filter(|_| text.len() == uuid::fmt::Hyphenated::LENGTH);
        let uuid = uuid.ok_or_else(|| wrong(Wrapper::Uuid, "a UUID with its hyphens"))?;
        self.write_binary(UUID_SUBTYPE, |out| {
            out.extend_from_slice(uuid.as_bytes());
            Ok(())
        })
    }

    /// Writes a binary value whose bytes `write` appends. The old subtype repeats their length within its own bytes.
    fn write_binary(
        &mut self,
        subtype: u8,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), Invalid>,
    ) -> Result<ElementType, Invalid> {
        let outer = self.open();
        self.out.push(subtype);
        let start = self.out.len();
        if subtype == OLD_SUBTYPE {
            self.open();
        }
        let bytes = self.out.len();
        write(&mut self.out)?;
        let length = |from: usize| i32::try_from(self.out.len() - from).unwrap_or(i32::MAX).to_le_bytes();
        let (whole, inner) = (length(start), length(bytes));
        self.out[outer..outer + 4].copy_from_slice(&whole);
        if subtype == OLD_SUBTYPE {
            self.out[start..start + 4].copy_from_slice(&inner);
        }
        Ok(ElementType::Binary)
    }

    fn timestamp(&mut self) -> Result<ElementType, Invalid> {
        let wrong = || wrong(Wrapper::Timestamp, "{\"t\": seconds, \"i\": counter}, both integers of 32 bits from 0");
        let (mut seconds, mut counter) = (None, None);
        self.scan.take(b'{')?;
        loop {
            let slot = match &*self.scan.key()? {
                "t" => &mut seconds,
                "i" => &mut counter,
                _ => return Err(wrong()),
            };
            if slot.is_some() || !self.scan.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                return Err(wrong());
            }
            *slot = Some(self.scan.number()?.parse::<u32>().map_err(|_| wrong())?);
            if !self.scan.took(b',') {
                break;
            }
        }
        self.scan.take(b'}')?;
        let (seconds, counter) = seconds.zip(counter).ok_or_else(wrong)?;
        self.out.extend(counter.to_le_bytes());
        self.out.extend(seconds.to_le_bytes());
        Ok(ElementType::Timestamp)
    }

    fn regular_expression(&mut self) -> Result<ElementType, Invalid> {
        let wrong = || {
            wrong(
                Wrapper::RegularExpression,
                "{\"pattern\": \"…\", \"options\": \"…\"}, without NUL and with at most 64 bytes of options",
            )
        };
        let (pattern, options) = self.pair(["pattern", "options"], wrong)?;
        if pattern.contains('\0') || options.contains('\0') || options.len() > MAX_OPTIONS {
            return Err(wrong());
        }
        self.room_for(pattern.len())?;
        let mut options: Vec<char> = options.chars().collect();
        // BSON requires them in alphabetical order.
        options.sort_unstable();
        self.out.extend_from_slice(pattern.as_bytes());
        self.out.push(0);
        self.out.extend(options.into_iter().collect::<String>().into_bytes());
        self.out.push(0);
        Ok(ElementType::RegularExpression)
    }

    /// Reads `$ref` and `$id`, in either order.
    fn db_pointer(&mut self) -> Result<ElementType, Invalid> {
        let wrong = || wrong(Wrapper::DbPointer, "{\"$ref\": \"…\", \"$id\": {\"$oid\": \"…\"}}");
        let (mut namespace, mut id) = (None, None);
        if !self.scan.took(b'{') {
            return Err(wrong());
        }
        loop {
            match &*self.scan.key()? {
                "$ref" if namespace.is_none() => namespace = Some(self.text(Wrapper::DbPointer)?),
                "$id" if id.is_none() => {
                    if !self.scan.took(b'{') || self.scan.key()? != "$oid" {
                        return Err(wrong());
                    }
                    id = Some(self.oid_bytes()?);
                    self.scan.take(b'}')?;
                }
                _ => return Err(wrong()),
            }
            if !self.scan.took(b',') {
                break;
            }
        }
        self.scan.take(b'}')?;
        let (namespace, id) = namespace.zip(id).ok_or_else(wrong)?;
        self.write_string(&namespace)?;
        self.out.extend(id);
        Ok(ElementType::DbPointer)
    }

    /// Reads `$code`, alone or with `$scope`, in either order. A value with a scope is a level of its own, because BSON
    /// nests it like a document, and a scope within a scope calls this method again.
    fn code(&mut self, first: Wrapper) -> Result<ElementType, Invalid> {
        let wrong = || wrong(Wrapper::Code, "a string, and beside it nothing or the document `$scope`");
        let (mut code, mut scope) = (None, None);
        let mut next = Some(first);
        loop {
            match next {
                Some(Wrapper::Code) if code.is_none() => code = Some(self.text(Wrapper::Code)?),
                Some(Wrapper::Scope) if scope.is_none() && self.scan.peek() == Some(b'{') => {
                    let start = self.out.len();
                    self.enter()?;
                    if self.object().map_err(|invalid| invalid.within("$scope"))? != ElementType::EmbeddedDocument {
                        return Err(wrong());
                    }
                    self.leave();
                    scope = Some(self.out.split_off(start));
                }
                _ => return Err(wrong()),
            }
            if !self.scan.took(b',') {
                break;
            }
            next = Wrapper::named(&self.scan.key()?);
        }
        self.scan.take(b'}')?;
        let code = code.ok_or_else(wrong)?;
        let Some(scope) = scope else {
            self.write_string(&code)?;
            return Ok(ElementType::JavaScriptCode);
        };
        let start = self.open();
        self.write_string(&code)?;
        self.room_for(scope.len())?;
        self.out.extend(scope);
        self.write_length(start);
        Ok(ElementType::JavaScriptCodeWithScope)
    }

    /// Reads an object of exactly two strings, in either order.
    fn pair(&mut self, names: [&str; 2], wrong: impl Fn() -> Invalid) -> Result<(Cow<'a, str>, Cow<'a, str>), Invalid> {
        let mut found = [None, None];
        if !self.scan.took(b'{') {
            return Err(wrong());
        }
        loop {
            let key = self.scan.key()?;
            let at = names.iter().position(|name| *name == key).ok_or_else(&wrong)?;
            if found[at].is_some() || self.scan.peek() != Some(b'"') {
                return Err(wrong());
            }
            found[at] = Some(self.scan.string()?);
            if !self.scan.took(b',') {
                break;
            }
        }
        self.scan.take(b'}')?;
        let [first, second] = found;
        first.zip(second).ok_or_else(wrong)
    }

    fn one(&mut self, wrapper: Wrapper, element: ElementType) -> Result<ElementType, Invalid> {
        let digit = self.scan.peek().is_some_and(|byte| byte.is_ascii_digit());
        if digit && self.scan.number()? == "1" { Ok(element) } else { Err(wrong(wrapper, "the number 1")) }
    }

    fn truth(&mut self) -> Result<ElementType, Invalid> {
        self.scan.peek();
        self.scan.word("true").map_err(|_| wrong(Wrapper::Undefined, "true"))?;
        Ok(ElementType::Undefined)
    }
}

trait WriteTo {
    fn write_to(self, out: &mut Vec<u8>);
}

impl WriteTo for i32 {
    fn write_to(self, out: &mut Vec<u8>) {
        out.extend(self.to_le_bytes());
    }
}

impl WriteTo for i64 {
    fn write_to(self, out: &mut Vec<u8>) {
        out.extend(self.to_le_bytes());
    }
}

/// Parses a whole number in plain digits: no plus, no white space, and no negative zero, because no integer keeps its
/// sign.
fn integer<N: FromStr>(text: &str) -> Option<N> {
    let negative_zero = text.strip_prefix('-').is_some_and(|digits| digits.bytes().all(|digit| digit == b'0'));
    if text.starts_with('+') || negative_zero { None } else { text.parse().ok() }
}

/// Returns whether a text has the grammar of a decimal. The library accepts more than that.
fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if ["nan", "inf", "infinity"].contains(&unsigned.to_ascii_lowercase().as_str()) {
        return true;
    }
    let (number, power) = unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(n, p)| (n, Some(p)));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let power_fits = power.is_none_or(|power| {
        let power = power.strip_prefix(['-', '+']).unwrap_or(power);
        !power.is_empty() && digits(power)
    });
    power_fits && digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty())
}

fn millis_of(text: &str) -> Result<i64, Invalid> {
    const NANOS: i128 = 1_000_000;
    let moment = OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| Invalid::new(format!("{:?} is not a time such as 2026-01-31T12:00:00.000Z", shown(text))))?;
    let nanos = moment.unix_timestamp_nanos();
    if nanos.rem_euclid(NANOS) != 0 {
        return Err(Invalid::new(format!("{:?} is finer than a date's milliseconds", shown(text))));
    }
    i64::try_from(nanos / NANOS).map_err(|_| Invalid::new(format!("{:?} is beyond a date's range", shown(text))))
}
