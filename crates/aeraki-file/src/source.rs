//! The config that a set of files holds, kept right while the files change.
//!
//! A state machine over contents: it is told what a file holds now, and answers with what that changes. Two rules: a
//! file that is broken goes on standing for what it last held in good order; of two objects with one name the first
//! counts, by file name and then by place, and the other takes over when the first goes. The end state depends on the
//! last contents only, never on the order in which they came. Touches no disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aeraki_core::diagnostic::{Diagnostic, Severity, catalogue};
use aeraki_core::object::{ConfigEvent, Object, ObjectKey};

use crate::reader::{Located, Problem, ReadFile, Reader, document_key};

#[cfg(test)]
mod tests;

/// Files and the objects in them.
#[derive(Debug)]
pub struct Source {
    reader: Reader,
    files: BTreeMap<PathBuf, File>,
    /// Who claims to be which object, by file and place: the first one is.
    claims: BTreeMap<ObjectKey, BTreeMap<Claim, Located>>,
}

type Claim = (PathBuf, usize);

/// What is known of one file.
#[derive(Debug, Default)]
struct File {
    /// The objects that it stands for, with their places.
    claimed: BTreeMap<usize, ObjectKey>,
    problems: Vec<Problem>,
    passed_over: BTreeMap<String, usize>,
    has_been_whole: bool,
}

/// What a change of files changes.
#[derive(Debug, Default)]
pub struct Update {
    /// What happened to the config.
    pub events: Vec<ConfigEvent>,
    /// What is wrong with the files that changed.
    pub problems: Vec<Problem>,
    /// Objects that could not be read, and that stay as they were last read.
    pub kept: Vec<ObjectKey>,
}

impl Update {
    /// Adds what a later change changes.
    pub fn extend(&mut self, later: Self) {
        self.events.extend(later.events);
        self.problems.extend(later.problems);
        self.kept.extend(later.kept);
    }
}

impl Source {
    /// A source without files.
    #[must_use]
    pub fn new(reader: Reader) -> Self {
        Self {
            reader,
            files: BTreeMap::new(),
            claims: BTreeMap::new(),
        }
    }

    /// Takes in what a file holds now; `None` if it is gone.
    pub fn update(&mut self, path: &Path, content: Option<&[u8]>) -> Update {
        match content {
            Some(bytes) => {
                let read = self.reader.read_bytes(&path.display().to_string(), bytes);
                self.replace(path, read)
            }
            None => self.remove(path),
        }
    }

    /// Takes in that a file is there and cannot be read. What it held stays.
    pub fn unreadable(&mut self, path: &Path, reason: &str) -> Update {
        let origin = path.display().to_string();
        let message = format!("the file cannot be read: {reason}");
        let diagnostic =
            Diagnostic::new(&catalogue::UNREADABLE, &document_key(&origin, 0), message);
        let problems = vec![Problem::of_file(&origin, diagnostic)];
        self.replace(
            path,
            ReadFile {
                problems,
                broken: true,
                ..ReadFile::default()
            },
        )
    }

