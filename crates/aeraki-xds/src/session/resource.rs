//! One resource of an answer: which object it is, and what it says.
//!
//! The name is wanted even of a resource that is otherwise unusable: what has a name can be reported, refused and kept
//! by it, and what has none leaves open which object of the set is meant.

use std::sync::Arc;

use super::outline::{self, Outlined};
use aeraki_api::mcp::{Any, Metadata, Resource};
use aeraki_api::networking::{DestinationRule, ServiceEntry, VirtualService};
use aeraki_api::{Cr, IstioKind, ObjectMeta, Timestamp};
use aeraki_core::object::{Kind, Object, ObjectKey};
use prost::{Message, Name};
use xxhash_rust::xxh3::Xxh3Default;

/// What was made of a resource: the object, or why there is none.
pub(super) type Reading = Result<Arc<Object>, String>;

/// The least of a resource that tells whose it is.
#[derive(Clone, PartialEq, Message)]
struct Head {
    #[prost(message, optional, tag = "1")]
    metadata: Option<HeadMetadata>,
}

#[derive(Clone, PartialEq, Message)]
struct HeadMetadata {
    #[prost(string, tag = "1")]
    name: String,
}

/// The `namespace/name` that stands in a resource, as far as the bytes go; `None` where it cannot be told.
pub(super) fn name(resource: &Any) -> Option<String> {
    let mut head = Head::default();
    // What comes before the damage has been taken in.
    let _damage = head.merge(resource.value.as_slice());
    let name = head.metadata?.name;
    split(&name).is_some().then_some(name)
}

/// The key of the object that `name` names.
pub(super) fn key(kind: Kind, name: &str) -> Option<ObjectKey> {
    let (namespace, name) = split(name)?;
    Some(ObjectKey::new(kind, namespace, name))
}

/// The longest name that Kubernetes allows, twice, and the slash between.
const LONGEST_NAME: usize = 2 * 253 + 1;

fn split(name: &str) -> Option<(&str, &str)> {
    let fits = name.len() <= LONGEST_NAME && !name.contains(char::is_control);
    name.split_once('/')
        .filter(|(namespace, name)| fits && !namespace.is_empty() && !name.is_empty())
}

/// A mark of the resource's very bytes. Not proof against a forger, who could only hide a change of an object of his own.
pub(super) fn digest(resource: &Any) -> u128 {
    let mut hash = Xxh3Default::new();
    hash.update(resource.type_url.as_bytes());
    hash.update(&resource.value);
    hash.digest128()
}

/// Reads the whole of a resource.
pub(super) fn read(kind: Kind, resource: &Any) -> Result<Object, String> {
    let url = &resource.type_url;
    let resource: Resource = resource
        .unpack()
        .ok_or_else(|| format!("it comes as a {url:?} and not as a resource of MCP"))?
        .map_err(|error| format!("its envelope cannot be decoded: {error}"))?;
    let metadata = resource.metadata.unwrap_or_default();
    let body = resource.body.unwrap_or_default();
    match kind {
        Kind::SERVICE_ENTRY => {
            let cr: Cr<ServiceEntry> = custom_resource(metadata, &body)?;
            checked_hosts(&cr.spec.hosts)?;
            Ok(cr.into())
        }
        Kind::DESTINATION_RULE => {
            let cr: Cr<DestinationRule> = custom_resource(metadata, &body)?;
            checked_hosts(std::slice::from_ref(&cr.spec.host))?;
            Ok(cr.into())
        }
        Kind::VIRTUAL_SERVICE => {
            let cr: Cr<VirtualService> = custom_resource(metadata, &body)?;
            // None at all is what a delegate has.
            cr.spec.hosts.iter().try_for_each(|host| checked(host))?;
            Ok(cr.into())
        }
        other => Err(format!("a {other} is not read from istiod")),
    }
}

fn custom_resource<S>(metadata: Metadata, body: &Any) -> Result<Cr<S>, String>
where
    S: IstioKind + Message + Name + Outlined,
{
    outline::checked::<S>(&body.value)?;
    let spec = body
        .unpack()
        .ok_or_else(|| format!("its body is a {:?} and not a {}", body.type_url, S::KIND))?
        .map_err(|error| format!("its body cannot be decoded: {error}"))?;
    let (namespace, name) = split(&metadata.name).ok_or("its name is not namespace/name")?;
    let mut cr = Cr::new(name, namespace, spec);
    cr.metadata = ObjectMeta {
        labels: metadata.labels,
        annotations: metadata.annotations,
        creation_timestamp: metadata.create_time.filter(is_a_time),
        resource_version: metadata.version,
        ..cr.metadata
    };
    Ok(cr)
}

/// Go's zero time, the first second of the year 1, says that there is none; so does what is no time at all.
fn is_a_time(time: &Timestamp) -> bool {
    const YEAR_1: i64 = -62_135_596_800;
    const YEAR_10000: i64 = 253_402_300_800;
    (YEAR_1 + 1..YEAR_10000).contains(&time.seconds) && (0..1_000_000_000).contains(&time.nanos)
}

fn checked_hosts(hosts: &[String]) -> Result<(), String> {
    if hosts.iter().all(String::is_empty) {
        return Err("it names no host".to_owned());
    }
    hosts.iter().try_for_each(|host| checked(host))
}

fn checked(host: &str) -> Result<(), String> {
    if host.contains(char::is_control) {
        return Err(format!("its host {host:?} contains a control character"));
    }
    Ok(())
}
