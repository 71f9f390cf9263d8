//! A directory of EnvoyFilters: `<namespace>/<name>.yaml`, one file per object.
//!
//! Files appear and change at one stroke, only where something differs, and only where nothing stands that is not ours.
//! What is ours is told by the object inside, as on a cluster; of a file that is damaged by what is left of it
//! ([`is_damaged`]). A file with a password in it is for its owner alone. What is wanted is
//! [`plan`](aeraki_core::plan)'s business.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use aeraki_api::Cr;
use aeraki_api::networking::EnvoyFilter;
use aeraki_core::names::is_rfc1123_subdomain;
use aeraki_core::object::Kind;
use aeraki_core::plan::{Action, Observed, is_ours};
use aeraki_core::{Content, Filter, FilterKey, HASH_ANNOTATION, MANAGER_LABEL};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::files::Stamp;
use crate::yaml::{self, to_yaml};

#[cfg(test)]
mod tests;

/// A directory of EnvoyFilters.
#[derive(Debug)]
pub struct Sink {
    directory: PathBuf,
    files: BTreeMap<PathBuf, Seen>,
    observed: Observed,
    /// Namespace directories that somebody else made. `None` before the first look.
    foreign: Option<BTreeSet<PathBuf>>,
}

/// What was last seen of a file.
#[derive(Debug)]
struct Seen {
    stamp: Stamp,
    key: FilterKey,
}

/// What applying a plan came to.
#[derive(Debug, Default)]
pub struct Written {
    /// New files.
    pub created: usize,
    /// Files written over.
    pub updated: usize,
    /// Files removed.
    pub deleted: usize,
    /// What could not be done, and why. The rest has been done.
    pub failures: Vec<(FilterKey, SinkError)>,
}

/// Why the directory cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// Reading or writing failed.
    #[error("`{}` cannot be {what}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// `read`, `written` or `removed`.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// Something that is not ours stands in the place.
    #[error("`{}` is not an EnvoyFilter of ours and stays as it is", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The object's name or namespace cannot be a file name.
    #[error("the name cannot be a file's name")]
    IllegalName,
}