    /// Whether every file has been read whole at least once, so that what is not there is not meant.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.files.values().all(|file| file.has_been_whole)
    }

    /// Whether some file is there that has been read whole.
    pub(crate) fn has_whole(&self) -> bool {
        self.files.values().any(|file| file.has_been_whole)
    }

    /// Everything that is wrong with the files as they are, by file.
    pub fn problems(&self) -> impl Iterator<Item = Problem> + '_ {
        let duplicates = self.claims.values().flat_map(duplicates);
        self.files
            .values()
            .flat_map(|file| &file.problems)
            .cloned()
            .chain(duplicates)
    }

    /// What takes a text out that may be about a service of this host, where nothing that was read before stands for it.
    #[must_use]
    pub fn lost_about(&self, host: &str) -> Option<&Problem> {
        self.files
            .values()
            .filter(|file| !file.has_been_whole)
            .flat_map(|file| &file.problems)
            .find(|problem| problem.lost().is_some_and(|lost| lost.may_be_about(host)))
    }

    /// Where an object stands.
    #[must_use]
    pub fn located(&self, key: &ObjectKey) -> Option<&Located> {
        self.claims.get(key)?.values().next()
    }

    /// The objects, by kind and name.
    pub fn objects(&self) -> impl Iterator<Item = &Located> {
        self.claims
            .values()
            .filter_map(|claims| claims.values().next())
    }

    /// The files.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.keys().map(PathBuf::as_path)
    }

    /// How many objects of other kinds there are, by kind; what has no kind at all counts under the empty one.
    #[must_use]
    pub fn passed_over(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for (kind, count) in self.files.values().flat_map(|file| &file.passed_over) {
            *counts.entry(kind.as_str()).or_default() += count;
        }
        counts
    }

    fn replace(&mut self, path: &Path, read: ReadFile) -> Update {
        let old = self.files.remove(path).unwrap_or_default();
        let before = self.served(
            old.claimed
                .values()
                .chain(read.objects.iter().map(|l| &l.object.key)),
        );
        let mut file = File {
            has_been_whole: old.has_been_whole || !read.broken,
            passed_over: read.passed_over,
            ..File::default()
        };
        let kept = if read.broken {
            missing(&old, &read.objects)
        } else {
            BTreeMap::new()
        };
        for (place, key) in old
            .claimed
            .iter()
            .filter(|(place, _)| !kept.contains_key(place))
        {
            self.give_up(key, &(path.to_owned(), *place));
        }
        // What is kept makes room for what stands at its place by now.
        let kept: Vec<Located> = kept
            .iter()
            .filter_map(|(place, key)| self.give_up(key, &(path.to_owned(), *place)))
            .collect();
        let kept_keys: Vec<ObjectKey> = kept
            .iter()
            .map(|located| located.object.key.clone())
            .collect();
        for (place, located) in read.objects.into_iter().chain(kept).enumerate() {
            let key = located.object.key.clone();
            self.claims
                .entry(key.clone())
                .or_default()
                .insert((path.to_owned(), place), located);
            file.claimed.insert(place, key);
        }
        file.problems = read
            .problems
            .into_iter()
            .map(|p| with_outcome(p, &kept_keys))
            .collect();
        let mut problems = file.problems.clone();
        let own: BTreeSet<&ObjectKey> = file.claimed.values().collect();
        problems.extend(
            own.into_iter()
                .filter_map(|key| self.claims.get(key))
                .flat_map(duplicates),
        );
        self.files.insert(path.to_owned(), file);
        Update {
            events: self.events_since(before),
            problems,
            kept: kept_keys,
        }
    }

    fn remove(&mut self, path: &Path) -> Update {
        let old = self.files.remove(path).unwrap_or_default();
        let before = self.served(old.claimed.values());
        for (place, key) in &old.claimed {
            self.give_up(key, &(path.to_owned(), *place));
        }
        Update {
            events: self.events_since(before),
            ..Update::default()
        }
    }

    fn give_up(&mut self, key: &ObjectKey, claim: &Claim) -> Option<Located> {
        let claims = self.claims.get_mut(key)?;
        let located = claims.remove(claim);
        if claims.is_empty() {
            self.claims.remove(key);
        }
        located
    }

    /// What each key stands for now.
    fn served<'a>(
        &self,
        keys: impl Iterator<Item = &'a ObjectKey>,
    ) -> BTreeMap<ObjectKey, Option<Arc<Object>>> {
        keys.map(|key| {
            (
                key.clone(),
                self.located(key).map(|l| Arc::clone(&l.object)),
            )
        })
        .collect()
    }

    fn events_since(&self, before: BTreeMap<ObjectKey, Option<Arc<Object>>>) -> Vec<ConfigEvent> {
        let event = |(key, old): (ObjectKey, Option<Arc<Object>>)| match (old, self.located(&key)) {
            (None, None) => None,
            (Some(_), None) => Some(ConfigEvent::Delete(key)),
            (old, Some(new)) if old.as_ref() != Some(&new.object) => {
                Some(ConfigEvent::Put(Arc::clone(&new.object)))
            }
            (_, Some(_)) => None,
        };
        before.into_iter().filter_map(event).collect()
    }
}

/// The objects of a file that its new content does not have.
fn missing(old: &File, new: &[Located]) -> BTreeMap<usize, ObjectKey> {
    let new: BTreeSet<&ObjectKey> = new.iter().map(|located| &located.object.key).collect();
    let missing = old.claimed.iter().filter(|(_, key)| !new.contains(key));
    missing.map(|(place, key)| (*place, key.clone())).collect()
}

/// Says what becomes of the objects that a problem takes out.
fn with_outcome(mut problem: Problem, kept: &[ObjectKey]) -> Problem {
    let diagnostic = &mut problem.diagnostic;
    if diagnostic.severity < Severity::Error || kept.is_empty() {
        return problem;
    }
    if kept.contains(&diagnostic.object) {
        diagnostic
            .message
            .push_str("; the object stays as it was last read");
    } else if diagnostic.object.kind == crate::reader::DOCUMENT {
        let these = match kept {
            [one] => format!("{one} stays as it was"),
            [first, rest @ ..] => format!("{first} and {} more stay as they were", rest.len()),
            [] => return problem,
        };
        diagnostic.message.push_str(&format!("; {these} last read"));
    }
    problem
}

/// A warning for every claim but the first.
fn duplicates(claims: &BTreeMap<Claim, Located>) -> Vec<Problem> {
    let mut claims = claims.values();
    let Some(first) = claims.next() else {
        return Vec::new();
    };
    let place = first
        .span("")
        .map_or_else(String::new, |span| format!(":{}", span.line));
    let message = format!(
        "the object is defined before, in {}{place}, and that counts",
        first.origin()
    );
    claims
        .map(|other| {
            let key = &other.object.key;
            Problem::about(
                other,
                Diagnostic::new(&catalogue::DUPLICATE_OBJECT, key, message.clone()),
            )
        })
        .collect()
}
