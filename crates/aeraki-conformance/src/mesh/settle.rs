//! From the objects of a case to the proxies, by looking at each station.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::Mesh;
use crate::case::Object;
use crate::wait::{Seen, until};

const ENVOY_FILTER: &str = "networking.istio.io/v1alpha3/EnvoyFilter";

/// The spec of each EnvoyFilter by `<namespace>/<name>`.
type Filters = BTreeMap<String, Value>;

impl Mesh {
    /// Waits until the EnvoyFilters of these objects are what `aeraki generate` makes of them, istiod knows them and the objects, and
    /// every proxy has what follows. `gone` are objects that were of the same case.
    pub(crate) async fn settle(
        &self,
        there: &BTreeSet<Object>,
        gone: &BTreeSet<Object>,
    ) -> Result<()> {
        let all: BTreeSet<&Object> = there.union(gone).collect();
        let (objects, filters) = until("the EnvoyFilters are right", async || {
            let objects = self.read(there).await?;
            let (wanted, found) = (self.generated(&objects)?, self.filters_of(&all).await?);
            Ok(match difference(&wanted, &specs(&found)) {
                None => Seen::There((objects, found)),
                Some(difference) => Seen::Instead(difference),
            })
        })
        .await?;
        until("istiod knows the objects", async || {
            let page = self.bed.istiod_page("/debug/configz").await?;
            let known: Value = serde_json::from_str(&page)?;
            let missing = objects
                .iter()
                .chain(&filters)
                .find(|object| !knows(&known, object));
            if let Some(missing) = missing {
                return Ok(Seen::Instead(format!(
                    "{} is missing or old",
                    missing["metadata"]
                )));
            }
            let remains = gone.iter().find(|object| holds(&known, object));
            Ok(match remains {
                Some(remains) => Seen::Instead(format!("{remains:?} is still there")),
                None => Seen::There(()),
            })
        })
        .await?;
        self.endpoints(&objects).await?;
        self.pushed().await
    }

    /// The EnvoyFilters that Aeraki has made of these objects.
    pub(crate) async fn filters_of(&self, owners: &BTreeSet<&Object>) -> Result<Vec<Value>> {
        let mut filters = self.cluster.list(ENVOY_FILTER, "").await?;
        filters.retain(|filter| {
            let owner = filter["metadata"]["annotations"]["aeraki.net/service"].as_str();
            owner.is_some_and(|owner| owners.iter().any(|object| object.is_called(owner)))
        });
        Ok(filters)
    }

    /// Deletes every EnvoyFilter of Aeraki's, as its uninstallation does, and waits until no proxy has any.
    pub(crate) async fn remove_filters(&self) -> Result<()> {
        let mut filters = self.cluster.list(ENVOY_FILTER, "").await?;
        filters.retain(|filter| filter["metadata"]["labels"]["manager"] == "Aeraki");
        for filter in filters {
            let [namespace, name] = ["namespace", "name"]
                .map(|field| filter["metadata"][field].as_str().unwrap_or_default());
            self.cluster.delete(ENVOY_FILTER, namespace, name).await?;
        }
        // The mark is an EnvoyFilter too: whoever has it has heard of the deletions before it.
        self.pushed().await
    }

    /// Waits until no EnvoyFilter of Aeraki's is there.
    pub(crate) async fn no_filters(&self) -> Result<()> {
        until("no EnvoyFilter is left", async || {
            let mut filters = self.cluster.list(ENVOY_FILTER, "").await?;
            filters.retain(|filter| filter["metadata"]["labels"]["manager"] == "Aeraki");
            Ok(match filters.first() {
                Some(filter) => Seen::Instead(filter["metadata"]["name"].to_string()),
                None => Seen::There(()),
            })
        })
        .await
    }

    async fn read(&self, objects: &BTreeSet<Object>) -> Result<Vec<Value>> {
        let mut read = vec![];
        for object in objects {
            let found = object.get(&self.cluster).await?;
            read.push(found.with_context(|| format!("{object:?} is gone"))?);
        }
        Ok(read)
    }

