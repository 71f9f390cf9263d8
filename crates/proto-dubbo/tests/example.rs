//! The example that users start from: nothing to warn of, and loaded by a real Envoy.

use aeraki_core::settings::Settings;
use aeraki_testkit::golden::check_example;
use proto_dubbo as _;

#[test]
fn the_example_is_clean_and_loads() {
    let names = [
        "istio-system/aeraki-outbound-com.acme.orders.orderservice-240.240.20.11-20880",
        "istio-system/aeraki-outbound-inventory.shop.svc.cluster.local-10.96.20.15-20880",
        "shop/aeraki-inbound-com.acme.orders.orderservice-20880",
        "shop/aeraki-inbound-inventory.shop.svc.cluster.local-20880",
    ];
    check_example("dubbo", &Settings::default(), &names);
}
