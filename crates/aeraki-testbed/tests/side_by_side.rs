//! Beds beside each other, and what is left of one.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use aeraki_testbed::{Options, Testbed};

const CONFIG_MAP: &str = "v1/ConfigMap";

fn config_map(value: &str) -> String {
    format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: mine}}, data: {{of: {value}}}}}")
}

async fn value_in(bed: &Testbed) -> anyhow::Result<String> {
    let found = bed
        .cluster()
        .await?
        .get(CONFIG_MAP, "default", "mine")
        .await?;
    let found = found.expect("it was applied");
    Ok(found["data"]["of"].as_str().unwrap_or_default().to_owned())
}

/// Processes whose command line names the directory.
fn processes_of(directory: &Path) -> Vec<String> {
    let directory = directory.to_string_lossy();
    let processes = std::fs::read_dir("/proc").unwrap();
    let lines = processes.filter_map(|entry| {
        let line = std::fs::read_to_string(entry.ok()?.path().join("cmdline"));
        line.ok()
    });
    lines.filter(|line| line.contains(&*directory)).collect()
}

#[tokio::test]
async fn beds_share_nothing_survive_a_stop_of_the_api_server_and_leave_nothing() {
    let start = || Testbed::start(Options::default().without_istiod());
    let (one, two) = tokio::try_join!(start(), start()).unwrap();
    for (bed, value) in [(&one, "one"), (&two, "two")] {
        let cluster = bed.cluster().await.unwrap();
        cluster.apply(&config_map(value)).await.unwrap();
    }
    one.stop_apiserver().unwrap();
    assert!(value_in(&one).await.is_err());
    assert_eq!(value_in(&two).await.unwrap(), "two");
    one.start_apiserver().await.unwrap();
    assert_eq!(value_in(&one).await.unwrap(), "one");

    let directory = one.directory().to_owned();
    let address: SocketAddr = one.apiserver_url()["https://".len()..].parse().unwrap();
    assert!(processes_of(&directory).len() >= 2);
    drop(one);
    assert!(!directory.exists());
    assert_eq!(processes_of(&directory), Vec::<String>::new());
    assert!(TcpListener::bind(address).is_ok());
    assert_eq!(value_in(&two).await.unwrap(), "two");
}
