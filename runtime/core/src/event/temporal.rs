//! Dates and times as text, from numbers that count from 1970 or from midnight. Pure.

/// The type of a `timestamp` that arrives as text.
pub(super) const ISO_TIMESTAMP: &str = "io.debezium.time.IsoTimestamp";

/// A temporal type of Debezium's or Connect's.
#[derive(Clone, Copy)]
pub(super) enum Temporal {
    Days,
    /// Counts units of a second divided by this power of ten.
    Time(u32),
    Timestamp(u32),
}

impl Temporal {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "io.debezium.time.Date" | "org.apache.kafka.connect.data.Date" => Self::Days,
            "io.debezium.time.Time" | "org.apache.kafka.connect.data.Time" => Self::Time(3),
            "io.debezium.time.MicroTime" => Self::Time(6),
            "io.debezium.time.NanoTime" => Self::Time(9),
            "io.debezium.time.Timestamp" | "org.apache.kafka.connect.data.Timestamp" => Self::Timestamp(3),
            "io.debezium.time.MicroTimestamp" => Self::Timestamp(6),
            "io.debezium.time.NanoTimestamp" => Self::Timestamp(9),
            _ => return None,
        })
    }

    pub(super) fn text(self, number: i64) -> String {
        match self {
            Self::Days => date(number),
            Self::Time(places) => {
                let sign = if number < 0 { "-" } else { "" };
                format!("{sign}{}", of_day(number.unsigned_abs(), places))
            }
            Self::Timestamp(places) => {
                if let Some(infinite) = infinite(number, places) {
                    return infinite.to_owned();
                }
                let day = 86_400 * 10_i64.pow(places);
                format!("{}T{}", date(number.div_euclid(day)), of_day(number.rem_euclid(day).unsigned_abs(), places))
            }
        }
    }
}

/// Returns which infinity of a `timestamp` a number is, if it is one. The unit is a second divided by 10^`places`.
///
/// PostgreSQL's driver has a number of milliseconds for each infinity. Debezium 3.7 writes that number for
/// milliseconds, and the largest and the smallest 64-bit number for microseconds and nanoseconds. The driver's number
/// is also recognised if it was taken for microseconds, either unchanged or converted to milliseconds.
pub(super) fn infinite(number: i64, places: u32) -> Option<&'static str> {
    let known = |number| match number {
        i64::MAX | 9_223_372_036_825_200_000 => Some("infinity"),
        i64::MIN | -9_223_372_036_832_400_000 => Some("-infinity"),
        _ => None,
    };
    known(number).or_else(|| known(number.checked_mul(1000).filter(|_| places == 3)?))
}

/// Does the same for a timestamp that is text ([`ISO_TIMESTAMP`]).
pub(super) fn infinite_text(text: &str) -> Option<&'static str> {
    match text {
        "infinity" | "+292278994-08-16T23:00:00Z" => Some("infinity"),
        "-infinity" | "-292275055-05-16T23:00:00Z" => Some("-infinity"),
        _ => None,
    }
}

fn of_day(parts: u64, places: u32) -> String {
    let per_second = 10_u64.pow(places);
    let (seconds, fraction) = (parts / per_second, parts % per_second);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{fraction:0width$}", width = places as usize)
}

/// Returns a day's date in the Gregorian calendar, for any year. Years are counted from March, so that a leap day is
/// the last day of its year; 400 years have 146,097 days.
fn date(days_since_1970: i64) -> String {
    let days = i128::from(days_since_1970) + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i128::from(month <= 2);
    if (0..=9999).contains(&year) {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{year:+07}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infinities_are_known_in_every_unit() {
        for (name, largest, smallest) in [
            ("io.debezium.time.Timestamp", 9_223_372_036_825_200_000, -9_223_372_036_832_400_000),
            ("io.debezium.time.Timestamp", 9_223_372_036_825_200, -9_223_372_036_832_400),
            ("org.apache.kafka.connect.data.Timestamp", 9_223_372_036_825_200_000, -9_223_372_036_832_400_000),
            ("io.debezium.time.MicroTimestamp", i64::MAX, i64::MIN),
            ("io.debezium.time.MicroTimestamp", 9_223_372_036_825_200_000, -9_223_372_036_832_400_000),
            ("io.debezium.time.NanoTimestamp", i64::MAX, i64::MIN),
        ] {
            let temporal = Temporal::named(name).expect("a type");
            assert_eq!((&*temporal.text(largest), &*temporal.text(smallest)), ("infinity", "-infinity"), "{name}");
        }
        assert_eq!(infinite(9_223_372_036_825_200, 6), None);
    }

    #[test]
    fn every_number_has_a_text() {
        for name in ["io.debezium.time.Date", "io.debezium.time.Time", "io.debezium.time.NanoTime"] {
            let temporal = Temporal::named(name).expect("a type");
            for number in [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX] {
                assert!(temporal.text(number).len() < 40, "{name} {number}");
            }
        }
    }

    #[test]
    fn every_day_of_four_centuries_is_the_one_after_the_last() {
        let mut last = time::Date::from_calendar_date(1899, time::Month::December, 31).expect("a day");
        for days in -25_567..121_000 {
            last = last.next_day().expect("a day");
            assert_eq!(date(days), last.to_string());
        }
    }
}
