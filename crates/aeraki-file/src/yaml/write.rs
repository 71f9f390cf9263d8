use aeraki_api::Cr;
use aeraki_api::networking::EnvoyFilter;
use serde_json::Value;

#[cfg(test)]
mod tests;

/// An EnvoyFilter as YAML, with sorted keys: equal objects give equal bytes.
///
/// # Panics
/// If the object holds an enum number that no name stands for; core makes none.
#[must_use]
pub fn to_yaml(filter: &Cr<EnvoyFilter>) -> String {
    to_yaml_value(&serde_json::to_value(filter).expect("every enum value has a name"))
}

/// A value as YAML, with sorted keys. Strings that YAML 1.1 or 1.2 would read as something else stand in quotes.
#[must_use]
pub fn to_yaml_value(value: &Value) -> String {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    serde_saphyr::to_string_with_options(value, options).expect("a JSON value has a YAML form")
}
