//! Asks istiod what its proxies refuse: some time after each write, and now and then.

use std::time::Duration;

use aeraki_xds::client::{Handle, SynczError};
use aeraki_xds::syncz::Rejection;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

/// From a write to the proxies' verdict: istiod merges pushes for up to a second, and proxies answer within another.
const SETTLE: Duration = Duration::from_secs(2);

/// Proxies come and go without our doing.
const NOW_AND_THEN: Duration = Duration::from_secs(30);

/// How long istiod may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tells what proxies refuse by now, whenever that is asked. `writes` changes with each write that was acknowledged.
pub(super) async fn ask(
    istiod: Handle,
    mut writes: watch::Receiver<u64>,
    told: mpsc::Sender<Vec<Rejection>>,
) {
    let mut is_unreadable = false;
    loop {
        match timeout(PATIENCE, istiod.rejections()).await {
            Ok(Ok(rejections)) => {
                is_unreadable = false;
                if told.send(rejections).await.is_err() {
                    return;
                }
            }
            Ok(Err(error @ SynczError::Unreadable(_))) => {
                if !std::mem::replace(&mut is_unreadable, true) {
                    let error = format!("{:#}", anyhow::Error::from(error));
                    warn!(error, "What proxies refuse cannot be told");
                }
            }
            // The stream's own trouble is told where the stream is.
            Ok(Err(error)) => debug!(%error, "No word of the proxies"),
            Err(_) => debug!("No word of the proxies in time"),
        }
        tokio::select! {
            changed = writes.changed() => {
                if changed.is_err() {
                    return;
                }
                sleep(SETTLE).await;
            }
            () = sleep(NOW_AND_THEN) => {}
        }
    }
}
