//! File source and sink: YAML and JSON with positions in, a directory of EnvoyFilters out.
