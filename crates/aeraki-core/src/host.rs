//! Host names as Istio compares them, and an index from hosts to whatever cares about them.
//!
//! A name that starts with `*` is a wildcard: it covers each host that ends in the rest. The star
//! need not end at a dot (`*foo.com` covers `barfoo.com`), and `*.foo.com` does not cover
//! `foo.com`. A wildcard covers another wildcard whose rest is the same or longer.
//!
//! Knows names only; what a rule or a service is, and who may see whom, is decided elsewhere.

use std::cmp::{Ordering, Reverse};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

mod index;

pub use index::HostIndex;

/// A host name or a wildcard, as written: Istio compares hosts, and names clusters by them, with their case. Cheap to
/// clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(Arc<str>);

impl Host {
    /// The host called `name`, which is taken as complete.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The host that `name` stands for in a rule of `namespace`: a name without a dot is a service
    /// of that namespace. `*` is complete as it stands, and so are an address and the empty name,
    /// which means nothing anywhere.
    pub fn resolve(name: &str, namespace: &str, domain: &str) -> Self {
        let is_complete = name.is_empty() || name == "*" || name.contains('.');
        if is_complete || name.parse::<IpAddr>().is_ok() {
            return Self::new(name);
        }
        Self::new(&format!("{name}.{namespace}.svc.{domain}"))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is a pattern rather than one host.
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with('*')
    }

    /// Whether every host that `other` means is meant by this one as well.
    pub fn covers(&self, other: &Self) -> bool {
        match self.0.strip_prefix('*') {
            Some(suffix) => other.fixed().ends_with(suffix),
            None => self == other,
        }
    }

    /// The order in which patterns are tried: exact names, then the longer wildcard before the
    /// shorter, then by name.
    pub fn most_specific_first(&self, other: &Self) -> Ordering {
        let rank = |host: &Self| (host.is_wildcard(), Reverse(host.0.len()));
        let by_rank = match (self.is_wildcard(), other.is_wildcard()) {
            (false, false) => Ordering::Equal,
            _ => rank(self).cmp(&rank(other)),
        };
        by_rank.then_with(|| self.cmp(other))
    }

    /// The part without a star: what another pattern's rest is compared with.
    fn fixed(&self) -> &str {
        self.0.strip_prefix('*').unwrap_or(&self.0)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether `host` cannot stand in a cluster name: it is empty or holds `|`, which separates the
/// parts of one, a control character or white space.
pub fn has_forbidden_characters(host: &str) -> bool {
    // Nearly all hosts are plain ASCII, and bytes are looked at faster than letters.
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'|';
    let is_forbidden = |c: char| c == '|' || c.is_control() || c.is_whitespace();
    host.is_empty() || (!host.bytes().all(is_plain) && host.chars().any(is_forbidden))
}

#[cfg(test)]
mod tests;
