//! The client against the real istiod, over a real API server, with a real Envoy.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    dead_code,
    reason = "a test fails by panicking, exports nothing, and shares its client with other tests"
)]

mod certificate;
mod config;
mod doors;
mod mesh;
mod proxies;
#[path = "../support/running.rs"]
mod running;
