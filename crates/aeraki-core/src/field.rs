//! Field paths: `spec.http[0].match[1].headers["a.b"]`.
//!
//! A path runs from the object's root. A map key that is no plain word stands in quotes, so that a path can be taken
//! apart again.

use std::fmt::Write as _;

/// One step of a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// A field or map key.
    Key(String),
    /// A place in a list.
    Index(usize),
}

/// The way a map key is written behind a path: `.key`, or `["key"]`.
#[must_use]
pub fn key(key: &str) -> String {
    let plain = !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if plain {
        format!(".{key}")
    } else {
        format!("[{key:?}]")
    }
}

/// Writes steps as a path.
#[must_use]
pub fn join(steps: &[Step]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Key(name) => path.push_str(&key(name)),
            // Writing to a String cannot fail.
            Step::Index(index) => write!(path, "[{index}]").expect("a String takes all"),
        }
    }
    path.strip_prefix('.').map(str::to_owned).unwrap_or(path)
}

/// Takes a path apart. A piece that cannot be read ends the result: the rest of the path is only less exact.
#[must_use]
pub fn split(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let Some((step, remaining)) = first_step(rest) else {
            break;
        };
        steps.push(step);
        rest = remaining;
    }
    steps
}

fn first_step(path: &str) -> Option<(Step, &str)> {
    if let Some(quoted) = path.strip_prefix('[').filter(|rest| rest.starts_with('"')) {
        let mut values = serde_json::Deserializer::from_str(quoted).into_iter::<String>();
        let name = values.next()?.ok()?;
        let rest = quoted.get(values.byte_offset()..)?.strip_prefix(']')?;
        return Some((Step::Key(name), rest));
    }
    if let Some(numbered) = path.strip_prefix('[') {
        let (index, rest) = numbered.split_once(']')?;
        return Some((Step::Index(index.parse().ok()?), rest));
    }
    let word = path.strip_prefix('.').unwrap_or(path);
    let end = word.find(['.', '[']).unwrap_or(word.len());
    let (name, rest) = word.split_at(end);
    (!name.is_empty()).then(|| (Step::Key(name.to_owned()), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_comes_apart_and_together_again() {
        let path = r#"spec.http[0].match[1].headers["a.b"].x-env"#;
        let steps = split(path);
        assert_eq!(steps.len(), 8);
        assert_eq!(steps[6], Step::Key("a.b".to_owned()));
        assert_eq!(join(&steps), path);
    }

    #[test]
    fn nonsense_ends_early_and_does_not_panic() {
        for path in ["", "[", "[]", "..", "a[x]", "[\"", "a.[0", "é[1]ü"] {
            assert!(split(path).len() <= 3);
        }
    }
}
