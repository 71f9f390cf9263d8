//! Holds the `spec` of an object against its schema: which fields are unknown, which hold something of another type.
//!
//! Only types count here. Whether a value of the right type can be used is the generator's business, which says it better.
//! A message never repeats what stands under `auth`: it may be a password.

use aeraki_api::Duration;
use aeraki_core::field::{self, Step};
use aeraki_core::near_miss::closest;
use aeraki_core::registry::InputProblem;
use serde_json::{Map, Value};

/// Everything in `spec` that is not as `schema` has it.
pub(crate) fn check(schema: &Value, spec: &Value) -> Vec<InputProblem> {
    let mut checker = Checker {
        path: vec![Step::Key("spec".to_owned())],
        problems: Vec::new(),
    };
    checker.value(schema, spec);
    checker.problems
}

struct Checker {
    path: Vec<Step>,
    problems: Vec<InputProblem>,
}

impl Checker {
    fn value(&mut self, schema: &Value, value: &Value) {
        match (type_of(schema), value) {
            ("object", Value::Object(members)) => self.members(schema, members),
            ("array", Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.inside(Step::Index(index), |checker| {
                        checker.value(&schema["items"], item);
                    });
                }
            }
            _ if holds(schema, value) => {}
            _ => self.mistyped(schema, value),
        }
    }

    fn members(&mut self, schema: &Value, members: &Map<String, Value>) {
        let known = || schema["properties"].as_object().into_iter().flatten();
        for (name, value) in members {
            self.inside(Step::Key(name.clone()), |checker| {
                match known().find(|(known, _)| *known == name) {
                    Some((_, schema)) => checker.value(schema, value),
                    None => checker.unknown(closest(name, known().map(|(name, _)| name.as_str()))),
                }
            });
        }
    }

    fn inside(&mut self, step: Step, f: impl FnOnce(&mut Self)) {
        self.path.push(step);
        f(self);
        self.path.pop();
    }

    fn unknown(&mut self, meant: Option<&str>) {
        self.problems.push(InputProblem::UnknownField {
            field: field::join(&self.path),
            help: meant.map(did_you_mean),
        });
    }

    fn mistyped(&mut self, schema: &Value, value: &Value) {
        let is_secret = self.path.contains(&Step::Key("auth".to_owned()));
        let (mut message, mut help) = (format!("expected {}", expected(schema)), None);
        if !is_secret {
            message.push_str(&format!(", found {}", found(value)));
            help = remedy(schema, value);
        }
        self.problems.push(InputProblem::Mistyped {
            field: field::join(&self.path),
            message,
            help,
        });
    }
}

fn type_of(schema: &Value) -> &str {
    schema["type"].as_str().unwrap_or_default()
}

fn words(schema: &Value) -> Option<Vec<&str>> {
    let words = schema["enum"].as_array()?;
    Some(words.iter().filter_map(Value::as_str).collect())
}

fn is_duration(schema: &Value) -> bool {
    schema["format"] == "duration"
}

/// Whether a value that is no collection of the right sort is of the schema's type.
fn holds(schema: &Value, value: &Value) -> bool {
    match (type_of(schema), value) {
        ("boolean", Value::Bool(_)) | ("number", Value::Number(_)) => true,
        ("integer", Value::Number(number)) => number.as_i64().is_some_and(|number| {
            if schema["format"] == "int32" {
                i32::try_from(number).is_ok()
            } else {
                u32::try_from(number).is_ok()
            }
        }),
        ("string", Value::String(text)) => {
            words(schema).is_none_or(|words| words.contains(&text.as_str()))
                && (!is_duration(schema) || text.parse::<Duration>().is_ok())
        }
        _ => false,
    }
}

fn expected(schema: &Value) -> String {
    match type_of(schema) {
        "object" => "an object".to_owned(),
        "array" => "a list".to_owned(),
        "boolean" => "true or false".to_owned(),
        "number" => "a number".to_owned(),
        "integer" => "a whole number".to_owned(),
        _ if is_duration(schema) => "a duration such as 1.5s or 1m30s".to_owned(),
        _ => match words(schema) {
            Some(words) => format!("one of {}", words.join(", ")),
            None => "a string".to_owned(),
        },
    }
}

fn found(value: &Value) -> String {
    const ENOUGH: usize = 40;
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(flag) => format!("the boolean {flag}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => match text.char_indices().nth(ENOUGH) {
            Some((end, _)) => format!("the string {:?}", format!("{}…", &text[..end])),
            None => format!("the string {text:?}"),
        },
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn remedy(schema: &Value, value: &Value) -> Option<String> {
    match (type_of(schema), value) {
        ("array", _) => Some("begin each item with `- `".to_owned()),
        ("string", Value::Number(number)) if is_duration(schema) => {
            Some(format!("give a unit: {number}s"))
        }
        ("string", Value::String(text)) => closest(text, words(schema)?).map(did_you_mean),
        ("string", Value::Bool(_) | Value::Number(_)) => {
            Some(format!("put it in quotes: \"{value}\""))
        }
        _ => None,
    }
}

fn did_you_mean(word: &str) -> String {
    format!("did you mean `{word}`?")
}
