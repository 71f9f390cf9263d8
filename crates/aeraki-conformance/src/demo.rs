//! A demonstration: one service, rules that change one after the other, and a table of who answers meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures::future::LocalBoxFuture;

use crate::case::Stage;
use crate::mesh::{Mesh, Programs, Settings};
use crate::{dubbo, kafka, redis, thrift, zookeeper};

/// What is shown of a protocol.
pub(crate) struct Demo {
    pub(crate) protocol: &'static str,
    /// What the controller is told besides.
    pub(crate) settings: Settings,
    /// Starts the applications, and applies what stays.
    pub(crate) begin: for<'a> fn(&'a Stage<'a>) -> LocalBoxFuture<'a, Result<()>>,
    /// What changes, in this order.
    pub(crate) acts: &'static [Act],
    /// A few calls.
    pub(crate) call: for<'a> fn(&'a Stage<'a>) -> LocalBoxFuture<'a, Result<Vec<Answer>>>,
}

/// A rule, and what it is for.
pub(crate) struct Act {
    pub(crate) title: &'static str,
    pub(crate) rule: &'static str,
}

/// The first act of every protocol that is routed by VirtualServices.
pub(crate) const ALL_TO_V1: Act = Act {
    title: "Everything to v1",
    rule: "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: $CASE, namespace: $NAMESPACE}
spec:
  hosts: [$CASE.test]
  http:
  - route: [{destination: {host: $CASE.test, subset: v1}}]
",
};

/// Their second one.
pub(crate) const CANARY: Act = Act {
    title: "A canary: 20 of 100 calls to v2",
    rule: "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: $CASE, namespace: $NAMESPACE}
spec:
  hosts: [$CASE.test]
  http:
  - route:
    - {destination: {host: $CASE.test, subset: v1}, weight: 80}
    - {destination: {host: $CASE.test, subset: v2}, weight: 20}
",
};

/// Calls of one sort that were answered by one server, or failed.
pub(crate) struct Answer {
    pub(crate) called: String,
    pub(crate) by: String,
    pub(crate) count: u64,
}

impl Answer {
    pub(crate) fn one(called: &str, by: &str) -> Self {
        Self {
            called: called.to_owned(),
            by: by.to_owned(),
            count: 1,
        }
    }
}

/// What there is to be shown.
pub(crate) const ALL: [&Demo; 5] = [
    &dubbo::DEMO,
    &thrift::DEMO,
    &redis::DEMO,
    &zookeeper::DEMO,
    &kafka::DEMO,
];

/// How often the table is written anew.
const REFRESH: Duration = Duration::from_millis(500);

/// Plays every act for so long.
pub(crate) async fn play(protocol: &str, programs: Programs, act: Duration) -> Result<()> {
    let demo = ALL.into_iter().find(|demo| demo.protocol == protocol);
    let names: Vec<&str> = ALL.iter().map(|demo| demo.protocol).collect();
    let demo = demo.with_context(|| {
        format!(
            "no demonstration of {protocol:?}: there is {}",
            names.join(", ")
        )
    })?;
    println!(
        "Starting etcd, kube-apiserver, istiod, aeraki, sidecars and {protocol}. Ctrl-C ends it all."
    );
    let mesh = Mesh::start(programs).await?;
    if !demo.settings.is_empty() {
        let controller = mesh.controller();
        controller.start_with(mesh.bed(), demo.settings).await?;
    }
    let stage = Stage::named(&mesh, "demo", demo.protocol, 1);
    (demo.begin)(&stage).await?;
    for (number, one) in (1..).zip(demo.acts) {
        println!("\n{number}. {}\n", one.title);
        for line in one.rule.trim_matches('\n').lines() {
            println!("     {}", stage.fill(line));
        }
        let applied = Instant::now();
        stage.apply(one.rule).await?;
        stage.settled().await?;
        let took = applied.elapsed().as_secs_f64();
        println!("\n   In every sidecar after {took:.1} s.\n");
        show(demo, &stage, act).await?;
    }
    stage.clear().await?;
    println!("\nThat was all.");
    Ok(())
}

/// Calls for so long, and shows who answers.
async fn show(demo: &Demo, stage: &Stage<'_>, act: Duration) -> Result<()> {
    let start = Instant::now();
    let mut table = Table::default();
    let mut shown = None;
    while start.elapsed() < act {
        for answer in (demo.call)(stage).await? {
            table.count(answer);
        }
        if io::stdout().is_terminal()
            && shown.is_none_or(|shown: Instant| shown.elapsed() >= REFRESH)
        {
            table.print(shown.is_some())?;
            shown = Some(Instant::now());
        }
    }
    table.print(shown.is_some())
}

/// How many calls of each sort whom was answered by.
#[derive(Default)]
struct Table(BTreeMap<String, BTreeMap<String, u64>>);

impl Table {
    fn count(&mut self, answer: Answer) {
        let row = self.0.entry(answer.called).or_default();
        *row.entry(answer.by).or_default() += answer.count;
    }

    fn lines(&self) -> Vec<String> {
        let servers: BTreeSet<&String> = self.0.values().flat_map(BTreeMap::keys).collect();
        let width = self.0.keys().map(String::len).max().unwrap_or_default();
        let head = servers.iter().map(|server| format!("  {server:>8}"));
        let head = format!("   {:width$}{}", "", head.collect::<String>());
        let row = |(called, row): (&String, &BTreeMap<String, u64>)| {
            let cells = servers.iter().map(|&server| {
                let count = row.get(server).copied().unwrap_or_default();
                format!("  {count:>0$}", server.len().max(8))
            });
            format!("   {called:width$}{}", cells.collect::<String>())
        };
        std::iter::once(head)
            .chain(self.0.iter().map(row))
            .collect()
    }

    /// In the place of the one before, if there is one.
    fn print(&self, again: bool) -> Result<()> {
        let lines = self.lines();
        let mut out = io::stdout().lock();
        if again {
            write!(out, "\x1b[{}A\x1b[J", lines.len())?;
        }
        for line in lines {
            writeln!(out, "{line}")?;
        }
        Ok(out.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_row_for_each_call_and_a_column_for_each_who_answered() {
        let mut table = Table::default();
        for (called, by, count) in [("greet", "v1", 80), ("greet", "v2", 20), ("bye", "v2", 7)] {
            let (called, by) = (called.to_owned(), by.to_owned());
            table.count(Answer { called, by, count });
        }
        table.count(Answer::one("bye", "v2"));
        let wanted = [
            "                v1        v2",
            "   bye           0         8",
            "   greet        80        20",
        ];
        assert_eq!(table.lines(), wanted);
    }
}
