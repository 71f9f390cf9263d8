//! An upper bound for the RE2 program of a pattern, without RE2.
//!
//! RE2 copies the body of a counted repeat and spells letters in bytes; the costs here are the
//! larger of its UTF-8 and its byte mode, rounded up, so that a pattern near the limit is refused
//! rather than found out by a proxy. Knows only constructs that the syntax check lets through; for
//! the others it stays an honest guess.

use regex_syntax::ast::{self, Ast, ClassSet, ClassSetItem};

/// The fixed parts of a program: failure, match and the loop that finds where a match starts.
const FRAME: u64 = 6;
/// An operator that jumps, with the links that RE2 adds when it flattens the program.
const JUMP: u64 = 4;
/// All letters beyond ASCII, in UTF-8.
const BEYOND_ASCII: u64 = 12;
/// A range of ASCII letters with the jump to it.
const RANGE: u64 = 2;
/// What `k` and `s` gain when letter case is off: the Kelvin sign and the long s.
const FOLDED: u64 = 10;

/// No fewer instructions than RE2 makes of `tree`; `folds` where letter case is off anywhere.
pub(super) fn upper_bound(tree: &Ast, folds: bool) -> u64 {
    FRAME.saturating_add(node(tree, folds))
}

/// As deep as the parser's own nesting limit lets a tree be.
fn node(tree: &Ast, folds: bool) -> u64 {
    match tree {
        Ast::Empty(_) | Ast::Flags(_) => 1,
        Ast::Assertion(_) => 2,
        Ast::Literal(literal) => letter(literal, folds),
        Ast::Dot(_) => 2 * RANGE + BEYOND_ASCII,
        Ast::ClassPerl(class) => named(class.negated, folds),
        Ast::ClassUnicode(_) => MANY_RANGES,
        Ast::ClassBracketed(class) => bracketed(class, folds),
        Ast::Repetition(repetition) => repeated(repetition, node(&repetition.ast, folds)),
        Ast::Group(group) => node(&group.ast, folds).saturating_add(2),
        Ast::Concat(concat) => sum(&concat.asts, folds),
        Ast::Alternation(alternation) => {
            sum(&alternation.asts, folds).saturating_add(JUMP * alternation.asts.len() as u64)
        }
    }
}

/// Letters in thousands of ranges, whatever their name.
const MANY_RANGES: u64 = 8192;

fn sum(trees: &[Ast], folds: bool) -> u64 {
    trees
        .iter()
        .fold(0, |total, tree| total.saturating_add(node(tree, folds)))
}

fn letter(literal: &ast::Literal, folds: bool) -> u64 {
    let bytes = literal.c.len_utf8() as u64;
    if folds { bytes + FOLDED } else { bytes }
}

fn bracketed(class: &ast::ClassBracketed, folds: bool) -> u64 {
    let members = match &class.kind {
        ClassSet::Item(item) => member(item, folds),
        ClassSet::BinaryOp(_) => MANY_RANGES,
    };
    let rest = if class.negated {
        RANGE + BEYOND_ASCII
    } else {
        0
    };
    let folded = if folds { FOLDED } else { 0 };
    members.saturating_add(rest + folded)
}

fn member(item: &ClassSetItem, folds: bool) -> u64 {
    match item {
        ClassSetItem::Empty(_) => 0,
        // With letter case off a range of mixed letters falls into two more.
        ClassSetItem::Literal(_) | ClassSetItem::Range(_) if folds => 3 * RANGE,
        ClassSetItem::Literal(_) | ClassSetItem::Range(_) => RANGE,
        ClassSetItem::Ascii(class) => named(class.negated, folds),
        ClassSetItem::Perl(class) => named(class.negated, folds),
        ClassSetItem::Unicode(_) => MANY_RANGES,
        ClassSetItem::Bracketed(class) => bracketed(class, folds),
        ClassSetItem::Union(union) => union
            .items
            .iter()
            .fold(0, |total, item| total.saturating_add(member(item, folds))),
    }
}

/// The largest, `\w`, has four ranges; there are five outside of it. Without letter case the
/// Kelvin sign and the long s are in `\w`, and leave holes in what is outside.
fn named(negated: bool, folds: bool) -> u64 {
    let rest = if negated { BEYOND_ASCII } else { 0 };
    let folded = if folds { 2 * FOLDED } else { 0 };
    5 * RANGE + rest + folded
}

fn repeated(repetition: &ast::Repetition, body: u64) -> u64 {
    use ast::{RepetitionKind as Kind, RepetitionRange as Range};
    let copies = match &repetition.op.kind {
        Kind::ZeroOrOne | Kind::ZeroOrMore | Kind::OneOrMore => 1,
        Kind::Range(Range::Exactly(n)) => u64::from(*n),
        // The last copy stands in a loop of its own.
        Kind::Range(Range::AtLeast(n)) => u64::from(*n) + 1,
        Kind::Range(Range::Bounded(_, m)) => u64::from(*m),
    };
    let jumps = match &repetition.op.kind {
        Kind::Range(Range::Bounded(n, m)) => u64::from(m.saturating_sub(*n)),
        _ => 1,
    };
    body.saturating_mul(copies).saturating_add(JUMP * jumps + 1)
}
