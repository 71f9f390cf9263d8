//! A user's view of the API server: objects in and out, as YAML and JSON, of any kind.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::future::try_join_all;
use http::Request;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
    PostParams,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::discovery::{Scope, pinned_kind};
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::ready::eventually;

/// The field manager of what [`Cluster::apply`] writes.
const FIELD_MANAGER: &str = "testbed";

/// How long a kind may take to be served after its definition was applied.
const NEW_KIND: Duration = Duration::from_secs(20);

/// A connection to the API server as one user. Kinds are named `<apiVersion>/<Kind>`, as in
/// `v1/ConfigMap` and `networking.istio.io/v1alpha3/EnvoyFilter`; the namespace of what has none is
/// the empty string.
pub struct Cluster {
    client: Client,
    kinds: Mutex<HashMap<String, (ApiResource, Scope)>>,
}

impl Cluster {
    /// Connects as the user of a kubeconfig file.
    pub async fn connect(kubeconfig: &Path) -> Result<Self> {
        let file = Kubeconfig::read_from(kubeconfig)?;
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
        Ok(Self {
            client: Client::try_from(config)?,
            kinds: Mutex::default(),
        })
    }

    /// The client below, for whatever this type does not do. It belongs to this tokio runtime.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Applies every document of `yaml` in order (server-side apply, by force) and returns what they
    /// have become. An object of a namespaced kind that names no namespace goes to `default`.
    pub async fn apply(&self, yaml: &str) -> Result<Vec<Value>> {
        let mut applied = vec![];
        for document in documents(yaml)? {
            applied.push(self.apply_one(&document).await?);
        }
        Ok(applied)
    }

    /// As [`Cluster::apply`], all documents at once.
    pub async fn apply_unordered(&self, yaml: &str) -> Result<Vec<Value>> {
        let documents = documents(yaml)?;
        try_join_all(documents.iter().map(|document| self.apply_one(document))).await
    }

    /// The object, if there is one.
    pub async fn get(&self, kind: &str, namespace: &str, name: &str) -> Result<Option<Value>> {
        let found = self.api(kind, namespace).await?.get_opt(name).await?;
        Ok(found.map(serde_json::to_value).transpose()?)
    }

    /// All objects of a kind in a namespace, or everywhere where that is empty.
    pub async fn list(&self, kind: &str, namespace: &str) -> Result<Vec<Value>> {
        let api = self.api(kind, namespace).await?;
        let list = api.list(&ListParams::default()).await?;
        let values = list.items.into_iter().map(serde_json::to_value);
        Ok(values.collect::<Result<_, _>>()?)
    }

