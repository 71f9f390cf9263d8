//! The names Istio gives to Envoy clusters.

/// Istio's name of the cluster that leads to `host` at service port `port`, or to one subset of it.
///
/// Shape: `outbound|<port>|<subset>|<host>`; `subset` is empty for the whole service.
#[must_use]
pub fn outbound(port: u32, subset: &str, host: &str) -> String {
    ["outbound|", &port.to_string(), "|", subset, "|", host].concat()
}

/// The port, the subset and the host in the name of an outbound cluster; `None` if it is the name of another one.
#[must_use]
pub fn outbound_parts(name: &str) -> Option<(u32, &str, &str)> {
    let (port, rest) = name.strip_prefix("outbound|")?.split_once('|')?;
    let (subset, host) = rest.split_once('|')?;
    Some((port.parse().ok()?, subset, host))
}

/// Istio's name of the cluster that leads to the application behind an inbound listener.
///
/// Shape: `inbound|<target port>||`. The service port appears nowhere on the inbound side.
#[must_use]
pub fn inbound(target_port: u32) -> String {
    format!("inbound|{target_port}||")
}

/// Istio's cluster without an endpoint: a call that is sent there fails at once.
///
/// It exists in every sidecar, and is what a rule without a usable destination leads to: its calls must fail as they
/// do in Istio, and never fall through to another version.
pub const BLACK_HOLE: &str = "BlackHoleCluster";
