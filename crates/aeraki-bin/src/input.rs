//! The files of one run of `generate` or `analyze`.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aeraki_core::engine::Engine;
use aeraki_core::object::{ConfigEvent, Object, ObjectKey};
use aeraki_core::registry::Registry;
use aeraki_core::settings::Settings;
use aeraki_file::{Reader, Source};
use anyhow::Result;

use self::listing::Listing;
use crate::cli::usage;
use crate::console::Console;

mod listing;

/// What standard input is called in reports.
const STDIN: &str = "<stdin>";

/// Everything that the given paths hold.
pub(crate) struct Input {
    source: Source,
    unreadable: Vec<String>,
}

impl Input {
    /// Reads files, directories and standard input (`-`). A path that cannot be read does not hide the others.
    pub(crate) fn read(paths: &[PathBuf], registry: &Registry) -> Result<Self> {
        let (stdin, disk): (Vec<&PathBuf>, Vec<&PathBuf>) = paths.iter().partition(|p| is_stdin(p));
        match (stdin.len(), disk.len()) {
            (0, 0) => return Err(usage("nothing to read: name a file, a directory or `-` with -f")),
            (0 | 1, _) => {}
            _ => return Err(usage("standard input can be read once only: `-f -` is given twice")),
        }
        let source = Source::new(Reader::new(registry));
        let mut input = Self { source, unreadable: Vec::new() };
        if !stdin.is_empty() {
            let mut bytes = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes);
            input.take(Path::new(STDIN), read);
        }
        let listing = Listing::of(disk.into_iter().map(PathBuf::as_path));
        input.unreadable.extend(listing.unreadable);
        for path in listing.files {
            let read = std::fs::read(&path);
            input.take(&path, read);
        }
        Ok(input)
    }

    fn take(&mut self, path: &Path, read: std::io::Result<Vec<u8>>) {
        match read {
            // What this changes is asked for as a whole when everything is read.
            Ok(bytes) => drop(self.source.update(path, Some(&bytes))),
            Err(error) => self.unreadable.push(format!("{}: {error}", path.display())),
        }
    }

    /// An engine that has taken all objects in, and knows what they come to.
    pub(crate) fn engine(&self, settings: Settings, registry: Registry) -> Engine {
        let mut engine = Engine::new(settings, registry);
        for located in self.source.objects() {
            engine.apply(ConfigEvent::Put(Arc::clone(&located.object)));
        }
        engine.drain();
        engine
    }

    /// The files and what they hold.
    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// The object of a key.
    pub(crate) fn object(&self, key: &ObjectKey) -> Option<&Object> {
        self.source.located(key).map(|located| &*located.object)
    }

    /// `12 objects in 3 files`
    pub(crate) fn counted(&self) -> String {
        let (objects, files) = (self.source.objects().count(), self.source.files().count());
        format!("{} in {}", plural(objects, "object"), plural(files, "file"))
    }

    /// `3 Deployment, 1 Gateway`; empty if there were none.
    pub(crate) fn passed_over(&self) -> String {
        let kinds = self.source.passed_over().into_iter().map(|(kind, count)| match kind {
            "" => format!("{count} without a kind"),
            kind => format!("{count} {kind}"),
        });
        kinds.collect::<Vec<_>>().join(", ")
    }

    /// Whether some path could not be read.
    pub(crate) fn is_unreadable(&self) -> bool {
        !self.unreadable.is_empty()
    }

    /// Whether everything in the files could be read.
    pub(crate) fn is_whole(&self) -> bool {
        self.source.is_complete()
    }

    /// Says which paths could not be read.
    pub(crate) fn report_unreadable(&self, console: Console) {
        for path in &self.unreadable {
            console.say(format_args!("error: cannot read {path}"));
        }
    }
}

/// `1 object`, `2 objects`.
pub(crate) fn plural(count: usize, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}
