//! The objects of `deploy/base`, and the few things that differ from one installation to the next.

use serde_json::{Value, json};

macro_rules! files {
    ($directory:literal: $($file:literal),+ $(,)?) => {
        [$((
            $file,
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/", $directory, "/", $file)),
        )),+]
    };
}

/// In the order of `kustomization.yaml`.
const BASE: [(&str, &str); 8] = files!("base":
    "service-account.yaml",
    "cluster-role.yaml",
    "cluster-role-binding.yaml",
    "role.yaml",
    "role-binding.yaml",
    "service.yaml",
    "deployment.yaml",
    "pod-disruption-budget.yaml",
);

const MIGRATION: [(&str, &str); 2] = files!("components/migrate-from-go":
    "role.yaml",
    "role-binding.yaml",
);

const SECRETS: [(&str, &str); 2] = files!("components/secrets":
    "role.yaml",
    "role-binding.yaml",
);

/// What one installation has of its own. Nothing given leaves the base as it is.
pub(super) struct Installation<'a> {
    pub(super) namespace: &'a str,
    pub(super) root_namespace: &'a str,
    pub(super) image: Option<&'a str>,
    pub(super) replicas: Option<u16>,
    pub(super) istiod_address: String,
    pub(super) config_source: &'static str,
    pub(super) migrate_from_go: bool,
    pub(super) secret_namespaces: &'a [String],
    pub(super) run_arguments: &'a [String],
}

impl Installation<'_> {
    /// Its objects, in an order in which they can be applied.
    pub(super) fn objects(&self) -> Vec<Value> {
        let base = BASE.map(|file| self.of_namespace(self.namespace, file));
        let migration = MIGRATION.map(|file| self.of_namespace(self.root_namespace, file));
        let mut objects = Vec::from(base);
        if self.migrate_from_go {
            objects.extend(migration);
        }
        for namespace in self.secret_namespaces {
            objects.extend(SECRETS.map(|file| self.of_namespace(namespace, file)));
        }
        objects
    }

    fn of_namespace(&self, namespace: &str, (name, text): (&str, &str)) -> Value {
        let mut object = parse(name, text);
        if let Some(found) = object.pointer_mut("/metadata/namespace") {
            *found = json!(namespace);
        }
        if let Some(subject) = object.pointer_mut("/subjects/0/namespace") {
            *subject = json!(self.namespace);
        }
        if object["kind"] == "Deployment" {
            self.lay_over(&mut object);
        }
        object
    }

    fn lay_over(&self, deployment: &mut Value) {
        if let Some(replicas) = self.replicas {
            deployment["spec"]["replicas"] = json!(replicas);
        }
        let container = deployment
            .pointer_mut("/spec/template/spec/containers/0")
            .expect("the base's Deployment has a container");
        if let Some(image) = self.image {
            container["image"] = json!(image);
        }
        let arguments = container["args"]
            .as_array_mut()
            .expect("the base's container has arguments");
        set(arguments, "--config-source", self.config_source);
        set(arguments, "--istiod-address", &self.istiod_address);
        set(arguments, "--root-namespace", self.root_namespace);
        if !self.secret_namespaces.is_empty() {
            let names = self.secret_namespaces.join(",");
            arguments.push(json!(format!("--secret-namespaces={names}")));
        }
        arguments.extend(self.run_arguments.iter().map(|argument| json!(argument)));
    }
}

/// Gives a flag that is there another value.
fn set(arguments: &mut [Value], flag: &str, value: &str) {
    let is_flag = |argument: &&mut Value| {
        let text = argument.as_str().and_then(|text| text.strip_prefix(flag));
        text.is_some_and(|rest| rest.starts_with('='))
    };
    let argument = arguments.iter_mut().find(is_flag);
    *argument.expect("the base gives every flag that differs") = json!(format!("{flag}={value}"));
}

fn parse(name: &str, text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{name} is not YAML: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installation() -> Installation<'static> {
        Installation {
            namespace: "istio-system",
            root_namespace: "istio-system",
            image: None,
            replicas: None,
            istiod_address: "istiod.istio-system.svc:15012".to_owned(),
            config_source: "xds",
            migrate_from_go: false,
            secret_namespaces: &[],
            run_arguments: &[],
        }
    }

    fn deployment(objects: &[Value]) -> &Value {
        let is_deployment = |object: &&Value| object["kind"] == "Deployment";
        objects.iter().find(is_deployment).unwrap()
    }

    #[test]
    fn defaults_are_the_base() {
        let base: Vec<Value> = BASE.iter().map(|(name, text)| parse(name, text)).collect();
        assert_eq!(installation().objects(), base);
    }

    #[test]
    fn the_base_lists_what_its_kustomization_lists() {
        let kustomization = include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../deploy/base/kustomization.yaml"
        ));
        let kustomization = parse("kustomization.yaml", kustomization);
        let names: Vec<&str> = BASE.iter().map(|&(name, _)| name).collect();
        assert_eq!(kustomization["resources"], json!(names));
    }

    #[test]
    fn the_image_is_of_this_version() {
        let objects = installation().objects();
        let image = &deployment(&objects)["spec"]["template"]["spec"]["containers"][0]["image"];
        assert_eq!(image, &format!("aeraki:{}", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn another_namespace_leaves_no_trace_of_the_default_one() {
        let objects = Installation {
            namespace: "mesh",
            root_namespace: "mesh",
            istiod_address: "istiod.mesh.svc:15012".to_owned(),
            migrate_from_go: true,
            ..installation()
        }
        .objects();
        let text = serde_json::to_string(&objects).unwrap();
        assert!(!text.contains("istio-system"), "{text}");
        assert!(text.contains("--root-namespace=mesh"), "{text}");
    }

    #[test]
    fn migration_rights_are_in_the_root_namespace_and_only_when_asked_for() {
        let objects = Installation {
            namespace: "aeraki",
            migrate_from_go: true,
            ..installation()
        }
        .objects();
        let migration = &objects[BASE.len()..];
        assert_eq!(migration.len(), 2);
        for object in migration {
            assert_eq!(object["metadata"]["namespace"], "istio-system");
        }
        assert_eq!(migration[1]["subjects"][0]["namespace"], "aeraki");
    }

    #[test]
    fn what_is_given_is_laid_over_and_further_arguments_come_last() {
        let arguments = ["--enable-protocol=kafka".to_owned()];
        let objects = Installation {
            image: Some("registry.example/aeraki@sha256:00"),
            replicas: Some(3),
            config_source: "kube",
            run_arguments: &arguments,
            ..installation()
        }
        .objects();
        let deployment = deployment(&objects);
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(deployment["spec"]["replicas"], 3);
        assert_eq!(container["image"], "registry.example/aeraki@sha256:00");
        let given = container["args"].as_array().unwrap();
        assert!(given.contains(&json!("--config-source=kube")));
        assert!(!given.contains(&json!("--config-source=xds")));
        assert_eq!(given.last(), Some(&json!("--enable-protocol=kafka")));
    }
}
