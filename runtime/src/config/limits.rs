//! Reads the tables of limits in `weir.toml`. The sandbox knows their names, defaults and ranges.

use weir_core::documents::Expressions;
use weir_sandbox::Limits;

use super::error::suggesting;

/// The key of the expressions that a handler may use.
const EXPRESSIONS: &str = "expressions";

fn expressions(value: &toml::Value) -> Option<Expressions> {
    match value.as_str()? {
        "safe" => Some(Expressions::Safe),
        "all" => Some(Expressions::All),
        _ => None,
    }
}

/// Sets what a table of `weir.toml` gives, and adds to `wrong` what is wrong with it. `place` and `file` say which
/// table this is.
pub(super) fn set(limits: &mut Limits, given: &toml::Table, place: &str, file: &str, wrong: &mut Vec<String>) {
    let rows = Limits::table();
    for (name, value) in given {
        if name == EXPRESSIONS {
            match expressions(value) {
                Some(allowed) => limits.expressions = allowed,
                None => {
                    wrong.push(format!("{name} in {place} is {value} ({file}), but must be \"safe\" or \"all\""));
                }
            }
            continue;
        }
        let Some(row) = rows.iter().find(|row| row.name == name) else {
            let fact = format!("{name} in {place} ({file}) is not a limit");
            wrong.push(suggesting(fact, name, rows.iter().map(|row| row.name).chain([EXPRESSIONS])));
            continue;
        };
        let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
        match number.filter(|number| row.range.contains(number)).zip(limits.named(name)) {
            Some((number, field)) => *field = number,
            None => wrong.push(format!(
                "{name} in {place} is {value} ({file}), but must be a whole number from {} to {}",
                row.range.start(),
                row.range.end()
            )),
        }
    }
}
