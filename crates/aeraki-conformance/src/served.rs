//! What clients of calls answer: which server has served how many, and what went wrong how often.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::demo::Answer;

/// The answer to some calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Served {
    by: BTreeMap<String, u64>,
    failed: BTreeMap<String, u64>,
}

impl Served {
    pub(crate) fn of(answer: &Value) -> Result<Self> {
        let counts = |field: &str| {
            let counts = answer[field].as_object();
            let counts = counts.with_context(|| format!("no {field} in {answer}"))?;
            let count = |(name, count): (&String, &Value)| {
                let count = count
                    .as_u64()
                    .with_context(|| format!("no count in {answer}"))?;
                anyhow::Ok((name.clone(), count))
            };
            counts.iter().map(count).collect::<Result<BTreeMap<_, _>>>()
        };
        Ok(Self {
            by: counts("served")?,
            failed: counts("failed")?,
        })
    }

    /// One call, and who has served it, if anybody.
    pub(crate) fn once(by: Result<&str, String>) -> Self {
        let mut served = Self::default();
        match by {
            Ok(server) => served.by.insert(server.to_owned(), 1),
            Err(reason) => served.failed.insert(reason, 1),
        };
        served
    }

    /// Calls that came out in two ways.
    pub(crate) fn split(one: &str, ones: u64, other: &str, others: u64) -> Self {
        Self {
            by: [(one.to_owned(), ones), (other.to_owned(), others)].into(),
            ..Self::default()
        }
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> u64 {
        self.by.values().chain(self.failed.values()).sum()
    }

    /// How many of them failed.
    pub(crate) fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// The same as a demonstration counts it.
    pub(crate) fn answers(self, called: &str) -> impl Iterator<Item = Answer> {
        let failed = self.failed.into_values().sum();
        let failed = (failed > 0).then(|| ("failed".to_owned(), failed));
        self.by.into_iter().chain(failed).map(|(by, count)| Answer {
            called: called.to_owned(),
            by,
            count,
        })
    }

    /// Fails unless this server has served all calls.
    pub(crate) fn all_by(&self, server: &str, calls: u64) -> Result<()> {
        let wanted = Self {
            by: [(server.to_owned(), calls)].into(),
            ..Self::default()
        };
        ensure!(*self == wanted, "not {calls} by {server}: {self:?}");
        Ok(())
    }

    /// Fails unless every call has failed, and with these words.
    pub(crate) fn none(&self, calls: u64, words: &str) -> Result<()> {
        let count: u64 = self.failed.values().sum();
        let says = self.failed.keys().all(|reason| reason.contains(words));
        ensure!(
            self.by.is_empty() && count == calls && says,
            "not {calls} failures that say {words:?}: {self:?}"
        );
        Ok(())
    }

    /// Fails unless `server` has served its share of all calls, in hundredths, as nearly as chance has it: within five
    /// standard deviations of the binomial distribution, which fair proxies leave less than once in a million runs.
    #[expect(clippy::cast_precision_loss, reason = "a few thousand calls at most")]
    pub(crate) fn share(&self, server: &str, hundredths: u32, calls: u64) -> Result<()> {
        let total: u64 = self.by.values().sum();
        ensure!(total == calls, "not all of {calls} were served: {self:?}");
        let found = self.by.get(server).copied().unwrap_or_default() as f64;
        let (n, p) = (calls as f64, f64::from(hundredths) / 100.0);
        let tolerance = 5.0 * (n * p * (1.0 - p)).sqrt();
        ensure!(
            (found - n * p).abs() <= tolerance,
            "{server} should have {hundredths} of 100: {self:?}"
        );
        Ok(())
    }
}

/// What a rule of a VirtualService may say beside its route, and no filter of calls can do.
pub(crate) const NO_EFFECT: &str = "    timeout: 1ms
    retries: {attempts: 3, perTryTimeout: 1ms}
    fault: {abort: {percentage: {value: 100}, httpStatus: 503}}
    rewrite: {uri: /elsewhere}
    headers: {request: {set: {x-set: by-the-rule}}}
    corsPolicy: {allowOrigins: [{exact: https://aeraki.test}]}
";

/// A service at `$VIP2` for its own namespace alone, routed to the server at this address.
pub(crate) fn own(protocol: &str, port: u16, server: &str) -> String {
    at_vip2(
        "$CASE-own",
        "$NAMESPACE",
        &format!("tcp-{protocol}"),
        port,
        server,
    )
}

/// A service of another namespace at the same address, for that one alone, plain TCP to another server.
pub(crate) fn foreign(protocol: &str, port: u16, server: &str) -> String {
    let name = format!("$CASE-{protocol}-foreign");
    at_vip2(&name, "elsewhere", "tcp-plain", port, server)
}

fn at_vip2(name: &str, namespace: &str, port_name: &str, port: u16, server: &str) -> String {
    format!(
        "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  hosts: [{name}.test]
  addresses: [$VIP2]
  exportTo: [\".\"]
  ports: [{{number: {port}, name: {port_name}, protocol: TCP}}]
  resolution: STATIC
  endpoints: [{{address: {server}}}]
"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn shares_are_judged_by_what_chance_allows() {
        let of = |v1: u64, v2: u64| {
            Served::of(&json!({"served": {"v1": v1, "v2": v2}, "failed": {}})).unwrap()
        };
        of(910, 90).share("v1", 90, 1000).unwrap();
        of(500, 500).share("v1", 90, 1000).unwrap_err();
        of(910, 80).share("v1", 90, 1000).unwrap_err();
    }

    #[test]
    fn a_single_failure_is_not_all_by_one() {
        let answer = json!({"served": {"v1": 9}, "failed": {"no": 1}});
        let served = Served::of(&answer).unwrap();
        served.all_by("v1", 9).unwrap_err();
        served.none(10, "no").unwrap_err();
        Served::of(&json!({"served": {}})).unwrap_err();
    }
}