impl Sink {
    /// A directory, which need not be there yet.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            files: BTreeMap::new(),
            observed: Observed::new(),
            foreign: None,
        }
    }

    /// Looks what is there. A file whose content is not ours stands for an object that is not ours, so that a plan
    /// leaves it alone. Only files that changed since the last look are read.
    ///
    /// # Errors
    /// When a directory or file cannot be read.
    pub fn observe(&mut self) -> Result<&Observed, SinkError> {
        let mut seen = BTreeMap::new();
        let mut without_ours = BTreeSet::new();
        for namespace in list(&self.directory)?
            .into_iter()
            .filter(|path| path.is_dir())
        {
            let mut has_ours = false;
            for path in list(&namespace)? {
                if is_leftover(&path) && self.foreign.is_none() {
                    remove(&path)?;
                } else if path.extension().is_some_and(|ending| ending == "yaml") {
                    has_ours |= self.look(&path, &mut seen)?;
                }
            }
            if !has_ours {
                without_ours.insert(namespace);
            }
        }
        let gone = self
            .files
            .iter()
            .filter(|(path, _)| !seen.contains_key(*path));
        for (_, file) in gone {
            self.observed.remove(&file.key);
        }
        self.files = seen;
        self.foreign.get_or_insert(without_ours);
        Ok(&self.observed)
    }

    /// Does what a plan says. What fails does not keep the rest from being done.
    pub fn apply(&mut self, actions: &[Action]) -> Written {
        let mut written = Written::default();
        for action in actions {
            let (key, outcome) = match action {
                Action::Create(filter) => (&filter.key, self.write(filter, &mut written.created)),
                Action::Update(filter) => (&filter.key, self.write(filter, &mut written.updated)),
                Action::Delete(key) => (key, self.delete(key, &mut written.deleted)),
                Action::Hold(..) => continue,
                Action::Foreign(key) => {
                    let path = self.path(key).unwrap_or_else(|_| self.directory.clone());
                    (key, Err(SinkError::Foreign { path }))
                }
            };
            if let Err(error) = outcome {
                written.failures.push((key.clone(), error));
            }
        }
        written
    }

    /// The file of an object.
    ///
    /// # Errors
    /// When the name or namespace is none that an object on a cluster could have.
    pub fn path(&self, key: &FilterKey) -> Result<PathBuf, SinkError> {
        let is_legal = is_rfc1123_subdomain(&key.namespace) && is_rfc1123_subdomain(&key.name);
        is_legal
            .then(|| self.place(key))
            .ok_or(SinkError::IllegalName)
    }

    fn is_ours(&self, key: &FilterKey) -> bool {
        let content = self.observed.get(key);
        content.is_some_and(|content| is_ours(key, content))
    }

    fn place(&self, key: &FilterKey) -> PathBuf {
        self.directory
            .join(&*key.namespace)
            .join(file_name(&key.name))
    }

    /// Takes a file in, and says whether it is ours.
    fn look(&mut self, path: &Path, seen: &mut BTreeMap<PathBuf, Seen>) -> Result<bool, SinkError> {
        let Some(stamp) = stamp(path)? else {
            return Ok(false);
        };
        if let Some(file) = self.files.get(path).filter(|file| file.stamp == stamp) {
            let is_ours = self.is_ours(&file.key);
            seen.insert(
                path.to_owned(),
                Seen {
                    stamp,
                    key: file.key.clone(),
                },
            );
            return Ok(is_ours);
        }
        if let Some(before) = self.files.get(path) {
            self.observed.remove(&before.key);
        }
        let own = self.own_object(path)?;
        let is_own = own.is_some();
        let (key, content) = own.unwrap_or_else(|| (key_of_path(path), Content::default()));
        self.observed.insert(key.clone(), content);
        seen.insert(path.to_owned(), Seen { stamp, key });
        Ok(is_own)
    }

    /// The object in a file, if it is one of ours and the file is its place.
    fn own_object(&self, path: &Path) -> Result<Option<(FilterKey, Content)>, SinkError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(io_error(path, "read", source)),
        };
        let found = envoy_filter(&bytes);
        let is_damaged = is_damaged(&bytes, found.is_some());
        let own = found.and_then(|object| {
            let key = FilterKey {
                namespace: object.metadata.namespace.as_str().into(),
                name: object.metadata.name.as_str().into(),
            };
            let content = Content::of(&object);
            let is_own = is_ours(&key, &content) && self.place(&key) == path;
            is_own.then_some((key, content))
        });
        Ok(own.or_else(|| is_damaged.then(|| stand_in(path)).flatten()))
    }

    fn write(&mut self, filter: &Filter, count: &mut usize) -> Result<(), SinkError> {
        let path = self.path(&filter.key)?;
        self.refuse_foreign(&path)?;
        let object = filter.object();
        let text = to_yaml(&object);
        let is_private = has_credential(&object);
        if fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
            if is_private {
                make_private(&path).map_err(|e| io_error(&path, "written", e))?;
            }
            return self.record(path, filter);
        }
        let namespace = path
            .parent()
            .expect("a place lies in a namespace's directory");
        fs::create_dir_all(namespace).map_err(|e| io_error(namespace, "written", e))?;
        let new = namespace.join(format!(".{}{LEFTOVER}", std::process::id()));
        let outcome = write_new(&new, &text, is_private).and_then(|()| fs::rename(&new, &path));
        if let Err(source) = outcome {
            // What is left of it is removed at the next start, if not now.
            let _gone = fs::remove_file(&new);
            return Err(io_error(&path, "written", source));
        }
        *count += 1;
        self.record(path, filter)
    }

    fn record(&mut self, path: PathBuf, filter: &Filter) -> Result<(), SinkError> {
        if let Some(stamp) = stamp(&path)? {
            self.files.insert(
                path,
                Seen {
                    stamp,
                    key: filter.key.clone(),
                },
            );
            self.observed
                .insert(filter.key.clone(), filter.content.clone());
        }
        Ok(())
    }

    fn delete(&mut self, key: &FilterKey, count: &mut usize) -> Result<(), SinkError> {
        let path = self.path(key)?;
        self.refuse_foreign(&path)?;
        remove(&path)?;
        *count += 1;
        self.files.remove(&path);
        self.observed.remove(key);
        let namespace = path
            .parent()
            .expect("a place lies in a namespace's directory");
        let is_foreign = self
            .foreign
            .as_ref()
            .is_some_and(|foreign| foreign.contains(namespace));
        if !is_foreign {
            // Fails, as it should, where something is left in it.
            let _kept = fs::remove_dir(namespace);
        }
        Ok(())
    }

    /// What is to be written over or removed may have been swapped for something else since the last look.
    fn refuse_foreign(&self, path: &Path) -> Result<(), SinkError> {
        let Some(stamp) = stamp(path)? else {
            return Ok(());
        };
        let seen = self.files.get(path).filter(|seen| seen.stamp == stamp);
        let is_ours = match seen {
            Some(seen) => self.is_ours(&seen.key),
            None => self.own_object(path)?.is_some(),
        };
        if is_ours {
            Ok(())
        } else {
            Err(SinkError::Foreign {
                path: path.to_owned(),
            })
        }
    }
}

/// What marks a file that was being written when the process ended.
const LEFTOVER: &str = ".aeraki-tmp";

fn is_leftover(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') && name.ends_with(LEFTOVER)
}

/// The key of a credential that stands in a filter itself, in both of Envoy's spellings.
const INLINE: [&str; 2] = ["inline_string", "inlineString"];

