//! A directory of EnvoyFilters: `<namespace>/<name>.yaml`, one file per object.
//!
//! Files appear and change at one stroke, only where something differs, and only where nothing stands that is not ours.
//! What is ours is told by the object inside, as on a cluster. Knows nothing of what is wanted: [`plan`] says what to do.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use aeraki_api::Cr;
use aeraki_api::networking::EnvoyFilter;
use aeraki_core::names::is_rfc1123_subdomain;
use aeraki_core::plan::{Action, Observed, is_ours, plan};
use aeraki_core::{Filter, FilterKey};
use xxhash_rust::xxh3::xxh3_64;

use crate::files::Stamp;
use crate::yaml::{self, to_yaml};

#[cfg(test)]
mod tests;

/// A directory of EnvoyFilters.
#[derive(Debug)]
pub struct Sink {
    directory: PathBuf,
    files: BTreeMap<PathBuf, File>,
    observed: Observed,
    /// Directories that were there before anything of ours was in them.
    foreign: BTreeSet<PathBuf>,
    has_looked: bool,
}

/// What was last seen of a file.
#[derive(Debug)]
struct File {
    stamp: Stamp,
    key: FilterKey,
}
