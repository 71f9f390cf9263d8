//! Golden files that another implementation writes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::process::{command, execute, require, root};

/// Istio's own Go module writes the golden files of `aeraki-api` anew, from the committed YAML, and
/// they must come out the same: no file more, none less, none different.
pub(super) fn go() -> Result<()> {
    require("go", &["version"], "golang-go")?;
    let tests = root().join("crates/aeraki-api/tests");
    let golden = files(&tests.join("golden"))?;
    let out = root().join("target/golden-go");
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    for (path, bytes) in golden.iter().filter(|(path, _)| is_input(path)) {
        let copy = out.join(path);
        fs::create_dir_all(copy.parent().expect("the path was joined"))?;
        fs::write(copy, bytes)?;
    }
    execute(
        command("go")
            .args(["run", ".", "-out"])
            .arg(&out)
            .current_dir(tests.join("go")),
    )?;
    compare(&golden, &files(&out)?)
}

fn is_input(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "yaml")
}

fn compare(
    committed: &BTreeMap<PathBuf, Vec<u8>>,
    written: &BTreeMap<PathBuf, Vec<u8>>,
) -> Result<()> {
    ensure!(
        written.keys().any(|path| !is_input(path)),
        "the Go program has written nothing"
    );
    let either = committed.iter().chain(written);
    let mut differing: Vec<String> = either
        .filter(|(path, _)| committed.get(*path) != written.get(*path))
        .map(|(path, _)| path.display().to_string())
        .collect();
    differing.sort();
    differing.dedup();
    ensure!(
        differing.is_empty(),
        "committed and newly written golden files differ: {}",
        differing.join(", ")
    );
    println!("  {} files are the same", written.len());
    Ok(())
}

/// Every file below a directory, by its path there.
fn files(directory: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        let entries =
            fs::read_dir(&next).with_context(|| format!("cannot read {}", next.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path
                    .strip_prefix(directory)
                    .expect("it was found below")
                    .to_owned();
                found.insert(name, fs::read(&path)?);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> BTreeMap<PathBuf, Vec<u8>> {
        files
            .iter()
            .map(|(path, text)| (path.into(), text.as_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn file_more_or_less_or_different_is_an_error() {
        let committed = tree(&[("a.yaml", "y"), ("a.bin", "1"), ("b.bin", "2")]);
        assert!(compare(&committed, &committed).is_ok());
        for written in [
            tree(&[("a.yaml", "y"), ("a.bin", "1")]),
            tree(&[("a.yaml", "y"), ("a.bin", "1"), ("b.bin", "3")]),
            tree(&[
                ("a.yaml", "y"),
                ("a.bin", "1"),
                ("b.bin", "2"),
                ("c.bin", "4"),
            ]),
        ] {
            assert!(compare(&committed, &written).is_err());
        }
    }

    #[test]
    fn program_that_writes_nothing_is_an_error() {
        let inputs = tree(&[("a.yaml", "y")]);
        assert!(compare(&inputs, &inputs).is_err());
    }
}
