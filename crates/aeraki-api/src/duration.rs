//! Durations as Istio reads them (Go's `1m30s`) and as protobuf writes them (`90s`, `0.100s`).

use std::fmt;
use std::str::FromStr;

use prost::{Message, Name};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const NANOS: i128 = 1_000_000_000;
/// The end of the range, 292 years either way: Go, and Envoy behind it, count nanoseconds in 64 bits and refuse more.
const MAX_SECONDS: i128 = 9_223_372_035;

/// A span of time, maybe negative. `seconds` and `nanos` never differ in sign.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Message)]
pub struct Duration {
    /// Whole seconds.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// The rest, in billionths of a second.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

impl Name for Duration {
    const NAME: &'static str = "Duration";
    const PACKAGE: &'static str = "google.protobuf";

    fn type_url() -> String {
        "type.googleapis.com/google.protobuf.Duration".to_owned()
    }
}

impl Duration {
    /// A number of whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: i64) -> Self {
        Self { seconds, nanos: 0 }
    }

    /// A number of milliseconds.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self {
            seconds: millis / 1000,
            nanos: (millis % 1000) as i32 * 1_000_000,
        }
    }

    /// The whole span in billionths of a second.
    #[must_use]
    pub fn as_nanos(self) -> i128 {
        i128::from(self.seconds) * NANOS + i128::from(self.nanos)
    }

    /// Whether no time passes.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.as_nanos() == 0
    }

    fn from_nanos(nanos: i128) -> Result<Self, ParseDurationError> {
        let seconds = nanos / NANOS;
        if seconds.abs() > MAX_SECONDS {
            return Err(ParseDurationError::OutOfRange);
        }
        Ok(Self {
            seconds: i64::try_from(seconds).map_err(|_| ParseDurationError::OutOfRange)?,
            nanos: i32::try_from(nanos % NANOS).map_err(|_| ParseDurationError::OutOfRange)?,
        })
    }
}

/// A standard span has no sign and no more than the seconds that fit; longer ones end at the limit
/// of protobuf.
impl From<std::time::Duration> for Duration {
    fn from(span: std::time::Duration) -> Self {
        let nanos = i128::try_from(span.as_nanos()).unwrap_or(i128::MAX);
        Self::from_nanos(nanos.min(MAX_SECONDS * NANOS)).unwrap_or(Self {
            seconds: i64::MAX,
            nanos: 0,
        })
    }
}

/// The canonical form: seconds, and 3, 6 or 9 digits behind the point where there is a rest.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.as_nanos();
        let sign = if total < 0 { "-" } else { "" };
        let (seconds, nanos) = (
            total.unsigned_abs() / 1_000_000_000,
            total.unsigned_abs() % 1_000_000_000,
        );
        write!(f, "{sign}{seconds}")?;
        if nanos == 0 {
            f.write_str("s")
        } else if nanos % 1_000_000 == 0 {
            write!(f, ".{:03}s", nanos / 1_000_000)
        } else if nanos % 1_000 == 0 {
            write!(f, ".{:06}s", nanos / 1_000)
        } else {
            write!(f, ".{nanos:09}s")
        }
    }
}

/// Why a text is not a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseDurationError {
    /// There is no number where one must be.
    Number,
    /// A number has no unit.
    MissingUnit,
    /// A unit that does not exist.
    UnknownUnit,
    /// Longer than 292 years.
    OutOfRange,
}

impl fmt::Display for ParseDurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "not a duration: write a number with a unit, such as 1.5s or 1m30s",
            Self::MissingUnit => "duration without a unit: use ns, us, ms, s, m or h, such as 5s",
            Self::UnknownUnit => "unknown unit in a duration: use ns, us, ms, s, m or h",
            Self::OutOfRange => {
                "duration out of range: over 292 years, which is as far as Envoy counts"
            }
        })
    }
}

impl std::error::Error for ParseDurationError {}

/// Reads Go's form: numbers with units, summed up, with an optional sign in front. A bare `0` is
/// the only number without a unit.
impl FromStr for Duration {
    type Err = ParseDurationError;

    fn from_str(text: &str) -> Result<Self, ParseDurationError> {
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(Self::default());
        }
        if rest.is_empty() {
            return Err(ParseDurationError::Number);
        }
        let mut total: i128 = 0;
        while !rest.is_empty() {
            let (part, after) = parse_part(rest)?;
            total = total
                .checked_add(part)
                .ok_or(ParseDurationError::OutOfRange)?;
            rest = after;
        }
        Self::from_nanos(if negative { -total } else { total })
    }
}

