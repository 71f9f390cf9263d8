//! Which protocols are linked into a binary, by what the binary itself says.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::process::{capture, cargo};

/// Each is a feature of `aeraki-bin` and the name of a protocol.
const BUILT_IN: [&str; 5] = ["dubbo", "kafka", "redis", "thrift", "zookeeper"];

const BIN: [&str; 4] = ["run", "--quiet", "--package", "aeraki-bin"];
const LIST: [&str; 4] = ["--", "protocols", "-o", "json"];

pub(super) fn features() -> Result<()> {
    expect(&[], &["--no-default-features"])?;
    for protocol in BUILT_IN {
        expect(
            &[protocol],
            &["--no-default-features", "--features", protocol],
        )?;
    }
    expect(&BUILT_IN, &[])
}

/// The example is a stranger to this workspace's crates: its protocol must be one more.
pub(super) fn external() -> Result<()> {
    let names = listed(&["run", "--quiet", "--package", "external-protocol"], &[])?;
    for name in BUILT_IN {
        ensure!(
            names.contains(name),
            "the example lacks the built-in {name}: {names:?}"
        );
    }
    ensure!(
        names.len() > BUILT_IN.len(),
        "the example lists no protocol of its own: {names:?}"
    );
    Ok(())
}

fn expect(wanted: &[&str], flags: &[&str]) -> Result<()> {
    let names = listed(&BIN, flags)?;
    let wanted: BTreeSet<String> = wanted.iter().map(|&name| name.to_owned()).collect();
    ensure!(
        names == wanted,
        "with {flags:?}, {wanted:?} should be linked, and {names:?} are"
    );
    Ok(())
}

fn listed(run: &[&str], flags: &[&str]) -> Result<BTreeSet<String>> {
    let text = capture(cargo(run).arg("--locked").args(flags).args(LIST))?;
    names(&text).with_context(|| format!("`aeraki protocols -o json` prints {text}"))
}

/// Names in a list of objects, be it the whole answer or its field `protocols`.
fn names(text: &str) -> Result<BTreeSet<String>> {
    let answer: Value = serde_json::from_str(text)?;
    let list = answer.get("protocols").unwrap_or(&answer);
    let list = list.as_array().context("no list of protocols")?;
    list.iter()
        .map(|protocol| Ok(protocol["name"].as_str().context("no name")?.to_lowercase()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_both_forms_of_the_answer() {
        let list = r#"[{"name": "dubbo"}, {"name": "Redis"}]"#;
        let wanted = BTreeSet::from(["dubbo".to_owned(), "redis".to_owned()]);
        assert_eq!(names(list).unwrap(), wanted);
        assert_eq!(
            names(&format!("{{\"protocols\": {list}}}")).unwrap(),
            wanted
        );
    }

    #[test]
    fn answer_without_names_is_an_error_and_not_an_empty_set() {
        for text in ["", "{}", "[{}]", "[\"dubbo\"]"] {
            assert!(names(text).is_err(), "{text}");
        }
    }
}
