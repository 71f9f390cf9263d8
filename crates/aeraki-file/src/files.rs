//! Config files on a disk: which there are, and what is in those that changed.
//!
//! A file counts as changed when its time, length or identity is another than at the last look, or when somebody says
//! so. Where a directory cannot be listed, or a link leads nowhere, the files known there are taken to be there still,
//! and the view of the config is not complete. Nor is it before any file at all has been read: an empty directory is
//! more likely a volume that is not mounted than a config that wants nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aeraki_core::plan::CompleteView;

use crate::reader::Reader;
use crate::source::{Source, Update};

#[cfg(test)]
mod tests;

/// The name that stands for standard input.
pub const STDIN: &str = "-";

/// The greatest file that is read.
const MAX_BYTES: u64 = 64 << 20;

/// The endings of config files in a directory. A file that is named itself may have any.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// Where config files are: files, and directories with all that is below them.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    paths: Vec<PathBuf>,
    except: Vec<PathBuf>,
}

impl Roots {
    /// Files and directories. `-` is passed over here: whoever reads it gives it with [`Files::give`].
    pub fn new(paths: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        let paths = paths
            .into_iter()
            .map(Into::into)
            .filter(|path| path != Path::new(STDIN));
        Self {
            paths: paths.collect(),
            except: Vec::new(),
        }
    }

    /// Passes over a directory, such as the one that the output goes to.
    #[must_use]
    pub fn except(mut self, directory: impl Into<PathBuf>) -> Self {
        self.except.extend(absolute(&directory.into()));
        self
    }

    /// The files and directories.
    #[must_use]
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Whether a path is one of the files and directories themselves.
    pub(crate) fn is_root(&self, path: &Path) -> bool {
        self.paths
            .iter()
            .any(|root| root == path || absolute(root).is_some_and(|root| root == path))
    }

    /// Whether a path lies where nobody looks.
    pub(crate) fn is_excepted(&self, path: &Path) -> bool {
        absolute(path).is_some_and(|path| self.except.iter().any(|except| path.starts_with(except)))
    }

    fn scan(&self) -> Scan {
        let mut scan = Scan::default();
        for root in &self.paths {
            match fs::metadata(root) {
                Ok(found) if found.is_dir() => scan.directory(root, &self.except),
                Ok(found) => scan.file(root, &found),
                Err(error) => scan.unlisted(root, &error),
            }
        }
        if self.paths.len() > 1 {
            scan.drop_second_names();
        }
        scan
    }
}

/// By what a file is known to be the one that was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    identity: u64,
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let (modified, length) = (metadata.modified().ok(), metadata.len());
        Self {
            modified,
            length,
            identity: identity(metadata),
        }
    }
}

/// The inode, which a file that is swapped for another does not keep.
#[cfg(unix)]
fn identity(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> u64 {
    0
}

/// How much of the directories nobody reads, though it may look like config to whoever put it there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Skipped {
    /// Files and directories whose names begin with a dot.
    pub hidden: usize,
    /// Links to directories, which may lead in a circle.
    pub links: usize,
}

/// What is there.
#[derive(Default)]
struct Scan {
    files: BTreeMap<PathBuf, Stamp>,
    unlisted: BTreeMap<PathBuf, String>,
    skipped: Skipped,
}

impl Scan {
    fn file(&mut self, path: &Path, metadata: &Metadata) {
        self.files.insert(path.to_owned(), Stamp::of(metadata));
    }

    fn unlisted(&mut self, path: &Path, error: &io::Error) {
        self.unlisted.insert(path.to_owned(), error.to_string());
    }

    fn directory(&mut self, root: &Path, except: &[PathBuf]) {
        let mut open = vec![root.to_owned()];
        while let Some(directory) = open.pop() {
            if absolute(&directory).is_some_and(|path| except.contains(&path)) {
                continue;
            }
            match self.list(&directory) {
                Ok(below) => open.extend(below),
                // It went while we looked.
                Err(error) if error.kind() == ErrorKind::NotFound && directory != root => {}
                Err(error) => self.unlisted(&directory, &error),
            }
        }
    }

    /// Takes in the files of a directory, and gives the directories in it. Links to files are followed, since a mounted
    /// ConfigMap is made of them; links to directories are not, since they may lead in a circle.
    fn list(&mut self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let mut below = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            if is_hidden(&path) {
                self.skipped.hidden += 1;
            } else if kind.is_dir() {
                below.push(path);
            } else if kind.is_symlink() || has_config_ending(&path) {
                self.entry(&path);
            }
        }
        Ok(below)
    }

    /// Takes in a file, or what a link leads to. A link that leads nowhere is there all the same: what it led to may be
    /// back in a moment.
    fn entry(&mut self, path: &Path) {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => self.skipped.links += 1,
            Ok(found) if found.is_file() && has_config_ending(path) => self.file(path, &found),
            Ok(_) => {}
            Err(_) if !has_config_ending(path) || is_gone(path) => {}
            Err(error) => self.unlisted(path, &error),
        }
    }

    /// Of a file that is named twice, as by itself and by its directory, the first name counts.
    fn drop_second_names(&mut self) {
        let mut seen = BTreeSet::new();
        self.files
            .retain(|path, _| fs::canonicalize(path).map_or(true, |real| seen.insert(real)));
    }

    fn may_hold(&self, path: &Path) -> bool {
        self.unlisted
            .keys()
            .any(|unlisted| path.starts_with(unlisted))
    }
}

