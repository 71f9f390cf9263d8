//! Random numbers that only spread tries over time, and names that must not meet. Nothing secret comes from here.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A random number; the standard library seeds each hasher anew.
pub(crate) fn number() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A random number from 0 to 1.
pub(crate) fn unit() -> f64 {
    f64::from(u32::try_from(number() >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_differ_and_stay_between_nought_and_one() {
        assert_ne!(number(), number());
        for _ in 0..1000 {
            assert!((0.0..=1.0).contains(&unit()));
        }
    }
}
