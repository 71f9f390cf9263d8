//! A client that speaks another protocol than the port.

use anyhow::Result;
use serde_json::{Value, json};

use crate::case::Stage;
use crate::mesh::Pod;

/// What a web browser says, and no protocol of ours.
const HTTP: &str = "GET / HTTP/1.1\r\nHost: aeraki.test\r\n\r\n";

/// What a stranger gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) text: String,
    /// Whether the connection was ended.
    pub(crate) is_closed: bool,
}

/// Says something in HTTP to the case's first address, from this pod.
pub(crate) async fn speaks_http(stage: &Stage<'_>, pod: &Pod, port: u16) -> Result<Heard> {
    says(stage, pod, port, HTTP).await
}

/// The same in words of one's own.
pub(crate) async fn says(stage: &Stage<'_>, pod: &Pod, port: u16, words: &str) -> Result<Heard> {
    let stranger = stage.python(pod, "stranger", "stranger.py")?;
    let request = json!({"host": stage.vip(1), "port": port, "say": words});
    let mut answer = stranger.ask(&request).await?;
    Ok(Heard {
        text: match answer["heard"].take() {
            Value::String(text) => text,
            _ => String::new(),
        },
        is_closed: answer["closed"] == true,
    })
}
