//! One process at a time keeps a directory right.
//!
//! Two would each remove what only the other wants, and for ever. The lock is the operating system's and advisory, on a
//! file in the directory: it ends with the process, however that ends, so a file that was left behind locks nothing.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// The file that is locked. It holds the number of the process, for whoever finds it locked.
const FILE: &str = ".aeraki.lock";

/// A directory that no other process keeps, as long as this value lives.
#[derive(Debug)]
pub struct Lock {
    /// Closing it gives the lock up. The file stays: removing it could take it from under a process that waits for it.
    _file: File,
}

/// Why a directory cannot be had for oneself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process has it.
    #[error(
        "another `aeraki run`{} keeps `{}` right: end that one, or give this one an output directory of its own",
        process.as_ref().map(|process| format!(" (process {process})")).unwrap_or_default(),
        directory.display()
    )]
    Taken {
        /// The directory.
        directory: PathBuf,
        /// The number of the other process, if it can be told.
        process: Option<u32>,
    },
    /// The file system does not say.
    #[error("`{}` cannot be locked", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Lock {
    /// Takes the directory, which is made if it is not there.
    ///
    /// # Errors
    /// When another process has it, or it cannot be written.
    pub fn take(directory: &Path) -> Result<Self, LockError> {
        let io_error = |path: &Path, source| LockError::Io {
            path: path.to_owned(),
            source,
        };
        fs::create_dir_all(directory).map_err(|error| io_error(directory, error))?;
        let path = directory.join(FILE);
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options
            .open(&path)
            .map_err(|error| io_error(&path, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Taken {
                    directory: directory.to_owned(),
                    process: process(&mut file),
                });
            }
            Err(TryLockError::Error(error)) => return Err(io_error(&path, error)),
        }
        note_process(&mut file).map_err(|error| io_error(&path, error))?;
        Ok(Self { _file: file })
    }
}

fn process(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn note_process(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_keeper_and_is_free_when_that_one_has_gone() {
        let root = tempfile::tempdir().expect("a directory");
        let directory = root.path().join("new/out");
        let first = Lock::take(&directory).expect("it is free");
        let taken = Lock::take(&directory).expect_err("it is taken");
        let sentence = taken.to_string();
        assert!(
            sentence.contains(&format!("(process {})", std::process::id())),
            "{sentence}"
        );
        assert!(
            sentence.contains("output directory of its own"),
            "{sentence}"
        );
        drop(first);
        Lock::take(&directory).expect("it is free again");
    }

    #[test]
    fn a_file_that_was_left_behind_locks_nothing() {
        let root = tempfile::tempdir().expect("a directory");
        fs::write(root.path().join(FILE), "4194305000\n").expect("it can be written");
        Lock::take(root.path()).expect("nobody holds it");
    }

    #[test]
    fn a_directory_that_is_none_is_told() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let error = Lock::take(file.path()).expect_err("it is a file");
        assert!(error.to_string().contains("cannot be locked"), "{error}");
    }
}