    /// What the command makes of the objects as they are at the API server.
    fn generated(&self, objects: &[Value]) -> Result<Filters> {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        let mut generate = self
            .aeraki(&["generate", "--quiet", "--output=json", "--filename=-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut input = generate.stdin.take().context("it was asked for")?;
        input.write_all(list.to_string().as_bytes())?;
        drop(input);
        let output = generate.wait_with_output()?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`aeraki generate`: {complaint}");
        let filters: Value = serde_json::from_slice(&output.stdout)?;
        let filters = filters["items"].as_array().context("it prints a list")?;
        Ok(specs(filters))
    }

    /// Waits until istiod knows each address of the EndpointSlices.
    async fn endpoints(&self, objects: &[Value]) -> Result<()> {
        let is_slice = |object: &&Value| object["kind"] == "EndpointSlice";
        let mut addresses = vec![];
        for slice in objects.iter().filter(is_slice) {
            let meta = &slice["metadata"];
            let service = meta["labels"]["kubernetes.io/service-name"].as_str();
            let (service, namespace) = (service.unwrap_or_default(), meta["namespace"].as_str());
            let host = format!(
                "{service}.{}.svc.cluster.local",
                namespace.unwrap_or_default()
            );
            let endpoints = slice["endpoints"].as_array().into_iter().flatten();
            let all = endpoints
                .flat_map(|endpoint| endpoint["addresses"].as_array().into_iter().flatten());
            addresses.extend(all.map(|address| (host.clone(), address.to_string())));
        }
        if addresses.is_empty() {
            return Ok(());
        }
        until("istiod knows the endpoints", async || {
            let page = self.bed.istiod_page("/debug/endpointShardz").await?;
            let shards: Value = serde_json::from_str(&page)?;
            let is_missing =
                |(host, address): &&(String, String)| !shards[host].to_string().contains(address);
            Ok(match addresses.iter().find(is_missing) {
                Some(missing) => Seen::Instead(format!("{missing:?} is missing")),
                None => Seen::There(()),
            })
        })
        .await
    }
}

fn specs(filters: &[Value]) -> Filters {
    let named = |filter: &Value| {
        let meta = &filter["metadata"];
        let [namespace, name] =
            [&meta["namespace"], &meta["name"]].map(|text| text.as_str().unwrap_or_default());
        (format!("{namespace}/{name}"), filter["spec"].clone())
    };
    filters.iter().map(named).collect()
}

/// What of it is not so, in words.
fn difference(wanted: &Filters, found: &Filters) -> Option<String> {
    for (name, spec) in wanted {
        match found.get(name) {
            None => return Some(format!("{name} is missing")),
            Some(other) if other != spec => return Some(format!("{name} differs")),
            Some(_) => {}
        }
    }
    let unwanted = found.keys().find(|name| !wanted.contains_key(*name));
    unwanted.map(|name| format!("{name} is still there"))
}

fn same(known: &Value, object: &Value) -> bool {
    let field = |name: &str| known["metadata"][name] == object["metadata"][name];
    known["kind"] == object["kind"] && field("name") && field("namespace")
}

/// Whether istiod's list has the object in its present version. Kinds that it does not list are taken for known.
fn knows(list: &Value, object: &Value) -> bool {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    if !version.starts_with("networking.istio.io/") {
        return true;
    }
    let mut known = list.as_array().into_iter().flatten();
    // Later is as good: istiod writes statuses itself.
    known.any(|known| same(known, object) && revision(known) >= revision(object))
}

fn revision(object: &Value) -> Option<u64> {
    let text = object["metadata"]["resourceVersion"].as_str();
    text?.parse().ok()
}

fn holds(list: &Value, object: &Object) -> bool {
    let mut known = list.as_array().into_iter().flatten();
    known.any(|known| same(known, &object.as_value()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(version: &str) -> Value {
        json!({
            "apiVersion": "networking.istio.io/v1",
            "kind": "ServiceEntry",
            "metadata": {"namespace": "shop", "name": "orders", "resourceVersion": version},
        })
    }

    #[test]
    fn istiod_knows_an_object_from_its_version_on() {
        let list = json!([entry("10")]);
        assert!(knows(&list, &entry("9")));
        assert!(knows(&list, &entry("10")));
        assert!(!knows(&list, &entry("11")));
        assert!(!knows(&json!([]), &entry("9")));
    }

    #[test]
    fn missing_differing_and_unwanted_filters_are_told() {
        let filters = |filters: &[(&str, u8)]| -> Filters {
            let owned = filters
                .iter()
                .map(|(name, spec)| ((*name).to_owned(), json!(spec)));
            owned.collect()
        };
        let wanted = filters(&[("a", 1), ("b", 1)]);
        let told = |found: &[(&str, u8)]| difference(&wanted, &filters(found));
        assert_eq!(told(&[("a", 1), ("b", 1)]), None);
        assert_eq!(told(&[("a", 1)]).as_deref(), Some("b is missing"));
        assert_eq!(told(&[("a", 1), ("b", 2)]).as_deref(), Some("b differs"));
        let more = told(&[("a", 1), ("b", 1), ("c", 1)]);
        assert_eq!(more.as_deref(), Some("c is still there"));
    }
}