    /// Deletes it; whether it was there.
    pub async fn delete(&self, kind: &str, namespace: &str, name: &str) -> Result<bool> {
        let api = self.api(kind, namespace).await?;
        match api.delete(name, &DeleteParams::default()).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Creates a service account, where there is none yet.
    pub async fn create_service_account(&self, namespace: &str, name: &str) -> Result<()> {
        let metadata = json!({"name": name, "namespace": namespace});
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata});
        self.apply_one(&account).await.map(drop)
    }

    /// A token of the service account, good for an hour. istiod wants the audience `istio-ca`; the
    /// API server itself the empty one.
    pub async fn token(
        &self,
        namespace: &str,
        service_account: &str,
        audience: &str,
    ) -> Result<String> {
        let api: Api<ServiceAccount> = Api::namespaced(self.client(), namespace);
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: (!audience.is_empty()).then(|| vec![audience.to_owned()]),
                expiration_seconds: Some(3600),
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let answer = api
            .create_token_request(service_account, &PostParams::default(), &request)
            .await?;
        let token = answer.status.and_then(|status| status.token);
        token.context("the API server gives no token")
    }

    /// Istio's root certificate, PEM; waits until istiod has published it in `istio-system`.
    pub async fn root_cert(&self) -> Result<String> {
        let api: Api<ConfigMap> = Api::namespaced(self.client(), "istio-system");
        eventually("istio-ca-root-cert", async || {
            let map = api.get_opt("istio-ca-root-cert").await?;
            Ok(map.and_then(|map| map.data?.remove("root-cert.pem")))
        })
        .await
    }

    /// Whether the API server says that it is.
    pub(crate) async fn is_ready(&self) -> bool {
        let request = Request::get("/readyz")
            .body(vec![])
            .expect("the path is fixed");
        self.client.request_text(request).await.is_ok()
    }

    /// Waits until the kinds of a CustomResourceDefinition are served in each of its versions.
    pub(crate) async fn wait_for_definition(&self, crd: &Value) -> Result<()> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let spec = &crd["spec"];
        let (group, kind) = (text(&spec["group"]), text(&spec["names"]["kind"]));
        for version in spec["versions"].as_array().into_iter().flatten() {
            let version = text(&version["name"]);
            self.kind(&format!("{group}/{version}/{kind}")).await?;
        }
        Ok(())
    }

    async fn apply_one(&self, object: &Value) -> Result<Value> {
        let text = |pointer| object.pointer(pointer).and_then(Value::as_str);
        let (version, kind) = (text("/apiVersion"), text("/kind"));
        let (Some(version), Some(kind), Some(name)) = (version, kind, text("/metadata/name"))
        else {
            bail!("no apiVersion, kind or metadata.name in {object}");
        };
        let namespace = text("/metadata/namespace").unwrap_or("default");
        let api = self.api(&format!("{version}/{kind}"), namespace).await?;
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let applied = api
            .patch(name, &params, &Patch::Apply(object))
            .await
            .with_context(|| format!("cannot apply {kind} {name}"))?;
        Ok(serde_json::to_value(applied)?)
    }

    async fn api(&self, kind: &str, namespace: &str) -> Result<Api<DynamicObject>> {
        let (resource, scope) = self.kind(kind).await?;
        let client = self.client();
        Ok(match scope {
            Scope::Namespaced if !namespace.is_empty() => {
                Api::namespaced_with(client, namespace, &resource)
            }
            Scope::Namespaced | Scope::Cluster => Api::all_with(client, &resource),
        })
    }

    /// The plural name and the scope, as the API server tells them; a new kind may take a moment.
    async fn kind(&self, kind: &str) -> Result<(ApiResource, Scope)> {
        if let Some(found) = self.kinds().get(kind) {
            return Ok(found.clone());
        }
        let wanted = parse_kind(kind)?;
        let asked = timeout(NEW_KIND, async {
            loop {
                match pinned_kind(&self.client, &wanted).await {
                    Ok((resource, capabilities)) => return (resource, capabilities.scope),
                    Err(_) => sleep(Duration::from_millis(100)).await,
                }
            }
        });
        let found = asked
            .await
            .with_context(|| format!("the API server knows no {kind}"))?;
        self.kinds().insert(kind.to_owned(), found.clone());
        Ok(found)
    }

    fn kinds(&self) -> MutexGuard<'_, HashMap<String, (ApiResource, Scope)>> {
        self.kinds.lock().expect("no panic under the lock")
    }
}

fn parse_kind(text: &str) -> Result<GroupVersionKind> {
    let (version, kind) = text
        .rsplit_once('/')
        .with_context(|| format!("{text:?} is not <apiVersion>/<Kind>"))?;
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    Ok(GroupVersionKind::gvk(group, version, kind))
}

/// The documents of a YAML text that are not empty. The bed's own input may be large.
fn documents(yaml: &str) -> Result<Vec<Value>> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        budget: serde_saphyr::budget! {
            max_events: usize::MAX,
            max_nodes: usize::MAX,
            max_total_scalar_bytes: usize::MAX,
            max_documents: usize::MAX,
        },
    };
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(yaml, options)?;
    let lists = documents.into_iter().flat_map(items);
    Ok(lists.filter(|document| !document.is_null()).collect())
}

/// A `List` stands for what it holds.
fn items(mut document: Value) -> Vec<Value> {
    match document.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => vec![document],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_with_and_without_a_group() {
        let filter = parse_kind("networking.istio.io/v1alpha3/EnvoyFilter").unwrap();
        assert_eq!(filter.api_version(), "networking.istio.io/v1alpha3");
        assert_eq!(parse_kind("v1/ConfigMap").unwrap().api_version(), "v1");
        assert!(parse_kind("ConfigMap").is_err());
    }

    #[test]
    fn empty_documents_are_left_out_and_lists_are_opened() {
        let yaml = "# nothing\n---\na: 1\n---\nkind: List\nitems: [{b: 2}, {c: 3}]\n---\n";
        let wanted = [json!({"a": 1}), json!({"b": 2}), json!({"c": 3})];
        assert_eq!(documents(yaml).unwrap(), wanted);
    }
}
