//! Which of Kubernetes' verbs an HTTP request is.

use http::{Method, Uri};

/// A verb, as RBAC knows it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Verb {
    /// One object, or what is no resource, as `/version`.
    Get,
    /// Many objects.
    List,
    /// The stream of changes.
    Watch,
    /// POST.
    Create,
    /// PUT.
    Update,
    /// PATCH.
    Patch,
    /// DELETE of one object.
    Delete,
    /// DELETE of many objects.
    DeleteCollection,
}

impl Verb {
    /// Whether it may change something.
    pub fn writes(self) -> bool {
        !matches!(self, Self::Get | Self::List | Self::Watch)
    }

    pub(crate) fn of(method: &Method, uri: &Uri) -> Self {
        let one = names_an_object(uri.path());
        match *method {
            Method::POST => Self::Create,
            Method::PUT => Self::Update,
            Method::PATCH => Self::Patch,
            Method::DELETE if one => Self::Delete,
            Method::DELETE => Self::DeleteCollection,
            _ if watches(uri) => Self::Watch,
            _ if one => Self::Get,
            _ => Self::List,
        }
    }
}

fn watches(uri: &Uri) -> bool {
    let mut parameters = uri.query().unwrap_or_default().split('&');
    parameters.any(|parameter| matches!(parameter, "watch=true" | "watch=1"))
}

/// `/api/v1/…` and `/apis/<group>/<version>/…`, then perhaps `namespaces/<name>/…`, then the
/// resource, then perhaps an object's name.
fn names_an_object(path: &str) -> bool {
    let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (["api", _, resource @ ..] | ["apis", _, _, resource @ ..]) = &segments[..] else {
        return true;
    };
    match resource {
        ["namespaces", _, _, rest @ ..] | [_, rest @ ..] => !rest.is_empty(),
        [] => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_what_rbac_would_say() {
        let filters = "/apis/networking.istio.io/v1alpha3/namespaces/shop/envoyfilters";
        for (method, uri, wanted) in [
            (Method::GET, filters.to_owned(), Verb::List),
            (
                Method::GET,
                format!("{filters}?watch=true&x=1"),
                Verb::Watch,
            ),
            (Method::GET, format!("{filters}/a"), Verb::Get),
            (Method::PUT, format!("{filters}/a/status"), Verb::Update),
            (Method::POST, filters.to_owned(), Verb::Create),
            (Method::PATCH, format!("{filters}/a"), Verb::Patch),
            (Method::DELETE, format!("{filters}/a"), Verb::Delete),
            (Method::DELETE, filters.to_owned(), Verb::DeleteCollection),
            (Method::GET, "/api/v1/namespaces".to_owned(), Verb::List),
            (Method::GET, "/api/v1/namespaces/shop".to_owned(), Verb::Get),
            (Method::GET, "/api/v1/pods".to_owned(), Verb::List),
            (Method::GET, "/apis/apps/v1".to_owned(), Verb::Get),
            (Method::GET, "/version".to_owned(), Verb::Get),
        ] {
            let parsed: Uri = uri.parse().unwrap();
            assert_eq!(Verb::of(&method, &parsed), wanted, "{method} {uri}");
        }
    }
}