/// Whether the object holds a password in clear text. Other inline text is taken for one as well.
fn has_credential(object: &Cr<EnvoyFilter>) -> bool {
    fn holds(value: &Value) -> bool {
        match value {
            Value::Object(members) => members
                .iter()
                .any(|(key, member)| INLINE.contains(&key.as_str()) || holds(member)),
            Value::Array(items) => items.iter().any(holds),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        }
    }
    // What cannot be looked into is not for everybody's eyes either.
    serde_json::to_value(&object.spec).map_or(true, |spec| holds(&spec))
}

/// Writes a file that is not there yet. Nobody but its owner can read a private one, from its first byte.
fn write_new(path: &Path, text: &str, is_private: bool) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = fs::File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if is_private {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, PRIVATE);
    }
    #[cfg(not(unix))]
    let _without_modes = is_private;
    options.open(path)?.write_all(text.as_bytes())
}

/// The mode of a file that only its owner reads and writes.
#[cfg(unix)]
const PRIVATE: u32 = 0o600;

#[cfg(unix)]
fn make_private(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(PRIVATE))
}

#[cfg(not(unix))]
fn make_private(_: &Path) -> io::Result<()> {
    Ok(())
}

/// The longest file name that file systems take.
const MAX_FILE_NAME: usize = 255;

/// The length of a name that was too long for a file's, and was cut: half of what fits, and a hash.
const SHORTENED: usize = MAX_FILE_NAME / 2 + 1 + 16;

/// The name of an object may be too long for a file's, once the ending stands behind it.
fn file_name(name: &str) -> String {
    let plain = format!("{name}.yaml");
    if plain.len() <= MAX_FILE_NAME {
        return plain;
    }
    let readable = &name[..name.floor_char_boundary(MAX_FILE_NAME / 2)];
    format!("{readable}-{:016x}.yaml", xxh3_64(name.as_bytes()))
}

/// Whether a file is what a full disk or a crash has left of one of ours: nothing at all, or a part that still has our
/// mark and ends where a whole file does not. What somebody has put there instead is neither, and stays.
fn is_damaged(bytes: &[u8], is_object: bool) -> bool {
    let is_blank = |byte: &u8| *byte == 0 || byte.is_ascii_whitespace();
    let mark = HASH_ANNOTATION.as_bytes();
    let has_mark = || bytes.windows(mark.len()).any(|part| part == mark);
    let is_whole = is_object && bytes.ends_with(b"\n");
    bytes.iter().all(is_blank) || (!is_whole && has_mark())
}

/// What stands for a damaged file: an object of ours that says nothing, so that it is written anew or removed.
fn stand_in(path: &Path) -> Option<(FilterKey, Content)> {
    let key = key_of_path(path);
    if key.name.len() == SHORTENED {
        // It may be the file of a longer name, which nobody knows.
        return None;
    }
    let mut object = Cr::new(&*key.name, &*key.namespace, EnvoyFilter::default());
    let (label, value) = MANAGER_LABEL;
    object
        .metadata
        .labels
        .insert(label.to_owned(), value.to_owned());
    let content = Content::of(&object);
    is_ours(&key, &content).then_some((key, content))
}

fn key_of_path(path: &Path) -> FilterKey {
    let text =
        |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().as_ref().into();
    FilterKey {
        namespace: text(path.parent().and_then(Path::file_name)),
        name: text(path.file_stem()),
    }
}

fn envoy_filter(bytes: &[u8]) -> Option<Cr<EnvoyFilter>> {
    let file = yaml::File::new("", std::str::from_utf8(bytes).ok()?);
    let documents = file.documents();
    let [document] = documents.as_slice() else {
        return None;
    };
    let object: Cr<EnvoyFilter> = serde_json::from_value(yaml::parse(document).ok()?).ok()?;
    let kind = Kind::ENVOY_FILTER;
    let group = object.api_version.split('/').next();
    let is_whole = !object.metadata.name.is_empty() && !object.metadata.namespace.is_empty();
    let is_one = object.kind == kind.name() && group == Some(kind.group());
    (is_one && is_whole).then_some(object)
}

/// What lies in a directory, by name; nothing if it is not there.
fn list(directory: &Path) -> Result<Vec<PathBuf>, SinkError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(io_error(directory, "read", source)),
    };
    let paths: Result<Vec<PathBuf>, io::Error> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(|source| io_error(directory, "read", source))?;
    paths.sort();
    Ok(paths)
}

fn stamp(path: &Path) -> Result<Option<Stamp>, SinkError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(Stamp::of(&metadata))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(io_error(path, "read", source)),
    }
}

fn remove(path: &Path) -> Result<(), SinkError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io_error(path, "removed", error)),
        _ => Ok(()),
    }
}

fn io_error(path: &Path, what: &'static str, source: io::Error) -> SinkError {
    SinkError::Io {
        path: path.to_owned(),
        what,
        source,
    }
}
