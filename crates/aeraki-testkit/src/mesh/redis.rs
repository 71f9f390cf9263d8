//! Random Redis objects, and the Secrets that they name.

use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::rules::DESTINATIONS;
use super::{HOSTS, PORTS, favour, metadata};

/// Every way to name a password, right and wrong.
fn auth() -> impl Strategy<Value = Value> {
    select(vec![
        json!({"plain": {"password": "s3cret"}}),
        json!({"plain": {"username": "tenant", "password": "s3cret"}}),
        json!({"plain": {"username": "tenant", "passwords": ["one", "two"]}}),
        json!({"secret": {"name": "creds"}}),
        json!({"secret": {"name": "creds"}}),
        json!({"secret": {"name": "creds", "passwordField": "token"}}),
        json!({"secret": {"name": "nosuch"}}),
        json!({"reference": {"password": {"filename": "/etc/redis/password"}}}),
        json!({"reference": {
            "username": {"filename": "/etc/redis/name"},
            "password": {"environmentVariable": "REDIS_PASSWORD"},
        }}),
        json!({"reference": {
            "username": {"environmentVariable": "REDIS_NAME"},
            "password": {"filename": "/etc/redis/password"},
        }}),
        json!({"reference": {"password": {"filename": "/var/run/secrets/tokens/istio-token"}}}),
    ])
}

/// Consent to clear text, mostly given: without it most sign-ins fail.
fn opt_in() -> impl Strategy<Value = Value> {
    select(vec![
        json!({}),
        json!({"redis.aeraki.io/inline-credentials": "true"}),
        json!({"redis.aeraki.io/inline-credentials": "true"}),
    ])
}

pub(super) fn redis_service() -> impl Strategy<Value = Value> {
    let target =
        (select(DESTINATIONS), option::of(select(PORTS))).prop_map(|(host, port)| match port {
            Some(port) => json!({"host": host, "port": port}),
            None => json!({"host": host}),
        });
    let route =
        (option::of(select(&["u:", "t:", "t:", ""][..])), target).prop_map(|(prefix, target)| {
            let mut route = json!({"route": target});
            if let Some(prefix) = prefix {
                route["match"] = json!({"key": {"prefix": prefix, "removePrefix": true}});
            }
            route["mirror"] = json!([{"route": target, "percentage": {"value": 5}}]);
            route
        });
    let settings = prop_oneof![
        Just(json!({})),
        Just(json!({"readPolicy": "PREFER_REPLICA", "opTimeout": "2.5s"})),
        Just(json!({"maxBufferSizeBeforeFlush": 1024})),
        auth().prop_map(|auth| json!({"auth": auth})),
        auth().prop_map(|auth| json!({"auth": auth})),
    ];
    let faults = select(vec![
        json!([]),
        json!([{"type": "ERROR"}, {"type": "DELAY", "delay": "1s", "commands": ["GET"]}]),
    ]);
    (opt_in().prop_flat_map(metadata), favour(HOSTS, 3), proptest::collection::vec(route, 0..3), settings, faults)
        .prop_map(|(metadata, host, redis, settings, faults)| {
            json!({
                "apiVersion": "redis.aeraki.io/v1alpha1", "kind": "RedisService", "metadata": metadata,
                "spec": {"host": [host], "redis": redis, "settings": settings, "faults": faults},
            })
        })
}

pub(super) fn redis_destination() -> impl Strategy<Value = Value> {
    let pool = prop_oneof![
        Just(json!({"redis": {"mode": "CLUSTER"}})),
        Just(
            json!({"tcp": {"maxConnections": 3, "connectTimeout": "1s", "tcpKeepalive": {"probes": 3}}})
        ),
        Just(json!({})),
        auth().prop_map(|auth| json!({"redis": {"mode": "PROXY", "auth": auth}})),
        auth().prop_map(|auth| json!({"redis": {"mode": "CLUSTER", "auth": auth}})),
    ];
    (opt_in().prop_flat_map(metadata), favour(HOSTS, 3), pool).prop_map(|(metadata, host, pool)| {
        json!({
            "apiVersion": "redis.aeraki.io/v1alpha1", "kind": "RedisDestination", "metadata": metadata,
            "spec": {"host": host, "trafficPolicy": {"connectionPool": pool}},
        })
    })
}

/// A Secret under the name that others look for.
pub(super) fn secret() -> impl Strategy<Value = Value> {
    let values = select(vec![
        json!({"password": "s3cret"}),
        json!({"password": "s3cret", "username": "tenant"}),
        json!({"token": "t0ken"}),
        json!({"password": ""}),
        json!({}),
    ]);
    (metadata(json!({})), values).prop_map(|(mut metadata, values)| {
        metadata["name"] = json!("creds");
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values})
    })
}
