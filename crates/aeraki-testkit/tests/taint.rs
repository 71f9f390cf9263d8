//! S5: what a tenant writes reaches only the leaves that are listed here, and no type is named that is not.

use std::collections::BTreeSet;

use aeraki_core::engine::Engine;
use aeraki_core::object::ConfigEvent;
use aeraki_core::registry::Registry;
use aeraki_core::settings::Settings;
use aeraki_testkit::mesh;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value};
use {
    proto_dubbo as _, proto_kafka as _, proto_redis as _, proto_thrift as _, proto_zookeeper as _,
};

/// Appended to every string that a tenant may choose freely. Legal everywhere, so that it goes as far as anything can.
const MARK: &str = "x7taint";
/// A mark that neither a namespace nor a label may hold.
const ILLEGAL: &str = "X7/../taint ";
/// Fields of the input whose strings are free; all else is a word of some API, a number or an address.
const FREE: &[&str] = &[
    "hosts",
    "host",
    "subset",
    "exact",
    "prefix",
    "password",
    "passwords",
    "username",
    "token",
    "filename",
    "environmentVariable",
    "interface",
    "uri",
    "workloadSelector",
];
/// Fields whose map has free keys and free values.
const FREE_MAPS: &[&str] = &["labels", "selector", "sourceLabels"];
/// The label by which an EndpointSlice names its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// `exportTo`, of a ServiceEntry and others, and of a Service.
const EXPORT: &[&str] = &["exportTo", "networking.istio.io/exportTo"];

/// Which words carry which mark.
#[derive(Clone, Copy)]
struct Taint {
    mark: &'static str,
    /// Also `exportTo`. Where every entry of it is marked, nothing is for everybody, and much is never seen.
    export: bool,
    /// Nothing but `exportTo` and maps of labels.
    narrow: bool,
}

/// Where a tenant's words may stand, with list places left out. A `*` is any key.
const ALLOWED: &[&str] = &[
    // A tenant may name any namespace in `exportTo`.
    "metadata.namespace",
    "metadata.name",
    "spec.workloadSelector.labels.*",
    "spec.configPatches.match.cluster.name",
    "spec.configPatches.patch.value.name",
    "spec.configPatches.patch.value.load_assignment.cluster_name",
    "spec.configPatches.patch.value.load_assignment.endpoints.lb_endpoints.endpoint.address.socket_address.address",
    "spec.configPatches.patch.value.metadata.filter_metadata.istio.services.host",
    "spec.configPatches.patch.value.typed_extension_protocol_options.*.auth_password.inline_string",
    "spec.configPatches.patch.value.typed_extension_protocol_options.*.auth_password.filename",
    "spec.configPatches.patch.value.typed_extension_protocol_options.*.auth_password.environment_variable",
    "spec.configPatches.patch.value.typed_extension_protocol_options.*.auth_username.inline_string",
    "spec.configPatches.patch.value.typed_extension_protocol_options.*.auth_username.filename",
    "spec.configPatches.patch.value.typed_extension_protocol_options.*.auth_username.environment_variable",
    "spec.configPatches.patch.value.typed_config.stat_prefix",
    "spec.configPatches.patch.value.typed_config.downstream_auth_passwords.inline_string",
    "spec.configPatches.patch.value.typed_config.downstream_auth_passwords.filename",
    "spec.configPatches.patch.value.typed_config.downstream_auth_passwords.environment_variable",
    "spec.configPatches.patch.value.typed_config.downstream_auth_username.inline_string",
    "spec.configPatches.patch.value.typed_config.downstream_auth_username.filename",
    "spec.configPatches.patch.value.typed_config.downstream_auth_username.environment_variable",
    "spec.configPatches.patch.value.typed_config.multiple_route_config.name",
    "spec.configPatches.patch.value.typed_config.multiple_route_config.route_config.name",
    "spec.configPatches.patch.value.typed_config.multiple_route_config.route_config.interface",
    "spec.configPatches.patch.value.typed_config.multiple_route_config.route_config.routes.match.method.name.exact",
    "spec.configPatches.patch.value.typed_config.multiple_route_config.route_config.routes.match.method.name.prefix",
    "spec.configPatches.patch.value.typed_config.multiple_route_config.route_config.routes.match.headers.string_match.exact",
    "spec.configPatches.patch.value.typed_config.multiple_route_config.route_config.routes.match.headers.string_match.prefix",
    "spec.configPatches.patch.value.typed_config.multiple_route_config.route_config.routes.route.cluster",
    "spec.configPatches.patch.value.typed_config.multiple_route_config.route_config.routes.route.weighted_clusters.clusters.name",
    "spec.configPatches.patch.value.typed_config.route_config.name",
    "spec.configPatches.patch.value.typed_config.route_config.routes.match.method_name",
    "spec.configPatches.patch.value.typed_config.route_config.routes.match.headers.string_match.exact",
    "spec.configPatches.patch.value.typed_config.route_config.routes.match.headers.string_match.prefix",
    "spec.configPatches.patch.value.typed_config.route_config.routes.route.cluster",
    "spec.configPatches.patch.value.typed_config.route_config.routes.route.weighted_clusters.clusters.name",
    "spec.configPatches.patch.value.typed_config.route_config.routes.route.request_mirror_policies.cluster",
    "spec.configPatches.patch.value.typed_config.prefix_routes.catch_all_route.cluster",
    "spec.configPatches.patch.value.typed_config.prefix_routes.catch_all_route.request_mirror_policy.cluster",
    "spec.configPatches.patch.value.typed_config.prefix_routes.routes.cluster",
    "spec.configPatches.patch.value.typed_config.prefix_routes.routes.prefix",
    "spec.configPatches.patch.value.typed_config.prefix_routes.routes.request_mirror_policy.cluster",
];

