//! Compiles `proto/` to Rust: prost for the wire form, pbjson for the JSON form.
//!
//! Istio's messages are written in camelCase, as Kubernetes objects are; Envoy's in snake_case, as
//! people write Envoy configuration. Both readers accept both.
//!
//! The third product is a table of the fields of Istio's messages, see `src/schema.rs`.

#[path = "build/schema.rs"]
mod schema;

use std::path::PathBuf;
use std::{env, error::Error, fs};

use prost::Message as _;

const FILES: &[&str] = &[
    "istio/mcp.proto",
    "istio/networking.proto",
    "istio/selector.proto",
    "envoy/cluster.proto",
    "envoy/core.proto",
    "envoy/discovery.proto",
    "envoy/dubbo.proto",
    "envoy/endpoint.proto",
    "envoy/kafka.proto",
    "envoy/matcher.proto",
    "envoy/redis.proto",
    "envoy/redis_cluster.proto",
    "envoy/route.proto",
    "envoy/thrift.proto",
    "envoy/type.proto",
    "envoy/zookeeper.proto",
    "google/rpc/status.proto",
];

/// Google's well-known types, as this crate has them. Wrappers are the plain number or flag: both
/// prost and serde know these in the right form.
const WELL_KNOWN: &[(&str, &str)] = &[
    (".google.protobuf.Any", "crate::mcp::Any"),
    (".google.protobuf.BoolValue", "bool"),
    (".google.protobuf.DoubleValue", "f64"),
    (".google.protobuf.Duration", "crate::Duration"),
    (".google.protobuf.Struct", "crate::JsonStruct"),
    (".google.protobuf.Timestamp", "crate::Timestamp"),
    (".google.protobuf.UInt32Value", "u32"),
];

/// Fields that few objects set and that are large: behind a pointer, so that the others do not carry their room.
const RARE: &[&str] = &[
    "DestinationRule.traffic_policy",
    "Subset.traffic_policy",
    "TrafficPolicy.load_balancer",
    "TrafficPolicy.connection_pool",
    "TrafficPolicy.outlier_detection",
    "TrafficPolicy.tls",
    "TrafficPolicy.tunnel",
    "TrafficPolicy.retry_budget",
    "TrafficPolicy.PortTrafficPolicy.load_balancer",
    "TrafficPolicy.PortTrafficPolicy.connection_pool",
    "TrafficPolicy.PortTrafficPolicy.outlier_detection",
    "TrafficPolicy.PortTrafficPolicy.tls",
    "HTTPRoute.redirect",
    "HTTPRoute.rewrite",
    "HTTPRoute.retries",
    "HTTPRoute.fault",
    "HTTPRoute.mirror",
    "HTTPRoute.cors_policy",
    "HTTPRoute.headers",
    "HTTPRoute.delegate",
    "HTTPRoute.direct_response",
    "HTTPRouteDestination.headers",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    println!("cargo::rerun-if-changed=build");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).open_files(FILES)?;
    let descriptors = compiler.file_descriptor_set();
    let bytes = descriptors.encode_to_vec();
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    fs::write(out.join("descriptors.bin"), &bytes)?;

    fs::write(
        out.join("schema.rs"),
        schema::tables(&descriptors, "istio."),
    )?;

    let mut wire = prost_build::Config::new();
    wire.compile_well_known_types()
        .enable_type_names()
        .type_name_domain(["."], "type.googleapis.com")
        .btree_map(["."]);
    for (message, rust) in WELL_KNOWN {
        wire.extern_path(*message, *rust);
    }
    for field in RARE {
        wire.boxed(format!(".istio.networking.v1alpha3.{field}"));
    }
    wire.compile_fds(descriptors)?;

    json(&bytes)?.build(&[".istio.networking", ".istio.type"])?;
    json(&bytes)?.preserve_proto_field_names().build(&[
        ".envoy.config",
        ".envoy.extensions",
        ".envoy.type",
    ])?;
    Ok(())
}

fn json(descriptors: &[u8]) -> Result<pbjson_build::Builder, Box<dyn Error>> {
    let mut builder = pbjson_build::Builder::new();
    builder
        .register_descriptors(descriptors)?
        .ignore_unknown_fields()
        .btree_map(["."]);
    for (message, rust) in WELL_KNOWN {
        builder.extern_path(*message, *rust);
    }
    Ok(builder)
}
