//! The example that users start from: nothing to warn of, and loaded by a real Envoy.

use aeraki_core::settings::Settings;
use aeraki_testkit::golden::check_example;
use proto_thrift as _;

#[test]
fn the_example_is_clean_and_loads() {
    let names = [
        "istio-system/aeraki-outbound-directory.social.example.com-240.240.30.4-9090",
        "istio-system/aeraki-outbound-greeter.social.svc.cluster.local-10.96.30.9-9090",
        "social/aeraki-inbound-directory.social.example.com-9090",
        "social/aeraki-inbound-greeter.social.svc.cluster.local-9090",
    ];
    check_example("thrift", &Settings::default(), &names);
}
