//! The tasks that must live. Where one ends, everything does.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use futures::FutureExt as _;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tracing::debug;

/// How long the other ends are waited for once one is seen. Who lives on a task may be seen to end before it: what they
/// share is dropped while it still unwinds.
const OTHERS: Duration = Duration::from_millis(250);

/// All of them, each with its name.
#[derive(Debug, Default)]
pub(super) struct Tasks(JoinSet<(&'static str, Result<()>)>);

impl Tasks {
    /// Starts one that cannot fail.
    pub(super) fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        self.try_spawn(name, async {
            task.await;
            Ok(())
        });
    }

    /// Starts one that may fail. Its panic is a failure too.
    pub(super) fn try_spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = Result<()>> + Send + 'static,
    ) {
        debug!(name, "Task started");
        // Nothing of the task is used after its panic but the name.
        let task = AssertUnwindSafe(failpoint::around(name, task)).catch_unwind();
        self.0.spawn(async move {
            // What it said, the panic hook has said.
            let result = task
                .await
                .unwrap_or_else(|_| Err(anyhow!("it has panicked")));
            (name, result)
        });
    }

    /// Waits for the first one that ends, and for a moment for those which end with it; that is always an error, and
    /// names all of them.
    pub(super) async fn ended(&mut self) -> Result<()> {
        let Some(first) = self.0.join_next().await else {
            bail!("there is no task");
        };
        let mut ends = vec![sentence(first)];
        let others = async {
            while let Some(other) = self.0.join_next().await {
                ends.push(sentence(other));
            }
        };
        // Most tasks never end, so this mostly takes all of its time.
        let _all = timeout(OTHERS, others).await;
        bail!(ends.join("; "))
    }

    /// Waits for the end of this one, whatever others do meanwhile.
    pub(super) async fn end_of(&mut self, name: &str) -> Result<()> {
        while let Some(ended) = self.0.join_next().await {
            match ended {
                Ok((which, result)) if which == name => return result,
                // Those who live on it end with it.
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// What the end of a task means to all.
fn sentence(ended: Result<(&'static str, Result<()>), JoinError>) -> String {
    match ended {
        Ok((name, Ok(()))) => format!("the task `{name}` has ended, which it never should"),
        Ok((name, Err(error))) => format!("the task `{name}` has failed: {error:#}"),
        Err(error) => format!("a task has failed: {error}"),
    }
}

/// Ends a task before its time, for tests of the whole command. No release has it.
#[cfg(debug_assertions)]
mod failpoint {
    use super::*;

    /// `end:<task>` or `panic:<task>`.
    const VARIABLE: &str = "AERAKI_FAILPOINT";

    /// The task, unless the environment says that it must end; it does when it would be waiting for the first time.
    pub(super) async fn around(
        name: &'static str,
        task: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        let asked = std::env::var(VARIABLE).unwrap_or_default();
        // It panics with all that it holds, as a task does: a backtrace takes long, and nobody sees anything before it.
        let mut task = std::pin::pin!(task);
        match asked.split_once(':') {
            Some((how, which)) if which == name => tokio::select! {
                biased;
                ended = &mut task => ended,
                () = tokio::task::yield_now() => {
                    assert!(how != "panic", "as the failpoint says");
                    Ok(())
                }
            },
            _ => task.await,
        }
    }
}

#[cfg(not(debug_assertions))]
mod failpoint {
    pub(super) async fn around<T>(_: &'static str, task: impl Future<Output = T>) -> T {
        task.await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_end_names_the_task() {
        let mut tasks = Tasks::default();
        tasks.spawn("quiet", std::future::pending());
        tasks.spawn("short", async {});
        let error = tasks.ended().await.unwrap_err();
        assert!(error.to_string().contains("`short`"), "{error}");
    }

    #[tokio::test]
    async fn a_panic_names_the_task() {
        let mut tasks = Tasks::default();
        tasks.spawn("quiet", std::future::pending());
        tasks.spawn("loud", async { panic!("no") });
        let error = tasks.ended().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the task `loud` has failed: it has panicked"
        );
    }

    #[tokio::test]
    async fn who_ends_because_of_another_does_not_hide_it() {
        let mut tasks = Tasks::default();
        let (shared, lives_on_it) = tokio::sync::oneshot::channel::<()>();
        let (end, ends) = tokio::sync::oneshot::channel::<()>();
        tasks.spawn("cause", async move {
            drop(shared);
            // The other is seen to end first, as it is where this one takes long to unwind.
            drop(ends.await);
            panic!("no")
        });
        tasks.spawn("consequence", async move {
            drop(lives_on_it.await);
            drop(end);
        });
        let error = tasks.ended().await.unwrap_err().to_string();
        assert!(
            error.starts_with("the task `consequence` has ended"),
            "{error}"
        );
        assert!(
            error.contains("`cause` has failed: it has panicked"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn the_end_of_one_is_waited_for_whoever_else_ends() {
        let mut tasks = Tasks::default();
        tasks.spawn("first", async {});
        tasks.spawn("second", tokio::task::yield_now());
        tasks.end_of("second").await.unwrap();
    }
}
