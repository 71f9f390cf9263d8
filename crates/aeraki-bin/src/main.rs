//! The aeraki command, with the protocols of this workspace that its features name.

/// A pass allocates a few hundred small pieces per service on every core; the C library's allocator costs it a quarter of
/// its time, and musl's, which takes one lock for all threads, a multiple.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    aeraki_bin::main()
}
