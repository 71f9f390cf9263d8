//! Waiting until a server answers, or has ended, or takes too long.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

use crate::process::Process;

/// A busy machine takes a minute where an idle one takes seconds; this is for what hangs.
const DEADLINE: Duration = Duration::from_secs(240);
const PAUSE: Duration = Duration::from_millis(50);

/// Asks again and again until the answer is yes. An end of `process` is an error with its last words.
pub(crate) async fn ready(process: &mut Process, probe: impl AsyncFn() -> bool) -> Result<()> {
    let start = Instant::now();
    loop {
        if probe().await {
            return Ok(());
        }
        if let Some(status) = process.ended()? {
            bail!(
                "{} has ended ({status}):\n{}",
                process.name(),
                process.last_words()
            );
        }
        if start.elapsed() > DEADLINE {
            bail!(
                "{} is not ready after {DEADLINE:?}:\n{}",
                process.name(),
                process.last_words()
            );
        }
        sleep(PAUSE).await;
    }
}

/// Asks again and again until there is an answer; `what` is for the error.
pub(crate) async fn eventually<T>(
    what: &str,
    probe: impl AsyncFn() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = probe().await? {
            return Ok(answer);
        }
        if start.elapsed() > DEADLINE {
            bail!("{what}: not within {DEADLINE:?}");
        }
        sleep(PAUSE).await;
    }
}
