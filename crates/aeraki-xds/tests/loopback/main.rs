//! The client against a server over loopback: every way in which a conversation can begin, break and go on.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test fails by panicking, and exports nothing"
)]

mod pki;
#[path = "../support/running.rs"]
mod running;
mod wire;

mod conversation;
mod cuts;
mod security;
