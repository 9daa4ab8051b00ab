//! Numbers without a wrapper, and the BSON type that preserves their decimal value.

use super::{Invalid, shown};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Int32(i32),
    Int64(i64),
    Double(f64),
}

/// A decimal with up to this many digits is preserved by the double nearest to it, unless that is subnormal.
const SAFE_DIGITS: usize = 15;

pub(super) fn of(text: &str) -> Result<Number, Invalid> {
    if !text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
        return integer(text);
    }
    let double: f64 = text.parse().map_err(|_| rounded(text))?;
    if gives_back(text, double) { Ok(Number::Double(double)) } else { Err(rounded(text)) }
}

fn integer(text: &str) -> Result<Number, Invalid> {
    if text == "-0" {
        // No integer keeps the sign, but a double does.
        return Ok(Number::Double(-0.0));
    }
    let number: i64 = text.parse().map_err(|_| {
        let number = shown(text);
        let fact = format!("{number} is not an integer of 64 bits");
        Invalid { hint: Some("write {\"$numberDecimal\": \"…\"}"), ..Invalid::new(fact) }
    })?;
    Ok(i32::try_from(number).map_or(Number::Int64(number), Number::Int32))
}

fn rounded(text: &str) -> Invalid {
    let hint = "write {\"$numberDecimal\": \"…\"} to keep them all, or {\"$numberDouble\": \"…\"} to have it rounded";
    let fact = format!("{} has digits that a double does not give back", shown(text));
    Invalid { hint: Some(hint), ..Invalid::new(fact) }
}

/// Returns whether the shortest decimal for `double` has the value that is written in `text`.
fn gives_back(text: &str, double: f64) -> bool {
    if !double.is_finite() {
        return false;
    }
    let written = Decimal::of(text);
    if written.digits().next().is_none() {
        return true;
    }
    if text.len() <= SAFE_DIGITS && double.is_normal() {
        return true;
    }
    let printed = format!("{double:e}");
    let shortest = Decimal::of(&printed);
    written.exponent() == shortest.exponent() && written.digits().eq(shortest.digits())
}

/// The text of a decimal number, split into parts so that two can be compared by value.
struct Decimal<'a> {
    whole: &'a str,
    fraction: &'a str,
    power: i64,
    /// The number of leading zeros, and of the significant digits after them, over whole and fraction together.
    zeros: usize,
    significant: usize,
}

impl<'a> Decimal<'a> {
    fn of(text: &'a str) -> Self {
        let text = text.trim_start_matches('-');
        let (number, power) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        // No finite double has a power beyond 64 bits, so it is never compared.
        let power = power.trim_start_matches('+').parse().unwrap_or(i64::MAX / 2);
        let all = || whole.bytes().chain(fraction.bytes());
        let zeros = all().take_while(|byte| *byte == b'0').count();
        let behind = all().rev().take_while(|byte| *byte == b'0').count();
        let significant = (whole.len() + fraction.len()).saturating_sub(zeros + behind);
        Self { whole, fraction, power, zeros, significant }
    }

    /// Returns the significant digits, without the zeros before and after them.
    fn digits(&self) -> impl Iterator<Item = u8> {
        self.whole.bytes().chain(self.fraction.bytes()).skip(self.zeros).take(self.significant)
    }

    /// Returns the power of ten of the first significant digit.
    fn exponent(&self) -> i64 {
        let place = i64::try_from(self.whole.len()).unwrap_or(i64::MAX / 4);
        let zeros = i64::try_from(self.zeros).unwrap_or(i64::MAX / 4);
        place - zeros - 1 + self.power
    }
}
