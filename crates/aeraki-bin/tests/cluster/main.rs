//! `aeraki run` as it is, against a real API server and a real istiod.
//!
//! One bed serves all tests; they take turns, each in an empty mesh with a controller of its own.
#![cfg(feature = "all")]
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod aeraki;
mod bad_days;
mod crashes;
mod failover;
mod fake;
// One fake for both crates' tests: it lies beside those of the conversation.
#[allow(dead_code, unreachable_pub, reason = "this crate needs a part of it")]
#[expect(clippy::disallowed_methods, reason = "it may end as it likes")]
#[path = "../../../aeraki-xds/tests/loopback/fake_istiod.rs"]
mod fake_istiod;
mod following;
mod pace;
mod panics;
mod proxies;
mod secrets;
mod tasks;
mod world;
