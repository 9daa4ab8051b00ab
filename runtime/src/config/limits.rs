//! What a delivery may use, in one table. Each limit names itself when it stops something.

use std::ops::RangeInclusive;

use super::error::suggestion;

/// One row of the table of limits.
#[derive(Debug, Clone)]
pub struct Limit {
    /// The name in `[limits]` and `[handlers.NAME]`.
    pub name: &'static str,
    /// What it bounds, and its unit.
    pub help: String,
    /// The default.
    pub default: u64,
    /// The values that it may have.
    pub range: RangeInclusive<u64>,
}

/// Which of MongoDB's expressions a handler may use, in `$expr` and in pipeline updates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Expressions {
    /// Those that read their arguments once, and only so many that a document is read 1,000 times at most. MongoDB
    /// before 8.1 cannot interrupt the others.
    #[default]
    Safe,
    /// All that depend on nothing but their arguments.
    All,
}

impl Expressions {
    /// The key in `[limits]` and `[handlers.NAME]`.
    const KEY: &str = "expressions";

    fn read(value: &toml::Value) -> Option<Self> {
        match value.as_str()? {
            "safe" => Some(Self::Safe),
            "all" => Some(Self::All),
            _ => None,
        }
    }
}

/// Makes the struct, its defaults and the table from one list.
macro_rules! limits {
    ($( $(#[doc = $help:literal])+ $name:ident = $default:expr, $range:expr; )+) => {
        /// A handler's limits.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Limits {
            $( $(#[doc = $help])+ pub $name: u64, )+
            /// Which of MongoDB's expressions it may use.
            pub expressions: Expressions,
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $( $name: $default, )+ expressions: Expressions::default() }
            }
        }

        impl Limits {
            /// Every limit.
            #[must_use]
            pub fn table() -> Vec<Limit> {
                vec![$( Limit { name: stringify!($name), help: joined(&[$($help),+]), default: $default, range: $range }, )+]
            }

            fn field(&mut self, name: &str) -> Option<&mut u64> {
                match name {
                    $( stringify!($name) => Some(&mut self.$name), )+
                    _ => None,
                }
            }
        }
    };
}

/// Joins the lines of a comment into one text.
fn joined(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

limits! {
    /// Units of fuel for one `handle`.
    fuel = 100_000_000, 1_000..=1_000_000_000_000;
    /// Bytes over all memories of the instance.
    memory_bytes = 64 << 20, 65_536..=1 << 30;
    /// Milliseconds of running time of one `handle`, without the time in `documents`; sleeping counts.
    deadline_ms = 1_000, 1..=600_000;
    /// Milliseconds that one delivery may wait in `documents` calls. Each call gives MongoDB the time that is left.
    documents_ms = 10_000, 100..=60_000;
    /// Elements over all tables of the instance.
    table_elements = 100_000, 1..=200_000;
    /// Calls of the host in one delivery, of the contract and of WASI alike. A line that is printed takes two or three.
    host_calls = 10_000, 1..=10_000_000;
    /// Writes in one delivery.
    writes = 1_000, 0..=100_000;
    /// Documents that one `find` may return.
    found_documents = 1_000, 0..=100_000;
    /// Bytes of log lines in one delivery as they are written, including stdout and stderr. Anything over the limit is
    /// dropped and counted, except the last line.
    log_bytes = 64 << 10, 0..=64 << 20;
    /// Log lines in one delivery. Anything over the limit is dropped and counted, except the last line.
    log_lines = 1_000, 0..=1_000_000;
    /// Bytes of the event that the handler receives.
    event_bytes = 1 << 20, 1..=64 << 20;
    /// Bytes that cross the boundary in one delivery, in both directions, the event not counted.
    boundary_bytes = 16 << 20, 1..=1 << 30;
    /// Resources held at once: WASI's streams and pollables, and the component's own.
    handles = 256, 16..=65_536;
    /// Units of fuel for the instantiation.
    instantiate_fuel = 100_000_000, 1_000..=1_000_000_000_000;
    /// Units of fuel for `describe`.
    describe_fuel = 100_000_000, 1_000..=1_000_000_000_000;
    /// Milliseconds of running time of `describe`.
    describe_ms = 5_000, 1..=600_000;
}

impl Limits {
    /// Sets what a table of `weir.toml` gives, and adds to `wrong` what is wrong with it. `place` and `file` say which
    /// table this is.
    pub(super) fn set(&mut self, given: &toml::Table, place: &str, file: &str, wrong: &mut Vec<String>) {
        let rows = Self::table();
        for (name, value) in given {
            if name == Expressions::KEY {
                match Expressions::read(value) {
                    Some(expressions) => self.expressions = expressions,
                    None => {
                        wrong.push(format!("{name} in {place} is {value} ({file}), but must be \"safe\" or \"all\""));
                    }
                }
                continue;
            }
            let Some(row) = rows.iter().find(|row| row.name == name) else {
                let hint = suggestion(name, rows.iter().map(|row| row.name).chain([Expressions::KEY]));
                wrong.push(format!("{name} in {place} ({file}) is not a limit{hint}"));
                continue;
            };
            let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
            match number.filter(|number| row.range.contains(number)).zip(self.field(name)) {
                Some((number, field)) => *field = number,
                None => wrong.push(format!(
                    "{name} in {place} is {value} ({file}), but must be a whole number from {} to {}",
                    row.range.start(),
                    row.range.end()
                )),
            }
        }
    }
}
