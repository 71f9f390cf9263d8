//! The example that users start from: nothing to warn of, and loaded by a real Envoy.

use aeraki_core::settings::Settings;
use aeraki_testkit::golden::check_example;
use proto_zookeeper as _;

#[test]
fn the_example_is_clean_and_loads() {
    let names = [
        "istio-system/aeraki-outbound-coordination-members.platform.svc.cluster.local-2181",
        "istio-system/aeraki-outbound-coordination.platform.svc.cluster.local-10.96.40.17-2181",
        "platform/aeraki-inbound-coordination.platform.svc.cluster.local-2181",
        "platform/aeraki-outbound-zk.partner.example.com-240.240.40.2-2181",
    ];
    check_example("zookeeper", &Settings::default(), &names);
}
