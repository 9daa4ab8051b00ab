//! The ways in which a handler misbehaves, and what the guest `tallies-badly` needs for them.

use anyhow::{Context, Result, bail};
use bson::{Document, doc};
use rig::clients::World;

use crate::run::Run;

/// Documents that the slow read looks through. No index helps it, and none of them matches.
const LARGE: i32 = 50_000;

/// One way to misbehave.
#[derive(Debug)]
pub(super) struct Case {
    /// Its name for `--case`.
    pub(super) letter: &'static str,
    /// The guest's name for it.
    pub(super) how: &'static str,
    /// What the handler does, for people.
    pub(super) what: &'static str,
}

const fn case(letter: &'static str, how: &'static str, what: &'static str) -> Case {
    Case { letter, how, what }
}

/// All of them.
pub(super) const CASES: [Case; 9] = [
    case("a", "fuel", "burns its fuel"),
    case("b", "deadline", "sleeps to its deadline"),
    case("c", "sleep", "sleeps 500 ms and succeeds"),
    case("d", "reject", "rejects"),
    case("e", "retry", "asks for a retry"),
    case("f", "effect", "asks for an effect"),
    case("g", "log", "logs to its limit"),
    case("h", "read", "reads slowly"),
    case("i", "refused", "writes what MongoDB refuses"),
];

/// Returns the cases with these letters, or all if none is named.
pub(super) fn chosen(letters: &[String]) -> Result<Vec<&'static Case>> {
    if letters.is_empty() {
        return Ok(CASES.iter().collect());
    }
    let find = |letter: &String| CASES.iter().find(|case| case.letter == letter);
    letters.iter().map(|letter| find(letter).with_context(|| format!("there is no case {letter:?}: a to i"))).collect()
}

/// Puts into the handlers' database what the guest needs for these ways.
pub(super) fn prepare(run: &Run<'_>, world: &World, hows: &[&str]) -> Result<()> {
    if hows.contains(&"read") {
        let large = (0..LARGE).map(|number| doc! { "_id": number, "n": number });
        run.block(world.data("large").insert_many(large.collect::<Vec<Document>>()))?;
    }
    if hows.contains(&"refused") {
        let unique = doc! { "key": { "value": 1 }, "name": "value_1", "unique": true };
        let made = run.block(world.data.run_command(doc! { "createIndexes": "taken", "indexes": [unique] }))?;
        if made.get_i32("numIndexesAfter")? != 2 {
            bail!("the unique index was not made: {made}");
        }
        run.block(world.data("taken").insert_one(doc! { "_id": "before", "value": "taken" }))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A guest that does not know a way does nothing bad, and its case would prove nothing.
    #[test]
    fn the_guest_knows_every_way() {
        let guest = include_str!("../../../guest-handlers/behaviours/examples/tallies-badly.rs");
        for case in &CASES {
            assert!(guest.contains(&format!("\"{}\"", case.how)), "{}", case.how);
        }
    }

    #[test]
    fn a_letter_that_names_no_case_is_refused() {
        let letters = |chosen: &[&str]| chosen.iter().map(|letter| (*letter).to_owned()).collect::<Vec<_>>();
        let found = chosen(&letters(&["c", "a"])).expect("both exist");
        assert_eq!(found.iter().map(|case| case.how).collect::<Vec<_>>(), ["sleep", "fuel"]);
        assert_eq!(chosen(&[]).expect("none is named").len(), CASES.len());
        let error = chosen(&letters(&["a", "x"])).expect_err("there is no x");
        assert_eq!(error.to_string(), "there is no case \"x\": a to i");
    }
}
