//! Which regular expressions may stand in a filter.
//!
//! Envoy compiles a pattern with RE2 and refuses the whole listener when it cannot, so a pattern is
//! let through only where RE2 is sure to take it *and* to read it as we do. RE2 itself is not at
//! hand; what follows is the part of its syntax that it shares with the parser we have, seen in
//! concrete syntax, with the constructs taken out in which the two differ:
//!
//! - what RE2 lacks (`(?x)`, `[a&&b]`, `\b{start}`, `\u{61}`) or reads otherwise (`\<`, `a{ 2 }`,
//!   `[[a]]`, `[--z]`), and stacked operators (`a**`);
//! - whatever tells letters from bytes: some Envoys match UTF-8, newer ones match bytes, where a
//!   class never holds `é` and `é+` repeats half of it;
//! - repeats that multiply to more than RE2's 1000, and programs over Istio's limit.
//!
//! Refusing too much costs one route and a diagnostic; letting too much through costs a listener.
//! Knows nothing of where a pattern stands.

use std::error::Error;
use std::fmt;

use regex_syntax::ast::parse::Parser;
use regex_syntax::ast::{self, Ast, ErrorKind, Span};

mod size;

/// The longest pattern, in characters.
pub const MAX_LENGTH: usize = 1024;
/// The most that nested counted repeats may multiply to: RE2's own limit.
pub const MAX_REPEAT: u32 = 1000;
/// The largest RE2 program, in instructions: the limit Istio sets in its proxies.
pub const MAX_PROGRAM_SIZE: u64 = 32768;

/// Why a pattern is kept away from Envoy, by what its author can do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegexRejection {
    /// There is no pattern.
    Empty,
    /// More than [`MAX_LENGTH`] characters.
    TooLong {
        /// Its length in characters.
        length: usize,
    },
    /// Looks ahead or behind, which RE2 cannot.
    LookAround,
    /// Refers back to a group (or is an octal escape, which looks the same).
    Backreference,
    /// Not a regular expression in any syntax we know.
    Invalid {
        /// The piece at fault.
        syntax: String,
        /// What is wrong with it.
        message: String,
    },
    /// A regular expression, but not one that every Envoy takes and reads alike.
    Unsupported {
        /// The piece at fault.
        syntax: String,
        /// Why, and what to write instead.
        message: &'static str,
    },
    /// Counted repeats beyond [`MAX_REPEAT`], alone or one within the other.
    RepeatTooLarge,
    /// A program over [`MAX_PROGRAM_SIZE`].
    TooComplex,
}

impl fmt::Display for RegexRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the regular expression is empty"),
            Self::TooLong { length } => {
                write!(
                    f,
                    "the regular expression has {length} characters, more than {MAX_LENGTH}"
                )
            }
            Self::LookAround => f.write_str("look-ahead and look-behind are unknown to Envoy"),
            Self::Backreference => {
                f.write_str("back-references and octal escapes cannot be used in Envoy")
            }
            Self::Invalid { syntax, message } => write!(f, "`{syntax}` is malformed: {message}"),
            Self::Unsupported { syntax, message } => {
                write!(f, "`{syntax}` cannot be used in Envoy: {message}")
            }
            Self::RepeatTooLarge => {
                write!(f, "counted repeats multiply to more than {MAX_REPEAT}")
            }
            Self::TooComplex => write!(
                f,
                "the regular expression may compile to more than {MAX_PROGRAM_SIZE} instructions"
            ),
        }
    }
}

impl Error for RegexRejection {}

/// Whether every Envoy takes `pattern`, and reads it the way it is written.
pub fn check(pattern: &str) -> Result<(), RegexRejection> {
    if is_plain(pattern) {
        return Ok(());
    }
    if pattern.is_empty() {
        return Err(RegexRejection::Empty);
    }
    let length = pattern.chars().count();
    if length > MAX_LENGTH {
        return Err(RegexRejection::TooLong { length });
    }
    let tree = Parser::new()
        .parse(pattern)
        .map_err(|error| malformed(pattern, &error))?;
    let syntax = ast::visit(
        &tree,
        SyntaxCheck {
            pattern,
            folds: false,
            repeats: vec![1],
        },
    )?;
    if size::upper_bound(&tree, syntax.folds) > MAX_PROGRAM_SIZE {
        return Err(RegexRejection::TooComplex);
    }
    Ok(())
}

