use aeraki_api::Cr;
use aeraki_api::networking::EnvoyFilter;
use serde_json::Value;

/// A value cannot be written as YAML.
#[derive(Debug, thiserror::Error)]
#[error("the value cannot be written as YAML")]
pub struct YamlError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// An EnvoyFilter as YAML, with sorted keys: equal objects give equal bytes.
///
/// # Errors
/// An enum number that no name stands for.
pub fn to_yaml(filter: &Cr<EnvoyFilter>) -> Result<String, YamlError> {
    let value = serde_json::to_value(filter).map_err(|error| YamlError(Box::new(error)))?;
    to_yaml_value(&value)
}

/// A value as YAML, with sorted keys. Strings that YAML 1.1 or 1.2 would read as something else stand in quotes.
///
/// # Errors
/// None is known; the serialiser leaves room for one.
pub fn to_yaml_value(value: &Value) -> Result<String, YamlError> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    serde_saphyr::to_string_with_options(value, options).map_err(|error| YamlError(Box::new(error)))
}
