//! Which object it is, and which state of it: what the API server says of every object alike.

use std::fmt;
use std::str::FromStr;

/// What refers to one object and no other, also not to a later one of the same name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Group and version, as `networking.istio.io/v1`.
    pub api_version: String,
    /// The object's uid.
    pub uid: String,
    /// The state that was seen last; empty if that is not known.
    pub resource_version: String,
}

/// A uid, which the API server makes as a UUID: 16 bytes where its text takes 36.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Uid(u128);

/// The text is no UUID in the form that the API server writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NoUid;

impl FromStr for Uid {
    type Err = NoUid;

    fn from_str(text: &str) -> Result<Self, NoUid> {
        let digits: String = text.split('-').collect();
        let number = u128::from_str_radix(&digits, 16).map_err(|_| NoUid)?;
        let uid = Self(number);
        if uid.to_string() == text {
            Ok(uid)
        } else {
            Err(NoUid)
        }
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:032x}", self.0);
        let part = |range: std::ops::Range<usize>| &digits[range];
        let (a, b, c) = (part(0..8), part(8..12), part(12..16));
        write!(f, "{a}-{b}-{c}-{}-{}", part(16..20), part(20..32))
    }
}

/// The place of a state in the server's history. Kubernetes compares these numbers within a kind, and says that others
/// may; a text that is no number compares with nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Revision(Option<u64>);

impl Revision {
    /// A revision that compares with nothing.
    pub(crate) const UNKNOWN: Self = Self(None);

    pub(crate) fn of(text: &str) -> Self {
        Self(text.parse().ok())
    }

    /// Whether it is known to be as old as `other`, or older.
    pub(crate) fn is_by(self, other: Self) -> bool {
        matches!((self.0, other.0), (Some(this), Some(other)) if this <= other)
    }

    /// Whether it is known to be older than `other`.
    pub(crate) fn is_before(self, other: Self) -> bool {
        matches!((self.0, other.0), (Some(this), Some(other)) if this < other)
    }

    /// The later of two; a known one where the other is not.
    pub(crate) fn max(self, other: Self) -> Self {
        Self(self.0.max(other.0))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |number| number.fmt(f))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_uid_reads_as_it_is_written() {
        let text = "00f0a4c2-0e3d-4b8e-9d53-1a2b3c4d5e6f";
        assert_eq!(text.parse::<Uid>().unwrap().to_string(), text);
    }

    #[rstest]
    #[case::empty("")]
    #[case::no_uuid("c2")]
    #[case::upper_case("00F0A4C2-0E3D-4B8E-9D53-1A2B3C4D5E6F")]
    #[case::without_dashes("00f0a4c20e3d4b8e9d531a2b3c4d5e6f")]
    #[case::signed("+0f0a4c2-0e3d-4b8e-9d53-1a2b3c4d5e6f")]
    fn a_text_that_would_not_come_back_the_same_is_no_uid(#[case] text: &str) {
        assert_eq!(text.parse::<Uid>(), Err(NoUid));
    }

    proptest! {
        #[test]
        fn every_uid_comes_back(number: u128) {
            let uid = Uid(number);
            prop_assert_eq!(uid.to_string().parse::<Uid>(), Ok(uid));
        }
    }

    #[rstest]
    #[case("9", "10", true, true)]
    #[case("10", "10", true, false)]
    #[case("11", "10", false, false)]
    #[case("", "10", false, false)]
    #[case("x", "y", false, false)]
    fn revisions_compare_as_numbers_or_not_at_all(
        #[case] this: &str,
        #[case] other: &str,
        #[case] is_by: bool,
        #[case] is_before: bool,
    ) {
        let (this, other) = (Revision::of(this), Revision::of(other));
        assert_eq!(
            (this.is_by(other), this.is_before(other)),
            (is_by, is_before)
        );
    }
}
