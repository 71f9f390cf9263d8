//! Which version of a kind the API server serves, if it serves the kind at all.

use aeraki_core::object::Kind;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::Client;
use kube::core::{ApiResource, GroupVersionKind};

/// The first of the `versions` in which the API server serves `kind`; `None` where it serves none of them.
///
/// # Errors
/// When the API server does not answer, or refuses to say.
pub async fn locate(
    client: &Client,
    kind: Kind,
    versions: &[&str],
) -> Result<Option<ApiResource>, kube::Error> {
    for version in versions {
        if let Some(list) = resources(client, kind.group(), version).await?
            && let Some(found) = find(&list, kind, version)
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The resources of a group in a version, if there is such a one.
async fn resources(
    client: &Client,
    group: &str,
    version: &str,
) -> Result<Option<APIResourceList>, kube::Error> {
    let answer = if group.is_empty() {
        client.list_core_api_resources(version).await
    } else {
        let group_version = format!("{group}/{version}");
        client.list_api_group_resources(&group_version).await
    };
    match answer {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        answer => answer.map(Some),
    }
}

fn find(list: &APIResourceList, kind: Kind, version: &str) -> Option<ApiResource> {
    let is_it = |name: &str| !name.contains('/');
    let found = list
        .resources
        .iter()
        .find(|resource| resource.kind == kind.name() && is_it(&resource.name))?;
    let gvk = GroupVersionKind::gvk(kind.group(), version, kind.name());
    Some(ApiResource::from_gvk_with_plural(&gvk, &found.name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn list(resources: &serde_json::Value) -> APIResourceList {
        serde_json::from_value(json!({
            "groupVersion": "redis.aeraki.io/v1alpha1",
            "resources": resources,
        }))
        .unwrap()
    }

    const REDIS_SERVICE: Kind = Kind::new("redis.aeraki.io", "RedisService");

    #[test]
    fn a_kind_is_found_by_its_name_and_not_by_a_subresource() {
        let verbs = json!(["get"]);
        let resource = |name: &str| json!({"name": name, "singularName": "", "namespaced": true, "kind": "RedisService", "verbs": verbs});
        let list = list(&json!([
            resource("redisservices/status"),
            resource("redisservices")
        ]));
        let found = find(&list, REDIS_SERVICE, "v1alpha1").unwrap();
        assert_eq!(
            (found.plural.as_str(), found.api_version.as_str()),
            ("redisservices", "redis.aeraki.io/v1alpha1")
        );
    }

    #[test]
    fn a_kind_that_the_group_lacks_is_not_found() {
        assert_eq!(find(&list(&json!([])), REDIS_SERVICE, "v1alpha1"), None);
    }
}
