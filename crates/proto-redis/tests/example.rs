//! The example that users start from: nothing to warn of, and loaded by a real Envoy.

use aeraki_core::settings::Settings;
use aeraki_testkit::golden::check_example;
use proto_redis as _;

#[test]
fn the_example_is_clean_and_loads() {
    let names = [
        "billing/aeraki-outbound-redis.eu.example.com-240.240.64.1-6379",
        "istio-system/aeraki-outbound-cache.shop.svc.cluster.local-10.96.64.11-6379",
        "istio-system/aeraki-outbound-carts.shop.svc.cluster.local-10.96.64.13-6379",
        "istio-system/aeraki-outbound-sessions.shop.svc.cluster.local-10.96.64.12-6379",
    ];
    check_example("redis", &Settings::default(), &names);
}
