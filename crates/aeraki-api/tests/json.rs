//! How user-written JSON and YAML reads: what is forgiven, and what is said of what is not.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use aeraki_api::envoy::core::{DataSource, data_source::Specifier};
use aeraki_api::envoy::percent::{FractionalPercent, fractional_percent::DenominatorType};
use aeraki_api::envoy::thrift::{RouteMatch, route_match::MatchSpecifier};
use aeraki_api::networking::{
    DestinationRule, EnvoyFilter, ServiceEntry, ServiceEntryStatus, VirtualService,
    service_entry::Resolution,
};
use aeraki_api::{Cr, IstioKind, strip_nulls, typed_config};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn error<T: DeserializeOwned + std::fmt::Debug>(value: Value) -> String {
    serde_json::from_value::<T>(value).unwrap_err().to_string()
}

fn unknown<T: DeserializeOwned>(value: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    let _read: T = serde_ignored::deserialize(value, |path| paths.push(path.to_string())).unwrap();
    paths
}

#[test]
fn an_unknown_field_is_passed_over_and_told() {
    let value = json!({"hosts": ["h"], "ports": [{"number": 1, "nmae": "tcp-redis"}], "x": {}});
    let entry: ServiceEntry = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(entry.ports[0].number, 1);
    assert_eq!(unknown::<ServiceEntry>(&value), ["ports.0.nmae", "x"]);
}

#[test]
fn free_json_in_a_patch_has_no_unknown_fields() {
    let value = json!({"configPatches": [{"patch": {"value": {"whatever": 1}}}]});
    assert_eq!(unknown::<EnvoyFilter>(&value), Vec::<String>::new());
}

#[test]
fn names_in_snake_case_and_enums_by_number_read_as_in_istio() {
    let entry: ServiceEntry =
        serde_json::from_value(json!({"export_to": ["."], "resolution": 2})).unwrap();
    assert_eq!(entry.export_to, ["."]);
    assert_eq!(entry.resolution(), Resolution::Dns);
}

#[test]
fn numbers_read_from_text_too_as_protobuf_allows() {
    let entry: ServiceEntry =
        serde_json::from_value(json!({"ports": [{"number": "80", "targetPort": 81}]})).unwrap();
    assert_eq!(
        (entry.ports[0].number, entry.ports[0].target_port),
        (80, 81)
    );
}

#[test]
fn a_wrong_enum_value_names_the_right_ones() {
    let error = error::<ServiceEntry>(json!({"resolution": "STATICC"}));
    assert!(
        error.contains("`STATICC`") && error.contains("`STATIC`"),
        "{error}"
    );
}

#[test]
fn a_duration_without_a_unit_says_so() {
    let error = error::<VirtualService>(json!({"http": [{"timeout": "5"}]}));
    assert!(error.contains("without a unit"), "{error}");
    let error = self::error::<VirtualService>(json!({"http": [{"timeout": 5}]}));
    assert!(error.contains("a duration such as"), "{error}");
}

#[test]
fn both_sides_of_a_oneof_are_an_error() {
    let match_ = json!({"uri": {"exact": "a", "prefix": "b"}});
    let error = error::<VirtualService>(json!({"http": [{"match": [match_]}]}));
    assert!(
        error.contains("duplicate field") || error.contains("multiple"),
        "{error}"
    );
}

#[test]
fn a_null_reads_as_absent_once_stripped() {
    let mut value = json!({"spec": {"hosts": null, "resolution": null, "ports": [{"name": null}]}});
    assert!(serde_json::from_value::<Cr<ServiceEntry>>(value.clone()).is_err());
    strip_nulls(&mut value);
    let entry: Cr<ServiceEntry> = serde_json::from_value(value).unwrap();
    assert_eq!(entry.spec.ports.len(), 1);
}

