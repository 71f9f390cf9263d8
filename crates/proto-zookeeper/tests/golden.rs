//! Golden cases: Istio config in, EnvoyFilters and diagnostics out, loaded by a real Envoy.

use std::path::PathBuf;

use proto_zookeeper as _;

#[rstest::rstest]
fn golden(#[files("tests/cases/*.in.yaml")] case: PathBuf) {
    aeraki_testkit::golden::check(&case);
}
