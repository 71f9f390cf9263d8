//! EnvoyFilters of others that patch the same listeners as ours.

use aeraki_core::FilterKey;

use super::touch::Touch;

/// A foreign EnvoyFilter that goes before one of ours on the same listener.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rival {
    /// Which.
    pub key: FilterKey,
    /// The listener by name, or by port, as the rival matches it; `any` if it matches every one.
    pub listener: String,
    /// Whether it leaves no TCP proxy to replace, so that ours does nothing. Otherwise both apply.
    pub displaces_ours: bool,
}

impl Rival {
    /// The rival of the key, if any of its patches can land where one of ours does.
    pub(super) fn of(key: &FilterKey, theirs: &[Touch], ours: &[Touch]) -> Option<Self> {
        let mut shared = theirs
            .iter()
            .filter(|touch| ours.iter().any(|other| touch.overlaps(other)));
        let first = shared.next()?;
        let worst = std::iter::once(first).chain(shared);
        let worst = worst.max_by_key(|touch| touch.takes_tcp_proxy)?;
        Some(Self {
            key: key.clone(),
            listener: listener(worst),
            displaces_ours: worst.takes_tcp_proxy,
        })
    }
}

fn listener(touch: &Touch) -> String {
    match (&touch.listener, touch.port) {
        (Some(name), _) => name.to_string(),
        (None, 0) => "any".to_owned(),
        (None, port) => format!("port {port}"),
    }
}
