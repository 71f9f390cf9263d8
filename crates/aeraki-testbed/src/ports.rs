//! Loopback ports that a bed keeps for its whole life, also while a server of it is down.
//!
//! The ports lie below those that the kernel hands out, so no outgoing connection takes one while
//! istiod restarts. Beds, also those of other processes, share them out by locks on files: the
//! kernel frees a lock with its process.

use std::fs::{self, File, TryLockError};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use anyhow::{Context, Result, bail};

const FIRST: u16 = 10_240;
const END: u16 = 32_000;
const SIZE: u16 = 16;

/// A row of ports.
#[derive(Debug)]
pub(crate) struct Ports {
    next: u16,
    end: u16,
    /// Held, never read.
    _lock: File,
}

impl Ports {
    /// Takes a row that no other bed has and where nobody listens. `locks` is the same directory
    /// for every bed of this user.
    pub(crate) fn take(locks: &Path) -> Result<Self> {
        fs::create_dir_all(locks)?;
        for first in (FIRST..END).step_by(SIZE.into()) {
            let path = locks.join(first.to_string());
            let lock =
                File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
            let end = first + SIZE;
            if (first..end).all(is_free) {
                return Ok(Self {
                    next: first,
                    end,
                    _lock: lock,
                });
            }
        }
        bail!("no {SIZE} free ports between {FIRST} and {END}")
    }

    /// The next port of the row.
    pub(crate) fn next(&mut self) -> SocketAddr {
        assert!(self.next < self.end, "a bed needs more than {SIZE} ports");
        let port = self.next;
        self.next += 1;
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::*;

    /// Each of these tests has locks of its own, and so would look at the same ports as its neighbours.
    static TURN: Mutex<()> = Mutex::new(());

    fn turn() -> MutexGuard<'static, ()> {
        TURN.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[test]
    fn two_beds_never_share_a_port() {
        let _turn = turn();
        let locks = tempfile::tempdir().unwrap();
        let mut rows = [(); 2].map(|()| Ports::take(locks.path()).unwrap());
        let ports = rows
            .iter_mut()
            .flat_map(|row| (0..SIZE).map(|_| row.next()).collect::<Vec<_>>());
        let distinct: std::collections::BTreeSet<SocketAddr> = ports.collect();
        assert_eq!(distinct.len(), usize::from(2 * SIZE));
    }

    #[test]
    fn row_of_an_ended_bed_is_free_again() {
        let _turn = turn();
        let locks = tempfile::tempdir().unwrap();
        let first = Ports::take(locks.path()).unwrap().next();
        assert_eq!(Ports::take(locks.path()).unwrap().next(), first);
    }

    #[test]
    fn row_with_a_foreign_listener_is_passed_over() {
        let _turn = turn();
        let locks = tempfile::tempdir().unwrap();
        let wanted = Ports::take(locks.path()).unwrap().next();
        let _listener = TcpListener::bind(wanted).unwrap();
        assert_ne!(Ports::take(locks.path()).unwrap().next(), wanted);
    }
}
