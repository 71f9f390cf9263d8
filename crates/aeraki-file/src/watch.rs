//! Says when it is worth looking at the config files again.
//!
//! The operating system's notices make it quick, and a look at every interval makes it sure: notices get lost on
//! network file systems, when a queue runs over, and when a directory is swapped for another. Several notices that come
//! close together are one. What changed is for [`Files`](crate::Files) to find out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::files::Roots;

#[cfg(test)]
mod tests;

/// How quick and how patient a watch is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    /// How long it must be quiet after a notice: an editor writes a file in several steps.
    pub settle: Duration,
    /// How long it waits for quiet at most.
    pub patience: Duration,
    /// How often it is worth a look without any notice.
    pub interval: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            settle: Duration::from_millis(30),
            patience: Duration::from_millis(500),
            interval: Duration::from_secs(5),
        }
    }
}

/// A watch over files. It ends when it is dropped.
#[derive(Debug)]
pub struct Watch {
    signals: Sender<Signal>,
    thread: Option<JoinHandle<()>>,
    trouble: Option<notify::Error>,
}

#[derive(Debug)]
enum Signal {
    /// These files changed.
    Touched(Vec<PathBuf>),
    /// Something changed, and notices may have got lost.
    Lost,
    Stop,
}

impl Watch {
    /// Watches the files and directories, and calls `look` on a thread of its own with the files that are known to have
    /// changed; others may have as well.
    pub fn start(
        roots: &Roots,
        pace: Pace,
        look: impl FnMut(BTreeSet<PathBuf>) + Send + 'static,
    ) -> Self {
        let (signals, received) = channel();
        let (notices, trouble) = match Notices::start(roots, signals.clone()) {
            Ok(notices) => (Some(notices), None),
            Err(error) => (None, Some(error)),
        };
        let thread = thread::spawn(move || run(&received, pace, notices, look));
        Self {
            signals,
            thread: Some(thread),
            trouble,
        }
    }

    /// Why there are no notices from the operating system, if so: changes are then found at the interval only.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.as_ref().map(ToString::to_string)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Fails only if the thread has ended already.
        let _ended = self.signals.send(Signal::Stop);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

fn run(
    signals: &Receiver<Signal>,
    pace: Pace,
    mut notices: Option<Notices>,
    mut look: impl FnMut(BTreeSet<PathBuf>),
) {
    let mut lost = false;
    loop {
        let mut touched = BTreeSet::new();
        let first = match signals.recv_timeout(pace.interval) {
            Ok(signal) => Some(signal),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let until = Instant::now() + pace.patience;
        let mut next = first;
        while let Some(signal) = next {
            match signal {
                Signal::Touched(paths) => touched.extend(paths),
                Signal::Lost => lost = true,
                Signal::Stop => return,
            }
            let left = until.saturating_duration_since(Instant::now());
            next = signals.recv_timeout(pace.settle.min(left)).ok();
        }
        if lost && let Some(notices) = &mut notices {
            lost = notices.renew().is_err();
        }
        look(touched);
    }
}

/// The operating system's notices.
struct Notices {
    watcher: RecommendedWatcher,
    watched: Vec<(PathBuf, RecursiveMode)>,
}

impl Notices {
    fn start(roots: &Roots, signals: Sender<Signal>) -> notify::Result<Self> {
        let own = roots.clone();
        let watcher = notify::recommended_watcher(move |notice| {
            if let Some(signal) = signal(&own, notice) {
                // Nobody listens any more once the watch has been dropped.
                let _dropped = signals.send(signal);
            }
        })?;
        let watched = roots
            .paths()
            .iter()
            .map(|root| what_to_watch(root))
            .collect();
        let mut notices = Self { watcher, watched };
        notices.renew()?;
        Ok(notices)
    }

    /// Watches everything anew: what is watched may have been swapped for something else of the same name.
    fn renew(&mut self) -> notify::Result<()> {
        for (path, _) in &self.watched {
            // It may well be gone.
            let _was_watched = self.watcher.unwatch(path);
        }
        self.watched
            .iter()
            .try_for_each(|(path, mode)| self.watcher.watch(path, *mode))
    }
}

/// A file is watched by its directory, because editors put a new file in its place.
fn what_to_watch(root: &Path) -> (PathBuf, RecursiveMode) {
    if root.is_dir() {
        return (root.to_owned(), RecursiveMode::Recursive);
    }
    let parent = root
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    (
        parent.unwrap_or(Path::new(".")).to_owned(),
        RecursiveMode::NonRecursive,
    )
}

fn signal(roots: &Roots, notice: notify::Result<Event>) -> Option<Signal> {
    let Ok(event) = notice else {
        return Some(Signal::Lost);
    };
    match event.kind {
        // To read a file is no change, or every look would be followed by another.
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
        EventKind::Access(_) => return None,
        _ => {}
    }
    if event.need_rescan() || event.paths.iter().any(|path| roots.is_root(path)) {
        return Some(Signal::Lost);
    }
    let paths: Vec<PathBuf> = event
        .paths
        .into_iter()
        .filter(|path| !roots.is_excepted(path))
        .collect();
    (!paths.is_empty()).then_some(Signal::Touched(paths))
}
