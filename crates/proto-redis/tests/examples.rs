//! The examples are what the documentation says of them.

use std::fs;
use std::path::Path;

use aeraki_core::diagnostic::Severity;
use aeraki_testkit::golden;
use proto_redis as _;

#[test]
fn the_examples_draw_no_warning_and_load_in_envoy() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/redis");
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    let texts: Vec<String> = files
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let golden = golden::run(&texts.join("\n---\n"));
    for diagnostic in &golden.diagnostics {
        assert_eq!(diagnostic.severity, Severity::Info, "{diagnostic}");
    }
    let names: Vec<String> = golden
        .engine
        .filters()
        .keys()
        .map(std::string::ToString::to_string)
        .collect();
    assert_eq!(
        names,
        [
            "billing/aeraki-outbound-redis.eu.example.com-240.240.64.1-6379",
            "istio-system/aeraki-outbound-cache.shop.svc.cluster.local-10.96.64.11-6379",
            "istio-system/aeraki-outbound-carts.shop.svc.cluster.local-10.96.64.13-6379",
            "istio-system/aeraki-outbound-sessions.shop.svc.cluster.local-10.96.64.12-6379",
        ]
    );
    golden::load(&golden.engine, &aeraki_testkit::render::Renderer::default());
}
