//! Files and environment variables that a configuration refers to.
//!
//! The sidecar that a configuration is meant for has them; the machine that validates it does not.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde_json::Value;

const CONTENT: &str = "something";

/// Makes every file that `config` names, in `directory`, and points there. Returns the variables that it names.
pub(super) fn supply(
    config: &mut Value,
    directory: &Path,
) -> io::Result<BTreeMap<String, &'static str>> {
    let mut variables = BTreeMap::new();
    visit(config, directory, &mut variables)?;
    Ok(variables)
}

fn visit(
    value: &mut Value,
    directory: &Path,
    variables: &mut BTreeMap<String, &'static str>,
) -> io::Result<()> {
    match value {
        Value::Array(items) => items
            .iter_mut()
            .try_for_each(|item| visit(item, directory, variables)),
        Value::Object(fields) => {
            if let Some(Value::String(name)) = fields.get("environment_variable") {
                variables.insert(name.clone(), CONTENT);
            }
            if let Some(Value::String(name)) = fields.get_mut("filename") {
                let file = directory.join("source");
                fs::write(&file, CONTENT)?;
                *name = file.to_string_lossy().into_owned();
            }
            fields
                .values_mut()
                .try_for_each(|field| visit(field, directory, variables))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn named_files_exist_and_named_variables_are_told() {
        let directory = TempDir::new().unwrap();
        let mut config = json!([
            {"password": {"filename": "/etc/redis/password"}},
            {"user": {"environment_variable": "REDIS_USER"}},
        ]);
        let variables = supply(&mut config, directory.path()).unwrap();
        assert!(variables.contains_key("REDIS_USER"));
        let file = config[0]["password"]["filename"].as_str().unwrap();
        assert_eq!(fs::read_to_string(file).unwrap(), CONTENT);
    }
}
