//! Compares our types with what Istio's and Envoy's own Go types make of the same YAML.
//!
//! The files in `golden/` are written by the Go program in `go/`: JSON by Istio's and protobuf's
//! rules, and MCP resources as istiod sends them. `go run . -out ../golden` there writes them anew.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Debug;
use std::path::Path;

use aeraki_api::envoy::{cluster, dubbo, kafka, redis, redis_cluster, thrift, zookeeper};
use aeraki_api::mcp::Resource;
use aeraki_api::networking::{DestinationRule, EnvoyFilter, ServiceEntry, VirtualService};
use aeraki_api::{Cr, IstioKind, JsonStruct, Timestamp, strip_nulls, typed_config};
use prost::{Message, Name};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn read(file: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(file);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json(file: &str) -> Value {
    serde_json::from_slice(&read(file)).unwrap()
}

fn yaml(file: &str) -> Value {
    serde_saphyr::from_str(&String::from_utf8(read(file)).unwrap()).unwrap()
}

/// JSON has one kind of number: 50 and 50.0 are the same.
fn one_kind_of_number(value: Value) -> JsonStruct {
    JsonStruct::try_from(value).unwrap()
}

fn resource(file: &str) -> Resource {
    Resource::decode(read(file).as_slice()).unwrap()
}

trait Spec: IstioKind + Message + Name + Serialize + DeserializeOwned + Debug + PartialEq {}
impl<T: IstioKind + Message + Name + Serialize + DeserializeOwned + Debug + PartialEq> Spec for T {}

fn wire<S: Spec>(name: &str) -> S {
    let body = resource(&format!("istio/{name}.mcp")).body.unwrap();
    body.unpack().expect("the body is of this kind").unwrap()
}

fn assert_istio_agrees<S: Spec>(name: &str) {
    let from_wire: S = wire(name);
    let istio_json = json(&format!("istio/{name}.json"));
    let mut user_yaml = yaml(&format!("istio/{name}.yaml"));
    strip_nulls(&mut user_yaml);

    let cr: Cr<S> = serde_json::from_value(user_yaml.clone()).unwrap();
    assert_eq!(
        cr.spec, from_wire,
        "{name}: what a user writes and what istiod sends"
    );
    assert_eq!(cr.kind, S::KIND);
    let version = cr.api_version.strip_prefix("networking.istio.io/").unwrap();
    assert!(S::VERSIONS.contains(&version), "{version}");

    let from_json: S = serde_json::from_value(istio_json.clone()).unwrap();
    assert_eq!(from_json, from_wire, "{name}: Istio's JSON and its bytes");
    let our_json = serde_json::to_value(&from_wire).unwrap();
    assert_eq!(
        one_kind_of_number(our_json),
        one_kind_of_number(istio_json),
        "{name}: our JSON"
    );

    let bytes = from_wire.encode_to_vec();
    assert_eq!(bytes.len(), from_wire.encoded_len());
    assert_eq!(
        S::decode(bytes.as_slice()).unwrap(),
        from_wire,
        "{name}: our bytes"
    );

    let mcp = resource(&format!("istio/{name}.mcp"));
    assert_eq!(
        Resource::decode(mcp.encode_to_vec().as_slice()).unwrap(),
        mcp
    );
    let metadata = mcp.metadata.unwrap();
    assert_eq!(
        metadata.name,
        format!("{}/{}", cr.metadata.namespace, cr.metadata.name)
    );
    assert_eq!(metadata.create_time, cr.metadata.creation_timestamp);
    assert_eq!(metadata.labels, cr.metadata.labels);
    assert_eq!(metadata.annotations, cr.metadata.annotations);
    assert_eq!(metadata.version, "17");

    let mut unknown = Vec::new();
    let _spec: S =
        serde_ignored::deserialize(&user_yaml["spec"], |path| unknown.push(path.to_string()))
            .unwrap();
    assert_eq!(
        unknown,
        Vec::<String>::new(),
        "{name}: every field is known"
    );
}

#[test]
fn a_service_entry_is_the_same_from_istiod_from_yaml_and_from_json() {
    assert_istio_agrees::<ServiceEntry>("service_entry");
}

#[test]
fn a_virtual_service_is_the_same_from_istiod_from_yaml_and_from_json() {
    assert_istio_agrees::<VirtualService>("virtual_service");
}

#[test]
fn a_destination_rule_is_the_same_from_istiod_from_yaml_and_from_json() {
    assert_istio_agrees::<DestinationRule>("destination_rule");
}

#[test]
fn an_envoy_filter_is_the_same_from_istiod_from_yaml_and_from_json() {
    assert_istio_agrees::<EnvoyFilter>("envoy_filter");
}

#[test]
fn where_go_puts_no_oneof_behind_other_fields_even_the_bytes_are_equal() {
    fn assert_bytes<S: Spec>(name: &str) {
        let body = resource(&format!("istio/{name}.mcp")).body.unwrap();
        assert_eq!(wire::<S>(name).encode_to_vec(), body.value, "{name}");
    }
    assert_bytes::<ServiceEntry>("service_entry");
    assert_bytes::<EnvoyFilter>("envoy_filter");
}

#[test]
fn the_values_of_a_few_fields_are_what_the_yaml_says() {
    let rule: DestinationRule = wire("destination_rule");
    let policy = rule.traffic_policy.unwrap();
    let outliers = policy.outlier_detection.unwrap();
    assert_eq!(outliers.consecutive_5xx_errors, Some(0));
    assert_eq!(outliers.interval.unwrap().to_string(), "300s");
    let zones = policy.load_balancer.unwrap().zone_aware_lb_setting.unwrap();
    assert_eq!(zones.min_cluster_size, Some(6));

    let service: VirtualService = wire("virtual_service");
    assert_eq!(service.http[0].timeout.unwrap().seconds, 90);
    assert_eq!(service.http[0].mirror_percent, Some(7));
    assert_eq!(
        service.http[0]
            .retries
            .as_ref()
            .unwrap()
            .retry_remote_localities,
        Some(false)
    );

    let metadata = resource("istio/destination_rule.mcp").metadata.unwrap();
    let created = Timestamp {
        seconds: 1_709_296_247,
        nanos: 123_456_000,
    };
    assert_eq!(metadata.create_time, Some(created));
}

#[test]
fn a_body_of_another_kind_is_not_unpacked() {
    let body = resource("istio/service_entry.mcp").body.unwrap();
    assert!(body.unpack::<VirtualService>().is_none());
}

#[test]
fn cut_off_bytes_are_an_error_and_not_half_a_message() {
    let mut body = resource("istio/virtual_service.mcp").body.unwrap();
    body.value.truncate(body.value.len() - 1);
    assert!(body.unpack::<VirtualService>().unwrap().is_err());
}

/// The typed value's JSON, with the type URL, is what Envoy's own types write.
fn assert_envoy_agrees<M: Name + Serialize + DeserializeOwned + Debug + PartialEq>(name: &str) {
    let envoy_json = json(&format!("envoy/{name}.json"));
    let user_yaml = yaml(&format!("envoy/{name}.yaml"));
    let from_yaml: M = serde_json::from_value(user_yaml).unwrap();
    let from_json: M = serde_json::from_value(envoy_json.clone()).unwrap();
    assert_eq!(from_yaml, from_json, "{name}");
    assert_eq!(typed_config(&from_json).unwrap(), envoy_json, "{name}");
}

#[test]
fn filter_configurations_are_written_as_envoys_own_types_write_them() {
    assert_envoy_agrees::<dubbo::DubboProxy>("dubbo");
    assert_envoy_agrees::<thrift::ThriftProxy>("thrift");
    assert_envoy_agrees::<thrift::ThriftProtocolOptions>("thrift_options");
    assert_envoy_agrees::<redis::RedisProxy>("redis");
    assert_envoy_agrees::<redis::RedisProtocolOptions>("redis_options");
    assert_envoy_agrees::<zookeeper::ZooKeeperProxy>("zookeeper");
    assert_envoy_agrees::<kafka::KafkaBroker>("kafka");
}

#[test]
fn clusters_are_written_as_envoys_own_types_write_them() {
    assert_envoy_agrees::<cluster::Cluster>("cluster");
    assert_envoy_agrees::<cluster::Cluster>("cluster_static");
    assert_envoy_agrees::<redis_cluster::RedisClusterConfig>("redis_cluster");
}
