//! The CRDs of the protocols that this binary speaks.
//!
//! They are made of the types that the protocols read. `deploy/crds` and the chart hold copies, for those who install
//! without this binary.

use aeraki_core::registry::Registry;
use serde_json::Value;

/// Every CRD, by name.
pub(super) fn of(registry: &Registry) -> Vec<Value> {
    let definitions = registry.inputs().filter_map(|input| input.crd);
    let mut crds: Vec<Value> = definitions.map(|definition| definition()).collect();
    crds.sort_by(|a, b| name(a).cmp(name(b)));
    crds
}

fn name(crd: &Value) -> &str {
    crd["metadata"]["name"].as_str().unwrap_or_default()
}

#[cfg(all(test, feature = "all"))]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::{docs, linked};

    const COPIES: [&str; 2] = ["deploy/crds", "deploy/charts/aeraki/files/crds"];
    const HEAD: &str = "# Generated from the types in Rust; a test holds it to them.\n";

    fn crds() -> Vec<Value> {
        of(&linked::registry().expect("no two protocols claim one name"))
    }

    fn file_name(crd: &Value) -> String {
        let plural = crd["spec"]["names"]["plural"].as_str();
        format!("{}.yaml", plural.expect("every CRD has a plural"))
    }

    #[test]
    fn the_copies_say_what_the_types_say() {
        for crd in crds() {
            let text = format!("{HEAD}{}", aeraki_file::to_yaml_value(&crd));
            for directory in COPIES {
                docs::check(&format!("{directory}/{}", file_name(&crd)), &text);
            }
        }
    }

    #[test]
    fn the_kustomization_lists_each_of_them_and_nothing_else() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let text = std::fs::read_to_string(root.join("deploy/crds/kustomization.yaml")).unwrap();
        let kustomization: Value = serde_saphyr::from_str(&text).unwrap();
        let names: Vec<String> = crds().iter().map(file_name).collect();
        assert_eq!(kustomization["resources"], json!(names));
        for directory in COPIES {
            let files = std::fs::read_dir(root.join(directory)).unwrap();
            let mut found: Vec<String> = files
                .map(|file| file.unwrap().file_name().into_string().unwrap())
                .filter(|name| name != "kustomization.yaml")
                .collect();
            found.sort();
            assert_eq!(found, names, "{directory}");
        }
    }
}
