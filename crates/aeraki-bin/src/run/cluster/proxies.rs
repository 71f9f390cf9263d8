//! Asks istiod about its proxies: what they refuse, some time after each write, and now and then; and now and then what
//! they publish, which no write of ours changes.

use std::time::Duration;

use aeraki_xds::client::{Handle, TellError};
use aeraki_xds::mesh::StatsMatcher;
use aeraki_xds::syncz::Rejection;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, warn};

/// From a write to the proxies' verdict: istiod merges pushes for up to a second, and proxies answer within another.
const SETTLE: Duration = Duration::from_secs(2);

/// Proxies come and go without our doing, and people change their settings.
const NOW_AND_THEN: Duration = Duration::from_secs(30);

/// How long istiod may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What istiod tells of its proxies.
#[derive(Debug)]
pub(super) enum Told {
    /// What they refuse by now.
    Rejections(Vec<Rejection>),
    /// Which statistics they publish.
    Published(StatsMatcher),
}

/// Tells what istiod does, whenever that is asked. `writes` changes with each write that was acknowledged.
pub(super) async fn ask(
    istiod: Handle,
    mut writes: watch::Receiver<u64>,
    told: mpsc::Sender<Told>,
) {
    let (mut refused, mut published) = (Question::default(), Question::default());
    let mut asked_what_they_publish: Option<Instant> = None;
    // Whether anybody listens still.
    let tell = async |answer: Option<Told>| match answer {
        Some(answer) => told.send(answer).await.is_ok(),
        None => true,
    };
    loop {
        let rejections = timeout(PATIENCE, istiod.rejections()).await;
        let rejections = refused.answer("What proxies refuse", rejections);
        if !tell(rejections.map(Told::Rejections)).await {
            return;
        }
        if asked_what_they_publish.is_none_or(|asked| asked.elapsed() >= NOW_AND_THEN) {
            asked_what_they_publish = Some(Instant::now());
            let matcher = timeout(PATIENCE, istiod.stats_matcher()).await;
            let matcher = published.answer("What proxies publish", matcher);
            if !tell(matcher.map(Told::Published)).await {
                return;
            }
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

/// Whether people have heard that answers to it cannot be read.
#[derive(Default)]
struct Question {
    is_unreadable: bool,
}

impl Question {
    /// The answer, if there is one; why there is none is logged.
    fn answer<T, E>(&mut self, about: &str, answer: Result<Result<T, TellError>, E>) -> Option<T> {
        match answer {
            Ok(Ok(told)) => {
                self.is_unreadable = false;
                return Some(told);
            }
            Ok(Err(error)) if error.is_unreadable() => {
                if !std::mem::replace(&mut self.is_unreadable, true) {
                    let error = format!("{:#}", anyhow::Error::from(error));
                    warn!(error, "{about} cannot be told");
                }
            }
            // The stream's own trouble is told where the stream is.
            Ok(Err(error)) => debug!(%error, "{about}: no word"),
            Err(_) => debug!("{about}: no word in time"),
        }
        None
    }
}
