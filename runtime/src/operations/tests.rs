//! Forms that readers rely on.

use super::failures::{Bytes, place};
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
