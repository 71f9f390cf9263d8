//! Holds our `.proto` files against the fields that Istio's and Envoy's own types have.
//!
//! Istio's messages must be complete, or a user's field would be called unknown. Of Envoy's, all
//! that we declare must exist in this very form; this is also the only proof for Kafka, whose
//! filter no Envoy at hand has.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet};

const ISTIO: &str = include_str!("golden/istio.fields.txt");
const ENVOY: &str = include_str!("golden/envoy.fields.txt");

/// What we write as JSON only, and so declare as a Struct where Envoy has an Any.
const STRUCT_FOR_ANY: &[&str] = &[
    "envoy.config.cluster.v3.Cluster.CustomClusterType.typed_config",
    "envoy.config.cluster.v3.Cluster.TypedExtensionProtocolOptionsEntry.value",
    "envoy.config.core.v3.TransportSocket.typed_config",
    "envoy.extensions.filters.network.dubbo_proxy.v3.DubboFilter.config",
    "envoy.extensions.filters.network.thrift_proxy.v3.ThriftFilter.typed_config",
];

/// The one Istio message that we read in part.
const IN_PART: &str = "\tistio.networking.v1alpha3.ServiceEntryStatus.";

/// Lines in the form that the Go program writes.
struct Listing {
    package: &'static str,
    lines: BTreeSet<String>,
}

impl Listing {
    fn of_package(package: &'static str) -> Self {
        let bytes = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
        let descriptors = FileDescriptorSet::decode(bytes.as_slice()).unwrap();
        let mut listing = Self {
            package,
            lines: BTreeSet::new(),
        };
        for file in &descriptors.file {
            if file.package().starts_with(package) {
                file.message_type
                    .iter()
                    .for_each(|m| listing.message(file.package(), m));
                file.enum_type
                    .iter()
                    .for_each(|e| listing.enumeration(file.package(), e));
            }
        }
        assert!(!listing.lines.is_empty(), "nothing in {}", listing.package);
        listing
    }

    fn message(&mut self, scope: &str, message: &DescriptorProto) {
        let scope = format!("{scope}.{}", message.name());
        for field in &message.field {
            let oneof = match field.oneof_index {
                Some(index) => message.oneof_decl[usize::try_from(index).unwrap()].name(),
                None => "-",
            };
            self.lines.insert(field_line(&scope, field, oneof));
        }
        message
            .nested_type
            .iter()
            .for_each(|nested| self.message(&scope, nested));
        message
            .enum_type
            .iter()
            .for_each(|nested| self.enumeration(&scope, nested));
    }

    fn enumeration(&mut self, scope: &str, enumeration: &EnumDescriptorProto) {
        for value in &enumeration.value {
            self.lines.insert(format!(
                "value\t{scope}.{}.{}\t{}",
                enumeration.name(),
                value.name(),
                value.number()
            ));
        }
    }
}

fn field_line(scope: &str, field: &FieldDescriptorProto, oneof: &str) -> String {
    let label = match field.label() {
        Label::Optional => "optional",
        Label::Repeated => "repeated",
        Label::Required => "required",
    };
    let kind = match field.r#type() {
        Type::Message | Type::Enum => field.type_name().trim_start_matches('.').to_owned(),
        scalar => scalar
            .as_str_name()
            .trim_start_matches("TYPE_")
            .to_lowercase(),
    };
    let (name, number, json) = (field.name(), field.number(), field.json_name());
    format!("field\t{scope}.{name}\t{number}\t{label}\t{kind}\t{json}\t{oneof}")
}

fn lines(text: &str) -> BTreeSet<String> {
    text.lines().map(str::to_owned).collect()
}

#[test]
fn istio_messages_have_every_field_that_istios_own_types_have_and_no_other() {
    let ours = Listing::of_package("istio.").lines;
    let theirs = lines(ISTIO);
    assert!(theirs.len() > 300, "the listing is not empty by accident");
    let missing: Vec<_> = theirs
        .difference(&ours)
        .filter(|line| !line.contains(IN_PART))
        .collect();
    let wrong: Vec<_> = ours.difference(&theirs).collect();
    assert_eq!(
        missing,
        Vec::<&String>::new(),
        "missing in our .proto files"
    );
    assert_eq!(wrong, Vec::<&String>::new(), "not so in Istio");
}

#[test]
fn envoy_messages_declare_only_what_envoys_own_types_have() {
    let theirs = lines(ENVOY);
    let wrong: Vec<_> = Listing::of_package("envoy.")
        .lines
        .iter()
        .map(|line| as_envoy_has_it(line))
        .filter(|line| !theirs.contains(line))
        .collect();
    assert_eq!(wrong, Vec::<String>::new(), "not so in Envoy");
}

#[test]
fn an_error_on_the_wire_is_what_googles_own_type_is() {
    let ours = Listing::of_package("google.rpc").lines;
    let theirs: BTreeSet<_> = lines(ENVOY)
        .into_iter()
        .filter(|line| line.starts_with("field\tgoogle.rpc."))
        .collect();
    assert_eq!(ours, theirs);
}

fn as_envoy_has_it(line: &str) -> String {
    let name = line.split('\t').nth(1).unwrap();
    if STRUCT_FOR_ANY.contains(&name) {
        return line.replace("\tgoogle.protobuf.Struct\t", "\tgoogle.protobuf.Any\t");
    }
    line.to_owned()
}

#[test]
fn every_exception_is_still_a_struct_here() {
    let ours = Listing::of_package("envoy.").lines;
    for exception in STRUCT_FOR_ANY {
        let declared = format!("field\t{exception}\t");
        let line = ours
            .iter()
            .find(|line| line.starts_with(&declared))
            .unwrap();
        assert!(line.contains("google.protobuf.Struct"), "{line}");
    }
}

#[test]
fn enums_have_every_value_so_that_none_is_called_unknown() {
    let ours = Listing::of_package("envoy.").lines;
    let enums: BTreeSet<_> = ours.iter().filter_map(|line| enum_of(line)).collect();
    let missing: Vec<_> = ENVOY
        .lines()
        .filter(|line| enum_of(line).is_some_and(|name| enums.contains(name)))
        .filter(|line| !ours.contains(*line))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

fn enum_of(line: &str) -> Option<&str> {
    line.strip_prefix("value\t")?
        .split('\t')
        .next()?
        .rsplit_once('.')
        .map(|(name, _)| name)
}

#[test]
fn a_cluster_cannot_carry_the_setting_that_crashes_envoy() {
    let declared = "field\tenvoy.config.cluster.v3.Cluster.eds_cluster_config\t";
    assert!(
        lines(ENVOY).iter().any(|line| line.starts_with(declared)),
        "Envoy has it"
    );
    let ours = Listing::of_package("envoy.").lines;
    assert!(
        !ours.iter().any(|line| line.starts_with(declared)),
        "we do not"
    );
}
