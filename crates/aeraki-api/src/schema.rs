//! The fields of Istio's messages by their names in JSON, so that a reader of user-written text can say where it is
//! wrong and what was meant.
//!
//! The tables are made from `proto/`, as the types are. They say what a field looks like, not what it means. Readers of
//! other kinds write tables of their own in the same form.

use prost::Name;

/// The fields of a JSON object.
#[derive(Debug)]
pub struct Message {
    /// The short name, such as `ServiceEntry`.
    pub name: &'static str,
    /// The name with its package.
    pub full_name: &'static str,
    /// The fields, in the order of their declaration.
    pub fields: &'static [Field],
}

/// A field of a JSON object.
#[derive(Debug)]
pub struct Field {
    /// The name in camelCase, as Kubernetes has it.
    pub name: &'static str,
    /// The name in snake_case, which Istio's own readers accept as well.
    pub snake_case: &'static str,
    /// The group of fields of which only one may be set.
    pub oneof: Option<&'static str>,
    /// What it holds.
    pub shape: Shape,
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A string.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Integer {
        /// The smallest.
        least: i64,
        /// The greatest.
        most: u64,
        /// Whether it may stand in quotes.
        quoted: bool,
    },
    /// Any number.
    Number {
        /// Whether it may stand in quotes.
        quoted: bool,
    },
    /// One of these words, which also have numbers.
    Word(&'static [(&'static str, i32)]),
    /// A number or a string.
    NumberOrText,
    /// A duration such as `1.5s`.
    Duration,
    /// A time such as `2006-01-02T15:04:05Z`.
    Timestamp,
    /// Any JSON object.
    Free,
    /// Any JSON value.
    Any,
    /// An object with these fields.
    Message(&'static Message),
    /// A list.
    List(&'static Self),
    /// An object with any keys.
    Map(&'static Self),
}

impl Message {
    /// The field of a name, in either form.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        let fields = self.fields;
        fields
            .iter()
            .find(|field| field.name == name || field.snake_case == name)
    }
}

impl Field {
    /// A field that has one name only and excludes no other.
    #[must_use]
    pub const fn new(name: &'static str, shape: Shape) -> Self {
        Self {
            name,
            snake_case: name,
            oneof: None,
            shape,
        }
    }
}

/// The table of one of [`networking`](crate::networking)'s messages; `None` for any other.
#[must_use]
pub fn of<M: Name>() -> Option<&'static Message> {
    let name = M::full_name();
    MESSAGES
        .iter()
        .find(|message| message.full_name == name)
        .copied()
}

include!(concat!(env!("OUT_DIR"), "/schema.rs"));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networking::{DestinationRule, ServiceEntry, VirtualService};

    fn shape(message: &Message, name: &str) -> Shape {
        message.field(name).unwrap().shape
    }

    #[test]
    fn a_field_is_found_by_both_of_its_names() {
        let entry = of::<ServiceEntry>().unwrap();
        assert_eq!(entry.field("exportTo").unwrap().snake_case, "export_to");
        assert!(entry.field("export_to").is_some() && entry.field("exportto").is_none());
    }

    #[test]
    fn shapes_follow_the_declarations() {
        let entry = of::<ServiceEntry>().unwrap();
        let Shape::List(Shape::Message(port)) = shape(entry, "ports") else {
            panic!("{entry:?}")
        };
        assert_eq!(port.full_name, "istio.networking.v1alpha3.ServicePort");
        assert!(matches!(
            shape(port, "number"),
            Shape::Integer {
                least: 0,
                most: 0xffff_ffff,
                quoted: true
            }
        ));
        let Shape::Word(words) = shape(entry, "resolution") else {
            panic!("{entry:?}")
        };
        assert!(words.contains(&("STATIC", 1)));
        let Shape::Message(selector) = shape(entry, "workloadSelector") else {
            panic!("{entry:?}")
        };
        assert!(matches!(shape(selector, "labels"), Shape::Map(Shape::Text)));
    }

    #[test]
    fn wrappers_and_durations_are_what_they_are_in_json() {
        let Shape::List(Shape::Message(http)) = shape(of::<VirtualService>().unwrap(), "http")
        else {
            panic!("http is a list of messages")
        };
        assert!(matches!(shape(http, "timeout"), Shape::Duration));
        let Shape::Message(policy) = shape(of::<DestinationRule>().unwrap(), "trafficPolicy")
        else {
            panic!("trafficPolicy is a message")
        };
        let Shape::Message(outliers) = shape(policy, "outlierDetection") else {
            panic!("{policy:?}")
        };
        assert!(matches!(
            shape(outliers, "consecutive5xxErrors"),
            Shape::Integer {
                least: 0,
                quoted: false,
                ..
            }
        ));
    }

    #[test]
    fn fields_that_exclude_each_other_name_their_group() {
        let Shape::List(Shape::Message(http)) = shape(of::<VirtualService>().unwrap(), "http")
        else {
            panic!("http is a list of messages")
        };
        let Shape::List(Shape::Message(matching)) = shape(http, "match") else {
            panic!("{http:?}")
        };
        let Shape::Map(Shape::Message(text)) = shape(matching, "headers") else {
            panic!("{matching:?}")
        };
        let groups: Vec<_> = text
            .fields
            .iter()
            .map(|field| (field.name, field.oneof))
            .collect();
        let group = Some("match_type");
        assert_eq!(
            groups,
            [("exact", group), ("prefix", group), ("regex", group)]
        );
    }
}
