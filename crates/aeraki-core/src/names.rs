//! Names of EnvoyFilter objects.
//!
//! An operator who comes from Go Aeraki has objects called `aeraki-outbound-<host>-<address>-<port>`
//! and `aeraki-inbound-<host>-<port>`; the same names let us adopt them in place. They are kept
//! wherever the API server accepts them and no other service could claim the same one. Everything
//! else (IPv6, wildcards, upper case, overlong hosts, hosts that look like an address) gets
//! `aeraki-<direction>-<slug>-<ten hex digits>`, readable first and unique by the hash.
//!
//! Knows nothing of services: strings in, a valid object name out.

use std::net::Ipv4Addr;

use xxhash_rust::xxh3::xxh3_64;

/// The longest object name the API server takes.
const MAX_LENGTH: usize = 253;
/// Digits of a hash. Longer than any port number, which is what tells the two forms apart.
const HASH_DIGITS: usize = 10;

/// The name of the filter on the callers' side of `port`, for one address of the service or, for a
/// service without any, for all its listeners.
pub fn outbound(namespace: &str, host: &str, address: Option<&str>, port: u32) -> String {
    name("outbound", namespace, host, address, port)
}

/// The name of the filter on the server's side of `port`.
pub fn inbound(namespace: &str, host: &str, port: u32) -> String {
    name("inbound", namespace, host, None, port)
}

/// The name of the inbound EnvoyFilter of the object called `object`, where another object of the namespace has the same
/// host and port and so the plain name.
pub fn inbound_of(namespace: &str, host: &str, port: u32, object: &str) -> String {
    // The plain names hash no address on the inbound side, so the object's name takes its place.
    let hash = hash("inbound", namespace, host, Some(object), port);
    hashed("inbound", &format!("{host}-{port}"), hash)
}

/// Whether `name` is a legal RFC 1123 label, as namespaces are.
pub fn is_rfc1123_label(name: &str) -> bool {
    name.len() <= 63 && is_label(name)
}

/// Whether the API server takes `name` as an object name (RFC 1123 subdomain, at most 253 bytes).
pub fn is_rfc1123_subdomain(name: &str) -> bool {
    name.len() <= MAX_LENGTH && name.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !label.is_empty()
        && label.bytes().all(legal)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn name(direction: &str, namespace: &str, host: &str, address: Option<&str>, port: u32) -> String {
    let number = port.to_string();
    let subject = match address {
        Some(address) => [host, "-", address, "-", &number].concat(),
        None => [host, "-", &number].concat(),
    };
    // parity: the form of Go Aeraki, so that its objects are adopted instead of doubled.
    let plain = ["aeraki-", direction, "-", &subject].concat();
    if is_rfc1123_subdomain(&plain) && reads_back(host, address, port) {
        return plain;
    }
    let hash = hash(direction, namespace, host, address, port);
    hashed(direction, &subject, hash)
}

/// Whether the plain form can be taken apart again into just these parts. Reading goes from the
/// right: a port shorter than a hash, then an IPv4 address if there is one, and the rest is host.
fn reads_back(host: &str, address: Option<&str>, port: u32) -> bool {
    let port_is_no_hash = port.checked_ilog10().unwrap_or(0) + 1 < HASH_DIGITS as u32;
    let address_is_clear = match address {
        Some(address) => is_ipv4(address),
        None => host.rsplit_once('-').is_none_or(|(_, last)| !is_ipv4(last)),
    };
    port_is_no_hash && address_is_clear
}

fn is_ipv4(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok()
}

fn hashed(direction: &str, subject: &str, hash: u64) -> String {
    let prefix = format!("aeraki-{direction}-");
    let mut slug = slug(subject);
    slug.truncate(MAX_LENGTH - prefix.len() - 1 - HASH_DIGITS);
    let slug = slug.trim_end_matches(['-', '.']);
    let separator = if slug.is_empty() { "" } else { "-" };
    format!("{prefix}{slug}{separator}{hash:0HASH_DIGITS$x}")
}

/// `text` in the letters of an object name: each run of others becomes one dash, and no label is
/// empty or has a dash at its edge.
fn slug(text: &str) -> String {
    let mut legal = String::with_capacity(text.len());
    let mut in_run = false;
    for c in text.chars().map(|c| c.to_ascii_lowercase()) {
        let keep = matches!(c, 'a'..='z' | '0'..='9' | '.' | '-');
        if keep || !in_run {
            legal.push(if keep { c } else { '-' });
        }
        in_run = !keep;
    }
    let labels = legal.split('.').map(|label| label.trim_matches('-'));
    labels
        .filter(|label| !label.is_empty())
        .collect::<Vec<_>>()
        .join(".")
}

/// 40 bits over all parts. Each carries its length, so that no two lists of parts spell the same
/// bytes.
fn hash(direction: &str, namespace: &str, host: &str, address: Option<&str>, port: u32) -> u64 {
    let port = port.to_string();
    let mut bytes = Vec::new();
    for part in [
        Some(direction),
        Some(namespace),
        Some(host),
        address,
        Some(&port),
    ] {
        bytes.push(u8::from(part.is_some()));
        let part = part.unwrap_or_default();
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    xxh3_64(&bytes) >> (u64::BITS as usize - 4 * HASH_DIGITS)
}

#[cfg(test)]
mod tests;
