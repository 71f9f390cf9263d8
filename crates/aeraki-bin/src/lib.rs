//! The aeraki command: Istio config in, EnvoyFilters and diagnostics out.
//!
//! Everything an edge does is here: arguments, environment, files, signals, logs, exit codes. What a filter looks like is
//! decided in `aeraki-core` and the protocol crates. One module per command; each turns its arguments into text and an
//! exit code, and nothing else writes to the terminal than `console`.
//!
//! A distribution with protocols of its own is a crate with this `main` in it:
//!
//! ```no_run
//! // use mqtt_aeraki as _;
//! fn main() -> std::process::ExitCode {
//!     aeraki_bin::main()
//! }
//! ```
#![cfg_attr(not(test), deny(unused_crate_dependencies))]

// The command's allocator: see `main.rs`.
use tikv_jemallocator as _;

mod analyze;
mod cli;
mod codes;
mod completion;
mod console;
#[cfg(all(test, feature = "all"))]
mod docs;
mod finding;
mod generate;
mod input;
mod linked;
mod manifests;
mod protocols;
mod report;
mod run;
mod settings;
mod suppress;
mod table;
mod version;

/// Runs the command line of this process, and answers with the exit code: 0 for success, 1 for an error, 2 for wrong
/// usage, 79 when `analyze` found something.
#[must_use]
pub fn main() -> std::process::ExitCode {
    cli::main()
}
