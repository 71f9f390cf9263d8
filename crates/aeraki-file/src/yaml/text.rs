//! A file's text, its documents, and where something stands in it.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::documents::documents;
use super::tree::Tree;

/// A stretch of a file's text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Span {
    /// The first byte, counted from 0 at the start of the file.
    pub start: usize,
    /// The byte behind the last one.
    pub end: usize,
    /// The line of the first byte, counted from 1.
    pub line: usize,
    /// The column of the first byte, in characters, counted from 1.
    pub column: usize,
}

/// The text of a file. Where its lines begin is found when somebody asks.
pub(crate) struct File {
    origin: Box<str>,
    text: Box<str>,
    lines: OnceLock<Lines>,
}

impl File {
    pub(crate) fn new(origin: &str, text: &str) -> Arc<Self> {
        Arc::new(Self {
            origin: origin.into(),
            text: text.into(),
            lines: OnceLock::new(),
        })
    }

    /// What the file is called.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The documents in it.
    pub(crate) fn documents(self: &Arc<Self>) -> Vec<Document> {
        documents(&self.text)
            .into_iter()
            .map(|range| Document {
                file: Arc::clone(self),
                range,
                tree: OnceLock::new(),
            })
            .collect()
    }

    /// A stretch of the text with its line and column. Ends that are out of bounds or inside a character move inwards.
    pub(crate) fn span(&self, range: Range<usize>) -> Span {
        let start = self.text.floor_char_boundary(range.start);
        let end = self.text.floor_char_boundary(range.end).max(start);
        let lines = self.lines.get_or_init(|| Lines::of(&self.text));
        let (line, column) = lines.position(&self.text, start);
        Span {
            start,
            end,
            line,
            column,
        }
    }
}

/// Shows nothing of the text: it may hold a secret.
impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "File({:?}, {} bytes)", self.origin, self.text.len())
    }
}

/// Where the lines of a text begin, and how many characters there are before every so many bytes: a text may be one
/// long line.
#[derive(Debug)]
struct Lines {
    starts: Vec<usize>,
    characters: Vec<usize>,
}

/// How many bytes are counted together.
const STRIDE: usize = 4096;

impl Lines {
    fn of(text: &str) -> Self {
        let counts = text.as_bytes().chunks(STRIDE).scan(0, |before, chunk| {
            let here = *before;
            *before += characters(chunk);
            Some(here)
        });
        Self {
            starts: line_starts(text),
            characters: counts.collect(),
        }
    }

    /// The line and column of a byte, both counted from 1.
    fn position(&self, text: &str, at: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= at);
        (
            line,
            self.before(text, at) - self.before(text, self.starts[line - 1]) + 1,
        )
    }

    /// How many characters stand before a byte.
    fn before(&self, text: &str, at: usize) -> usize {
        // The end of a text may lie behind its last stride.
        let stride = (at / STRIDE).min(self.characters.len().saturating_sub(1));
        let counted = self.characters.get(stride).copied().unwrap_or_default();
        counted + characters(&text.as_bytes()[stride * STRIDE..at])
    }
}

/// How many characters begin in a stretch of UTF-8.
fn characters(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .filter(|byte| (**byte & 0b1100_0000) != 0b1000_0000)
        .count()
}

fn line_starts(text: &str) -> Vec<usize> {
    let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
    std::iter::once(0)
        .chain(breaks.map(|(at, _)| at + 1))
        .collect()
}

/// One document of a file. Where its fields stand is found when somebody asks.
pub(crate) struct Document {
    file: Arc<File>,
    range: Range<usize>,
    tree: OnceLock<Tree>,
}

impl Document {
    pub(crate) fn file(&self) -> &Arc<File> {
        &self.file
    }

    pub(crate) fn text(&self) -> &str {
        &self.file.text[self.range.clone()]
    }

    /// A stretch of this document's text, as a span of the file.
    pub(crate) fn span(&self, range: Range<usize>) -> Span {
        let start = self.range.start;
        self.file
            .span(start.saturating_add(range.start)..start.saturating_add(range.end))
    }

    /// The character at a line and column of this document, both counted from 1.
    pub(crate) fn point(&self, line: usize, column: usize) -> Option<Span> {
        let lines = line_starts(self.text());
        let start = *lines.get(line.checked_sub(1)?)?;
        let rest = self.text()[start..].split('\n').next().unwrap_or_default();
        let mut characters = rest.char_indices().skip(column.checked_sub(1)?);
        let Some((at, character)) = characters.next() else {
            return Some(self.span(start + rest.len()..start + rest.len()));
        };
        Some(self.span(start + at..start + at + character.len_utf8()))
    }

    /// Where everything stands in it.
    pub(crate) fn tree(&self) -> &Tree {
        self.tree.get_or_init(|| Tree::of(self.text()))
    }
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Document({:?} of {:?})", self.range, self.file)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn positions_are_those_of_a_plain_count(
            text in prop_oneof!["[aé\\n]{0,40}", "[a🎉]{1500,4000}\\n[aé]{1500,4000}"],
            at in any::<prop::sample::Index>(),
        ) {
            let at = text.floor_char_boundary(at.index(text.len() + 1));
            let span = File::new("a", &text).span(at..at);
            let before = &text[..at];
            let line = before.rsplit('\n').next().unwrap_or_default();
            prop_assert_eq!(span.line, before.matches('\n').count() + 1);
            prop_assert_eq!(span.column, line.chars().count() + 1);
        }
    }
}
