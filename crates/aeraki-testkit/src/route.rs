//! Routes to render in a protocol crate's own tests.

use aeraki_core::route::{Action, Conditions, Header, Route, Text};

/// The condition that a header has exactly this value.
#[must_use]
pub fn header(name: &str, value: &str) -> Header {
    Header {
        name: name.to_owned(),
        value: Some(Text::Exact(value.to_owned())),
        inverted: false,
        ignore_case: false,
    }
}

/// The condition that a header is absent.
#[must_use]
pub fn absent(name: &str) -> Header {
    Header {
        name: name.to_owned(),
        value: None,
        inverted: true,
        ignore_case: false,
    }
}

/// A route of calls that meet a method's and a header's condition, without mirrors.
#[must_use]
pub fn route(method: Option<Text>, header: Header, action: Action) -> Route {
    let headers = vec![header];
    Route {
        conditions: Conditions { method, headers },
        action,
        mirrors: Vec::new(),
    }
}

/// To one of two clusters.
#[must_use]
pub fn split(first: (&str, u32), second: (&str, u32)) -> Action {
    let weighted = [first, second].map(|(cluster, weight)| (cluster.to_owned(), weight));
    Action::Weighted(weighted.into())
}
