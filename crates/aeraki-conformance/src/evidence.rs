//! What is kept of a case that failed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::Value;

use crate::case::Stage;
use crate::mesh::Mesh;

/// Puts everything of use into a directory of the case, which is made anew.
pub(crate) async fn keep(
    stage: &Stage<'_>,
    output: &Path,
    error: &anyhow::Error,
) -> Result<PathBuf> {
    let directory = output.join(stage.case());
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    fs::create_dir_all(&directory)?;
    fs::write(directory.join("reason.txt"), format!("{error:?}\n"))?;
    let objects = Value::from(stage.objects().await?);
    let objects = serde_json::to_string_pretty(&objects)?;
    fs::write(directory.join("objects.json"), objects)?;
    proxies(stage, &directory).await?;
    for entry in fs::read_dir(stage.logs())? {
        let entry = entry?;
        fs::copy(entry.path(), directory.join(entry.file_name()))?;
    }
    Ok(directory)
}

async fn proxies(mesh: &Mesh, directory: &Path) -> Result<()> {
    for pod in mesh.pods().await {
        let sidecar = pod.sidecar();
        for (page, ending) in [
            ("/config_dump?include_eds", "config.json"),
            ("/stats?usedonly", "stats.txt"),
            ("/clusters", "clusters.txt"),
        ] {
            let file = directory.join(format!("{}.{ending}", pod.name()));
            // A proxy that is gone is what the case may have failed of.
            let text = sidecar.page(page).await;
            fs::write(file, text.unwrap_or_else(|error| format!("{error:#}\n")))?;
        }
    }
    Ok(())
}
