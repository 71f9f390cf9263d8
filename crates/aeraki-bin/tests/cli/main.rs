//! The command as its users run it, with every protocol of this workspace.
#![cfg(feature = "all")]
#![expect(
    clippy::unwrap_used,
    reason = "every function here is a test or a part of one"
)]

mod commands;
mod readme;
#[cfg(unix)]
mod run;
mod support;
