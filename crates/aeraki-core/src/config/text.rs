//! The text of a config: compact JSON with sorted keys.

use std::fmt::Write as _;

use super::{Config, Key, Node, Part};

/// What a short field takes in the text besides its string.
pub(super) const USUAL_FIELD: usize = 20;

impl Part<'_> {
    /// Appends the text.
    pub(crate) fn write_to(self, out: &mut String) {
        match self.node {
            Node::Null => out.push_str("null"),
            Node::Bool(true) => out.push_str("true"),
            Node::Bool(false) => out.push_str("false"),
            Node::Integer(number) => {
                write!(out, "{number}").expect("a String takes all");
            }
            Node::Double(number) => out.push_str(&json(&number)),
            Node::String(span) => write_string(out, self.config.string(span)),
            Node::List(span) => {
                out.push('[');
                for (index, item) in self.config.members[span.range()].iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    self.with(item.node).write_to(out);
                }
                out.push(']');
            }
            Node::Object(span) => {
                out.push('{');
                for (index, member) in self.config.members[span.range()].iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_key(out, self.config, &member.key);
                    self.with(member.node).write_to(out);
                }
                out.push('}');
            }
        }
    }
}

fn write_key(out: &mut String, config: &Config, key: &Key) {
    match *key {
        // The name of a field has nothing to escape.
        Key::Name(name) => {
            out.push('"');
            out.push_str(name);
            out.push_str("\":");
        }
        Key::Text(span) => {
            write_string(out, config.string(span));
            out.push(':');
        }
    }
}

/// Appends a string in quotes.
pub(crate) fn write_string(out: &mut String, text: &str) {
    let is_plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    // No early end, so that the bytes are looked at many at a time.
    let all_plain = text.bytes().fold(true, |all, byte| all & is_plain(byte));
    if all_plain {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&json(&text));
    }
}

fn json(leaf: &impl serde::Serialize) -> String {
    serde_json::to_string(leaf).expect("a leaf has a JSON form")
}
