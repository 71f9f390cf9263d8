use aeraki_api::kubernetes::{EndpointSlice, Service};
use aeraki_api::networking::{DestinationRule, ServiceEntry, VirtualService};
use aeraki_api::{prost, schema};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::*;
use crate::kind::kubernetes;

/// Values of a shape, now and then with something else in a place, and with fields that nobody knows.
fn almost(shape: Shape, depth: u32) -> BoxedStrategy<Value> {
    let right = match shape {
        Shape::Text => prop_oneof![Just(json!("")), Just(json!("a")), Just(json!("é: x"))].boxed(),
        Shape::Flag => any::<bool>().prop_map(Value::from).boxed(),
        Shape::Integer { most, quoted, .. } => {
            let text = if quoted { json!("80") } else { json!(80) };
            prop::sample::select(vec![json!(0), json!(1), json!(most), text]).boxed()
        }
        Shape::Number { quoted } => {
            let text = if quoted { json!("0.5") } else { json!(0) };
            prop::sample::select(vec![json!(0.5), json!(3), text]).boxed()
        }
        Shape::NumberOrText => prop_oneof![Just(json!(80)), Just(json!("http"))].boxed(),
        Shape::Word(words) => prop::sample::select(words)
            .prop_flat_map(|(word, number)| prop_oneof![Just(json!(word)), Just(json!(number))])
            .boxed(),
        Shape::Duration => prop_oneof![Just(json!("1.5s")), Just(json!("1m"))].boxed(),
        Shape::Timestamp => Just(json!("2006-01-02T15:04:05Z")).boxed(),
        Shape::Free => Just(json!({"free": [1, null]})).boxed(),
        Shape::Any => Just(json!([1])).boxed(),
        Shape::Message(message) => object(message, depth),
        Shape::List(item) => prop::collection::vec(almost(*item, depth), 0..3)
            .prop_map(Value::from)
            .boxed(),
        Shape::Map(item) => prop::collection::btree_map("[a-c]", almost(*item, depth), 0..3)
            .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into())
            .boxed(),
    };
    prop_oneof![40 => right, 1 => odd()].boxed()
}

fn odd() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(7),
        json!(1.5),
        json!(1e300),
        json!(u64::MAX),
        json!("odd"),
        json!("1h2"),
        json!("-3"),
        json!([]),
        json!(["x"]),
        json!([[]]),
        json!([{}]),
        json!({}),
        json!({"x": "y"}),
        json!({"x": 1}),
    ])
}

fn object(message: &'static Message, depth: u32) -> BoxedStrategy<Value> {
    if depth == 0 {
        return Just(json!({})).boxed();
    }
    prop::collection::vec(member(message, depth), 0..5)
        .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into())
        .boxed()
}

fn member(message: &'static Message, depth: u32) -> impl Strategy<Value = (String, Value)> {
    // Whether a text is base64 only the decoder knows; it is the one thing that it alone can say.
    let known = |field: &&'static Field| (message.name, field.name) != ("HTTPBody", "bytes");
    let fields: Vec<&'static Field> = message.fields.iter().filter(known).collect();
    prop::sample::select(fields).prop_flat_map(move |field| {
        let name =
            prop_oneof![20 => Just(field.name), 1 => Just(field.snake_case), 1 => Just("strange")];
        (name.prop_map(str::to_owned), almost(field.shape, depth - 1))
    })
}

fn spec_of<S: prost::Name>() -> impl Strategy<Value = Value> {
    object(schema::of::<S>().expect("a message of Istio's"), 5).prop_map(without_nulls)
}

fn without_nulls(mut value: Value) -> Value {
    aeraki_api::strip_nulls(&mut value);
    value
}

/// Where the decoder refuses a value the check must find why. Where the decoder reads every field they must agree in
/// all: what is refused, and which fields are unknown.
fn agree<T: DeserializeOwned>(
    message: &'static Message,
    value: &Value,
    reads_all: bool,
) -> Result<(), TestCaseError> {
    let findings = check(message, value, "");
    let refused: Vec<_> = findings
        .iter()
        .filter(|f| f.fault == Fault::Mismatch)
        .collect();
    match ignored::<T>(value) {
        Err(error) => {
            prop_assert!(!refused.is_empty(), "nothing found for {error} in {value}");
        }
        Ok(ignored) if reads_all => {
            prop_assert!(refused.is_empty(), "{refused:?} found in {value}");
            prop_assert_eq!(unknown(&findings), ignored, "{}", value);
        }
        Ok(_) => {}
    }
    Ok(())
}

/// The paths that a decoder passes over, in dots.
fn ignored<T: DeserializeOwned>(value: &Value) -> Result<Vec<String>, serde_json::Error> {
    let mut paths = Vec::new();
    let _decoded: T = serde_ignored::deserialize(value, |path| {
        let path = path.to_string();
        let steps: Vec<&str> = path.split('.').filter(|step| *step != "?").collect();
        paths.push(steps.join("."));
    })?;
    paths.sort();
    Ok(paths)
}

fn unknown(findings: &[Finding]) -> Vec<String> {
    let is_unknown = |finding: &&Finding| finding.message.starts_with("unknown field");
    let dotted = |finding: &Finding| finding.field.replace('[', ".").replace(']', "");
    let mut paths: Vec<String> = findings.iter().filter(is_unknown).map(dotted).collect();
    paths.sort();
    paths
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn check_and_decoder_agree_on_service_entries(value in spec_of::<ServiceEntry>()) {
        agree::<ServiceEntry>(schema::of::<ServiceEntry>().expect("known"), &value, true)?;
    }

    #[test]
    fn check_and_decoder_agree_on_virtual_services(value in spec_of::<VirtualService>()) {
        agree::<VirtualService>(schema::of::<VirtualService>().expect("known"), &value, true)?;
    }

    #[test]
    fn check_and_decoder_agree_on_destination_rules(value in spec_of::<DestinationRule>()) {
        agree::<DestinationRule>(schema::of::<DestinationRule>().expect("known"), &value, true)?;
    }

    #[test]
    fn check_and_decoder_agree_on_services(value in object(&kubernetes::SERVICE, 4).prop_map(without_nulls)) {
        agree::<Service>(&kubernetes::SERVICE, &value, false)?;
    }

    #[test]
    fn check_and_decoder_agree_on_endpoint_slices(
        value in object(&kubernetes::ENDPOINT_SLICE, 4).prop_map(without_nulls)
    ) {
        agree::<EndpointSlice>(&kubernetes::ENDPOINT_SLICE, &value, false)?;
    }
}
