use bson::{RawBsonRef, rawdoc};
use proptest::prelude::*;

use super::*;

fn write(collection: &str, kind: Kind, id: Option<&str>, must_match: bool) -> Write {
    Write {
        collection: Arc::from(collection),
        kind,
        statements: vec![rawdoc! { "q": { "_id": id.unwrap_or("any") } }],
        id: id.and_then(|id| IdKey::of(RawBsonRef::String(id))),
        id_only: id.is_some(),
        multi: false,
        upsert: false,
        must_match,
    }
}

fn shape(writes: &[Write], form: Form) -> Vec<(String, Kind, bool, Vec<usize>)> {
    commands(writes.iter().enumerate(), form)
        .into_iter()
        .map(|command| (command.collection.to_string(), command.kind, command.must_match, command.owners))
        .collect()
}

#[test]
fn two_writes_a_delivery_cost_two_commands_a_batch() {
    let writes: Vec<Write> = ["a", "b", "c"]
        .iter()
        .flat_map(|id| {
            [write("activities", Kind::Update, Some(id), false), write("activities", Kind::Update, Some(id), true)]
        })
        .collect();
    assert_eq!(
        shape(&writes, Form::Grouped),
        [
            ("activities".to_owned(), Kind::Update, false, vec![0, 2, 4]),
            ("activities".to_owned(), Kind::Update, true, vec![1, 3, 5]),
        ]
    );
}

#[test]
fn a_hot_document_costs_one_command() {
    let writes: Vec<Write> = (0..4).map(|_| write("statistics", Kind::Update, Some("global"), false)).collect();
    assert_eq!(shape(&writes, Form::Grouped), [("statistics".to_owned(), Kind::Update, false, vec![0, 1, 2, 3])]);
}

#[test]
fn nothing_passes_a_barrier() {
    let writes = [
        write("users", Kind::Update, Some("a"), false),
        write("users", Kind::Delete, None, false),
        write("users", Kind::Update, Some("b"), false),
        write("other", Kind::Update, Some("b"), false),
    ];
    assert_eq!(
        shape(&writes, Form::Grouped),
        [
            ("users".to_owned(), Kind::Update, false, vec![0]),
            ("users".to_owned(), Kind::Delete, false, vec![1]),
            ("users".to_owned(), Kind::Update, false, vec![2]),
            ("other".to_owned(), Kind::Update, false, vec![3]),
        ]
    );
}

#[test]
fn the_strict_form_tells_whose_a_failure_is() {
    let writes = [
        (0, write("users", Kind::Update, Some("a"), false)),
        (0, write("users", Kind::Update, Some("b"), false)),
        (1, write("users", Kind::Update, Some("c"), false)),
        (1, write("users", Kind::Update, Some("a"), true)),
        (1, write("users", Kind::Update, Some("b"), true)),
    ];
    let commands = commands(writes.iter().map(|(owner, write)| (*owner, write)), Form::Strict);
    let owners: Vec<_> = commands.into_iter().map(|command| command.owners).collect();
    assert_eq!(owners, [vec![0, 0], vec![1], vec![1], vec![1]]);
}

#[test]
fn a_must_match_multi_statement_stands_alone() {
    let multi = Write { multi: true, ..write("users", Kind::Update, None, true) };
    let single = write("users", Kind::Update, None, true);
    for writes in [[multi.clone(), multi.clone()], [multi.clone(), single.clone()], [single, multi]] {
        assert_eq!(shape(&writes, Form::Grouped).len(), 2);
    }
}

