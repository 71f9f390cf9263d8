//! The example that users start from: nothing to warn of, and nothing at all until Kafka is switched on.

use aeraki_core::settings::Settings;
use aeraki_testkit::golden::check_example;
use proto_kafka as _;

#[test]
fn the_example_is_clean_and_off_by_default() {
    check_example("kafka", &Settings::default(), &[]);
    let settings = Settings {
        enable_protocols: ["kafka".to_owned()].into(),
        ..Settings::default()
    };
    let names = [
        "istio-system/aeraki-outbound-events-0.platform.mesh-240.240.41.10-9092",
        "istio-system/aeraki-outbound-events-1.platform.mesh-240.240.41.11-9092",
        "istio-system/aeraki-outbound-events.platform.mesh-240.240.41.1-9092",
        "platform/aeraki-inbound-events.platform.mesh-9092",
    ];
    check_example("kafka", &settings, &names);
}
