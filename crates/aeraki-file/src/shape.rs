//! Holds a JSON value against the table of its fields: which are unknown, which hold something else than they should.
//!
//! The decoders have the last word on whether an object can be used; this only says where and why not, which they
//! cannot. It must therefore find something wherever a decoder fails, and a test holds it to that.

use aeraki_api::schema::{Field, Message, Shape};
use aeraki_api::{Duration, Timestamp};
use aeraki_core::field::{self, Step};
use aeraki_core::near_miss::closest;
use aeraki_core::registry::unknown_field;
use serde_json::{Map, Value};

#[cfg(test)]
mod tests;

/// Something that is not as the table has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Finding {
    /// The field, by its path from the object's root.
    pub(crate) field: String,
    pub(crate) fault: Fault,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// What is wrong with a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// There is no such field, or not by this name.
    Unknown,
    /// It holds something that it cannot hold.
    Mismatch,
    /// It makes the whole object of no use.
    Refused,
}

/// Everything in `value` that is not as `message` has it. `root` is the way to it from the object's root.
pub(crate) fn check(message: &'static Message, value: &Value, root: &'static str) -> Vec<Finding> {
    let path = if root.is_empty() {
        Vec::new()
    } else {
        vec![Way::Key(root)]
    };
    let mut checker = Checker {
        path,
        findings: Vec::new(),
    };
    checker.shape(Shape::Message(message), value);
    checker.findings
}

#[derive(Clone, Copy)]
enum Way<'a> {
    Key(&'a str),
    Index(usize),
}

struct Checker<'a> {
    path: Vec<Way<'a>>,
    findings: Vec<Finding>,
}

impl<'a> Checker<'a> {
    fn shape(&mut self, shape: Shape, value: &'a Value) {
        match (shape, value) {
            (Shape::Message(message), Value::Object(members)) => self.message(message, members),
            (Shape::List(item), Value::Array(items)) => {
                for (index, value) in items.iter().enumerate() {
                    self.inside(Way::Index(index), |checker| checker.shape(*item, value));
                }
            }
            (Shape::Map(item), Value::Object(members)) => {
                for (key, value) in members {
                    self.inside(Way::Key(key), |checker| checker.shape(*item, value));
                }
            }
            _ if holds(shape, value) => {}
            _ => self.mismatch(shape, value),
        }
    }

    fn message(&mut self, message: &'static Message, members: &'a Map<String, Value>) {
        let mut seen: Vec<(&'static Field, &str)> = Vec::new();
        for (name, value) in members {
            self.inside(Way::Key(name), |checker| {
                let Some(field) = message.field(name) else {
                    return checker.unknown(message, name);
                };
                if let Some((_, other)) = seen.iter().find(|(other, _)| excludes(other, field)) {
                    checker.clash(name, other);
                }
                if field.name != name {
                    checker.snake_case(field, name);
                }
                seen.push((field, name));
                checker.shape(field.shape, value);
            });
        }
    }

    fn inside(&mut self, way: Way<'a>, f: impl FnOnce(&mut Self)) {
        self.path.push(way);
        f(self);
        self.path.pop();
    }

    fn unknown(&mut self, message: &'static Message, name: &str) {
        let meant = closest(name, message.fields.iter().map(|field| field.name));
        let help = meant.map(|meant| format!("did you mean `{meant}`?"));
        self.find(Fault::Unknown, unknown_field(name), help);
    }

    fn snake_case(&mut self, field: &Field, name: &str) {
        let message = format!(
            "the Kubernetes API does not know `{name}` and drops it; it is read as `{}`",
            field.name
        );
        self.find(
            Fault::Unknown,
            message,
            Some(format!("write `{}`", field.name)),
        );
    }

    fn clash(&mut self, name: &str, other: &str) {
        let message = format!("`{other}` and `{name}` exclude each other");
        self.find(
            Fault::Mismatch,
            message,
            Some("remove one of them".to_owned()),
        );
    }

    fn mismatch(&mut self, shape: Shape, value: &Value) {
        let message = format!("expected {}, found {}", expected(shape), found(value));
        self.find(Fault::Mismatch, message, remedy(shape, value));
    }

    fn find(&mut self, fault: Fault, message: String, help: Option<String>) {
        let step = |way: &Way<'_>| match way {
            Way::Key(key) => Step::Key((*key).to_owned()),
            Way::Index(index) => Step::Index(*index),
        };
        let steps: Vec<Step> = self.path.iter().map(step).collect();
        self.findings.push(Finding {
            field: field::join(&steps),
            fault,
            message,
            help,
        });
    }
}