#[test]
fn what_is_sure_to_match_is_not_counted_again() {
    let join = || {
        let guarded = Write { id_only: false, ..write("activities", Kind::Update, Some("a"), false) };
        [guarded, write("activities", Kind::Update, Some("a"), true)]
    };
    let joins: Vec<Write> = (0..5).flat_map(|_| join()).collect();
    let counted = |writes: &[Write]| -> Vec<(bool, usize)> {
        shape(writes, Form::Grouped).iter().map(|(_, _, counted, owners)| (*counted, owners.len())).collect()
    };
    assert_eq!(counted(&joins), [(false, 1), (true, 1), (false, 8)]);
    let made: Vec<Write> = [write("activities", Kind::Insert, Some("a"), false)].into_iter().chain(join()).collect();
    assert_eq!(counted(&made), [(false, 1), (false, 2)]);
    let gone: Vec<Write> = [write("activities", Kind::Delete, Some("a"), false)].into_iter().chain(join()).collect();
    assert_eq!(counted(&gone), [(false, 1), (false, 1), (true, 1)]);
}

/// A write with few names, so that writes collide. Its statement shows which write it is.
fn any_write() -> impl Strategy<Value = Write> {
    let kind = prop_oneof![Just(Kind::Insert), Just(Kind::Update), Just(Kind::Delete)];
    let id = proptest::option::weighted(0.8, prop_oneof![Just("x"), Just("y"), Just("z")]);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (prop_oneof![Just("a"), Just("b")], kind, id, flags).prop_map(
        |(collection, kind, id, (must_match, multi, upsert, id_only))| Write {
            multi: multi && id.is_none() && kind != Kind::Insert,
            upsert: upsert && id.is_some() && kind == Kind::Update && !must_match,
            id_only: id_only && id.is_some() && kind != Kind::Insert,
            ..write(collection, kind, id, must_match && kind != Kind::Insert)
        },
    )
}

proptest! {
    #[test]
    fn only_statements_on_different_documents_pass_each_other(writes in proptest::collection::vec(any_write(), 0..40)) {
        for form in [Form::Grouped, Form::Strict] {
            let order: Vec<usize> =
                commands(writes.iter().enumerate(), form).into_iter().flat_map(|command| command.owners).collect();
            let mut all = order.clone();
            all.sort_unstable();
            prop_assert_eq!(all, (0..writes.len()).collect::<Vec<_>>(), "each stands in one command");
            for (at, later) in order.iter().enumerate() {
                for earlier in &order[at + 1..] {
                    let (first, second) = (&writes[*earlier], &writes[*later]);
                    let passed = earlier < later && first.collection == second.collection;
                    let apart = first.id.is_some() && second.id.is_some() && first.id != second.id;
                    prop_assert!(!passed || apart, "{} passed {} in {:?}", later, earlier, form);
                }
            }
        }
    }

    #[test]
    fn what_is_counted_must_match_one_by_one(writes in proptest::collection::vec(any_write(), 0..40)) {
        for command in commands(writes.iter().enumerate(), Form::Grouped).iter().filter(|command| command.must_match) {
            let of_it = || command.owners.iter().map(|owner| &writes[*owner]);
            prop_assert!(of_it().all(|write| write.must_match && write.kind == command.kind));
            prop_assert!(of_it().all(|write| !write.multi) || command.owners.len() == 1);
        }
    }

    // Only a few, because otherwise most would fail before it gets interesting.
    #[test]
    fn both_forms_notice_what_matches_nothing(
        writes in proptest::collection::vec(any_write(), 0..7),
        there in proptest::collection::vec(any::<bool>(), 6),
    ) {
        let run = |form| Stored::new(&there).run(&commands(writes.iter().enumerate(), form), &writes);
        prop_assert_eq!(run(Form::Strict), run(Form::Grouped));
    }
}

/// Updates of two documents, many of them identical.
fn any_count() -> impl Strategy<Value = Write> {
    let update = prop_oneof![
        4 => Just(rawdoc! { "$inc": { "n": 1 }, "$set": { "s": 1 } }),
        1 => Just(rawdoc! { "$inc": { "n": 5 } }),
        1 => Just(rawdoc! { "$set": { "s": 2 } }),
        1 => Just(rawdoc! { "$push": { "list": 1 } }),
    ];
    (prop_oneof![4 => Just("x"), 1 => Just("y")], update, any::<bool>()).prop_map(|(id, update, id_only)| Write {
        statements: vec![rawdoc! { "q": { "_id": id }, "u": update }],
        id_only,
        ..write("a", Kind::Update, Some(id), false)
    })
}