/// Patterns that need no parser: "anything", which stands in nearly every route, and short words of letters and digits.
fn is_plain(pattern: &str) -> bool {
    pattern == ".*"
        || (1..=128).contains(&pattern.len()) && pattern.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn malformed(pattern: &str, error: &ast::Error) -> RegexRejection {
    match error.kind() {
        ErrorKind::UnsupportedLookAround => RegexRejection::LookAround,
        ErrorKind::UnsupportedBackreference => RegexRejection::Backreference,
        // The number of a repeat does not fit into the parser's own type.
        ErrorKind::DecimalInvalid => RegexRejection::RepeatTooLarge,
        kind => RegexRejection::Invalid {
            syntax: excerpt(pattern, error.span()),
            message: kind.to_string(),
        },
    }
}

/// The text under `span`, cut short; the whole pattern where the parser points behind its end.
fn excerpt(pattern: &str, span: &Span) -> String {
    const ENOUGH: usize = 40;
    let text = pattern
        .get(span.start.offset..span.end.offset)
        .unwrap_or_default();
    let text = if text.is_empty() { pattern } else { text };
    match text.char_indices().nth(ENOUGH) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}

/// Walks a tree and stops at the first construct on which Envoys may differ from it.
#[derive(Debug)]
struct SyntaxCheck<'p> {
    pattern: &'p str,
    /// Letter case has been switched off somewhere before. Never switched on again: what is
    /// refused after `(?i)` stays refused after `(?-i)`.
    folds: bool,
    /// What the counted repeats around the current node multiply to, one entry per repetition.
    repeats: Vec<u64>,
}

impl ast::Visitor for SyntaxCheck<'_> {
    type Output = Self;
    type Err = RegexRejection;

    fn finish(self) -> Result<Self, RegexRejection> {
        Ok(self)
    }

    fn visit_pre(&mut self, node: &Ast) -> Result<(), RegexRejection> {
        match node {
            Ast::Empty(_) | Ast::Dot(_) | Ast::ClassPerl(_) => Ok(()),
            Ast::Alternation(_) | Ast::Concat(_) => Ok(()),
            Ast::Literal(literal) => self.literal(literal),
            Ast::Assertion(assertion) => self.assertion(assertion),
            Ast::Flags(set) => self.flags(&set.flags),
            Ast::Group(group) => self.group(group),
            Ast::Repetition(repetition) => self.repetition(repetition),
            Ast::ClassUnicode(class) => self.unicode_class(&class.span),
            Ast::ClassBracketed(class) => self.class(class),
        }
    }

    fn visit_post(&mut self, node: &Ast) -> Result<(), RegexRejection> {
        if matches!(node, Ast::Repetition(_)) {
            self.repeats.pop();
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ast::ClassSetItem) -> Result<(), RegexRejection> {
        use ast::ClassSetItem as Item;
        match item {
            Item::Empty(_) | Item::Ascii(_) | Item::Perl(_) => Ok(()),
            Item::Literal(literal) => self.class_member(literal),
            Item::Range(range) => {
                self.class_member(&range.start)?;
                self.class_member(&range.end)
            }
            Item::Unicode(class) => self.unicode_class(&class.span),
            Item::Bracketed(class) => self.unsupported(
                &class.span,
                "a class within a class means something else there; a literal `[` is `\\[`",
            ),
            Item::Union(union) => self.dashes(&union.items),
        }
    }
}