/// Reads one number with its unit and gives the nanoseconds and what follows.
fn parse_part(text: &str) -> Result<(i128, &str), ParseDurationError> {
    let (whole, rest) = split_digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => split_digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(ParseDurationError::Number);
    }
    let end = rest
        .find(|c: char| c == '.' || c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    let unit = unit_nanos(unit)?;
    let whole: i128 = if whole.is_empty() {
        0
    } else {
        whole.parse().map_err(|_| ParseDurationError::OutOfRange)?
    };
    let whole = whole
        .checked_mul(unit)
        .ok_or(ParseDurationError::OutOfRange)?;
    Ok((whole.saturating_add(fraction_nanos(fraction, unit)), rest))
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

/// The share of a unit that the digits behind the point say, cut off below a nanosecond.
fn fraction_nanos(digits: &str, unit: i128) -> i128 {
    // A nanosecond is at most the 13th digit of an hour: what follows the 18th adds nothing.
    let (mut sum, mut scale) = (0, 1);
    for digit in digits.bytes().take(18) {
        sum = sum * 10 + i128::from(digit - b'0');
        scale *= 10;
    }
    sum * unit / scale
}

fn unit_nanos(unit: &str) -> Result<i128, ParseDurationError> {
    Ok(match unit {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => NANOS,
        "m" => 60 * NANOS,
        "h" => 3_600 * NANOS,
        "" => return Err(ParseDurationError::MissingUnit),
        _ => return Err(ParseDurationError::UnknownUnit),
    })
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(DurationVisitor)
    }
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as 1.5s or 1m30s")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        text.parse()
            .map_err(|error| E::custom(format_args!("{error} (found {text:?})")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(text: &str) -> String {
        text.parse::<Duration>().unwrap().to_string()
    }

    #[test]
    fn go_units_read_and_come_out_canonical() {
        for (go, proto) in [
            ("100ms", "0.100s"),
            ("1m30s", "90s"),
            ("24h", "86400s"),
            ("1.5h", "5400s"),
            ("2.5s", "2.500s"),
            ("1us", "0.000001s"),
            ("1µs", "0.000001s"),
            ("1ns", "0.000000001s"),
            (".5s", "0.500s"),
            ("1.s", "1s"),
            ("-1.5s", "-1.500s"),
            ("-0.5s", "-0.500s"),
            ("+3s", "3s"),
            ("0", "0s"),
            ("0.3333333333333333333333h", "1199.999999999s"),
            ("9223372035s", "9223372035s"),
        ] {
            assert_eq!(canonical(go), proto, "{go}");
        }
    }

    #[test]
    fn what_is_no_duration_says_what_is_missing() {
        use ParseDurationError::*;
        for (text, error) in [
            ("", Number),
            ("-", Number),
            ("s", Number),
            (".s", Number),
            ("1s-1s", UnknownUnit),
            ("five", Number),
            ("5", MissingUnit),
            ("1m30", MissingUnit),
            ("1d", UnknownUnit),
            ("1 s", UnknownUnit),
            ("315576000001s", OutOfRange),
            ("99999999999999999999999999999999999999999h", OutOfRange),
            ("170141183460469231731687303715884105727ns", OutOfRange),
        ] {
            assert_eq!(text.parse::<Duration>(), Err(error), "{text}");
        }
    }

    #[test]
    fn an_error_in_json_quotes_what_it_found() {
        let error = serde_json::from_str::<Duration>("\"5\"")
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("duration without a unit"), "{error}");
        assert!(error.contains("found \"5\""), "{error}");
    }

    #[test]
    fn longer_and_shorter_compare_as_time_does() {
        assert!(Duration::from_millis(-1500) < Duration::from_millis(-500));
        assert!(Duration::from_millis(999) < Duration::from_secs(1));
        assert_eq!(
            Duration::from(std::time::Duration::MAX).seconds,
            9_223_372_035
        );
    }

    proptest! {
        #[test]
        fn every_duration_survives_its_text_and_its_bytes(nanos in -9_223_372_035_999_999_999_i128..=9_223_372_035_999_999_999) {
            let duration = Duration::from_nanos(nanos).unwrap();
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
            prop_assert_eq!(Duration::decode(duration.encode_to_vec().as_slice()).unwrap(), duration);
        }

        #[test]
        fn no_text_panics(text in "[-+.0-9nuµmsh ]{0,40}") {
            let _parsed = text.parse::<Duration>();
        }
    }
}