/// Two names of one field, or two fields of which only one may be set.
fn excludes(one: &Field, other: &Field) -> bool {
    one.name == other.name || (one.oneof.is_some() && one.oneof == other.oneof)
}

/// Whether a value that is no collection of the right sort is what the shape asks for.
fn holds(shape: Shape, value: &Value) -> bool {
    match (shape, value) {
        (Shape::Any, _)
        | (Shape::Free, Value::Object(_))
        | (Shape::Text | Shape::NumberOrText, Value::String(_))
        | (Shape::Flag, Value::Bool(_))
        | (Shape::Number { .. }, Value::Number(_)) => true,
        (Shape::NumberOrText, Value::Number(number)) => number
            .as_i64()
            .is_some_and(|number| i32::try_from(number).is_ok()),
        (Shape::Integer { least, most, .. }, Value::Number(number)) => {
            let number = number
                .as_i64()
                .map(i128::from)
                .or(number.as_u64().map(i128::from));
            number.is_some_and(|number| (i128::from(least)..=i128::from(most)).contains(&number))
        }
        (
            Shape::Integer {
                least,
                most,
                quoted: true,
            },
            Value::String(text),
        ) => text
            .parse::<i128>()
            .is_ok_and(|number| (i128::from(least)..=i128::from(most)).contains(&number)),
        (Shape::Number { quoted: true }, Value::String(text)) => text.parse::<f64>().is_ok(),
        (Shape::Word(words), Value::String(text)) => words.iter().any(|(word, _)| word == text),
        (Shape::Word(words), Value::Number(number)) => words
            .iter()
            .any(|(_, value)| number.as_i64() == Some(i64::from(*value))),
        (Shape::Duration, Value::String(text)) => text.parse::<Duration>().is_ok(),
        (Shape::Timestamp, Value::String(text)) => text.parse::<Timestamp>().is_ok(),
        _ => false,
    }
}

fn expected(shape: Shape) -> String {
    match shape {
        Shape::Text => "a string".to_owned(),
        Shape::Flag => "true or false".to_owned(),
        Shape::Integer { least, most, .. } if least >= 0 => {
            format!("a whole number from {least} to {most}")
        }
        Shape::Integer { .. } => "a whole number".to_owned(),
        Shape::Number { .. } => "a number".to_owned(),
        Shape::NumberOrText => "a whole number or a string".to_owned(),
        Shape::Word(words) => {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            format!("one of {}", words.join(", "))
        }
        Shape::Duration => "a duration such as 1.5s or 1m30s".to_owned(),
        Shape::Timestamp => "a time such as 2006-01-02T15:04:05Z".to_owned(),
        Shape::Free | Shape::Any => "an object".to_owned(),
        Shape::Message(message) => format!("an object ({})", message.name),
        Shape::List(_) => "a list".to_owned(),
        Shape::Map(_) => "an object with keys and values".to_owned(),
    }
}

fn found(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(flag) => format!("the boolean {flag}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the string {:?}", shortened(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// Enough of a text to know it by.
fn shortened(text: &str) -> String {
    const ENOUGH: usize = 40;
    match text.char_indices().nth(ENOUGH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn remedy(shape: Shape, value: &Value) -> Option<String> {
    match (shape, value) {
        (Shape::Text, Value::Bool(_) | Value::Number(_)) => {
            Some(format!("put it in quotes: \"{value}\""))
        }
        (Shape::Word(words), Value::String(text)) => {
            let meant = closest(text, words.iter().map(|(word, _)| *word))?;
            Some(format!("did you mean `{meant}`?"))
        }
        (Shape::Duration, Value::Number(number)) => Some(format!("give a unit: {number}s")),
        (Shape::List(_), _) if !value.is_array() => Some("begin each item with `- `".to_owned()),
        _ => None,
    }
}
