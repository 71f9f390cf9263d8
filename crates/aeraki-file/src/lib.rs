//! The file source and sink: YAML and JSON with positions in, a directory of EnvoyFilters out.

mod boolean_key;
mod files;
mod kind;
mod lock;
mod reader;
#[cfg(test)]
mod scratch;
mod shape;
mod sink;
mod source;
mod watch;
mod yaml;

pub use files::{Files, Roots, STDIN, Skipped, read_whole};
pub use lock::{Lock, LockError};
pub use reader::{DOCUMENT, Located, Lost, Problem, ReadFile, Reader};
pub use sink::{Sink, SinkError, Written};
pub use source::{Source, Update};
pub use watch::{Pace, Watch};
pub use yaml::{Span, to_yaml, to_yaml_value};