/// The types that may stand in an output.
const TYPES: &[&str] = &[
    "type.googleapis.com/envoy.extensions.filters.network.dubbo_proxy.v3.DubboProxy",
    "type.googleapis.com/envoy.extensions.filters.network.thrift_proxy.v3.ThriftProxy",
    "type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy",
    "type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProtocolOptions",
    "type.googleapis.com/envoy.extensions.clusters.redis.v3.RedisClusterConfig",
    "type.googleapis.com/envoy.extensions.filters.network.zookeeper_proxy.v3.ZooKeeperProxy",
    "type.googleapis.com/envoy.extensions.filters.network.kafka_broker.v3.KafkaBroker",
];

#[test]
fn tenants_words_reach_only_listed_leaves() {
    let mut tainted = BTreeSet::new();
    let mut types = BTreeSet::new();
    let everything = |export| Taint {
        mark: MARK,
        export,
        narrow: false,
    };
    let plain = outputs(everything(false), 450);
    for object in plain.into_iter().chain(outputs(everything(true), 50)) {
        walk(&object, &mut String::new(), &mut |path, value| {
            if path.ends_with("@type") {
                types.insert(value.to_owned());
            }
            if value.contains(MARK) {
                tainted.insert(path.to_owned());
            }
        });
    }
    let unlisted: Vec<&String> = tainted
        .iter()
        .filter(|path| !ALLOWED.iter().any(|allowed| fits(allowed, path)))
        .collect();
    assert!(unlisted.is_empty(), "a tenant's words reach {unlisted:#?}");
    let unlisted: Vec<&String> = types
        .iter()
        .filter(|t| !TYPES.contains(&t.as_str()))
        .collect();
    assert!(unlisted.is_empty(), "unlisted types: {unlisted:#?}");
    // The walk is no proof if it saw nothing.
    let unseen: Vec<&&str> = ALLOWED
        .iter()
        .filter(|allowed| !tainted.iter().any(|path| fits(allowed, path)))
        .collect();
    assert!(unseen.is_empty(), "listed, but never seen: {unseen:#?}");
    assert_eq!(
        types.len(),
        TYPES.len(),
        "not every type was seen: {types:?}"
    );
}

