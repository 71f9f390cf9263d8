//! How much is asked for at once, and how long anything is waited for.

use std::time::Duration;

/// How much is asked for at once, and how long anything is waited for. The default suits every cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    /// Objects in a page of a list.
    pub page: u32,
    /// How long an answer may take to begin, and a page to arrive.
    pub answer: Duration,
    /// How long the server is asked to keep a watch open.
    pub watch: Duration,
    /// How much longer than that a watch may be silent: then its connection is dead.
    pub grace: Duration,
    /// A list that is older than this is made anew when its watch ends, in case the watch has missed something.
    pub list: Duration,
    /// How often a kind that the server lacks is asked for.
    pub absent: Duration,
    /// A kind counts as absent when the server says so twice, so long apart: one that just starts may not know yet.
    pub doubt: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            page: 500,
            answer: Duration::from_secs(60),
            watch: Duration::from_secs(290),
            grace: Duration::from_secs(5),
            list: Duration::from_secs(240),
            absent: Duration::from_secs(30),
            doubt: Duration::from_secs(1),
        }
    }
}
