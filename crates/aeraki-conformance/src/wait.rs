//! Waiting by looking.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{Instant, sleep};

/// Long enough for a machine that does other things too; nothing waits so long when all is well.
const DEADLINE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(30);

/// What a look found.
pub(crate) enum Seen<T> {
    /// What was waited for.
    There(T),
    /// Not yet, and how it is instead: it stands in the error if it stays so.
    Instead(String),
}

/// Looks until it is there. An error of the look ends the waiting.
pub(crate) async fn until<T>(what: &str, look: impl AsyncFn() -> Result<Seen<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        match look().await.with_context(|| what.to_owned())? {
            Seen::There(found) => return Ok(found),
            Seen::Instead(instead) if start.elapsed() > DEADLINE => {
                anyhow::bail!("{what}: not within {DEADLINE:?}; instead: {instead}")
            }
            Seen::Instead(_) => sleep(PAUSE).await,
        }
    }
}

/// Looks until it is so.
pub(crate) async fn until_so(what: &str, look: impl AsyncFn() -> Result<bool>) -> Result<()> {
    until(what, async || {
        Ok(if look().await? {
            Seen::There(())
        } else {
            Seen::Instead("it is not so".to_owned())
        })
    })
    .await
}
