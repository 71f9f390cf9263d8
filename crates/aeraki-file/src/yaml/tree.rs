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
    Entries(Mapping),
}

#[derive(Debug, Default)]
struct Mapping {
    entries: Vec<Entry>,
    /// The places of the entries, by key.
    by_key: Vec<usize>,
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

impl Tree {
    pub(crate) fn of(text: &str) -> Self {
        let mut builder = Builder::default();
        for event in Parser::new_from_str(text) {
            let Ok((event, span)) = event else { break };
            builder.take(event, range(&span));
        }
        builder.tree
    }

    /// Where the value at a path stands, or the nearest thing to it that there is.
    ///
    /// A scalar is shown as it is, and anything larger by its key: nobody wants a whole list underlined.
    pub(crate) fn value(&self, path: &[Step]) -> Option<Range<usize>> {
        let mut shown = self.nodes.first().map(|root| self.first_word(root))?;
        let mut node = self.nodes.first()?;
        for step in path {
            let Some((key, value)) = self.child(node, step) else {
                return Some(shown);
            };
            node = value;
            shown = match (key, &node.children) {
                (_, Children::None) if !node.range.is_empty() => node.range.clone(),
                (Some(key), _) => key.range.clone(),
                (None, _) => self.first_word(node),
            };
        }
        Some(shown)
    }

    /// The key at the end of a path, if the path ends in one.
    pub(crate) fn key(&self, path: &[Step]) -> Option<&Key> {
        let (last, way) = path.split_last()?;
        let mut node = self.nodes.first()?;
        for step in way {
            node = self.child(node, step)?.1;
        }
        self.child(node, last)?.0
    }

    fn child<'a>(&'a self, node: &'a Node, step: &Step) -> Option<(Option<&'a Key>, &'a Node)> {
        match (&node.children, step) {
            (Children::Items(items), Step::Index(index)) => {
                Some((None, self.nodes.get(*items.get(*index)?)?))
            }
            (Children::Entries(mapping), Step::Key(name)) => {
                let entry = mapping.entry(name).or_else(|| self.merged(mapping, name))?;
                Some((Some(&entry.key), self.nodes.get(entry.value)?))
            }
            _ => None,
        }
    }

    /// Looks into what `<<` merges into a mapping: one mapping or a list of them.
    fn merged<'a>(&'a self, mapping: &'a Mapping, name: &str) -> Option<&'a Entry> {
        let source = self.nodes.get(mapping.entry("<<")?.value)?;
        let sources: Vec<&Node> = match &source.children {
            Children::Items(items) => items
                .iter()
                .filter_map(|item| self.nodes.get(*item))
                .collect(),
            Children::None | Children::Entries(_) => vec![source],
        };
        sources
            .into_iter()
            .find_map(|source| match &source.children {
                Children::Entries(mapping) => mapping.entry(name),
                Children::None | Children::Items(_) => None,
            })
    }

    /// What to show of a node that has no key: a scalar whole, and of anything else the first word.
    fn first_word(&self, node: &Node) -> Range<usize> {
        match &node.children {
            Children::Entries(mapping) => {
                mapping.entries.first().map(|entry| entry.key.range.clone())
            }
            Children::Items(items) => items.first().and_then(|item| {
                let item = self.nodes.get(*item)?;
                Some(item.range.start..item.range.start)
            }),
            Children::None => None,
        }
        .unwrap_or_else(|| node.range.clone())
    }
}

impl Mapping {
    /// The entry of a key, which may be written in snake_case where the path has camelCase.
    fn entry(&self, name: &str) -> Option<&Entry> {
        let found = self
            .by_key
            .binary_search_by(|place| self.key(*place).cmp(name));
        match found {
            Ok(index) => self.entries.get(self.by_key[index]),
            Err(_) => self
                .entries
                .iter()
                .find(|entry| is_camel_case_of(name, &entry.key.text)),
        }
    }

    fn key(&self, place: usize) -> &str {
        &self.entries[place].key.text
    }

    fn finish(&mut self) {
        let mut by_key: Vec<usize> = (0..self.entries.len()).collect();
        by_key.sort_by(|a, b| self.key(*a).cmp(self.key(*b)));
        self.by_key = by_key;
    }
}

fn is_camel_case_of(camel: &str, snake: &str) -> bool {
    let mut upper = false;
    let mut expected = camel.chars();
    for c in snake.chars() {
        if c == '_' {
            upper = true;
        } else {
            let c = if std::mem::take(&mut upper) {
                c.to_ascii_uppercase()
            } else {
                c
            };
            if expected.next() != Some(c) {
                return false;
            }
        }
    }
    expected.next().is_none()
}

fn range(span: &granit_parser::Span) -> Range<usize> {
    let start = span.start.byte_offset().unwrap_or_default();
    start..span.end.byte_offset().unwrap_or(start).max(start)
}

/// A tree under construction: the collections that are still open, each with the key that waits for its value.
#[derive(Default)]
struct Builder {
    tree: Tree,
    open: Vec<(usize, Option<Key>)>,
    anchors: HashMap<usize, usize>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let bare = style == ScalarStyle::Plain && tag.is_none();
                let key = Key {
                    text: text.into_owned(),
                    range: range.clone(),
                    bare,
                };
                let node = self.add(range, Children::None, anchor);
                self.attach(node, key);
            }
            Event::Alias(anchor) => {
                let key = Key {
                    text: String::new(),
                    range: range.clone(),
                    bare: false,
                };
                let node = match self.anchors.get(&anchor) {
                    Some(node) => *node,
                    None => self.add(range, Children::None, 0),
                };
                self.attach(node, key);
            }
            Event::SequenceStart(_, anchor, _) => self.open(range, Children::Items(vec![]), anchor),
            Event::MappingStart(_, anchor, _) => {
                self.open(range, Children::Entries(Mapping::default()), anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(&range),
            _ => {}
        }
    }

    fn add(&mut self, range: Range<usize>, children: Children, anchor: usize) -> usize {
        let node = self.tree.nodes.len();
        self.tree.nodes.push(Node { range, children });
        if anchor != 0 {
            self.anchors.insert(anchor, node);
        }
        node
    }

    fn open(&mut self, range: Range<usize>, children: Children, anchor: usize) {
        let key = Key {
            text: String::new(),
            range: range.clone(),
            bare: false,
        };
        let node = self.add(range, children, anchor);
        self.attach(node, key);
        self.open.push((node, None));
    }

    fn close(&mut self, range: &Range<usize>) {
        if let Some((node, _)) = self.open.pop() {
            let node = &mut self.tree.nodes[node];
            node.range.end = node.range.end.max(range.end);
            if let Children::Entries(mapping) = &mut node.children {
                mapping.finish();
            }
        }
    }

    /// Gives a node to the collection that is open: as an item, as a key, or as the value of the key before it.
    fn attach(&mut self, value: usize, key: Key) {
        let Some((parent, waiting)) = self.open.last_mut() else {
            return;
        };
        match &mut self.tree.nodes[*parent].children {
            Children::Items(items) => items.push(value),
            Children::Entries(mapping) => match waiting.take() {
                None => *waiting = Some(key),
                Some(key) => mapping.entries.push(Entry { key, value }),
            },
            Children::None => {}
        }
    }
}
