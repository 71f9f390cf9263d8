//! The tasks that must live. Where one ends, everything does.

use std::future::Future;

use anyhow::{Context as _, Result, bail};
use tokio::task::JoinSet;
use tracing::debug;

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

    /// Starts one that may fail.
    pub(super) fn try_spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = Result<()>> + Send + 'static,
    ) {
        debug!(name, "Task started");
        let task = failpoint::around(name, task);
        self.0.spawn(async move { (name, task.await) });
    }

    /// Waits for the first one that ends; that is always an error.
    pub(super) async fn ended(&mut self) -> Result<()> {
        match self.0.join_next().await {
            Some(Ok((name, Ok(())))) => bail!("the task `{name}` has ended, which it never should"),
            Some(Ok((name, Err(error)))) => {
                Err(error).context(format!("the task `{name}` has failed"))
            }
            Some(Err(panic)) => Err(panic).context("a task has panicked"),
            None => bail!("there is no task"),
        }
    }

    /// Waits for the end of this one, whatever others do meanwhile.
    pub(super) async fn end_of(&mut self, name: &str) -> Result<()> {
        while let Some(ended) = self.0.join_next().await {
            match ended {
                Ok((which, result)) if which == name => return result,
                // Those who live on it end with it.
                Ok(_) => {}
                Err(panic) => return Err(panic).context("a task has panicked"),
            }
        }
        Ok(())
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
        match asked.split_once(':') {
            Some((how, which)) if which == name => tokio::select! {
                biased;
                ended = task => ended,
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
    async fn a_panic_is_an_end() {
        let mut tasks = Tasks::default();
        tasks.spawn("loud", async { panic!("no") });
        assert!(tasks.ended().await.is_err());
    }

    #[tokio::test]
    async fn the_end_of_one_is_waited_for_whoever_else_ends() {
        let mut tasks = Tasks::default();
        tasks.spawn("first", async {});
        tasks.spawn("second", tokio::task::yield_now());
        tasks.end_of("second").await.unwrap();
    }
}
