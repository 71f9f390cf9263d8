//! The file source and sink: YAML and JSON with positions in, a directory of EnvoyFilters out.

mod boolean_key;
mod files;
mod kind;
mod reader;
mod shape;
mod sink;
mod source;
mod watch;
mod yaml;

pub use files::{Files, Roots, STDIN, Skipped};
pub use reader::{DOCUMENT, Located, Problem, ReadFile, Reader};
pub use sink::{Sink, SinkError, Written};
pub use source::{Source, Update};
pub use watch::{Pace, Watch};
pub use yaml::{Span, to_yaml, to_yaml_value};
