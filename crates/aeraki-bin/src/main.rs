//! The aeraki command, with the protocols of this workspace that its features name.

/// A pass allocates a few hundred small pieces per service on every core at once, and that is where the C library's
/// allocator waits.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    aeraki_bin::main()
}
