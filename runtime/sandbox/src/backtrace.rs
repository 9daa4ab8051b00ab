//! A guest's call stack as text, innermost frame first: function names, demangled, and nothing else.
//!
//! The guest chooses the names, and a demangler can be made to print gigabytes from a few hundred bytes. So every name
//! and the whole trace have a bound that holds while they are written, not afterwards. File and line are left out on
//! purpose: to find them, the host would have to parse the guest's debug information, outside every limit.

use std::fmt::{self, Write as _};

use wasmtime::WasmBacktrace;

/// The most bytes of one function's name.
const NAME_BYTES: usize = 200;

/// The most bytes of a mangled name that the demangler is given.
const MANGLED_BYTES: usize = 4 << 10;

/// The most bytes of a whole trace.
const TRACE_BYTES: usize = 16 << 10;

/// Returns the stack at which an error left the guest, a frame a line, or `None` if no frame is known.
pub(super) fn of(error: &wasmtime::Error) -> Option<String> {
    let frames = error.downcast_ref::<WasmBacktrace>()?.frames();
    let frames = frames.iter().map(|frame| (frame.func_name(), frame.func_index(), frame.func_offset()));
    write(frames)
}

/// Writes frames, each of a name, an index in place of a missing name, and the place within the function.
fn write<'a>(frames: impl IntoIterator<Item = (Option<&'a str>, u32, Option<usize>)>) -> Option<String> {
    let mut trace = String::new();
    for (number, (name, index, offset)) in frames.into_iter().enumerate() {
        let name = name.map_or_else(|| format!("function[{index}]"), readable);
        let offset = offset.map(|offset| format!("+{offset:#x}")).unwrap_or_default();
        let line = format!("{number}: {name}{offset}");
        if trace.len() + line.len() + 1 > TRACE_BYTES {
            break;
        }
        if number > 0 {
            trace.push('\n');
        }
        trace.push_str(&line);
    }
    (!trace.is_empty()).then_some(trace)
}

/// Returns the name as in Rust's source if it is a mangled name of Rust's, otherwise as it is. It is never longer than
/// `NAME_BYTES`, and on one line.
fn readable(name: &str) -> String {
    let mut readable = Bounded { text: String::new() };
    let mangled = (name.len() <= MANGLED_BYTES).then(|| rustc_demangle::try_demangle(name).ok()).flatten();
    // The only error is the bound's, after as much as fits has been written.
    let _ = match mangled {
        Some(demangled) => write!(readable, "{demangled:#}"),
        None => readable.write_str(name),
    };
    readable.text
}

/// Takes text until it is full, and then fails, which ends the writer.
struct Bounded {
    text: String,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            if self.text.len() + letter.len_utf8() > NAME_BYTES {
                self.text.push('…');
                return Err(fmt::Error);
            }
            self.text.push(if letter.is_control() { ' ' } else { letter });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str) -> String {
        write([(Some(name), 0, None)]).expect("a frame")
    }

    #[test]
    fn rusts_names_are_demangled_and_others_stand_as_they_are() {
        assert_eq!(one("_ZN6panics5inner17h0123456789abcdefE"), "0: panics::inner");
        assert_eq!(one("_RNvCs4fqI2P2rA04_6panics5outer"), "0: panics::outer");
        assert_eq!(one("_ZN3c++"), "0: _ZN3c++");
        assert_eq!(one("main.handle"), "0: main.handle");
    }

    #[test]
    fn a_frame_without_a_name_has_its_index_and_each_frame_its_place() {
        let frames = [(Some("inner"), 4, Some(0x1f)), (None, 7, None)];
        assert_eq!(write(frames).as_deref(), Some("0: inner+0x1f\n1: function[7]"));
        assert_eq!(write([]), None);
    }

    #[test]
    fn a_name_cannot_forge_a_line() {
        assert_eq!(one("a\n9: b\u{1b}[2J"), "0: a 9: b [2J");
    }

    #[test]
    fn a_name_that_grows_when_it_is_demangled_is_cut() {
        // Rust's v0 mangling: a tuple of two types, each of which is the tuple before it, so it doubles with every
        // step.
        let mut name = "_RINvC1a1f".to_owned();
        let mut at = name.len() - 2;
        name.push_str("TuuE");
        for _ in 0..60 {
            let here = name.len() - 2;
            let back = base_62(at);
            write!(name, "TB{back}B{back}E").expect("a text takes everything");
            at = here;
        }
        name.push('E');
        let shown = one(&name);
        assert!(shown.starts_with("0: a::f::<(), ((") || shown.starts_with("0: a::f::<"), "{shown}");
        assert!(shown.ends_with('…') && shown.len() <= NAME_BYTES + 8, "{shown}");
    }

    /// A back reference of Rust's v0 mangling, without its `B`.
    fn base_62(mut number: usize) -> String {
        const DIGITS: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        if number == 0 {
            return "_".to_owned();
        }
        number -= 1;
        let mut digits = vec![b'_'];
        loop {
            digits.push(DIGITS[number % 62]);
            number /= 62;
            if number == 0 {
                break;
            }
        }
        digits.reverse();
        String::from_utf8(digits).expect("digits are ASCII")
    }

    #[test]
    fn names_of_cpp_and_long_ones_are_cut_and_never_demangled() {
        let steps: String = (0..30).map(|step| format!("S_IS{step}_S{step}_E")).collect::<Vec<_>>().concat();
        let doubling = format!("_Z1f1PIiiE{steps}");
        assert!(one(&doubling).starts_with("0: _Z1f1PIiiES_IS0_"));
        for name in [doubling, "n".repeat(100_000), "é".repeat(50_000), format!("_ZN{}E", "1a".repeat(4_000))] {
            assert!(one(&name).len() <= NAME_BYTES + 8, "{}", one(&name).len());
        }
    }

    #[test]
    fn a_whole_trace_has_a_bound() {
        let name = "n".repeat(300);
        let trace = write((0..1_000).map(|index| (Some(name.as_str()), index, Some(1)))).expect("frames");
        assert!(trace.len() <= TRACE_BYTES && trace.len() > TRACE_BYTES - 300, "{}", trace.len());
        assert!(trace.lines().all(|line| line.ends_with("…+0x1")), "{trace}");
    }
}
