//! Which metrics and labels an expression of PromQL asks for. It knows enough of the language for a dashboard, and refuses the rest.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};

/// The words between operands, which are no metrics.
const OPERATORS: [&str; 6] = ["and", "or", "unless", "bool", "offset", "atan2"];
/// The words before a list of labels.
const GROUPINGS: [&str; 6] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];

/// A metric, and the labels that the expression looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) metric: String,
    pub(crate) labels: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text,
    Sign(char),
}

/// All metrics of an expression. A label that results are grouped by is asked of each.
pub(crate) fn asked(expression: &str) -> Result<Vec<Asked>> {
    let tokens = tokens(expression)?;
    let mut rest = tokens.as_slice();
    let mut all: Vec<Asked> = vec![];
    let mut grouped = BTreeSet::new();
    while let Some((token, after)) = rest.split_first() {
        rest = after;
        let Token::Word(word) = token else {
            ensure!(
                token != &Token::Sign('{'),
                "a selector without a metric's name"
            );
            continue;
        };
        if OPERATORS.contains(&word.as_str()) || word.starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        let mut labels = BTreeSet::new();
        match after.first() {
            Some(Token::Sign('(')) if GROUPINGS.contains(&word.as_str()) => {
                rest = list(&after[1..], ')', &mut grouped)?;
                continue;
            }
            // A function, or an aggregation: its grouping comes before what it is of, or after.
            Some(Token::Sign('(')) => continue,
            Some(Token::Word(next)) if ["by", "without"].contains(&next.as_str()) => continue,
            Some(Token::Sign('{')) => rest = list(&after[1..], '}', &mut labels)?,
            _ => {}
        }
        all.push(Asked {
            metric: word.clone(),
            labels,
        });
    }
    ensure!(!all.is_empty(), "no metric in {expression}");
    for one in &mut all {
        one.labels.extend(grouped.iter().cloned());
    }
    Ok(all)
}

/// The labels up to the closing sign, and what follows.
fn list<'t>(
    mut rest: &'t [Token],
    close: char,
    labels: &mut BTreeSet<String>,
) -> Result<&'t [Token]> {
    loop {
        let (token, after) = rest.split_first().context("a list without an end")?;
        rest = after;
        match token {
            Token::Word(label) => {
                labels.insert(label.clone());
            }
            Token::Sign(sign) if *sign == close => return Ok(rest),
            Token::Text | Token::Sign(_) => {}
        }
    }
}

/// The expression without blanks, and without what stands in brackets: how long a range is.
fn tokens(expression: &str) -> Result<Vec<Token>> {
    let mut tokens = vec![];
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => {
                tokens.push(Token::Text);
                text_length(rest)?
            }
            '[' => rest.find(']').context("a range without an end")? + 1,
            _ if is_of_word(first) => {
                let length = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
                tokens.push(Token::Word(rest[..length].to_owned()));
                length
            }
            '$' => bail!("a variable outside of texts and ranges: {rest}"),
            sign => {
                tokens.push(Token::Sign(sign));
                sign.len_utf8()
            }
        };
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || ['_', ':', '.'].contains(&c)
}

fn text_length(text: &str) -> Result<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return Ok(at + 1),
            _ => escaped = c == '\\' && !escaped,
        }
    }
    bail!("a text without an end: {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(expression: &str) -> String {
        let all = asked(expression).unwrap();
        let one = |asked: &Asked| {
            let labels: Vec<&str> = asked.labels.iter().map(String::as_str).collect();
            format!("{}({})", asked.metric, labels.join(" "))
        };
        all.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn metrics_are_told_from_functions_and_labels() {
        for (expression, wanted) in [
            ("up", "up()"),
            (
                "sum by (a) (rate(b_total{c=~\"$c\",d!=\"}\"}[$__rate_interval]))",
                "b_total(a c d)",
            ),
            ("sum(rate(a[5m])) by (le, b)", "a(b le)"),
            (
                "histogram_quantile(0.99, sum by (le) (rate(a_bucket[1m])))",
                "a_bucket(le)",
            ),
            (
                "a{b=\"1\"} / ignoring (c) (d + 2 * e) > bool 1e3",
                "a(b c) d(c) e(c)",
            ),
            ("topk(5, a) or b offset 5m", "a() b()"),
        ] {
            assert_eq!(told(expression), wanted, "{expression}");
        }
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for expression in [
            "",
            "1 + 2",
            "{a=\"b\"}",
            "a{b=\"c\"",
            "rate(a[5m)",
            "$metric",
            "a{b=\"}",
        ] {
            assert!(asked(expression).is_err(), "{expression}");
        }
    }
}
