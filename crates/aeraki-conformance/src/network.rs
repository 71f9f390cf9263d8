//! The network of the mesh: a bridge, and a namespace for each pod with the iptables rules that Istio gives it.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context as _, Result, ensure};

use crate::isolation::run;

/// Who the sidecar is: its own connections are not captured.
const PROXY: &str = "1337";

/// The port of Envoy's admin page, on the pod's own address and not captured.
pub(crate) const ADMIN_PORT: u16 = 15000;

/// What `istio-iptables` makes in REDIRECT mode, but for DNS, and with the admin page in the place of Istio's own pages.
const CAPTURE: &str = "\
*nat
-N ISTIO_INBOUND
-N ISTIO_REDIRECT
-N ISTIO_IN_REDIRECT
-N ISTIO_OUTPUT
-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001
-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006
-A PREROUTING -p tcp -j ISTIO_INBOUND
-A ISTIO_INBOUND -p tcp --dport 15000 -j RETURN
-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT
-A OUTPUT -p tcp -j ISTIO_OUTPUT
-A ISTIO_OUTPUT -s 127.0.0.6/32 -o lo -j RETURN
-A ISTIO_OUTPUT ! -d 127.0.0.1/32 -o lo -m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT
-A ISTIO_OUTPUT -o lo -m owner ! --uid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN
-A ISTIO_OUTPUT -j ISTIO_REDIRECT
COMMIT
";

/// The bridge of all pods.
#[derive(Debug)]
pub(crate) struct Network {
    next: AtomicU8,
}

impl Network {
    /// The address of the bridge itself: istiod's.
    pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

    pub(crate) fn make() -> Result<Self> {
        run("ip", &["link", "add", "mesh", "type", "bridge"])?;
        let gateway = format!("{}/16", Self::GATEWAY);
        run("ip", &["addr", "add", &gateway, "dev", "mesh"])?;
        run("ip", &["link", "set", "mesh", "up"])?;
        let next = AtomicU8::new(1);
        Ok(Self { next })
    }

    /// A namespace on the bridge, without rules.
    ///
    /// # Panics
    ///
    /// With the 255th: a suite that needs so many pods needs another plan of addresses.
    pub(crate) fn namespace(&self, name: &str) -> Result<Namespace> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        assert!(number < u8::MAX, "too many pods");
        let namespace = Namespace {
            name: name.to_owned(),
            address: Ipv4Addr::new(10, 77, 1, number),
        };
        // An interface's name is 15 bytes at most.
        let outside = format!("pod{number}");
        run("ip", &["netns", "add", name])?;
        let link = ["link", "add", &outside, "type", "veth"];
        let peer = ["peer", "name", "eth0", "netns", name];
        run("ip", &[&link[..], &peer[..]].concat())?;
        run("ip", &["link", "set", &outside, "master", "mesh", "up"])?;
        let address = format!("{}/16", namespace.address);
        let gateway = Self::GATEWAY.to_string();
        for arguments in [
            &["addr", "add", &address, "dev", "eth0"][..],
            &["link", "set", "lo", "up"],
            &["link", "set", "eth0", "up"],
            // A service's address leads nowhere; it only must be routed as far as the rules.
            &["route", "add", "default", "via", &gateway],
        ] {
            run("ip", &[&["-n", name], arguments].concat())?;
        }
        Ok(namespace)
    }
}

/// The network namespace of a pod.
#[derive(Debug)]
pub(crate) struct Namespace {
    name: String,
    address: Ipv4Addr,
}

impl Namespace {
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Leads all TCP through the sidecar, both ways.
    pub(crate) fn capture(&self) -> Result<()> {
        let mut restore = Command::new(self.enter()[0].as_str())
            .args(&self.enter()[1..])
            .arg("iptables-restore")
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start `iptables-restore`: install the Debian package iptables")?;
        let mut rules = restore.stdin.take().context("it was asked for")?;
        rules.write_all(CAPTURE.as_bytes())?;
        drop(rules);
        let output = restore.wait_with_output()?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "iptables-restore: {complaint}");
        Ok(())
    }

    /// A command that runs what follows in the namespace, and becomes it.
    pub(crate) fn enter(&self) -> Vec<String> {
        let namespace = format!("--net=/run/netns/{}", self.name);
        vec!["nsenter".to_owned(), namespace, "--".to_owned()]
    }

    /// The same, as the sidecar's user. It keeps the right to read root's files, where Envoy itself lies.
    pub(crate) fn enter_as_proxy(&self, environment: &[(String, String)]) -> Vec<String> {
        let words = [
            "setpriv",
            "--reuid",
            PROXY,
            "--regid",
            PROXY,
            "--clear-groups",
            "--inh-caps=+dac_override",
            "--ambient-caps=+dac_override",
            "--",
            "env",
        ];
        let mut launcher = self.enter();
        launcher.extend(words.map(str::to_owned));
        launcher.extend(
            environment
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        );
        launcher
    }
}
