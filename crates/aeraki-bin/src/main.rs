//! The aeraki command, with the protocols of this workspace that its features name.

fn main() -> std::process::ExitCode {
    aeraki_bin::main()
}