impl SyntaxCheck<'_> {
    fn unsupported(&self, span: &Span, message: &'static str) -> Result<(), RegexRejection> {
        Err(RegexRejection::Unsupported {
            syntax: excerpt(self.pattern, span),
            message,
        })
    }

    fn literal(&self, literal: &ast::Literal) -> Result<(), RegexRejection> {
        self.escape(literal)?;
        if self.folds && !literal.c.is_ascii() {
            return self.unsupported(
                &literal.span,
                "letter case is only known for ASCII letters; write both, as in (?:é|É)",
            );
        }
        Ok(())
    }

    fn class_member(&self, literal: &ast::Literal) -> Result<(), RegexRejection> {
        self.escape(literal)?;
        if !literal.c.is_ascii() {
            return self.unsupported(
                &literal.span,
                "a class holds bytes; write alternatives, as in (?:é|ö)",
            );
        }
        Ok(())
    }

    fn escape(&self, literal: &ast::Literal) -> Result<(), RegexRejection> {
        use ast::{HexLiteralKind::X, LiteralKind as Kind};
        match literal.kind {
            Kind::Verbatim | Kind::Meta | Kind::Superfluous | Kind::Special(_) => Ok(()),
            Kind::HexFixed(X) | Kind::HexBrace(X) if literal.c.is_ascii() => Ok(()),
            Kind::HexFixed(X) | Kind::HexBrace(X) => self.unsupported(
                &literal.span,
                "beyond \\x7F it is a byte in some versions and a letter in others",
            ),
            Kind::HexFixed(_) | Kind::HexBrace(_) => {
                self.unsupported(&literal.span, "write the letter itself")
            }
            Kind::Octal => Err(RegexRejection::Backreference),
        }
    }

    fn assertion(&self, assertion: &ast::Assertion) -> Result<(), RegexRejection> {
        use ast::AssertionKind as Kind;
        match assertion.kind {
            Kind::StartLine | Kind::EndLine | Kind::StartText | Kind::EndText => Ok(()),
            Kind::WordBoundary | Kind::NotWordBoundary => Ok(()),
            Kind::WordBoundaryStart
            | Kind::WordBoundaryEnd
            | Kind::WordBoundaryStartAngle
            | Kind::WordBoundaryEndAngle
            | Kind::WordBoundaryStartHalf
            | Kind::WordBoundaryEndHalf => {
                self.unsupported(&assertion.span, "the only word boundaries are \\b and \\B")
            }
        }
    }

    fn flags(&mut self, flags: &ast::Flags) -> Result<(), RegexRejection> {
        use ast::Flag;
        for item in &flags.items {
            let ast::FlagsItemKind::Flag(flag) = &item.kind else {
                continue;
            };
            match flag {
                Flag::CaseInsensitive | Flag::MultiLine => {}
                Flag::DotMatchesNewLine | Flag::SwapGreed => {}
                Flag::Unicode | Flag::CRLF | Flag::IgnoreWhitespace => {
                    return self.unsupported(&item.span, "the only flags are i, m, s and U");
                }
            }
        }
        self.folds |= flags.flag_state(Flag::CaseInsensitive) == Some(true);
        Ok(())
    }

    fn group(&mut self, group: &ast::Group) -> Result<(), RegexRejection> {
        match &group.kind {
            ast::GroupKind::CaptureIndex(_) => Ok(()),
            ast::GroupKind::NonCapturing(flags) => self.flags(flags),
            ast::GroupKind::CaptureName {
                name,
                starts_with_p,
            } => {
                let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
                if !starts_with_p || !name.name.bytes().all(plain) {
                    let message = "name a group as in (?P<name>…), in ASCII letters and digits";
                    let opening = Span::new(group.span.start, name.span.end);
                    return self.unsupported(&opening, message);
                }
                Ok(())
            }
        }
    }

    fn repetition(&mut self, repetition: &ast::Repetition) -> Result<(), RegexRejection> {
        let counted = self.count(&repetition.op)?;
        let outer = self.repeats.last().copied().unwrap_or(1);
        let product = outer.saturating_mul(counted);
        if product > u64::from(MAX_REPEAT) {
            return Err(RegexRejection::RepeatTooLarge);
        }
        self.repeats.push(product);
        match &*repetition.ast {
            Ast::Repetition(_) => self.unsupported(
                &repetition.span,
                "an operator cannot follow an operator; group, as in (?:a*)*",
            ),
            Ast::Literal(literal) if !literal.c.is_ascii() => self.unsupported(
                &repetition.span,
                "the operator may take the last byte of the letter alone; group, as in (?:é)*",
            ),
            _ => Ok(()),
        }
    }

    /// How often a counted repeat repeats, by RE2's reckoning: the other operators count as one.
    fn count(&self, op: &ast::RepetitionOp) -> Result<u64, RegexRejection> {
        use ast::{RepetitionKind as Kind, RepetitionRange as Range};
        let (count, canonical) = match &op.kind {
            Kind::ZeroOrOne | Kind::ZeroOrMore | Kind::OneOrMore => return Ok(1),
            Kind::Range(Range::Exactly(n)) => (*n, format!("{{{n}}}")),
            Kind::Range(Range::AtLeast(n)) => (*n, format!("{{{n},}}")),
            Kind::Range(Range::Bounded(n, m)) => (*m, format!("{{{n},{m}}}")),
        };
        let written = excerpt(self.pattern, &op.span);
        // Anything else (spaces, leading zeros, no lower bound) is literal text to RE2.
        if written.strip_suffix('?').unwrap_or(&written) != canonical {
            self.unsupported(&op.span, "write a repeat as {2}, {2,} or {2,5}")?;
        }
        Ok(u64::from(count.max(1)))
    }

    fn unicode_class(&self, span: &Span) -> Result<(), RegexRejection> {
        let message = "Unicode classes do not hold in versions that match bytes; \
                       name the letters, as in [A-Za-z]";
        self.unsupported(span, message)
    }

    fn class(&self, class: &ast::ClassBracketed) -> Result<(), RegexRejection> {
        match &class.kind {
            ast::ClassSet::Item(_) => Ok(()),
            ast::ClassSet::BinaryOp(operation) => self.unsupported(
                &operation.span,
                "there are no set operations; escape a literal && -- ~~ as \\&\\& \\-\\- \\~\\~",
            ),
        }
    }

    /// A bare dash between two members is a range to RE2, also where our parser took the first of
    /// them for itself (`[--z]`, `[]-z]`).
    fn dashes(&self, members: &[ast::ClassSetItem]) -> Result<(), RegexRejection> {
        use ast::{ClassSetItem as Item, LiteralKind::Verbatim};
        let inner = members.len().saturating_sub(1);
        for pair in members[..inner].windows(2) {
            if let [Item::Literal(_), Item::Literal(dash)] = pair
                && dash.c == '-'
                && dash.kind == Verbatim
            {
                return self.unsupported(&dash.span, "a dash here means a range; write it as \\-");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
