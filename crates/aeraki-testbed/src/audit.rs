//! What the API server has written into its audit log.

use std::collections::HashMap;

use anyhow::{Context, Result};
use serde_json::Value;

/// One request to the API server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuditEntry {
    /// Who: `admin`, `istiod`, `system:serviceaccount:<namespace>:<name>`, …
    pub user: String,
    /// RBAC's verb: get, list, watch, create, update, patch, delete, …
    pub verb: String,
    /// The API group, empty for the core one and for requests that are about no resource.
    pub group: String,
    /// The resource's plural name, empty for requests that are about none, as of `/version`.
    pub resource: String,
    /// The subresource, as `status`; empty if there is none.
    pub subresource: String,
    /// The namespace, empty if there is none.
    pub namespace: String,
    /// The object's name, empty where the request names none (list, watch, create).
    pub name: String,
    /// The path and query that were asked for.
    pub uri: String,
    /// The HTTP status of the answer; 0 where there is none.
    pub code: u16,
}

/// Reads the log. A long request has two lines, start and end of its answer: it is one entry, where
/// the first stood. A last line that is still being written is left out.
pub(crate) fn parse(log: &str) -> Result<Vec<AuditEntry>> {
    let mut entries: Vec<AuditEntry> = vec![];
    let mut places: HashMap<String, usize> = HashMap::new();
    for line in log
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
    {
        let event: Value =
            serde_json::from_str(line).with_context(|| format!("audit log holds {line:?}"))?;
        let id = text(&event, "/auditID");
        if let Some(&place) = places.get(&id) {
            entries[place] = entry(&event);
        } else {
            places.insert(id, entries.len());
            entries.push(entry(&event));
        }
    }
    Ok(entries)
}

fn entry(event: &Value) -> AuditEntry {
    AuditEntry {
        user: text(event, "/user/username"),
        verb: text(event, "/verb"),
        group: text(event, "/objectRef/apiGroup"),
        resource: text(event, "/objectRef/resource"),
        subresource: text(event, "/objectRef/subresource"),
        namespace: text(event, "/objectRef/namespace"),
        name: text(event, "/objectRef/name"),
        uri: text(event, "/requestURI"),
        code: event
            .pointer("/responseStatus/code")
            .and_then(Value::as_u64)
            .and_then(|code| code.try_into().ok())
            .unwrap_or(0),
    }
}

fn text(event: &Value, pointer: &str) -> String {
    let value = event.pointer(pointer).and_then(Value::as_str);
    value.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WATCH: &str = r#"{"auditID":"1","stage":"ResponseStarted","verb":"watch","user":{"username":"istiod"},"objectRef":{"resource":"envoyfilters","apiGroup":"networking.istio.io"},"responseStatus":{"code":200}}
{"auditID":"2","stage":"ResponseComplete","verb":"get","user":{"username":"admin"},"requestURI":"/version","responseStatus":{"code":403}}
{"auditID":"1","stage":"ResponseComplete","verb":"watch","user":{"username":"istiod"},"objectRef":{"resource":"envoyfilters","apiGroup":"networking.istio.io"},"responseStatus":{"code":200}}
"#;

    #[test]
    fn two_stages_of_one_request_are_one_entry() {
        let entries = parse(WATCH).unwrap();
        let seen = |entry: &AuditEntry| (entry.verb.clone(), entry.resource.clone(), entry.code);
        assert_eq!(
            entries.iter().map(seen).collect::<Vec<_>>(),
            [
                ("watch".to_owned(), "envoyfilters".to_owned(), 200),
                ("get".to_owned(), String::new(), 403)
            ]
        );
    }

    #[test]
    fn half_a_line_at_the_end_waits_for_its_rest() {
        assert_eq!(parse(&format!("{WATCH}{{\"aud")).unwrap().len(), 2);
    }
}
