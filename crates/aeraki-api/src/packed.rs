//! A decoded message, kept in its wire form.
//!
//! The spec of a VirtualService takes kilobytes as Rust values, most of them room for what it does not say, and some
//! hundred bytes on the wire. Ten thousand of each kind are kept, and each is read when its service is made anew.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use prost::Message;

use crate::head::HasHead;

/// A message of type `M`. Equal messages are equal bytes: maps are written in the order of their keys.
pub struct Packed<M> {
    bytes: Box<[u8]>,
    message: PhantomData<fn() -> M>,
}

impl<M: Message + Default> Packed<M> {
    /// Packs a message.
    #[must_use]
    pub fn of(message: &M) -> Self {
        Self {
            bytes: message.encode_to_vec().into(),
            message: PhantomData,
        }
    }

    /// The message.
    ///
    /// # Panics
    /// Never: the bytes were made from such a message.
    #[must_use]
    pub fn get(&self) -> M {
        M::decode(&*self.bytes).expect("the bytes were made from such a message")
    }
}

impl<M: HasHead> Packed<M> {
    /// Some fields of the message, without the cost of the others.
    ///
    /// # Panics
    /// Never: the bytes were made from such a message.
    #[must_use]
    pub fn head(&self) -> M::Head {
        M::Head::decode(&*self.bytes).expect("the bytes were made from such a message")
    }
}

impl<M> Clone for Packed<M> {
    fn clone(&self) -> Self {
        Self {
            bytes: self.bytes.clone(),
            message: PhantomData,
        }
    }
}

impl<M> PartialEq for Packed<M> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl<M> Hash for Packed<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

impl<M: Message + Default + fmt::Debug> fmt::Debug for Packed<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use crate::networking::{DestinationRule, ServiceEntry, VirtualService};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_message_comes_back_as_it_was() {
        let spec: VirtualService = serde_json::from_value(json!({
            "hosts": ["a", "b"], "exportTo": ["."],
            "http": [
                {"match": [{"method": {"prefix": ""}, "headers": {"z": {}, "a": {"exact": "x"}}, "port": 1}],
                    "route": [{"destination": {"host": "a", "port": {"number": 0}}, "weight": -1}],
                    "mirror": {"host": ""}, "mirrorPercentage": {"value": 0.1}, "timeout": "1.5s"},
                {"directResponse": {"status": 503}},
            ],
        }))
        .unwrap();
        assert_eq!(Packed::of(&spec).get(), spec);
    }

    #[test]
    fn a_head_says_what_its_message_says() {
        let entry: ServiceEntry = serde_json::from_value(json!({
            "hosts": ["a", "b"], "addresses": ["1.1.1.1"], "exportTo": [".", "x"], "resolution": "STATIC",
        }))
        .unwrap();
        let head = Packed::of(&entry).head();
        assert_eq!((head.hosts, head.export_to), (entry.hosts, entry.export_to));

        let rule: VirtualService = serde_json::from_value(json!({
            "hosts": ["a"], "gateways": ["mesh", "g"], "exportTo": ["*"], "http": [{"name": "x"}], "tcp": [{}],
        }))
        .unwrap();
        let head = Packed::of(&rule).head();
        assert_eq!(
            (head.hosts, head.gateways, head.export_to),
            (rule.hosts, rule.gateways, rule.export_to)
        );

        let rule: DestinationRule = serde_json::from_value(json!({
            "host": "a", "trafficPolicy": {"tls": {"mode": "SIMPLE"}}, "exportTo": ["."],
            "subsets": [{"name": "v1", "labels": {"v": "1"}}, {"name": ""}],
        }))
        .unwrap();
        let head = Packed::of(&rule).head();
        let names: Vec<String> = head.subsets.into_iter().map(|subset| subset.name).collect();
        assert_eq!(names, ["v1", ""]);
        assert_eq!((head.host, head.export_to), (rule.host, rule.export_to));
    }

    #[test]
    fn the_order_of_a_map_is_no_difference() {
        let of = |text: &str| Packed::of(&serde_json::from_str::<ServiceEntry>(text).unwrap());
        let one = of(r#"{"hosts": ["a"], "workloadSelector": {"labels": {"a": "1", "b": "2"}}}"#);
        let other = of(r#"{"workloadSelector": {"labels": {"b": "2", "a": "1"}}, "hosts": ["a"]}"#);
        assert_eq!(one, other);
        assert_ne!(
            one,
            of(r#"{"hosts": ["a"], "workloadSelector": {"labels": {"a": "1"}}}"#)
        );
    }
}
