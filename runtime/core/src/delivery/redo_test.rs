use super::*;
use crate::store::{FailedWrite, Kind, WriteError};

fn plan() -> Plan {
    let command = Command {
        collection: Arc::from("users"),
        kind: Kind::Update,
        must_match: true,
        statements: Vec::new(),
        owners: vec![7],
    };
    Plan { commands: vec![command], ..Plan::default() }
}

fn failed() -> Reply {
    Reply::Failed(FailedWrite { command: 0, statement: None, why: WriteError::MustMatch })
}

const START: Duration = Duration::ZERO;

#[test]
fn a_failure_of_the_grouped_form_blames_nobody() {
    let mut redo = Redo::default();
    assert!(matches!(redo.after(failed(), &plan(), 9, START), Step::Strict));
    assert_eq!(redo.form(), Form::Strict);
    assert!(matches!(redo.after(failed(), &plan(), 9, START), Step::Fail { owner: 7, .. }));
    assert_eq!(redo.form(), Form::Grouped);
}

#[test]
fn a_single_writer_is_blamed_at_once() {
    let mut redo = Redo::strict(true);
    assert!(matches!(redo.after(failed(), &plan(), 1, START), Step::Fail { owner: 7, .. }));
}

#[test]
fn faults_are_redone_for_20_s_and_conflicts_for_2_s_before_the_batch_is_halved() {
    let fault = || Reply::Transient("not primary".to_owned());
    let conflict = || Reply::Conflict { collection: Arc::from("a"), why: String::new() };
    for (reply, seconds) in [(&fault as &dyn Fn() -> Reply, 20), (&conflict, 2)] {
        let mut redo = Redo::default();
        let mut at = |second| redo.after(reply(), &plan(), 8, Duration::from_secs(second));
        assert!(matches!(at(0), Step::Again { .. } | Step::Lease { .. }));
        assert!(matches!(at(seconds), Step::Again { .. } | Step::Lease { .. }));
        assert!(matches!(at(seconds + 1), Step::Halve(_)));
    }
}

#[test]
fn reads_that_mongodb_does_not_check_run_again_at_the_third_try() {
    let mut redo = Redo::default();
    let mut unchecked = || redo.after(Reply::Unchecked("snapshot".to_owned()), &plan(), 1, START);
    assert!(matches!(unchecked(), Step::Again { .. }));
    assert!(matches!(unchecked(), Step::Again { .. }));
    assert!(matches!(unchecked(), Step::Rerun));
}

fn faulty(kind: FaultKind) -> Reply {
    Reply::Faulty(FaultyCommand { command: 0, kind, why: String::new() })
}

#[test]
fn a_fault_is_laid_to_the_only_delivery_behind_its_command() {
    let mut shared = plan();
    shared.commands[0].owners.push(8);
    for (kind, events) in [(FaultKind::Slow, 9), (FaultKind::Unauthorized, 9), (FaultKind::Unanswered, 1)] {
        let mut redo = Redo::default();
        assert!(matches!(redo.after(faulty(kind), &shared, events, START), Step::Strict));
        for _ in 0..9 {
            assert!(matches!(redo.after(faulty(kind), &plan(), events, START), Step::Suspect { owner: 7, .. }));
        }
    }
}

#[test]
fn a_connection_that_is_lost_tells_nothing_of_one_among_many() {
    let mut redo = Redo::default();
    let mut at = |second| redo.after(faulty(FaultKind::Unanswered), &plan(), 8, Duration::from_secs(second));
    assert!(matches!(at(0), Step::Again { .. }));
    assert!(matches!(at(21), Step::Halve(_)));
}

#[test]
fn a_commit_may_conflict_three_times_and_fail_ten_times() {
    for (code, tries) in [(Some(112), 3), (Some(-31_800), 3), (Some(251), 10), (None, 10)] {
        let failed = || Reply::Uncommitted { code, why: String::new() };
        let mut redo = Redo::default();
        for _ in 1..tries {
            assert!(matches!(redo.after(failed(), &plan(), 1, START), Step::Again { .. }));
        }
        assert!(matches!(redo.after(failed(), &plan(), 1, START), Step::FailUncommittable(_)));
        let mut redo = Redo::default();
        for _ in 1..tries {
            assert!(matches!(redo.after(failed(), &plan(), 8, START), Step::Again { .. }));
        }
        assert!(matches!(redo.after(failed(), &plan(), 8, START), Step::Halve(_)));
    }
}

#[test]
fn a_conflict_on_a_collection_asks_for_a_lease_and_a_pause() {
    let mut redo = Redo::default();
    let conflict = || Reply::Conflict { collection: Arc::from("a"), why: String::new() };
    let mut pause = || match redo.after(conflict(), &plan(), 8, START) {
        Step::Lease { collection, pause, .. } if &*collection == "a" => pause,
        step => panic!("{step:?}"),
    };
    assert!(pause() < pause(), "who was faster may need longer");
}

#[test]
fn what_may_pass_is_never_counted_against_an_event_alone() {
    let mut redo = Redo::default();
    for second in 0..10_000 {
        let step = redo.after(Reply::Transient(String::new()), &plan(), 1, Duration::from_secs(second));
        assert!(matches!(step, Step::Again { pause, .. } if pause <= LONGEST_PAUSE));
    }
}

#[test]
fn an_event_alone_may_be_too_large_three_times() {
    let mut redo = Redo::default();
    let large = || Reply::TooLarge(String::new());
    assert!(matches!(redo.after(large(), &plan(), 4, START), Step::Halve(_)));
    assert!(matches!(redo.after(large(), &plan(), 1, START), Step::Again { .. }));
    assert!(matches!(redo.after(large(), &plan(), 1, START), Step::Again { .. }));
    assert!(matches!(redo.after(large(), &plan(), 1, START), Step::FailLargest(_)));
}

#[test]
fn an_unknown_commit_is_settled_by_a_claim() {
    let mut redo = Redo::default();
    assert!(matches!(redo.after(Reply::Unknown(String::new()), &plan(), 4, START), Step::Claim { .. }));
    assert!(matches!(redo.after(Reply::LostClaim, &plan(), 4, START), Step::Claim { .. }));
}
