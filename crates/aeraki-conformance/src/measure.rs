//! What a change costs those who are calling, in numbers: how long until calls go the new way, on a new connection and on
//! one that is open, and how many calls fail meanwhile.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::future::LocalBoxFuture;

use crate::case::Stage;
use crate::mesh::{Mesh, Programs};
use crate::served::Served;
use crate::{dubbo, redis, thrift};

/// How a protocol is called.
pub(crate) struct Subject {
    pub(crate) protocol: &'static str,
    /// Starts the applications, and applies what stays.
    pub(crate) begin: for<'a> fn(&'a Stage<'a>) -> LocalBoxFuture<'a, Result<()>>,
    /// The rule that leads everything to a version.
    pub(crate) rule: fn(version: &str) -> String,
    /// A few calls, on the open connection or on a new one.
    pub(crate) call: for<'a> fn(&'a Stage<'a>, Connection) -> LocalBoxFuture<'a, Result<Served>>,
}

/// On which connection a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    /// The one that the subject keeps; opened anew where it was closed.
    Open,
    /// One of its own.
    New,
}

const SUBJECTS: [&Subject; 3] = [&dubbo::SUBJECT, &thrift::SUBJECT, &redis::SUBJECT];

/// How often each change is made.
const ROUNDS: usize = 3;
/// How often the time until the first new call is taken.
const CHANGES: usize = 20;
/// Longer than Istio lets a proxy drain.
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures every protocol, and prints tables in Markdown.
pub(crate) async fn run(programs: Programs) -> Result<()> {
    let mesh = Mesh::start(programs).await?;
    println!("| protocol | until the first call on the new route, p50 | slowest | N |");
    println!("|---|---|---|---|");
    for (number, subject) in (1..).zip(SUBJECTS) {
        let stage = Stage::named(&mesh, "measure", subject.protocol, number);
        (subject.begin)(&stage).await?;
        first_calls(subject, &stage).await?;
    }
    println!("\n| protocol | change | calls | failed | old route on the open connection |");
    println!("|---|---|---|---|---|");
    for (number, subject) in (1..).zip(SUBJECTS) {
        let stage = Stage::named(&mesh, "measure", subject.protocol, number);
        for _ in 0..ROUNDS {
            another_route(subject, &stage).await?;
        }
        nothing(subject, &stage).await?;
        restart(subject, &stage).await?;
        stage.clear().await?;
    }
    Ok(())
}

async fn led_to(subject: &Subject, stage: &Stage<'_>, version: &str) -> Result<()> {
    stage.apply(&(subject.rule)(version)).await?;
    stage.settled().await
}

async fn first_calls(subject: &Subject, stage: &Stage<'_>) -> Result<()> {
    led_to(subject, stage, "v1").await?;
    let mut times = Vec::new();
    for turn in 0..CHANGES {
        let version = ["v2", "v1"][turn % 2];
        let changed = Instant::now();
        stage.apply(&(subject.rule)(version)).await?;
        while !is_by(&(subject.call)(stage, Connection::New).await?, version) {
            ensure!(changed.elapsed() < PATIENCE, "never on the new route");
        }
        times.push(changed.elapsed());
        stage.settled().await?;
    }
    times.sort_unstable();
    println!(
        "| {} | {:.2} s | {:.2} s | {CHANGES} |",
        subject.protocol,
        times[CHANGES / 2].as_secs_f64(),
        times[CHANGES - 1].as_secs_f64(),
    );
    Ok(())
}

/// Calls that were made while something happened.
#[derive(Default)]
struct Calls {
    made: u64,
    failed: u64,
}

impl Calls {
    async fn make(&mut self, subject: &Subject, stage: &Stage<'_>) -> Result<Served> {
        let served = (subject.call)(stage, Connection::Open).await?;
        self.made += served.calls();
        self.failed += served.failures();
        Ok(served)
    }

    fn print(&self, subject: &Subject, change: &str, old: &str) {
        let (protocol, made, failed) = (subject.protocol, self.made, self.failed);
        println!("| {protocol} | {change} | {made} | {failed} | {old} |");
    }
}

/// Back and forth, so that each round begins where the one before ended.
async fn another_route(subject: &Subject, stage: &Stage<'_>) -> Result<()> {
    led_to(subject, stage, "v1").await?;
    // The open connection is one that began with this route.
    let mut calls = Calls::default();
    let began = Instant::now();
    while !is_by(&(subject.call)(stage, Connection::Open).await?, "v1") {
        ensure!(
            began.elapsed() < PATIENCE,
            "the connection is never drained"
        );
    }
    let changed = Instant::now();
    stage.apply(&(subject.rule)("v2")).await?;
    while !is_by(&calls.make(subject, stage).await?, "v2") {
        ensure!(changed.elapsed() < PATIENCE, "never on the new route");
    }
    let old = format!("{:.1} s", changed.elapsed().as_secs_f64());
    calls.print(subject, "another route", &old);
    Ok(())
}

/// Labels of the rule, and a service that comes and goes.
async fn nothing(subject: &Subject, stage: &Stage<'_>) -> Result<()> {
    let mut calls = Calls::default();
    for round in 0..ROUNDS {
        let label = format!("metadata: {{labels: {{round: r{round}}}, ");
        let rule = (subject.rule)("v2").replace("metadata: {", &label);
        stage.apply(&rule).await?;
        stage.apply(OTHER).await?;
        busy(&mut calls, subject, stage).await?;
        stage.delete("ServiceEntry", "$CASE-other").await?;
        busy(&mut calls, subject, stage).await?;
    }
    calls.print(
        subject,
        "a label of the rule, and another service",
        "as before",
    );
    Ok(())
}

async fn restart(subject: &Subject, stage: &Stage<'_>) -> Result<()> {
    let mut calls = Calls::default();
    for _ in 0..ROUNDS {
        stage.controller().start(stage.bed()).await?;
        busy(&mut calls, subject, stage).await?;
    }
    calls.print(subject, "the controller restarted", "as before");
    Ok(())
}

/// Calls until all proxies have what there is, and a while after.
async fn busy(calls: &mut Calls, subject: &Subject, stage: &Stage<'_>) -> Result<()> {
    let mut settled = std::pin::pin!(stage.settled());
    let mut until = None;
    while until.is_none_or(|until| Instant::now() < until) {
        tokio::select! {
            biased;
            result = &mut settled, if until.is_none() => {
                result?;
                until = Some(Instant::now() + Duration::from_secs(1));
            }
            served = calls.make(subject, stage) => drop(served?),
        }
    }
    Ok(())
}

fn is_by(served: &Served, version: &str) -> bool {
    served.failures() == 0 && served.all_by(version, served.calls()).is_ok()
}

const OTHER: &str = "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: $CASE-other, namespace: $NAMESPACE}
spec:
  hosts: [other.$CASE.test]
  addresses: [$VIP9]
  ports: [{number: 7777, name: tcp-$NAMESPACE, protocol: TCP}]
  resolution: STATIC
  endpoints: [{address: 10.77.0.1}]
";
