//! A mesh of any size: each service has a ServiceEntry, a VirtualService with three routes and a DestinationRule.

use std::sync::Arc;

use aeraki_api::Cr;
use aeraki_api::networking::{DestinationRule, ServiceEntry, VirtualService};
use aeraki_core::object::Object;
use serde_json::json;

fn host(n: usize) -> String {
    format!("com.acme.service{n}.api")
}

fn service_entry(n: usize) -> Object {
    let (high, low) = (n / 250, n % 250 + 1);
    let spec: ServiceEntry = serde_json::from_value(json!({
        "hosts": [host(n)], "addresses": [format!("240.240.{high}.{low}")], "resolution": "STATIC",
        "ports": [{"number": 20880, "name": "tcp-dubbo", "protocol": "TCP"}],
        "workloadSelector": {"labels": {"app": format!("service{n}")}},
    }))
    .expect("a ServiceEntry");
    let mut entry = Cr::new(format!("service{n}"), "shop", spec);
    entry.metadata.annotations = [("interface".to_owned(), format!("com.acme.Service{n}"))].into();
    Object::from(entry)
}

pub(crate) fn virtual_service(n: usize, method: &str) -> Object {
    let to = |subset: &str, weight: u32| json!({"destination": {"host": host(n), "subset": subset}, "weight": weight});
    let spec: VirtualService = serde_json::from_value(json!({
        "hosts": [host(n)],
        "http": [
            {"match": [{"method": {"exact": method}}], "route": [to("v2", 0)]},
            {"match": [{"headers": {"tenant": {"exact": "gold"}}}], "route": [to("v1", 0)]},
            {"route": [to("v1", 90), to("v2", 10)]},
        ],
    }))
    .expect("a VirtualService");
    Object::from(Cr::new(format!("service{n}"), "shop", spec))
}

fn destination_rule(n: usize) -> Object {
    let spec: DestinationRule = serde_json::from_value(json!({
        "host": host(n), "subsets": [{"name": "v1"}, {"name": "v2"}],
    }))
    .expect("a DestinationRule");
    Object::from(Cr::new(format!("service{n}"), "shop", spec))
}

pub(crate) fn mesh(size: usize) -> Vec<Arc<Object>> {
    (0..size)
        .flat_map(|n| {
            [
                service_entry(n),
                virtual_service(n, "createOrder"),
                destination_rule(n),
            ]
        })
        .map(Arc::new)
        .collect()
}
