use std::sync::Arc;

use super::*;
use crate::delivery::{Done, Item};
use crate::event::{Ignored, RawRecord};
use crate::store::Claim;

const START: Duration = Duration::from_secs(100);

fn id(number: i32) -> PartitionId {
    PartitionId { topic: Arc::from("t"), partition: number }
}

fn entry(number: i32, offset: i64) -> Entry {
    let (item, raw) = (Item::Ignored(Ignored::Update), Arc::new(RawRecord::default()));
    Entry::of_log(id(number), offset, item, raw)
}

fn actions(member: &mut Member) -> Vec<Action> {
    std::iter::from_fn(|| member.next_action()).collect()
}

fn works(member: &mut Member) -> Vec<Work> {
    std::iter::from_fn(|| member.next_work()).collect()
}

fn owned(epoch: i64, next: i64) -> Claimed {
    Claimed::Owned { claim: Claim::new(epoch, next), from: next, last: None }
}

fn standing(number: i32, epoch: i64, next: i64) -> Standing {
    Standing { partition: id(number), epoch, next }
}

/// Returns a member that owns partitions 0 and 1, with a record of partition 0 at the committer.
fn member() -> Member {
    let mut member = Member::new(Settings {
        batch: BatchBounds { events: 10, bytes: 1 << 20 },
        queue_bytes: 1 << 20,
        shutdown_timeout: Duration::from_secs(20),
        look_every: Duration::from_secs(15),
    });
    member.changed(Change::Assigned(vec![id(0), id(1)]));
    member.turn(START);
    assert!(matches!(&actions(&mut member)[..], [Action::Accept, Action::Claim { after: Duration::ZERO, .. }]));
    member.claimed(id(0), owned(1, 5));
    member.claimed(id(1), owned(1, 7));
    member.said(Said::Wants, START);
    member.turn(START);
    member.record(entry(0, 5));
    member.turn(START);
    assert!(matches!(&actions(&mut member)[..], [Action::Read(starts)] if starts.len() == 2));
    assert!(matches!(&works(&mut member)[..], [Work::Own(_), Work::Commit(entries)] if entries.len() == 1));
    member
}

fn done(member: &mut Member, next: i64, now: Duration) {
    let moved = vec![(id(0), Claim::new(1, next))];
    member.said(Said::Done(Done { moved, finished: 1, ..Done::default() }), now);
    member.said(Said::Wants, now);
    member.turn(now);
}

fn rests(member: &mut Member, now: Duration) {
    member.said(Said::Rests(vec![id(0), id(1)]), now);
    member.turn(now);
}

#[test]
fn a_revoked_partition_is_drained_handed_over_and_given_back() {
    let mut member = member();
    member.changed(Change::Revoked(vec![id(0)]));
    member.turn(START);
    assert!(!member.takes(&id(0), 6) && member.takes(&id(1), 7));
    member.record(entry(1, 7));
    member.turn(START);
    assert!(actions(&mut member).is_empty(), "it waits for the committer");
    assert!(matches!(&works(&mut member)[..], [Work::Rest(gone)] if *gone == [id(0)]));

    done(&mut member, 6, START);
    assert!(actions(&mut member).is_empty(), "it may still try what is parked");
    rests(&mut member, START);
    let handed_over = actions(&mut member);
    assert!(
        matches!(&handed_over[..], [Action::HandOver { standing: all, is_awaited: true }] if *all == [standing(0, 1, 6)])
    );
    assert!(matches!(&works(&mut member)[..], [Work::Disown(gone), Work::Commit(_)] if *gone == [id(0)]));

    member.handed_over();
    member.turn(START);
    assert!(matches!(&actions(&mut member)[..], [Action::Return(gone)] if *gone == [id(0)]));
    member.returned(false, START);
    member.turn(START);
    assert!(matches!(&actions(&mut member)[..], [Action::Return(_)]), "until Kafka's client takes the answer");
    member.returned(true, START);
    assert_eq!(member.partitions().owned(), [id(1)]);
}

#[test]
fn a_lost_partition_is_given_back_without_a_word_to_anybody() {
    let mut member = member();
    member.changed(Change::Lost(vec![id(0), id(1)]));
    member.turn(START);
    done(&mut member, 6, START);
    rests(&mut member, START);
    assert!(matches!(&actions(&mut member)[..], [Action::GiveUp(false), Action::Return(_)]));
}

