//! Which files are meant by the paths of a command line.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Files, and the paths that could not be looked into.
#[derive(Default, Debug)]
pub(super) struct Listing {
    pub(super) files: BTreeSet<PathBuf>,
    pub(super) unreadable: Vec<String>,
    seen: BTreeSet<PathBuf>,
}

impl Listing {
    /// A file is taken whatever its name; of a directory every YAML and JSON file below it, except what is hidden or built.
    pub(super) fn of<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Self {
        let mut listing = Self::default();
        for path in paths {
            if path.is_dir() { listing.directory(path) } else { listing.file(path) }
        }
        listing
    }

    /// The same file is read once, however often it is named.
    fn file(&mut self, path: &Path) {
        match path.canonicalize() {
            Ok(real) => {
                if self.seen.insert(real) {
                    self.files.insert(path.to_owned());
                }
            }
            Err(error) => self.unreadable.push(format!("{}: {error}", path.display())),
        }
    }

    fn directory(&mut self, path: &Path) {
        // A link may lead back to a directory above.
        if path.canonicalize().is_ok_and(|real| !self.seen.insert(real)) {
            return;
        }
        let entries = match std::fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(entries) => entries,
            Err(error) => return self.unreadable.push(format!("{}: {error}", path.display())),
        };
        let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            if is_passed_over(&path) {
                continue;
            }
            if path.is_dir() {
                self.directory(&path);
            } else if is_config(&path) {
                self.file(&path);
            }
        }
    }
}

fn is_passed_over(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || name == "target"
}

fn is_config(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
    ["yaml", "yml", "json"].iter().any(|config| ending == *config)
}
