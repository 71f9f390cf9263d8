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
mod following;
mod pace;
mod panics;
mod proxies;
mod secrets;
mod tasks;
mod webhooks;
mod world;
