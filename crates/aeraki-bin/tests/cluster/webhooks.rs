//! An admission webhook that never answers, as a policy engine's on a bad day: only its own namespace waits.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::world::{Filters, World, dubbo_service};

/// More than the writer has places.
const HUNG: usize = 60;

/// A webhook that the API server asks about every EnvoyFilter of a namespace. Somebody listens, and never says a word.
struct HungWebhook<'w> {
    world: &'w World,
    _listener: TcpListener,
}

const KIND: &str = "admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration";

impl<'w> HungWebhook<'w> {
    async fn of(world: &'w World, namespace: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        let object = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "hung"},
            "webhooks": [{
                "name": "policy.example.com", "clientConfig": {"url": url},
                "failurePolicy": "Fail", "timeoutSeconds": 30, "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "rules": [{"apiGroups": ["networking.istio.io"], "apiVersions": ["*"], "operations": ["*"],
                    "resources": ["envoyfilters"]}],
            }],
        });
        world.cluster.apply(&object.to_string()).await.unwrap();
        Self {
            world,
            _listener: listener,
        }
    }

    async fn remove(self) {
        assert!(self.world.cluster.delete(KIND, "", "hung").await.unwrap());
    }
}

fn of(filters: &Filters, namespace: &str) -> usize {
    let prefix = format!("{namespace}/");
    let keys = filters.keys();
    keys.filter(|key| key.starts_with(&prefix)).count()
}

#[tokio::test]
async fn a_webhook_that_hangs_keeps_no_other_namespace_waiting() {
    let world = World::empty().await;
    // By name the first, so that its filters are also the first to be written.
    world.namespace("bank").await;
    world.namespace("shop").await;
    let webhook = HungWebhook::of(&world, "bank").await;
    let service = |namespace: &str, n: usize| {
        let text = dubbo_service(&format!("{namespace}{n}"), &format!("240.240.0.{}", n + 1));
        text.replace("namespace: shop", &format!("namespace: {namespace}"))
    };
    let hung = (0..HUNG).map(|n| service("bank", n));
    let others = (HUNG..HUNG + 10).map(|n| service("shop", n));
    let all: Vec<String> = hung.chain(others).collect();
    world.cluster.apply(&all.join("---\n")).await.unwrap();
    let aeraki = world.start(&[]);
    // One after the other the hung ones would take five minutes.
    let there = world
        .until("all but those of the bank", |filters| {
            of(filters, "istio-system") == HUNG + 10 && of(filters, "shop") == 10
        })
        .await;
    assert_eq!(of(&there, "bank"), 0);

    let is_late = "did not answer in time; it, or a webhook that it asks, is slow";
    let warnings = || -> Vec<Value> {
        let mut said = aeraki.said("EnvoyFilter cannot be written");
        said.retain(|line| line["level"] == "WARN");
        said
    };
    assert_eq!(warnings().len(), 1, "{:#?}", warnings());
    assert!(warnings()[0]["error"].as_str().unwrap().contains(is_late));
    assert!(aeraki.metric("aeraki_apply_total", "\"late\"").await >= 8.0);

    // What changes elsewhere is written while the bank's still hang.
    let other = service("shop", HUNG).replace("com.acme.", "com.other.");
    world.cluster.apply(&other).await.unwrap();
    let changed = world
        .until("the change", |filters| {
            let mut all = filters.values();
            all.any(|filter| filter["spec"].to_string().contains("com.other."))
        })
        .await;
    assert_eq!(of(&changed, "bank"), 0);

    webhook.remove().await;
    world
        .until("the bank's too", |filters| of(filters, "bank") == HUNG)
        .await;
    aeraki.until_said("EnvoyFilters can be written again").await;
    assert_eq!(warnings().len(), 1);
    assert!(aeraki.end());
}
