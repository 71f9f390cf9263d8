//! Holds a JSON value against the table of its fields: which are unknown, which hold something else than they should.
//!
//! The decoders have the last word on whether an object can be used; this only says where and why not, which they
//! cannot. It must therefore find something wherever a decoder fails, and a test holds it to that.

use aeraki_api::schema::{Field, Message, Shape};
use aeraki_api::{Duration, Timestamp};
use aeraki_core::field::{self, Step};
use aeraki_core::near_miss::closest;
use serde_json::{Map, Value};

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
}

/// Whose rules of JSON apply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rules {
    /// Protobuf: numbers may stand in quotes, enums be numbers, and names be snake_case.
    Protobuf,
    /// Kubernetes' own kinds: everything is exactly what it is.
    Kubernetes,
}

/// Everything in `value` that is not as `message` has it. `root` is the way to it from the object's root.
pub(crate) fn check(message: &'static Message, value: &Value, rules: Rules, root: &'static str) -> Vec<Finding> {
    let path = if root.is_empty() { Vec::new() } else { vec![Way::Key(root)] };
    let mut checker = Checker { rules, path, findings: Vec::new() };
    checker.shape(Shape::Message(message), value);
    checker.findings
}

#[derive(Clone, Copy)]
enum Way<'a> {
    Key(&'a str),
    Index(usize),
}

struct Checker<'a> {
    rules: Rules,
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
            _ if holds(shape, value, self.rules) => {}
            _ => self.mismatch(shape, value),
        }
    }

    fn message(&mut self, message: &'static Message, members: &'a Map<String, Value>) {
        let mut seen: Vec<(&'static Field, &str)> = Vec::new();
        for (name, value) in members {
            self.inside(Way::Key(name), |checker| {
                let Some(field) = message.field(name) else { return checker.unknown(message, name) };
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
        self.find(Fault::Unknown, format!("unknown field `{name}`: it has no effect"), help);
    }

    fn snake_case(&mut self, field: &Field, name: &str) {
        let message = format!("the Kubernetes API does not know `{name}` and drops it; it is read as `{}`", field.name);
        self.find(Fault::Unknown, message, Some(format!("write `{}`", field.name)));
    }

    fn clash(&mut self, name: &str, other: &str) {
        let message = format!("`{other}` and `{name}` exclude each other");
        self.find(Fault::Mismatch, message, Some("remove one of them".to_owned()));
    }

    fn mismatch(&mut self, shape: Shape, value: &Value) {
        let message = format!("expected {}, found {}", expected(shape), found(value));
        self.find(Fault::Mismatch, message, remedy(shape, value));
    }

    fn find(&mut self, fault: Fault, message: String, help: Option<String>) {
        let steps: Vec<Step> = self.path.iter().map(|way| match way {
            Way::Key(key) => Step::Key((*key).to_owned()),
            Way::Index(index) => Step::Index(*index),
        });
        self.findings.push(Finding { field: field::join(&steps), fault, message, help });
    }
}

/// Two names of one field, or two fields of which only one may be set.
fn excludes(one: &Field, other: &Field) -> bool {
    one.name == other.name || (one.oneof.is_some() && one.oneof == other.oneof)
}

/// Whether a value that is no collection of the right sort is what the shape asks for.
fn holds(shape: Shape, value: &Value, rules: Rules) -> bool {
    match (shape, value) {
        (Shape::Any, _)
        | (Shape::Free, Value::Object(_))
        | (Shape::Text | Shape::NumberOrText, Value::String(_))
        | (Shape::Flag, Value::Bool(_))
        | (Shape::Number, Value::Number(_)) => true,
        (Shape::NumberOrText, Value::Number(number)) => {
            number.as_i64().is_some_and(|number| i32::try_from(number).is_ok())
        }
        (Shape::Integer { least, most }, Value::Number(number)) => match number.as_u64() {
            Some(number) => number <= most,
            None => is_whole(number.as_f64().unwrap_or(f64::NAN), least, most),
        },
        (Shape::Integer { least, most }, Value::String(text)) if rules == Rules::Protobuf => {
            text.parse::<f64>().is_ok_and(|number| is_whole(number, least, most))
        }
        (Shape::Number, Value::String(text)) => rules == Rules::Protobuf && text.parse::<f64>().is_ok(),
        (Shape::Word(words), Value::String(text)) => words.contains(&text.as_str()),
        (Shape::Word(_), Value::Number(number)) => {
            rules == Rules::Protobuf && number.as_i64().is_some_and(|n| i32::try_from(n).is_ok())
        }
        (Shape::Duration, Value::String(text)) => text.parse::<Duration>().is_ok(),
        (Shape::Timestamp, Value::String(text)) => text.parse::<Timestamp>().is_ok(),
        _ => false,
    }
}

fn is_whole(number: f64, least: i64, most: u64) -> bool {
    number.fract() == 0.0 && number >= least as f64 && number <= most as f64
}
