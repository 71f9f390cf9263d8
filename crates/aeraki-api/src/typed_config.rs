use prost::Name;
use serde::Serialize;
use serde::ser::Error as _;
use serde_json::Value;

/// The JSON form of an `Any`: the message with its type URL under `@type`.
///
/// # Errors
/// The message does not serialise, which generated messages do only for enum numbers that no name
/// stands for, or its JSON form is not an object.
pub fn typed_config<M: Name + Serialize>(message: &M) -> Result<Value, serde_json::Error> {
    let Value::Object(mut fields) = serde_json::to_value(message)? else {
        return Err(serde_json::Error::custom(format!(
            "{} is not a JSON object",
            M::full_name()
        )));
    };
    fields.insert("@type".to_owned(), Value::String(M::type_url()));
    Ok(Value::Object(fields))
}