/// The API server would refuse the object, or worse, write it elsewhere.
#[test]
fn what_is_no_namespace_and_no_label_goes_nowhere() {
    let taint = Taint {
        mark: ILLEGAL,
        export: true,
        narrow: true,
    };
    let outputs = outputs(taint, 50);
    assert!(
        outputs.len() > 100,
        "{} outputs are no proof",
        outputs.len()
    );
    for object in outputs {
        walk(&object, &mut String::new(), &mut |path, value| {
            assert!(!value.contains(ILLEGAL.trim()), "{path}: {value}");
        });
    }
}

/// EnvoyFilters of some random meshes whose free strings carry the mark.
fn outputs(tainted: Taint, meshes: usize) -> Vec<Value> {
    let registry = Registry::linked().expect("no two protocols claim one token");
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[11; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = proptest::collection::vec(mesh::object_json(), 60);
    let settings = Settings {
        enable_protocols: ["kafka".to_owned()].into(),
        ..Settings::default()
    };
    let mut outputs = Vec::new();
    for _ in 0..meshes {
        let mut jsons = strategy
            .new_tree(&mut runner)
            .expect("a mesh can be drawn")
            .current();
        let mut engine = Engine::new(settings.clone(), registry.clone());
        for json in &mut jsons {
            tainted.taint(json, false);
            if let Some(object) = mesh::decode(json, &registry) {
                engine.apply(ConfigEvent::Put(object));
            }
        }
        engine.drain();
        outputs.extend(engine.filters().values().map(|filter| {
            serde_json::to_value(filter.object()).expect("an EnvoyFilter has a JSON form")
        }));
    }
    outputs
}

impl Taint {
    /// Marks the free strings of an object. Equal strings stay equal, so that what belonged together still does.
    fn taint(self, value: &mut Value, free: bool) {
        match value {
            Value::String(text) if free && !text.is_empty() => text.push_str(self.mark),
            Value::Array(items) => items.iter_mut().for_each(|item| self.taint(item, free)),
            Value::Object(fields) => self.taint_fields(fields),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn taint_fields(self, fields: &mut Map<String, Value>) {
        for (key, field) in fields {
            let key = key.as_str();
            match field {
                // That label says whose an EndpointSlice is: without it there would be no endpoints.
                Value::Object(map)
                    if FREE_MAPS.contains(&key) && !map.contains_key(SERVICE_NAME) =>
                {
                    *map = self.tainted_map(map);
                }
                _ => {
                    let is_free = FREE.contains(&key) && !self.narrow;
                    self.taint(field, is_free || (self.export && EXPORT.contains(&key)));
                }
            }
        }
    }

    fn tainted_map(self, map: &Map<String, Value>) -> Map<String, Value> {
        let marked = |text: &str| format!("{text}{}", self.mark);
        map.iter()
            .map(|(key, value)| {
                (
                    marked(key),
                    marked(value.as_str().unwrap_or_default()).into(),
                )
            })
            .collect()
    }
}

fn walk(value: &Value, path: &mut String, visit: &mut impl FnMut(&str, &str)) {
    match value {
        Value::String(text) => visit(path, text),
        Value::Array(items) => items.iter().for_each(|item| walk(item, path, visit)),
        Value::Object(fields) => {
            for (key, field) in fields {
                let length = path.len();
                if !path.is_empty() {
                    path.push('.');
                }
                // A key with a dot, such as a filter's name, is one step.
                path.push_str(&key.replace('.', "/"));
                let is_tainted = key.contains(MARK) || key.contains(ILLEGAL.trim());
                assert!(
                    !is_tainted || fits("spec.workloadSelector.labels.*", path),
                    "a key: {path}"
                );
                assert!(key != "targetRefs", "nothing here selects by reference");
                walk(field, path, visit);
                path.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn fits(allowed: &str, path: &str) -> bool {
    let (allowed, path): (Vec<&str>, Vec<&str>) =
        (allowed.split('.').collect(), path.split('.').collect());
    allowed.len() == path.len() && allowed.iter().zip(&path).all(|(a, p)| *a == "*" || a == p)
}
