//! What a protocol's filter costs: the same calls to the same server through the same sidecar, once by the filter and once
//! by plain TCP, in pairs that follow each other closely.

use std::net::Ipv4Addr;
use std::time::Instant;

use anyhow::{Result, ensure};
use futures::future::LocalBoxFuture;

use crate::case::Stage;
use crate::mesh::{Mesh, PodOptions, Programs};
use crate::{dubbo, redis, thrift, zookeeper};

/// How a protocol is loaded. The pod `client` of its namespace calls.
pub(crate) struct Load {
    pub(crate) protocol: &'static str,
    /// Starts the applications, and applies a service at `$VIP1` that has the filter, and at `$VIP2` one that has none.
    pub(crate) begin: for<'a> fn(&'a Stage<'a>) -> LocalBoxFuture<'a, Result<()>>,
    /// So many calls to this address, one after the other on one open connection; none may fail.
    pub(crate) call: for<'a> fn(&'a Stage<'a>, String, u64) -> LocalBoxFuture<'a, Result<()>>,
}

const LOADS: [&Load; 4] = [&dubbo::LOAD, &thrift::LOAD, &redis::LOAD, &zookeeper::LOAD];

const PAIRS: usize = 15;
const CALLS: u64 = 4_000;

/// The numbers of the addresses.
const FILTER: u8 = 1;
const PLAIN: u8 = 2;

/// What some calls took: in seconds, and in those of the client's sidecar's processor time.
struct Cost {
    wall: f64,
    cpu: f64,
}

/// Measures every protocol, and prints a table in Markdown.
pub(crate) async fn run(programs: Programs) -> Result<()> {
    let mesh = Mesh::start(programs).await?;
    println!("| protocol | time of a call, against plain TCP | the sidecar's processor time | N |");
    println!("|---|---|---|---|");
    for (number, load) in (1..).zip(LOADS) {
        let stage = Stage::named(&mesh, "overhead", load.protocol, number);
        (load.begin)(&stage).await?;
        pairs(load, &stage).await?;
        stage.clear().await?;
    }
    Ok(())
}

async fn pairs(load: &Load, stage: &Stage<'_>) -> Result<()> {
    let (mut wall, mut cpu) = (Vec::new(), Vec::new());
    // The first pair opens connections and warms everything up.
    for pair in 0..=PAIRS {
        // Whoever comes second may find a warmer, or a busier, machine.
        let (filter, plain) = if pair % 2 == 0 {
            let filter = cost(load, stage, FILTER).await?;
            (filter, cost(load, stage, PLAIN).await?)
        } else {
            let plain = cost(load, stage, PLAIN).await?;
            (cost(load, stage, FILTER).await?, plain)
        };
        ensure!(plain.cpu > 0.0, "too few calls to be counted");
        if pair > 0 {
            wall.push(filter.wall / plain.wall);
            cpu.push(filter.cpu / plain.cpu);
        }
    }
    println!(
        "| {} | {} | {} | {PAIRS} pairs of {CALLS} calls |",
        load.protocol,
        spread(wall),
        spread(cpu)
    );
    Ok(())
}

async fn cost(load: &Load, stage: &Stage<'_>, vip: u8) -> Result<Cost> {
    let client = stage.pod(&PodOptions::new(load.protocol, "client")).await?;
    let (began, before) = (Instant::now(), client.sidecar().usage()?);
    (load.call)(stage, stage.vip(vip), CALLS).await?;
    Ok(Cost {
        wall: began.elapsed().as_secs_f64(),
        cpu: client.sidecar().usage()?.cpu_seconds - before.cpu_seconds,
    })
}

/// The median, and the quarters around it.
fn spread(mut ratios: Vec<f64>) -> String {
    ratios.sort_by(f64::total_cmp);
    let quarter = |quarter: usize| ratios[(ratios.len() - 1) * quarter / 4];
    let [low, median, high] = [1, 2, 3].map(quarter);
    format!("{median:.2} (half of all from {low:.2} to {high:.2})")
}

/// A service `<name>.<case>.test` at an address, by its port's name, with one server.
fn service(
    name: &str,
    vip: &str,
    port: u16,
    port_name: &str,
    server: Ipv4Addr,
    annotations: &str,
) -> String {
    format!(
        "\
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: $CASE-{name}, namespace: $NAMESPACE, annotations: {{{annotations}}}}}
spec:
  hosts: [{name}.$CASE.test]
  addresses: [{vip}]
  ports: [{{number: {port}, name: {port_name}, protocol: TCP}}]
  resolution: STATIC
  endpoints: [{{address: {server}}}]
"
    )
}

/// A service with the protocol's filter at `$VIP1`, and one without it at `$VIP2`.
pub(crate) async fn both(
    stage: &Stage<'_>,
    protocol: &str,
    port: u16,
    server: Ipv4Addr,
    annotations: &str,
) -> Result<()> {
    let name = format!("tcp-{protocol}");
    let with = service("filter", "$VIP1", port, &name, server, annotations);
    let without = service("plain", "$VIP2", port, "tcp-plain", server, "");
    stage.apply(&(with + &without)).await?;
    stage.settled().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_not_moved_by_one_that_is_far_off() {
        let ratios = vec![1.1, 9.0, 1.2, 1.0, 1.3];
        assert_eq!(spread(ratios), "1.20 (half of all from 1.10 to 1.30)");
    }
}
