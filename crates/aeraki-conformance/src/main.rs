//! The suite as a program; `cargo xtask conformance` runs it.

use std::process::ExitCode;

fn main() -> ExitCode {
    aeraki_conformance::main()
}
