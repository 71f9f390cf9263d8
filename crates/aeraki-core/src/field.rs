//! Field paths: `spec.http[0].match[1].headers["a.b"]`.
//!
//! A path runs from the object's root. A map key that is no plain word stands in quotes, so that a path can be taken
//! apart again.

use std::fmt::{self, Write as _};

/// One step of a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// A field or map key.
    Key(String),
    /// A place in a list.
    Index(usize),
}

/// A place on the way down into an object, which knows the one above it. It becomes a path only where somebody reports
/// it, which is rare: most fields that are looked at are in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    above: Option<&'a Self>,
    here: Here<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Here<'a> {
    Field(&'a str),
    Index(usize),
    Key(&'a str),
}

impl<'a> Place<'a> {
    /// A field of the object itself, such as `spec`.
    pub(crate) const fn root(name: &'a str) -> Self {
        Self {
            above: None,
            here: Here::Field(name),
        }
    }

    /// The field `name` of what stands here.
    pub(crate) const fn field(&'a self, name: &'a str) -> Self {
        self.below(Here::Field(name))
    }

    /// A member of the list that stands here.
    pub(crate) const fn index(&'a self, index: usize) -> Self {
        self.below(Here::Index(index))
    }

    /// The value of a key of the map that stands here.
    pub(crate) const fn key(&'a self, key: &'a str) -> Self {
        self.below(Here::Key(key))
    }

    const fn below(&'a self, here: Here<'a>) -> Self {
        Self {
            above: Some(self),
            here,
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(above) = self.above {
            write!(f, "{above}")?;
        }
        match self.here {
            Here::Field(name) if self.above.is_none() => f.write_str(name),
            Here::Field(name) => write!(f, ".{name}"),
            Here::Index(index) => write!(f, "[{index}]"),
            Here::Key(name) => f.write_str(&key(name)),
        }
    }
}

impl From<Place<'_>> for String {
    fn from(place: Place<'_>) -> Self {
        place.to_string()
    }
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
    fn a_place_is_written_as_the_path_to_it() {
        let spec = Place::root("spec");
        let (http, headers) = (spec.field("http"), "headers");
        let rule = http.index(2);
        let headers = rule.field(headers);
        assert_eq!(
            headers.key("x-env").to_string(),
            "spec.http[2].headers.x-env"
        );
        assert_eq!(
            String::from(headers.key("a.b")),
            r#"spec.http[2].headers["a.b"]"#
        );
    }

    #[test]
    fn nonsense_ends_early_and_does_not_panic() {
        for path in ["", "[", "[]", "..", "a[x]", "[\"", "a.[0", "é[1]ü"] {
            assert!(split(path).len() <= 3);
        }
    }
}
