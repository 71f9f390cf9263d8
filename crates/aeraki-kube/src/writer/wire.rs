//! What reads and writes of one EnvoyFilter look like on the wire, and what comes back.

use std::time::Duration;

use aeraki_core::FilterKey;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Method, Request};
use kube::Client;
use kube::client::Body;
use kube::core::Status;
use serde::Deserialize;

use crate::client::FIELD_MANAGER;
use crate::filters::GROUP_PATH;

/// No wish of the API server for a rest is taken for longer.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// An answer, whatever its status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) code: u16,
    headers: HeaderMap,
    pub(super) body: String,
}

/// A request about one EnvoyFilter.
#[derive(Debug)]
pub(super) struct Ask {
    method: Method,
    path: String,
    body: String,
}

impl Ask {
    pub(super) fn get(key: &FilterKey) -> Self {
        Self::new(Method::GET, object(key), String::new())
    }

    pub(super) fn create(key: &FilterKey, object: String) -> Self {
        let path = format!("{}?fieldManager={FIELD_MANAGER}", collection(key));
        Self::new(Method::POST, path, object)
    }

    pub(super) fn replace(key: &FilterKey, with: String) -> Self {
        let path = format!("{}?fieldManager={FIELD_MANAGER}", object(key));
        Self::new(Method::PUT, path, with)
    }

    /// Deletes this state of this object and no other.
    pub(super) fn delete(key: &FilterKey, uid: &str, revision: &str) -> Self {
        let options = serde_json::json!({
            "apiVersion": "v1", "kind": "DeleteOptions",
            "preconditions": {"uid": uid, "resourceVersion": revision},
        });
        Self::new(Method::DELETE, object(key), options.to_string())
    }

    fn new(method: Method, path: String, body: String) -> Self {
        Self { method, path, body }
    }

    pub(super) async fn send(self, client: &Client) -> Result<Answer, kube::Error> {
        let request = Request::builder()
            .method(self.method)
            .uri(self.path)
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(self.body.into_bytes()))
            .map_err(kube::core::request::Error::BuildRequest)
            .map_err(kube::Error::BuildRequest)?;
        let (parts, body) = client.send(request).await?.into_parts();
        let body = body.collect_bytes().await?;
        let body = String::from_utf8(body.to_vec()).map_err(kube::Error::FromUtf8)?;
        Ok(Answer::new(parts.status.as_u16(), parts.headers, body))
    }
}

fn collection(key: &FilterKey) -> String {
    format!("{GROUP_PATH}/namespaces/{}/envoyfilters", key.namespace)
}

fn object(key: &FilterKey) -> String {
    format!("{}/{}", collection(key), key.name)
}

#[derive(Deserialize)]
struct Sort<'a> {
    kind: &'a str,
}

impl Answer {
    pub(super) fn new(code: u16, headers: HeaderMap, body: String) -> Self {
        Self {
            code,
            headers,
            body,
        }
    }

    pub(super) fn is_good(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// Whether the body is an EnvoyFilter, and not a word about one.
    pub(super) fn is_object(&self) -> bool {
        serde_json::from_str(&self.body).is_ok_and(|sort: Sort<'_>| sort.kind == "EnvoyFilter")
    }

    /// What the API server says went wrong; an empty one if that cannot be read.
    pub(super) fn status(&self) -> Status {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// Whether the API server says that there is no such object. A server that has lost its kinds for a while says 404 too.
    pub(super) fn says_gone(&self, key: &FilterKey) -> bool {
        let status = self.status();
        let names_it = |name: &str| *name == *key.name;
        self.code == 404
            && status.reason == "NotFound"
            && status
                .details
                .is_some_and(|details| names_it(&details.name))
    }

    /// How long the API server asks to wait.
    pub(super) fn rest(&self, status: &Status) -> Option<Duration> {
        let header = self.headers.get(RETRY_AFTER);
        let header = header.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let told = status
            .details
            .as_ref()
            .map(|details| u64::from(details.retry_after_seconds));
        let seconds = header.or(told).filter(|seconds| *seconds > 0)?;
        Some(Duration::from_secs(seconds).min(LONGEST_REST))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn key() -> FilterKey {
        FilterKey {
            namespace: "shop".into(),
            name: "a".into(),
        }
    }

    fn answer(code: u16, body: &str) -> Answer {
        Answer::new(code, HeaderMap::new(), body.to_owned())
    }

    #[test]
    fn only_a_word_about_the_object_says_that_it_is_gone() {
        let gone = r#"{"reason": "NotFound", "details": {"name": "a", "kind": "envoyfilters"}}"#;
        assert!(answer(404, gone).says_gone(&key()));
        let namespace =
            r#"{"reason": "NotFound", "details": {"name": "shop", "kind": "namespaces"}}"#;
        for body in [namespace, "404 page not found", "{}"] {
            assert!(!answer(404, body).says_gone(&key()), "{body}");
        }
        assert!(!answer(500, gone).says_gone(&key()));
    }

    #[test]
    fn the_server_says_how_long_to_wait_in_a_header_or_in_its_words() {
        let body = r#"{"details": {"retryAfterSeconds": 3}}"#;
        let mut answer = answer(429, body);
        let rest = |answer: &Answer| answer.rest(&answer.status()).map(|rest| rest.as_secs());
        assert_eq!(rest(&answer), Some(3));
        for (text, seconds) in [("5", 5), ("86400", 60), ("soon", 3)] {
            let value = HeaderValue::from_static(text);
            answer.headers.insert(RETRY_AFTER, value);
            assert_eq!(rest(&answer), Some(seconds), "{text}");
        }
    }

    #[test]
    fn a_deletion_that_has_to_wait_answers_with_the_object() {
        assert!(answer(200, r#"{"kind": "EnvoyFilter"}"#).is_object());
        assert!(!answer(200, r#"{"kind": "Status"}"#).is_object());
    }
}
