//! `cargo xtask`: set-up and checks of this workspace. `cargo xtask help` lists them.

use std::process::ExitCode;

mod applications;
mod bench;
mod command_line;
mod conformance;
mod deploy_tools;
mod process;
mod setup;
mod static_binary;
mod steps;
mod testbed;

fn main() -> ExitCode {
    match command_line::run(std::env::args().skip(1)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
