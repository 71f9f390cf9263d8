//! Who may write: leader election on a Lease, and the fence that every write looks at.
//!
//! ```text
//!  Election (pure)  ◀── answers ── Elector (async loop) ──▶ API server: GET, POST, PUT of one Lease
//!      └─ leads until … ─────────▶ Fence ◀── may I write? ── the writer, before every request
//! ```
//!
//! The rules are those of client-go's leader election: a lease is over when *this* process has seen it unchanged for its
//! whole duration, by its own monotonic clock. No clock is ever compared with another machine's, so clocks that are wrong
//! do no harm, and clocks that run at different rates do none up to `lease / renew` (15 s / 10 s = 1.5).
//!
//! Two things differ from client-go. **Losing the lead does not end the process**: the fence closes by itself when the
//! deadline passes, without any task having to run (a process that was stopped and goes on finds it closed), and the
//! process stands by again, warm. And a follower looks more often (every 1 to 1.8 s), so that a released lease has a new
//! holder within two seconds.
//!
//! A monotonic clock does not count the time in which a virtual machine is suspended; an old leader that wakes up may so
//! send what it had begun. Updates and deletions name the version that they replace, so a newer state wins over them.

mod election;
mod elector;
mod fence;
mod predecessor;

pub use election::{Answer, Election, Request, Timing};
pub use elector::{Elector, ElectorOptions, Role};
pub use fence::Fence;