/// Returns what the commands make of two documents: what `n` counts, what `s` is, and how long the list is.
fn counted(commands: &[Command]) -> HashMap<String, (i32, i32, u32)> {
    let mut documents: HashMap<String, (i32, i32, u32)> = HashMap::new();
    for statement in commands.iter().flat_map(|command| &command.statements) {
        let id = statement.get_document("q").and_then(|q| q.get_str("_id")).expect("an id");
        let document = documents.entry(id.to_owned()).or_default();
        let update = statement.get_document("u").expect("an update");
        let field = |operator, name| update.get_document(operator).ok()?.get_i32(name).ok();
        document.0 += field("$inc", "n").unwrap_or(0);
        document.1 = field("$set", "s").unwrap_or(document.1);
        document.2 += u32::from(field("$push", "list").is_some());
    }
    documents
}

#[test]
fn the_same_count_many_times_over_is_one_statement() {
    let count = || Write {
        statements: vec![rawdoc! { "q": { "_id": "x" }, "u": { "$inc": { "n": 1 } } }],
        ..write("a", Kind::Update, Some("x"), false)
    };
    let writes: Vec<Write> = (0..300).map(|_| count()).collect();
    let grouped = commands(writes.iter().enumerate(), Form::Grouped);
    assert_eq!((grouped.len(), grouped[0].statements.len(), grouped[0].owners.len()), (1, 1, 300));
    assert_eq!(counted(&grouped)["x"].0, 300);
}

proptest! {
    #[test]
    fn what_is_written_once_for_many_has_the_effect_of_all(writes in proptest::collection::vec(any_count(), 0..60)) {
        let of = |form| counted(&commands(writes.iter().enumerate(), form));
        prop_assert_eq!(of(Form::Grouped), of(Form::Strict));
    }
}

/// Documents as MongoDB would store them, by collection and name.
struct Stored(std::collections::BTreeSet<(String, &'static str)>);

const NAMES: [&str; 3] = ["x", "y", "z"];

impl Stored {
    fn new(there: &[bool]) -> Self {
        let all = ["a", "b"].iter().flat_map(|collection| NAMES.map(|name| ((*collection).to_owned(), name)));
        Self(all.zip(there).filter(|(_, there)| **there).map(|(document, _)| document).collect())
    }

    /// Returns the documents in the end, or none if a statement or a count failed.
    fn run(mut self, commands: &[Command], writes: &[Write]) -> Option<Vec<(String, &'static str)>> {
        for command in commands {
            let mut matched = 0;
            for owner in &command.owners {
                matched += self.statement(&writes[*owner])?;
            }
            if command.must_match && matched < command.owners.len() {
                return None;
            }
        }
        Some(self.0.into_iter().collect())
    }

    /// Returns how many documents it matched, or none if MongoDB refuses it.
    fn statement(&mut self, write: &Write) -> Option<usize> {
        let named = NAMES.iter().find(|name| write.id == IdKey::of(RawBsonRef::String(name)));
        let mut matched: Vec<_> = self.0.iter().filter(|(collection, _)| **collection == *write.collection).collect();
        match named {
            Some(name) => matched.retain(|(_, stored)| stored == name),
            None if write.multi => {}
            None => matched.truncate(1),
        }
        if !write.id_only && named.is_some() && write.kind != Kind::Insert {
            // Its other condition never matches.
            matched.clear();
        }
        let matched: Vec<_> = matched.into_iter().cloned().collect();
        let made = named.map(|name| (write.collection.to_string(), *name));
        match write.kind {
            Kind::Insert => made.is_none_or(|made| self.0.insert(made)).then_some(1),
            Kind::Update if matched.is_empty() && write.upsert => {
                made.is_none_or(|made| self.0.insert(made)).then_some(1)
            }
            Kind::Update => Some(matched.len()),
            Kind::Delete => {
                self.0.retain(|document| !matched.contains(document));
                Some(matched.len())
            }
        }
    }
}