#[test]
fn kafkas_client_is_told_of_nothing_else_while_it_waits_for_an_answer() {
    let mut member = member();
    member.changed(Change::Assigned(vec![id(2)]));
    member.turn(START);
    actions(&mut member);
    member.changed(Change::Revoked(vec![id(0)]));
    member.changed(Change::Assigned(vec![id(3)]));
    member.claimed(id(2), owned(4, 0));
    member.turn(START);
    assert!(actions(&mut member).is_empty());
    done(&mut member, 6, START);
    rests(&mut member, START);
    member.handed_over();
    member.turn(START);
    actions(&mut member);
    member.returned(true, START);
    assert!(matches!(&actions(&mut member)[..], [Action::Accept, Action::Claim { .. }, Action::Read(_)]));
}

#[test]
fn a_partition_that_is_lost_to_another_host_is_claimed_again_after_a_pause() {
    let mut member = member();
    member.said(Said::Done(Done { lost: vec![(id(1), 1)], ..Done::default() }), START);
    member.turn(START);
    assert!(!member.takes(&id(1), 7));
    assert!(
        matches!(&actions(&mut member)[..], [Action::Claim { partitions, after: LOST_PAUSE }] if *partitions == [id(1)])
    );
    member.turn(START);
    assert!(actions(&mut member).is_empty(), "it is being claimed already");
}

#[test]
fn what_kafkas_client_does_not_take_is_claimed_again() {
    let mut member = member();
    member.not_read(&[id(1)]);
    assert!(matches!(&actions(&mut member)[..], [Action::Claim { partitions, .. }] if *partitions == [id(1)]));
}

#[test]
fn a_stop_drains_hands_over_and_leaves() {
    let mut member = member();
    member.stop(START);
    member.turn(START);
    assert!(matches!(&actions(&mut member)[..], [Action::GiveUp(false)]));
    member.changed(Change::Revoked(vec![id(0)]));
    done(&mut member, 6, START);
    rests(&mut member, START);
    let handed_over = actions(&mut member);
    assert!(matches!(&handed_over[..], [Action::HandOver { standing: all, is_awaited: true }]
            if *all == [standing(0, 1, 6), standing(1, 1, 7)]));
    member.handed_over();
    member.turn(START);
    assert!(matches!(&actions(&mut member)[..], [Action::Leave { is_clean: true }]));
}

#[test]
fn a_stop_ends_in_time_even_if_the_committer_does_not() {
    let mut member = member();
    member.stop(START);
    let mut said = Vec::new();
    for second in 0..60 {
        member.turn(START + Duration::from_secs(second));
        for action in actions(&mut member) {
            let is_last = matches!(action, Action::Leave { .. });
            said.push((second, action));
            if is_last {
                assert!(matches!(
                    &said[..],
                    [
                        (0, Action::GiveUp(false)),
                        (20, Action::GiveUp(true)),
                        (26, Action::GiveUp(true)),
                        (26, Action::Leave { is_clean: false })
                    ]
                ));
                return;
            }
        }
    }
    panic!("it does not leave: {said:?}");
}

#[test]
fn it_looks_at_the_group_and_claims_again_what_a_person_has_set() {
    let mut member = member();
    let after = |seconds| START + Duration::from_secs(seconds);
    let asks = |member: &mut Member, now| {
        member.tick(now);
        actions(member).iter().any(|action| matches!(action, Action::AskProgress))
    };
    assert!(asks(&mut member, after(0)));
    assert!(!asks(&mut member, after(30)), "it waits for the answer");
    member.seen_progress(None, after(31));
    assert!(!asks(&mut member, after(45)));
    assert!(asks(&mut member, after(46)));
    let mut seen = GroupProgress::default();
    seen.epochs.push((id(1), 2));
    member.seen_progress(Some(seen), after(47));
    member.turn(after(47));
    let asked = actions(&mut member);
    assert!(matches!(&asked[..], [Action::AskLogEnds(of), Action::Claim { partitions, .. }]
        if *of == [id(0)] && *partitions == [id(1)]));
}
