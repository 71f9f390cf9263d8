//! A typed config: what a filter or a cluster says, as JSON in three pieces of memory.
//!
//! Each service has a few, and each is read by a few checks and written once. A tree with an allocation for each key and
//! value costs several times what all that does; this one is made in one walk over the message, and has its text in an
//! order that does not depend on the message's: fields are sorted by name.
//!
//! Numbers are what `google.protobuf.Struct` makes of them: doubles, whole ones written as integers.

use std::fmt;

use aeraki_api::prost::Name;
use serde::Serialize;
use serde_json::Value;

mod build;
mod text;

pub(crate) use text::write_string;

/// A message or another JSON value, to be read through its [`root`](Config::root).
#[derive(Clone)]
pub struct Config {
    root: Node,
    /// Members of all objects and lists; those of one stand side by side.
    members: Vec<Member>,
    /// All strings, one after the other.
    strings: String,
}

/// One value inside a [`Config`]: its whole, a message in it, a list, a leaf.
#[derive(Clone, Copy)]
pub struct Part<'c> {
    config: &'c Config,
    node: Node,
}

#[derive(Clone, Copy)]
enum Node {
    Null,
    Bool(bool),
    Integer(i64),
    /// Neither whole nor infinite, or beyond an integer.
    Double(f64),
    String(Span),
    List(Span),
    /// Sorted by key.
    Object(Span),
}

#[derive(Clone, Copy)]
struct Member {
    key: Key,
    node: Node,
}

#[derive(Clone, Copy)]
enum Key {
    /// The name of a message's field, or nothing for an item of a list.
    Name(&'static str),
    /// A key of a map.
    Text(Span),
}

/// From where to where something reaches in a [`Config`]'s memory.
#[derive(Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
}

impl Config {
    /// The JSON form of a message with its type under `@type`, as in an `Any`.
    ///
    /// # Errors
    /// The message has no JSON form: an enum of it has a number without a name.
    pub fn typed<M: Name + Serialize>(message: &M) -> Result<Self, serde_json::Error> {
        build::typed(message, &M::type_url())
    }

    /// The JSON form of anything.
    ///
    /// # Errors
    /// It has none.
    pub fn of(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        build::plain(value)
    }

    /// The whole.
    #[must_use]
    pub fn root(&self) -> Part<'_> {
        Part {
            config: self,
            node: self.root,
        }
    }

    /// Roughly how long its text is.
    pub(crate) fn size_hint(&self) -> usize {
        self.strings.len() + self.members.len() * text::USUAL_FIELD
    }

    fn string(&self, span: Span) -> &str {
        &self.strings[span.range()]
    }

    fn key<'c>(&'c self, key: &Key) -> &'c str {
        match *key {
            Key::Name(name) => name,
            Key::Text(span) => self.string(span),
        }
    }
}

impl<'c> Part<'c> {
    /// A member of an object.
    #[must_use]
    pub fn get(self, key: &str) -> Option<Self> {
        let Node::Object(span) = self.node else {
            return None;
        };
        let mut members = self.config.members[span.range()].iter();
        let found = members.find(|member| self.config.key(&member.key) == key)?;
        Some(self.with(found.node))
    }

    /// What stands at the end of a path of keys.
    #[must_use]
    pub fn at(self, path: &[&str]) -> Option<Self> {
        path.iter().try_fold(self, |part, key| part.get(key))
    }

    /// The items of a list; of anything else none.
    pub fn items(self) -> impl ExactSizeIterator<Item = Self> + Clone + use<'c> {
        let span = match self.node {
            Node::List(span) => span,
            _ => Span::EMPTY,
        };
        let items = self.config.members[span.range()].iter();
        items.map(move |item| self.with(item.node))
    }

    /// The members of an object, sorted by key; of anything else none.
    pub fn members(self) -> impl ExactSizeIterator<Item = (&'c str, Self)> + Clone + use<'c> {
        let span = match self.node {
            Node::Object(span) => span,
            _ => Span::EMPTY,
        };
        let members = self.config.members[span.range()].iter();
        members.map(move |member| (self.config.key(&member.key), self.with(member.node)))
    }

    /// Whether it is a list.
    #[must_use]
    pub fn is_list(self) -> bool {
        matches!(self.node, Node::List(_))
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(self) -> Option<&'c str> {
        match self.node {
            Node::String(span) => Some(self.config.string(span)),
            _ => None,
        }
    }

    /// A flag.
    #[must_use]
    pub fn as_bool(self) -> Option<bool> {
        match self.node {
            Node::Bool(flag) => Some(flag),
            _ => None,
        }
    }

    /// A whole number that is not negative.
    #[must_use]
    pub fn as_u64(self) -> Option<u64> {
        match self.node {
            Node::Integer(number) => number.try_into().ok(),
            _ => None,
        }
    }

    fn with(self, node: Node) -> Self {
        Self {
            config: self.config,
            node,
        }
    }
}

impl Span {
    const EMPTY: Self = Self { start: 0, end: 0 };

    fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

impl From<Value> for Config {
    fn from(value: Value) -> Self {
        Self::of(&value).expect("JSON has a JSON form")
    }
}

/// Equal configs say the same, wherever it lies in their memory.
impl PartialEq for Config {
    fn eq(&self, other: &Self) -> bool {
        self.root().to_string() == other.root().to_string()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root().fmt(f)
    }
}

impl fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As JSON.
impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write_to(&mut text);
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests;
