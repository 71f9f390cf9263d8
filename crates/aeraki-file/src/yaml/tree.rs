//! Where the keys and values of a document stand.
//!
//! Nodes live in one list and know their children by number, so that neither a deep nor a self-referring text costs
//! stack. An alias has the number of the node that it stands for.

use std::collections::HashMap;
use std::ops::Range;

use aeraki_core::field::Step;
use serde_saphyr::granit_parser::{self, Event, Parser, ScalarStyle};

/// The nodes of a document. What follows a syntax error is missing.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    range: Range<usize>,
    children: Children,
}

#[derive(Debug)]
enum Children {
    None,
    Items(Vec<usize>),
    Entries(Vec<Entry>),
}

#[derive(Debug)]
struct Entry {
    key: Key,
    value: usize,
}

/// A key of a mapping, as it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) range: Range<usize>,
    /// Neither quoted nor tagged.
    pub(crate) bare: bool,
}
