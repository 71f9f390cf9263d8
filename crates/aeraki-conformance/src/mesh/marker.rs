//! How to know that a proxy has everything that was written so far.
//!
//! A proxy that istiod calls SYNCED may just not have been told yet. So after what matters another EnvoyFilter is written, that adds
//! a listener with a number in it and without a socket. istiod pushes snapshots of all it knows, clusters before listeners: a proxy
//! that has the number has also what istiod knew before.

use anyhow::Result;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::Mesh;
use crate::mesh::Pod;
use crate::wait::{Seen, until};

const NAME: &str = "conformance-settled";

/// Counts the marks.
#[derive(Debug, Default)]
pub(super) struct Marker {
    last: Mutex<u64>,
}

impl Mesh {
    /// Waits until every proxy has what istiod knows now.
    pub(super) async fn pushed(&self) -> Result<()> {
        let mark = {
            let mut last = self.marker.last.lock().await;
            *last += 1;
            self.cluster.apply(&filter(*last).to_string()).await?;
            *last
        };
        for pod in self.pods().await {
            until(
                &format!("{} has all of istiod's config", pod.name()),
                async || match has(&pod, mark).await {
                    // It ends with another case.
                    Err(_) if !self.has(&pod).await => Ok(Seen::There(())),
                    seen => seen,
                },
            )
            .await?;
        }
        Ok(())
    }
}

fn filter(mark: u64) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": NAME, "namespace": "istio-system"},
        "spec": {"configPatches": [{
            "applyTo": "LISTENER",
            "match": {"context": "SIDECAR_OUTBOUND"},
            "patch": {"operation": "ADD", "value": {
                "name": NAME,
                "address": {"socket_address": {"address": "127.0.0.1", "port_value": 1}},
                "bind_to_port": false,
                "filter_chains": [{"filters": [{
                    "name": "envoy.filters.network.tcp_proxy",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                        "stat_prefix": format!("mark-{mark}"),
                        "cluster": "BlackHoleCluster",
                    },
                }]}],
            }},
        }]},
    })
}

/// Whether the proxy has come so far, and nothing of it is still being warmed.
async fn has(pod: &Pod, mark: u64) -> Result<Seen<()>> {
    let sidecar = pod.sidecar();
    let listener = sidecar.listener(NAME).await?.unwrap_or_default();
    let prefix = listener
        .pointer("/active_state/listener/filter_chains/0/filters/0/typed_config/stat_prefix")
        .and_then(Value::as_str);
    let reached = prefix
        .and_then(|prefix| prefix.strip_prefix("mark-")?.parse::<u64>().ok())
        .unwrap_or_default();
    if reached < mark {
        return Ok(Seen::Instead(format!("it has mark {reached} of {mark}")));
    }
    let warming = sidecar
        .page("/config_dump?resource=dynamic_warming_clusters")
        .await?;
    let warming: Value = serde_json::from_str(&warming)?;
    Ok(match warming["configs"].as_array() {
        Some(clusters) if !clusters.is_empty() => {
            Seen::Instead(format!("{} clusters are being warmed", clusters.len()))
        }
        _ => Seen::There(()),
    })
}
