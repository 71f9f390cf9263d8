//! The spec of an EnvoyFilter, written as canonical text from its parts.
//!
//! A config is the bulk of a spec. Its text is made once per draft and shared by all patches and EnvoyFilters that hold
//! it; no spec is ever put together as a message. The text is that of the message all the same, byte for byte.

use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;

use aeraki_api::networking::envoy_filter as ef;

use crate::config::{Config, write_string};
use crate::draft::NetworkFilter;
use crate::pairs::Pairs;

/// A patch's value as text.
pub(crate) type ValueText = Rc<String>;

/// One entry of `configPatches`.
pub(crate) struct Patch {
    pub(crate) apply_to: ef::ApplyTo,
    pub(crate) r#match: ef::EnvoyConfigObjectMatch,
    pub(crate) operation: ef::patch::Operation,
    pub(crate) value: Option<ValueText>,
}

/// The parts of a spec.
pub(crate) struct Spec<'a> {
    /// The labels of the selector. None at all and no selector are not the same.
    pub(crate) workload_selector: Option<&'a Pairs>,
    pub(crate) config_patches: &'a [&'a Patch],
    pub(crate) priority: i32,
}

impl Spec<'_> {
    /// The text.
    pub(crate) fn text(&self) -> Arc<str> {
        let mut out = String::with_capacity(self.size_hint());
        out.push('{');
        if let Some(labels) = self.workload_selector {
            out.push_str(r#""workloadSelector":{"#);
            write_labels(&mut out, labels);
            out.push_str("},");
        }
        out.push_str(r#""configPatches":["#);
        for (index, patch) in self.config_patches.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            patch.write_to(&mut out);
        }
        out.push(']');
        if self.priority != 0 {
            write!(out, r#","priority":{}"#, self.priority).expect("a String takes all");
        }
        out.push('}');
        out.into()
    }

    fn size_hint(&self) -> usize {
        /// Roughly what a spec says besides its patches, and a patch besides its value.
        const AROUND: usize = 300;
        let values = self.config_patches.iter().map(|patch| {
            let value = patch.value.as_ref();
            AROUND + value.map_or(0, |text| text.len())
        });
        AROUND + values.sum::<usize>()
    }
}

impl Patch {
    fn write_to(&self, out: &mut String) {
        let matching = serde_json::to_string(&self.r#match).expect("only known enum values");
        let pieces = [
            r#"{"applyTo":""#,
            self.apply_to.as_str_name(),
            r#"","match":"#,
            &matching,
            r#","patch":{"operation":""#,
            self.operation.as_str_name(),
            r#"""#,
        ];
        pieces.iter().for_each(|piece| out.push_str(piece));
        if let Some(value) = &self.value {
            out.push_str(r#","value":"#);
            out.push_str(value);
        }
        out.push_str("}}");
    }
}

fn write_labels(out: &mut String, labels: &Pairs) {
    if labels.is_empty() {
        return;
    }
    out.push_str(r#""labels":"#);
    out.push('{');
    for (index, (key, value)) in labels.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_string(out, key);
        out.push(':');
        write_string(out, value);
    }
    out.push('}');
}

/// The text of a network filter with its config.
pub(crate) fn filter(filter: &NetworkFilter) -> ValueText {
    let config = &filter.typed_config;
    let mut out = String::with_capacity(config.size_hint() + filter.name.len());
    out.push_str(r#"{"name":"#);
    write_string(&mut out, filter.name);
    out.push_str(r#","typed_config":"#);
    config.root().write_to(&mut out);
    out.push('}');
    Rc::new(out)
}

/// The text of a cluster or a part of one.
pub(crate) fn value(config: &Config) -> ValueText {
    let mut out = String::with_capacity(config.size_hint());
    config.root().write_to(&mut out);
    Rc::new(out)
}

#[cfg(test)]
mod tests {
    use aeraki_api::networking::EnvoyFilter;
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::draft::Placement;

    fn patch(operation: ef::patch::Operation, value: Option<ValueText>) -> Patch {
        Patch {
            apply_to: ef::ApplyTo::NetworkFilter,
            r#match: ef::EnvoyConfigObjectMatch {
                context: ef::PatchContext::SidecarInbound as i32,
                ..ef::EnvoyConfigObjectMatch::default()
            },
            operation,
            value,
        }
    }

    #[rstest]
    #[case::of_root(None, 0)]
    #[case::of_some_workloads(Some(vec![("app", "a\"b"), ("version", "1")]), -1)]
    #[case::of_all_workloads(Some(vec![]), 10)]
    fn the_text_is_that_of_the_message(
        #[case] labels: Option<Vec<(&str, &str)>>,
        #[case] priority: i32,
    ) {
        use ef::patch::Operation;
        let labels: Option<Pairs> = labels.map(|labels| labels.into_iter().collect());
        let config = json!({"z": 1.0, "a": [{"y": 0.5, "x": -3}], "n": null, "é": "\u{1}"});
        let network = NetworkFilter {
            placement: Placement::InsertBefore,
            name: "a\\filter",
            typed_config: config.clone().into(),
        };
        let patches = [
            patch(Operation::InsertBefore, Some(filter(&network))),
            patch(Operation::Merge, Some(value(&config.into()))),
            patch(Operation::Remove, None),
        ];
        for count in 1..=patches.len() {
            let of_spec: Vec<&Patch> = patches[..count].iter().collect();
            let spec = Spec {
                workload_selector: labels.as_ref(),
                config_patches: &of_spec,
                priority,
            };
            let text = spec.text();
            let message: EnvoyFilter = serde_json::from_str(&text).unwrap();
            assert_eq!(message.config_patches.len(), count);
            assert_eq!(*serde_json::to_string(&message).unwrap(), *text);
        }
    }
}
