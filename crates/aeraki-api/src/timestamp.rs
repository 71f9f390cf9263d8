//! Points in time as Kubernetes writes them: RFC 3339, ordered.
//!
//! Reads no clock.

use std::fmt;
use std::str::FromStr;

use prost::{Message, Name};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const DAY: i64 = 86_400;

/// A point in time, from the year 0 to 9999, ordered as time is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Message)]
pub struct Timestamp {
    /// Seconds since the start of 1970, UTC.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Billionths of a second after that, never negative.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

impl Name for Timestamp {
    const NAME: &'static str = "Timestamp";
    const PACKAGE: &'static str = "google.protobuf";

    fn type_url() -> String {
        "type.googleapis.com/google.protobuf.Timestamp".to_owned()
    }
}

impl Timestamp {
    /// So many seconds after the start of 1970, UTC.
    #[must_use]
    pub const fn from_secs(seconds: i64) -> Self {
        Self { seconds, nanos: 0 }
    }
}

/// Days since the start of 1970 of a date in the Gregorian calendar.
///
/// Counts in eras of 400 years that start in March, so that the leap day is a year's last.
fn days_from_date(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_date`]: year, month, day.
fn date_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// UTC, without a fraction where there is none.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date_from_days(self.seconds.div_euclid(DAY));
        let second = self.seconds.rem_euclid(DAY);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        match self.nanos {
            0 => f.write_str("Z"),
            nanos if nanos % 1_000_000 == 0 => write!(f, ".{:03}Z", nanos / 1_000_000),
            nanos if nanos % 1_000 == 0 => write!(f, ".{:06}Z", nanos / 1_000),
            nanos => write!(f, ".{nanos:09}Z"),
        }
    }
}

/// A text is not a point in time in the form of RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseTimestampError;

impl fmt::Display for ParseTimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a timestamp: write it as 2006-01-02T15:04:05Z")
    }
}

impl std::error::Error for ParseTimestampError {}

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, ParseTimestampError> {
        let mut reader = Reader(text.as_bytes());
        let days = reader.date()?;
        reader.expect(b"Tt ")?;
        let second = reader.time()?;
        let nanos = reader.fraction()?;
        let offset = reader.offset()?;
        if !reader.0.is_empty() {
            return Err(ParseTimestampError);
        }
        Ok(Self {
            seconds: days * DAY + second - offset,
            nanos,
        })
    }
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn expect(&mut self, one_of: &[u8]) -> Result<u8, ParseTimestampError> {
        match self.0.split_first() {
            Some((byte, rest)) if one_of.contains(byte) => {
                self.0 = rest;
                Ok(*byte)
            }
            _ => Err(ParseTimestampError),
        }
    }

    fn number(&mut self, digits: usize, max: i64) -> Result<i64, ParseTimestampError> {
        let mut number = 0;
        for _ in 0..digits {
            number = number * 10 + i64::from(self.expect(b"0123456789")? - b'0');
        }
        if number > max {
            Err(ParseTimestampError)
        } else {
            Ok(number)
        }
    }

    fn date(&mut self) -> Result<i64, ParseTimestampError> {
        let year = self.number(4, 9999)?;
        self.expect(b"-")?;
        let month = self.number(2, 12)?;
        self.expect(b"-")?;
        let day = self.number(2, 31)?;
        let days = days_from_date(year, month, day);
        // A day that its month does not have comes back as another date.
        if date_from_days(days) == (year, month, day) {
            Ok(days)
        } else {
            Err(ParseTimestampError)
        }
    }

    fn time(&mut self) -> Result<i64, ParseTimestampError> {
        let hour = self.number(2, 23)?;
        self.expect(b":")?;
        let minute = self.number(2, 59)?;
        self.expect(b":")?;
        // 60 is a leap second; it reads as the next minute's first.
        let second = self.number(2, 60)?;
        Ok(hour * 3_600 + minute * 60 + second)
    }

    /// Digits behind the point, as billionths; what is finer is cut off.
    fn fraction(&mut self) -> Result<i32, ParseTimestampError> {
        if self.expect(b".").is_err() {
            return Ok(0);
        }
        let mut nanos = i32::from(self.expect(b"0123456789")? - b'0') * 100_000_000;
        let mut scale = 10_000_000;
        while let Ok(digit) = self.expect(b"0123456789") {
            nanos += i32::from(digit - b'0') * scale;
            scale /= 10;
        }
        Ok(nanos)
    }

    fn offset(&mut self) -> Result<i64, ParseTimestampError> {
        let sign = match self.expect(b"Zz+-")? {
            b'+' => 1,
            b'-' => -1,
            _ => return Ok(0),
        };
        let hours = self.number(2, 23)?;
        self.expect(b":")?;
        Ok(sign * (hours * 3_600 + self.number(2, 59)? * 60))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TimestampVisitor)
    }
}

struct TimestampVisitor;

impl Visitor<'_> for TimestampVisitor {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a timestamp such as 2006-01-02T15:04:05Z")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
        text.parse()
            .map_err(|error| E::custom(format_args!("{error} (found {text:?})")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_points_in_time_have_their_seconds() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2001-09-09T01:46:40Z", 1_000_000_000),
            ("1969-12-31T23:59:59Z", -1),
            ("2009-02-14T01:31:30+02:00", 1_234_567_890),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(text.parse(), Ok(Timestamp::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn fractions_are_kept_to_the_nanosecond() {
        let time: Timestamp = "2024-01-02T03:04:05.123456789987Z".parse().unwrap();
        assert_eq!(time.nanos, 123_456_789);
        assert_eq!(time.to_string(), "2024-01-02T03:04:05.123456789Z");
        let time: Timestamp = "2024-01-02T03:04:05.5Z".parse().unwrap();
        assert_eq!(time.to_string(), "2024-01-02T03:04:05.500Z");
    }

    #[test]
    fn what_is_no_point_in_time_is_refused() {
        for text in [
            "",
            "2024",
            "2024-02-30T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-00-01T00:00:00Z",
            "2024-01-00T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:00:00",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00Zx",
            "2024-01-01T00:00:00+2:00",
        ] {
            assert_eq!(
                text.parse::<Timestamp>(),
                Err(ParseTimestampError),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn every_point_in_time_survives_its_text_and_keeps_its_order(
            a in -62_167_219_200_i64..=253_402_300_799, b in -62_167_219_200_i64..=253_402_300_799,
            nanos in 0..1_000_000_000
        ) {
            let (a, b) = (Timestamp { seconds: a, nanos }, Timestamp::from_secs(b));
            prop_assert_eq!(a.to_string().parse(), Ok(a));
            if a.nanos == 0 || a.seconds != b.seconds {
                prop_assert_eq!(a.to_string()[..19].cmp(&b.to_string()[..19]), a.seconds.cmp(&b.seconds));
            }
        }

        #[test]
        fn no_text_panics(text in "[-+.0-9TZ: ]{0,40}") {
            let _parsed = text.parse::<Timestamp>();
        }
    }
}
