//! Golden cases: Istio config in, EnvoyFilters and diagnostics out, loaded by a real Envoy.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use aeraki_core::diagnostic::Severity;
use aeraki_testkit::render::Renderer;
use proto_zookeeper as _;

#[rstest::rstest]
fn golden(#[files("tests/cases/*.in.yaml")] case: PathBuf) {
    aeraki_testkit::golden::check(&case);
}

#[test]
fn the_example_comes_out_as_its_readme_says() {
    let golden = aeraki_testkit::golden::run(&example(&["coordination", "members", "partner"]));
    let warnings: Vec<_> = golden
        .diagnostics
        .iter()
        .filter(|found| found.severity > Severity::Info)
        .collect();
    assert!(warnings.is_empty(), "{warnings:?}");
    let names: Vec<String> = golden
        .engine
        .filters()
        .keys()
        .map(|key| key.to_string())
        .collect();
    assert_eq!(
        names,
        [
            "istio-system/aeraki-outbound-coordination-members.platform.svc.cluster.local-2181",
            "istio-system/aeraki-outbound-coordination.platform.svc.cluster.local-10.96.40.17-2181",
            "platform/aeraki-inbound-coordination.platform.svc.cluster.local-2181",
            "platform/aeraki-outbound-zk.partner.example.com-240.240.40.2-2181",
        ]
    );
    aeraki_testkit::golden::load(&golden.engine, &Renderer::default());
}

fn example(files: &[&str]) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/zookeeper");
    let read =
        |file: &&str| std::fs::read_to_string(directory.join(format!("{file}.yaml"))).unwrap();
    files.iter().map(read).collect::<Vec<_>>().join("---\n")
}
