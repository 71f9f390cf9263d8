//! The route table: what goes where, apart from the filter it will stand in.
//!
//! It is the same for every protocol, holds only conditions that the protocol has said it can express, and names Istio's
//! clusters. A generator renders it; it never sees a VirtualService.

pub mod extract;

mod absence;
mod destination;
mod matcher;

/// The routes of one port, in order; the first that matches takes the call.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RouteTable {
    /// The routes. Empty: every call fails.
    pub routes: Vec<Route>,
}

/// One route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// What a call must be like. All must hold; without any, every call matches.
    pub conditions: Conditions,
    /// Where the call goes.
    pub action: Action,
    /// Where copies of it go.
    pub mirrors: Vec<Mirror>,
}

/// Conditions of a route.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Conditions {
    /// The called method.
    pub method: Option<Text>,
    /// Headers (for Dubbo: attachments), by name.
    pub headers: Vec<Header>,
}

/// A condition on a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Text {
    /// It is exactly this.
    Exact(String),
    /// It begins with this, which is not empty.
    Prefix(String),
    /// The whole of it matches this expression, which Envoy accepts.
    Regex(String),
}

/// A condition on a header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value; `None`: it is present.
    pub value: Option<Text>,
    /// The condition must not hold; an absent header then matches, unless an empty text satisfies the condition: a route
    /// before this one is for the absent header then.
    pub inverted: bool,
    /// Upper and lower case are the same in the value. Never with a regular expression: that says so itself, by `(?i)`.
    pub ignore_case: bool,
}

/// Where a call goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// To one cluster; [`BLACK_HOLE`](crate::cluster_name::BLACK_HOLE) if it must fail.
    Cluster(String),
    /// To one of several (at least two), in proportion to their weights, which are positive.
    Weighted(Vec<(String, u32)>),
}

/// Where copies of a call go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mirror {
    /// The cluster.
    pub cluster: String,
    /// Out of a million calls, how many are copied.
    pub per_million: u32,
}

impl RouteTable {
    /// All calls to one cluster.
    #[must_use]
    pub fn to(cluster: impl Into<String>) -> Self {
        Self::always(Action::Cluster(cluster.into()))
    }

    /// All calls to one action.
    #[must_use]
    pub fn always(action: Action) -> Self {
        let conditions = Conditions::default();
        Self {
            routes: vec![Route {
                conditions,
                action,
                mirrors: Vec::new(),
            }],
        }
    }
}
