//! Forms that readers rely on.

use super::failures::{Bytes, Content, Failure, FailureDetails, Header, LogLine, RecordPlace, place};
use super::time;

#[test]
fn times_are_rfc_3339_as_far_as_it_goes() {
    assert_eq!(time(0), "1970-01-01T00:00:00Z");
    assert_eq!(time(-1), "1969-12-31T23:59:59.999Z");
    assert_eq!(time(1_793_000_000_123), "2026-10-26T07:33:20.123Z");
    assert_eq!(time(i64::MAX), i64::MAX.to_string(), "beyond the year 9999");
}

#[test]
fn a_place_in_a_list_is_read_as_it_is_given() {
    let place = |text| place(text).map(|place| (place.parked_at_ms, place.key));
    assert_eq!(place("17-ab12").expect("a place"), (17, "ab12".to_owned()));
    assert_eq!(place("-17-ab12").expect("a place"), (-17, "ab12".to_owned()), "before 1970");
    for wrong in ["", "17", "x-ab12"] {
        assert!(place(wrong).is_err_and(|error| error.to_string().contains("the next of the page before")), "{wrong}");
    }
}

#[test]
fn bytes_are_text_only_if_they_are_utf_8() {
    assert_eq!(Bytes::from(b"a".to_vec()), Bytes::Text("a".to_owned()));
    assert_eq!(Bytes::from(vec![0xff]), Bytes::Base64("/w==".to_owned()));
}

/// A failure with a record and a log of these many bytes.
fn details(key: usize, value: usize, log: &[usize]) -> FailureDetails {
    let text = |bytes: usize| "x".repeat(bytes);
    let record = RecordPlace { topic: "t".to_owned(), partition: 0, offset: "0".to_owned(), timestamp: None };
    let header = Header { name: Bytes::Text(text(3)), value: Some(Bytes::Text(text(1))) };
    FailureDetails {
        failure: Failure {
            id: "a".to_owned(),
            state: "dead",
            reason: "undecodable".to_owned(),
            message: "no event".to_owned(),
            hint: None,
            handler: None,
            event_id: None,
            event_type: None,
            aggregate_type: None,
            aggregate_id: None,
            record,
            attempt: 1,
            parked_at: "now".to_owned(),
        },
        version: None,
        limit: None,
        error_type: None,
        trace: None,
        event_created_at: None,
        holds: true,
        requested: None,
        discarded: None,
        attempts: Vec::new(),
        log: log.iter().map(|bytes| LogLine { level: "info".to_owned(), text: text(*bytes), fields: None }).collect(),
        content: Some(Content {
            key: Some(Bytes::Text(text(key))),
            value: Some(Bytes::Text(text(value))),
            headers: vec![header],
            left_out_bytes: None,
        }),
        left_out: None,
    }
}

#[test]
fn a_record_of_256_kib_is_in_a_hosts_answer_and_a_longer_one_is_left_out() {
    // Of its bytes, the header has four.
    let fits = details(10, (256 << 10) - 14, &[]).shortened();
    assert!(fits.content.is_some() && fits.left_out.is_none());
    let long = details(11, (256 << 10) - 14, &[1]).shortened();
    assert!(long.content.is_none() && long.log.len() == 1, "the log is still there");
    assert_eq!(long.left_out, Some("weir failures show has the whole log and record"));
}

#[test]
fn the_first_64_kib_of_a_log_are_in_a_hosts_answer() {
    let fits = details(1, 1, &[60 << 10, 4 << 10]).shortened();
    assert!(fits.log.len() == 2 && fits.left_out.is_none());
    let long = details(1, 1, &[60 << 10, (4 << 10) + 1, 1]).shortened();
    assert_eq!(long.log.len(), 1, "no later line takes the place of one that does not fit");
    assert!(long.content.is_some() && long.left_out.is_some());
    let mut fields = details(1, 1, &[60 << 10]);
    fields.log[0].fields = Some("x".repeat((4 << 10) + 1));
    assert!(fields.shortened().log.is_empty(), "fields count too");
}
