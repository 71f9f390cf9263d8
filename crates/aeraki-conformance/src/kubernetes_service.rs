//! A Kubernetes Service of a case, with the EndpointSlice that a controller writes in a cluster.

/// A Service of the case's name with one port.
pub(crate) struct KubernetesService<'a> {
    /// `None` makes it headless.
    pub(crate) cluster_ip: &'a str,
    /// By which key and value the port says what it speaks: `name: tcp-redis`, `appProtocol: redis`.
    pub(crate) named: &'a str,
    pub(crate) port: u16,
    /// Where its servers listen.
    pub(crate) target_port: u16,
    /// In YAML's flow style.
    pub(crate) annotations: &'a str,
    /// In YAML's flow style; without one there is no inbound filter.
    pub(crate) selector: &'a str,
    /// Pods, and their addresses.
    pub(crate) servers: &'a [(&'a str, &'a str)],
}

impl KubernetesService<'_> {
    /// One at the case's cluster IP whose servers listen where it does.
    pub(crate) const fn at(port: u16) -> Self {
        Self {
            cluster_ip: "$CLUSTERIP",
            named: "",
            port,
            target_port: port,
            annotations: "",
            selector: "",
            servers: &[],
        }
    }

    /// Both objects.
    pub(crate) fn yaml(&self) -> String {
        let Self {
            cluster_ip,
            named,
            port,
            target_port,
            annotations,
            selector,
            ..
        } = self;
        let name = named.strip_prefix("name: ").unwrap_or_default();
        let servers = self.servers.iter().map(|(pod, address)| {
            format!(
                "- {{addresses: [{address}], conditions: {{ready: true}}, targetRef: {{kind: Pod, name: {pod}, namespace: $NAMESPACE}}}}
"
            )
        });
        let servers: String = servers.collect();
        format!(
            "\
---
apiVersion: v1
kind: Service
metadata: {{name: $CASE, namespace: $NAMESPACE, annotations: {{{annotations}}}}}
spec:
  clusterIP: {cluster_ip}
  selector: {{{selector}}}
  ports: [{{{named}, port: {port}, targetPort: {target_port}}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: $CASE, namespace: $NAMESPACE, labels: {{kubernetes.io/service-name: $CASE}}}}
addressType: IPv4
ports: [{{name: \"{name}\", port: {target_port}, protocol: TCP}}]
endpoints:
{servers}---
"
        )
    }
}
