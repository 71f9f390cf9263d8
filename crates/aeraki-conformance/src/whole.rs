//! What must hold over the whole run, whatever ran.

use anyhow::{Result, ensure};
use futures::FutureExt as _;

use crate::case::{Case, Stage, Turn};

mod dashboard;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "whole/no-proxy-refused-anything",
        proves: "every listener and cluster that Aeraki's filters led to was accepted by Envoy",
        turn: Turn::Last,
        run: |stage| nothing_refused(stage).boxed_local(),
    },
    Case {
        name: "whole/controller-logged-no-error",
        proves: "the controller had no trouble that it could not name as somebody's own",
        turn: Turn::Last,
        run: |stage| no_error(stage).boxed_local(),
    },
    Case {
        name: "whole/dashboard",
        proves: "with the settings of `docs/statistics.md` sidecars and controller publish all that the dashboard asks for",
        turn: Turn::Last,
        run: |stage| dashboard::finds_all_it_asks_for(stage).boxed_local(),
    },
    Case {
        name: "whole/nothing-is-left",
        proves: "with the last service its last EnvoyFilter goes",
        turn: Turn::Last,
        run: |stage| nothing_left(stage).boxed_local(),
    },
];

async fn nothing_refused(stage: &Stage<'_>) -> Result<()> {
    let mut refused = vec![];
    for pod in stage.pods().await {
        for manager in ["listener_manager.lds", "cluster_manager.cds"] {
            let counter = format!("{manager}.update_rejected");
            let count = pod.sidecar().stat(&counter).await?.unwrap_or_default();
            if count > 0 {
                refused.push(format!("{} has {counter} {count}", pod.name()));
            }
        }
    }
    ensure!(refused.is_empty(), "{}", refused.join(", "));
    Ok(())
}

async fn no_error(stage: &Stage<'_>) -> Result<()> {
    let mut log = stage.controller().log()?;
    ensure!(!log.is_empty(), "the controller has no log");
    log.retain(|line| line["level"] == "ERROR" && !stage.is_expected(line));
    ensure!(
        log.is_empty(),
        "{} errors, the first is {}",
        log.len(),
        log[0]
    );
    Ok(())
}

async fn nothing_left(stage: &Stage<'_>) -> Result<()> {
    stage.no_filters().await
}
