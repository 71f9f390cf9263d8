//! The protocols by name.
//!
//! A [`Protocol`] is for names and labels only: nothing in this crate may match on it. What a protocol can do and
//! who generates its filters is data in its [`Registration`](crate::registry::Registration).

use std::fmt;

/// A layer-7 protocol that rides on a port Istio treats as plain TCP.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Protocol {
    /// Apache Dubbo 2 (hessian2 on its own wire format; Triple is HTTP/2 and Istio's own).
    Dubbo,
    /// Apache Thrift.
    Thrift,
    /// Apache Kafka.
    Kafka,
    /// Apache ZooKeeper.
    ZooKeeper,
    /// Redis (RESP).
    Redis,
    /// A protocol of a crate that core has never heard of, by its lower-case name.
    Custom(&'static str),
}

impl Protocol {
    /// The lower-case name, as it stands in port names, labels, metrics and cargo features.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dubbo => "dubbo",
            Self::Thrift => "thrift",
            Self::Kafka => "kafka",
            Self::ZooKeeper => "zookeeper",
            Self::Redis => "redis",
            Self::Custom(name) => name,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
