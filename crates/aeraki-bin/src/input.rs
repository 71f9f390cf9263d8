//! The files of one run of `generate` or `analyze`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aeraki_core::diagnostic::{Diagnostic, catalogue};
use aeraki_core::engine::Engine;
use aeraki_core::object::{ConfigEvent, Object, ObjectKey};
use aeraki_core::registry::Registry;
use aeraki_core::settings::Settings;
use aeraki_file::{Files, Reader, Roots, STDIN, Skipped, Source, read_whole};
use anyhow::{Context as _, Result};

use crate::cli::usage;
use crate::console::Console;

/// What standard input is called in reports.
const STDIN_SHOWN: &str = "<stdin>";

/// Everything that the given paths hold.
pub(crate) struct Input {
    files: Files,
}

impl Input {
    /// Reads files, directories and standard input (`-`). A path that cannot be read does not hide the others.
    pub(crate) fn read(paths: &[PathBuf], registry: &Registry) -> Result<Self> {
        if paths.is_empty() {
            return Err(usage(
                "nothing to read: name a file, a directory or `-` with -f",
            ));
        }
        let mut files = Files::new(Reader::new(registry), Roots::new(paths));
        match paths
            .iter()
            .filter(|path| path.as_path() == Path::new(STDIN))
            .count()
        {
            0 => {}
            1 => {
                let bytes = read_whole(std::io::stdin().lock());
                let bytes = bytes.context("standard input cannot be read")?;
                // What each file changes is asked for as a whole when everything is read.
                drop(files.give(STDIN_SHOWN, &bytes));
            }
            _ => {
                return Err(usage(
                    "standard input can be read once only: `-` is given twice",
                ));
            }
        }
        drop(files.refresh(&BTreeSet::new()));
        Ok(Self { files })
    }

    /// An engine that has taken all objects in, and knows what they come to.
    pub(crate) fn engine(&self, settings: Settings, registry: Registry) -> Engine {
        let mut engine = Engine::new(settings, registry);
        for located in self.source().objects() {
            engine.apply(ConfigEvent::Put(Arc::clone(&located.object)));
        }
        engine.drain();
        engine
    }

    /// Why a service of this host gets no filter: a text that could not be read may be about it.
    pub(crate) fn withheld(&self, service: &ObjectKey, host: &str) -> Option<Diagnostic> {
        let problem = self.source().lost_about(host)?;
        let line = problem
            .span
            .map_or_else(String::new, |span| format!(":{}", span.line));
        let sentence = format!(
            "no filter: {}{line} could not be read, and names `{host}`",
            problem.origin()
        );
        Some(Diagnostic::new(&catalogue::WITHHELD, service, sentence))
    }

    /// The files and what they hold.
    pub(crate) fn source(&self) -> &Source {
        self.files.source()
    }

    /// The object of a key.
    pub(crate) fn object(&self, key: &ObjectKey) -> Option<&Object> {
        self.source().located(key).map(|located| &*located.object)
    }

    /// `12 objects in 3 files`
    pub(crate) fn counted(&self) -> String {
        let (objects, files) = (
            self.source().objects().count(),
            self.source().files().count(),
        );
        format!("{} in {}", plural(objects, "object"), plural(files, "file"))
    }

    /// `3 Deployment, 1 Gateway`; empty if there were none.
    pub(crate) fn passed_over(&self) -> String {
        let kinds = self
            .source()
            .passed_over()
            .into_iter()
            .map(|(kind, count)| match kind {
                "" => format!("{count} without a kind"),
                kind => format!("{count} {kind}"),
            });
        kinds.collect::<Vec<_>>().join(", ")
    }

    /// `2 hidden entries, 1 link to a directory`; empty if there were none.
    pub(crate) fn skipped(&self) -> String {
        let Skipped { hidden, links } = self.files.skipped();
        let counts = [
            (hidden, "hidden entry", "hidden entries"),
            (links, "link to a directory", "links to directories"),
        ];
        let counts = counts
            .into_iter()
            .filter(|(count, ..)| *count > 0)
            .map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }));
        counts.collect::<Vec<_>>().join(", ")
    }

    /// Whether some path could not be read.
    pub(crate) fn is_unreadable(&self) -> bool {
        self.files.unlisted().next().is_some()
    }

    /// Whether there is no object at all, not even of a kind that is passed over.
    pub(crate) fn is_empty(&self) -> bool {
        self.source().objects().next().is_none() && self.source().passed_over().is_empty()
    }

    /// Whether everything in the files could be read.
    pub(crate) fn is_whole(&self) -> bool {
        self.source().is_complete()
    }

    /// Says which paths could not be read.
    pub(crate) fn report_unreadable(&self, console: Console) {
        for (path, reason) in self.files.unlisted() {
            console.say(format_args!(
                "error: cannot read {}: {reason}",
                path.display()
            ));
        }
    }
}

/// `1 object`, `2 objects`.
pub(crate) fn plural(count: usize, thing: &str) -> String {
    if count == 1 {
        format!("1 {thing}")
    } else {
        format!("{count} {thing}s")
    }
}