/// Reads a file, or anything else that has an end, such as standard input.
///
/// # Errors
/// When reading fails, or there is more than any config has: a device has no end.
pub fn read_whole(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    reader.take(MAX_BYTES + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_BYTES {
        let reason = format!("it is larger than {} MiB", MAX_BYTES >> 20);
        return Err(io::Error::new(ErrorKind::FileTooLarge, reason));
    }
    Ok(content)
}

fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.starts_with(b".")
}

/// Whether the entry itself has gone while we looked, and not only what it leads to.
fn is_gone(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

fn has_config_ending(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known))
}

fn absolute(path: &Path) -> Option<PathBuf> {
    std::path::absolute(path).ok()
}

/// Config files, and the source that they make.
#[derive(Debug)]
pub struct Files {
    roots: Roots,
    source: Source,
    stamps: BTreeMap<PathBuf, Stamp>,
    unlisted: BTreeMap<PathBuf, String>,
    skipped: Skipped,
    has_looked: bool,
    /// Whether some file has been read whole, ever.
    has_read: bool,
    may_be_empty: bool,
}

impl Files {
    /// Files that nobody has looked at yet.
    #[must_use]
    pub fn new(reader: Reader, roots: Roots) -> Self {
        Self {
            roots,
            source: Source::new(reader),
            stamps: BTreeMap::new(),
            unlisted: BTreeMap::new(),
            skipped: Skipped::default(),
            has_looked: false,
            has_read: false,
            may_be_empty: false,
        }
    }

    /// Takes a config without any file as meant, even before a file has been read.
    #[must_use]
    pub fn may_be_empty(mut self, may_be_empty: bool) -> Self {
        self.may_be_empty = may_be_empty;
        self
    }

    /// What the files hold.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Gives the content of something that is no file, such as standard input.
    pub fn give(&mut self, name: &str, content: &[u8]) -> Update {
        let update = self.source.update(Path::new(name), Some(content));
        self.has_read |= self.source.has_whole();
        update
    }

    /// Looks which files there are, and reads those that changed. `touched` are read even if they look the same.
    pub fn refresh(&mut self, touched: &BTreeSet<PathBuf>) -> Update {
        let touched: BTreeSet<PathBuf> = touched.iter().filter_map(|path| absolute(path)).collect();
        let scan = self.roots.scan();
        let mut update = self.forget_missing(&scan);
        for (path, stamp) in &scan.files {
            let is_touched =
                !touched.is_empty() && absolute(path).is_some_and(|path| touched.contains(&path));
            if is_touched || self.stamps.get(path) != Some(stamp) {
                update.extend(self.read(path, *stamp));
            }
        }
        self.unlisted = scan.unlisted;
        self.skipped = scan.skipped;
        self.has_looked = true;
        self.has_read |= self.source.has_whole();
        update
    }

    /// Directories and files that are meant and cannot be looked at, and why.
    pub fn unlisted(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.unlisted
            .iter()
            .map(|(path, reason)| (path.as_path(), reason.as_str()))
    }

    /// The first of the files and directories that were named and that cannot be looked at, and why.
    #[must_use]
    pub fn unlisted_root(&self) -> Option<(&Path, &str)> {
        self.unlisted()
            .find(|(path, _)| self.roots.paths.iter().any(|root| root == path))
    }

    /// What was there at the last look and is never read.
    #[must_use]
    pub fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// Whether the view is not complete for the one reason that no file has been seen yet.
    #[must_use]
    pub fn awaits_first_file(&self) -> bool {
        let is_empty = self.source.files().next().is_none();
        let may_not = !(self.has_read || self.may_be_empty);
        self.has_looked && self.unlisted.is_empty() && is_empty && may_not
    }

    /// Proof that all of the config has been read, if that is so.
    #[must_use]
    pub fn complete_view(&self) -> Option<CompleteView> {
        let is_read = self.has_looked && self.unlisted.is_empty() && self.source.is_complete();
        (is_read && (self.has_read || self.may_be_empty)).then(CompleteView::assert)
    }

    fn forget_missing(&mut self, scan: &Scan) -> Update {
        let is_gone = |path: &&PathBuf| !scan.files.contains_key(*path) && !scan.may_hold(path);
        let gone: Vec<PathBuf> = self.stamps.keys().filter(is_gone).cloned().collect();
        let mut update = Update::default();
        for path in gone {
            self.stamps.remove(&path);
            update.extend(self.source.update(&path, None));
        }
        update
    }

    fn read(&mut self, path: &Path, stamp: Stamp) -> Update {
        self.stamps.insert(path.to_owned(), stamp);
        match File::open(path).and_then(read_whole) {
            Ok(content) => self.source.update(path, Some(&content)),
            Err(error) if error.kind() == ErrorKind::FileTooLarge => {
                self.source.unreadable(path, &error.to_string())
            }
            Err(error) => {
                // Another look may have more luck with the very same file, or find it gone.
                self.stamps.insert(
                    path.to_owned(),
                    Stamp {
                        modified: None,
                        ..stamp
                    },
                );
                self.source.unreadable(path, &error.to_string())
            }
        }
    }
}
