//! A bed with all its servers, shared by the tests of this file.

use aeraki_testbed::{Options, Testbed};
use tokio::sync::OnceCell;

static BED: OnceCell<Testbed> = OnceCell::const_new();

async fn bed() -> &'static Testbed {
    let start = || Testbed::start(Options::default());
    BED.get_or_try_init(start).await.expect("the bed starts")
}

const SERVICE_ENTRY: &str = "networking.istio.io/v1/ServiceEntry";

#[tokio::test]
async fn applied_object_is_read_back_listed_and_deleted() {
    let cluster = bed().await.cluster().await.unwrap();
    cluster
        .apply(
            "\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: orders}
spec:
  hosts: [orders.example]
  ports: [{number: 20880, name: tcp-dubbo-orders, protocol: TCP}]
  resolution: NONE
",
        )
        .await
        .unwrap();
    let found = cluster.get(SERVICE_ENTRY, "default", "orders").await;
    let found = found.unwrap().expect("it was applied");
    assert_eq!(found["spec"]["hosts"][0], "orders.example");
    assert_eq!(cluster.list(SERVICE_ENTRY, "").await.unwrap().len(), 1);
    let delete = || cluster.delete(SERVICE_ENTRY, "default", "orders");
    assert!(delete().await.unwrap());
    assert!(!delete().await.unwrap());
}
