//! The file source and sink: YAML and JSON with positions in, a directory of EnvoyFilters out.

mod boolean_key;
mod kind;
mod reader;
mod shape;
mod yaml;

pub use reader::{Located, Problem, ReadFile, Reader};
pub use yaml::{Span, to_yaml, to_yaml_value};
