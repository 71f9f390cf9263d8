//! The protocols of this binary.
//!
//! A crate that only stands in Cargo.toml is not linked, and its registration is then silently absent; hence one `use`
//! for each. Every cargo feature has its line here.

use aeraki_core::registry::Registry;
use anyhow::{Result, ensure};

#[cfg(feature = "dubbo")]
use proto_dubbo as _;
#[cfg(feature = "kafka")]
use proto_kafka as _;
#[cfg(feature = "redis")]
use proto_redis as _;
#[cfg(feature = "thrift")]
use proto_thrift as _;
#[cfg(feature = "zookeeper")]
use proto_zookeeper as _;

/// Every protocol that is linked, be it none.
pub(crate) fn registry() -> Result<Registry> {
    Ok(Registry::linked()?)
}

/// Every protocol that is linked, for commands that are of no use without one.
pub(crate) fn registry_of_some() -> Result<Registry> {
    let registry = registry()?;
    ensure!(
        !registry.is_empty(),
        "no protocol is linked into this binary, so no EnvoyFilter could come out: build it with at least one \
         protocol feature (for instance `--features dubbo`), or name the protocol's crate with `use … as _;`"
    );
    Ok(registry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_feature_links_its_protocol_and_nothing_else() {
        let mut wanted: Vec<&str> = Vec::new();
        if cfg!(feature = "dubbo") {
            wanted.push("dubbo");
        }
        if cfg!(feature = "kafka") {
            wanted.push("kafka");
        }
        if cfg!(feature = "redis") {
            wanted.push("redis");
        }
        if cfg!(feature = "thrift") {
            wanted.push("thrift");
        }
        if cfg!(feature = "zookeeper") {
            wanted.push("zookeeper");
        }
        let registry = registry().unwrap();
        let linked: Vec<&str> = registry.iter().map(|r| r.protocol().name()).collect();
        assert_eq!(linked, wanted);
        assert_eq!(registry_of_some().is_ok(), !wanted.is_empty());
    }
}
