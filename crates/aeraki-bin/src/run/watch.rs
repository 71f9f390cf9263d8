//! The loop of `aeraki run`: a change of files, a look at them, until a signal ends it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use aeraki_file::{Pace, Roots, Watch};
use anyhow::{Context as _, Result, bail};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tracing::{info, warn};

use super::keeper::Keeper;
use super::signals::End;

/// An editor or `cp` writes a file in several steps, and half a file can be good YAML: so it waits until a file is quiet.
const SETTLE: Duration = Duration::from_millis(50);

pub(super) fn run(roots: &Roots, keeper: Keeper) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(keep(roots, keeper))
}

async fn keep(roots: &Roots, mut keeper: Keeper) -> Result<ExitCode> {
    // Signals are caught before anything is written, and changes watched before anything is read.
    let mut end = End::new().context("signals cannot be caught")?;
    let (sender, mut changes) = unbounded_channel();
    let pace = Pace {
        settle: SETTLE,
        ..Pace::default()
    };
    let watch = Watch::start(roots, pace, {
        // Fails only when the loop has ended.
        move |touched| drop(sender.send(touched))
    });
    if let Some(trouble) = watch.trouble() {
        let seconds = pace.interval.as_secs();
        warn!(trouble, seconds, "Looking at the files at intervals only");
    }
    keeper.start()?;
    loop {
        tokio::select! {
            signal = end.signal() => {
                info!(signal, "Ending");
                return Ok(ExitCode::SUCCESS);
            }
            touched = changes.recv() => {
                let Some(touched) = touched else { bail!("the watch over the files has ended") };
                keeper.look(&merged(touched, &mut changes));
            }
            () = until(keeper.due()) => keeper.look(&BTreeSet::new()),
        }
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

/// What changed while an earlier change was worked on is one change.
fn merged(
    mut touched: BTreeSet<PathBuf>,
    changes: &mut UnboundedReceiver<BTreeSet<PathBuf>>,
) -> BTreeSet<PathBuf> {
    while let Ok(more) = changes.try_recv() {
        touched.extend(more);
    }
    touched
}