#[test]
fn nulls_of_a_patch_value_survive_stripping_and_writing() {
    let mut value = json!({"spec": {"priority": null, "configPatches": [
        {"applyTo": "CLUSTER", "patch": {"operation": "MERGE", "value": {"tls_context": null}}}]}});
    strip_nulls(&mut value);
    let filter: Cr<EnvoyFilter> = serde_json::from_value(value).unwrap();
    let patch = filter.spec.config_patches[0].patch.clone().unwrap();
    assert_eq!(patch.value.unwrap()["tls_context"], Value::Null);
    let written = serde_json::to_value(&filter.spec).unwrap();
    assert_eq!(
        written["configPatches"][0]["patch"]["value"],
        json!({"tls_context": null})
    );
}

#[test]
fn the_status_of_a_service_entry_gives_its_addresses() {
    let status: ServiceEntryStatus = serde_json::from_value(json!({
        "conditions": [{"type": "x"}],
        "observedGeneration": "4",
        "addresses": [{"value": "240.240.0.1", "host": "h"}, {"value": "2001:2::1", "host": "h"}]
    }))
    .unwrap();
    let values: Vec<_> = status.addresses.iter().map(|a| a.value.as_str()).collect();
    assert_eq!(values, ["240.240.0.1", "2001:2::1"]);
    assert_eq!(status.addresses[0].host, "h");
}

#[test]
fn a_chosen_oneof_is_written_even_when_it_is_the_default_value() {
    let matches_all = RouteMatch {
        match_specifier: Some(MatchSpecifier::MethodName(String::new())),
        ..RouteMatch::default()
    };
    assert_eq!(
        serde_json::to_value(&matches_all).unwrap(),
        json!({"method_name": ""})
    );
}

#[test]
fn envoy_defaults_are_left_out_and_enums_go_by_name() {
    let default = FractionalPercent {
        numerator: 0,
        denominator: DenominatorType::Hundred.into(),
    };
    assert_eq!(serde_json::to_value(default).unwrap(), json!({}));
    let million = FractionalPercent {
        numerator: 5,
        denominator: DenominatorType::Million.into(),
    };
    assert_eq!(
        serde_json::to_value(million).unwrap(),
        json!({"numerator": 5, "denominator": "MILLION"})
    );
}

#[test]
fn an_enum_number_without_a_name_is_an_error_and_not_a_wrong_name() {
    let broken = FractionalPercent {
        numerator: 1,
        denominator: 77,
    };
    assert!(
        typed_config(&broken)
            .unwrap_err()
            .to_string()
            .contains("77")
    );
}

#[test]
fn a_typed_config_carries_its_type_url() {
    let source = DataSource {
        specifier: Some(Specifier::InlineString("p".to_owned())),
        ..DataSource::default()
    };
    assert_eq!(
        typed_config(&source).unwrap(),
        json!({"@type": "type.googleapis.com/envoy.config.core.v3.DataSource",
               "inline_string": "p"})
    );
}

#[test]
fn equal_filters_give_equal_text_whatever_the_order_of_keys() {
    let text = |value: &str| {
        let filter: EnvoyFilter = serde_json::from_str(value).unwrap();
        serde_json::to_string(&filter).unwrap()
    };
    assert_eq!(
        text(r#"{"priority":1,"configPatches":[{"patch":{"value":{"b":1,"a":{"d":1.0,"c":2}}}}]}"#),
        text(r#"{"configPatches":[{"patch":{"value":{"a":{"c":2,"d":1},"b":1}}}],"priority":1}"#),
    );
}

#[test]
fn each_kind_says_what_its_api_is_called() {
    fn api<S: IstioKind>() -> String {
        format!("{}/{} {}", S::GROUP, S::VERSIONS[0], S::KIND)
    }
    assert_eq!(api::<ServiceEntry>(), "networking.istio.io/v1 ServiceEntry");
    assert_eq!(
        api::<VirtualService>(),
        "networking.istio.io/v1 VirtualService"
    );
    assert_eq!(
        api::<DestinationRule>(),
        "networking.istio.io/v1 DestinationRule"
    );
    assert_eq!(
        api::<EnvoyFilter>(),
        "networking.istio.io/v1alpha3 EnvoyFilter"
    );
}
