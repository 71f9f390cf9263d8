//! Keys that YAML 1.1 takes for booleans, and YAML 1.2 for what they are: `y:`, `no:`, `on:`.

use aeraki_core::diagnostic::{Diagnostic, catalogue};
use aeraki_core::field::{self, Step};
use aeraki_core::object::ObjectKey;
use serde_json::Value;

/// What a YAML 1.1 reader makes of a bare word.
fn as_boolean(word: &str) -> Option<bool> {
    match word {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// The paths of all keys that are such words. Whether they are bare only the text can tell.
pub(crate) fn fields(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    search(value, &mut Vec::new(), &mut found);
    found
}

fn search(value: &Value, path: &mut Vec<Step>, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                let is_word = as_boolean(key).is_some();
                let has_members = member.is_object() || member.is_array();
                if !(is_word || has_members) {
                    continue;
                }
                path.push(Step::Key(key.clone()));
                if is_word {
                    found.push(field::join(path));
                }
                search(member, path, found);
                path.pop();
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(Step::Index(index));
                search(item, path, found);
                path.pop();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The diagnostic about a bare key.
pub(crate) fn diagnostic(object: &ObjectKey, field: &str) -> Diagnostic {
    let word = match field::split(field).pop() {
        Some(Step::Key(word)) => word,
        Some(Step::Index(_)) | None => String::new(),
    };
    let boolean = as_boolean(&word).unwrap_or_default();
    let message = format!("kubectl reads the bare key `{word}` as \"{boolean}\"");
    Diagnostic::new(&catalogue::YAML_BOOLEAN_KEY, object, message)
        .at(field)
        .help(format!("write \"{word}\" in quotes"))
}
