//! User names and passwords.
//!
//! The default is a reference: the sidecar reads a file or an environment variable of its own, and no EnvoyFilter holds
//! the value. A value in clear text (`plain`, or `secret`, whose value is copied) needs an annotation on the very object.
//! Whatever is wrong here is an error: the service keeps its last good filter, and never gets one without credentials.
//!
//! A reference names places that only credentials of Redis are kept in. Otherwise whoever may write a RedisDestination
//! could have the sidecars of all its clients send any file of theirs, such as a service-account token, to a server of
//! his choice.
//!
//! It also goes to those sidecars alone that announce the credentials of the namespace. A sidecar that lacks the file or
//! variable refuses the listener; and one that already runs aborts when it is told to sign in upstream with what it does
//! not have.
//!
//! No error here may repeat a value.

use aeraki_api::envoy::core::{DataSource, data_source::Specifier};
use aeraki_api::kubernetes::Secret;
use aeraki_core::diagnostic::Diagnostic;
use aeraki_core::generator::{GenerateError, ServiceContext};
use aeraki_core::object::{Body, Object};
use aeraki_core::settings::ProxyMetadata;
use serde::Deserialize;

use crate::codes;
use crate::inputs::{SECRET, invalid};
use crate::spec::{Auth, PlainAuth, Reference, SecretReference, Source};

/// The annotation that allows clear text.
pub(crate) const INLINE: &str = "redis.aeraki.io/inline-credentials";
/// What the name of an environment variable begins with.
const VARIABLES: &str = "REDIS_";
/// Where files lie.
const FILES: &str = "/etc/redis/";

const USERNAME: &str = "username";
const PASSWORD: &str = "password";
/// parity: the key that is tried where `password` is absent.
const TOKEN: &str = "token";

/// Credentials, ready for Envoy. At least one password.
pub(crate) struct Credentials {
    pub(crate) username: Option<DataSource>,
    pub(crate) passwords: Vec<DataSource>,
    pub(crate) form: Form,
}

/// How credentials stand in the configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// In clear text: never for the root namespace.
    ClearText,
    /// As places where the sidecar finds them: only for sidecars that have them.
    Reference,
}

/// The node metadata of sidecars that carry the credentials of a namespace. Namespaces have neither capitals nor
/// underscores, so no two of them share a key.
pub(crate) fn carriers(namespace: &str) -> ProxyMetadata {
    let name = namespace.to_ascii_uppercase().replace('-', "_");
    ProxyMetadata {
        key: format!("AERAKI_REDIS_CREDENTIALS_{name}"),
        value: "true".to_owned(),
    }
}

/// The credentials that `auth`, at `field` of `owner`, speaks of.
pub(crate) fn resolve(
    ctx: &ServiceContext<'_>,
    owner: &Object,
    auth: &Auth,
    field: &str,
) -> Result<Credentials, GenerateError> {
    let reader = Reader { ctx, owner, field };
    let found = match auth {
        Auth {
            reference: Some(reference),
            secret: None,
            plain: None,
        } => reader.reference(reference)?,
        Auth {
            reference: None,
            secret: Some(secret),
            plain: None,
        } => {
            reader.allow_inline("secret")?;
            reader.secret(secret)?
        }
        Auth {
            reference: None,
            secret: None,
            plain: Some(plain),
        } => {
            reader.allow_inline("plain")?;
            reader.plain(plain)?
        }
        _ => {
            let reason = "exactly one of `reference`, `secret` and `plain` is needed";
            return Err(invalid(owner, field, reason));
        }
    };
    if found.passwords.is_empty() {
        return Err(invalid(
            owner,
            field,
            "it names no password, and Envoy would let everybody in",
        ));
    }
    if found.form == Form::Reference {
        let carriers = carriers(&owner.key.namespace);
        let sentence = format!(
            "only sidecars with the node metadata {}={} get the filter",
            carriers.key, carriers.value
        );
        let diagnostic = Diagnostic::new(&codes::CARRIERS, &owner.key, sentence);
        ctx.report(diagnostic.at(format!("{field}.reference")));
    }
    Ok(found)
}

struct Reader<'a> {
    ctx: &'a ServiceContext<'a>,
    owner: &'a Object,
    field: &'a str,
}

impl Reader<'_> {
    fn invalid(&self, place: &str, reason: impl Into<String>) -> GenerateError {
        invalid(self.owner, format!("{}.{place}", self.field), reason)
    }

    fn allow_inline(&self, form: &str) -> Result<(), GenerateError> {
        let allowed = self.owner.meta.annotations.get(INLINE);
        if allowed.is_some_and(|value| value.trim() == "true") {
            return Ok(());
        }
        let reason = format!(
            "`{form}` would put the password in clear text into an EnvoyFilter: use `reference` \
             (a file or an environment variable of the sidecar), or allow it with the annotation \
             `{INLINE}: \"true\"`"
        );
        Err(self.invalid(form, reason))
    }

    fn reference(&self, reference: &Reference) -> Result<Credentials, GenerateError> {
        let username = reference
            .username
            .as_ref()
            .map(|source| self.source(source, "reference.username"))
            .transpose()?;
        let first = reference
            .password
            .iter()
            .map(|one| (one, "reference.password".to_owned()));
        let more = reference.passwords.iter().enumerate();
        let more = more.map(|(i, one)| (one, format!("reference.passwords[{i}]")));
        let passwords = first
            .chain(more)
            .map(|(source, place)| self.source(source, &place))
            .collect::<Result<_, _>>()?;
        Ok(Credentials {
            username,
            passwords,
            form: Form::Reference,
        })
    }

    fn source(&self, source: &Source, place: &str) -> Result<DataSource, GenerateError> {
        let specifier = match (
            source.environment_variable.as_str(),
            source.filename.as_str(),
        ) {
            (variable, "") if is_variable(variable) => {
                Specifier::EnvironmentVariable(variable.to_owned())
            }
            ("", file) if is_file(file) => Specifier::Filename(file.to_owned()),
            ("", "") => {
                return Err(self.invalid(place, "`environmentVariable` or `filename` is needed"));
            }
            (_, "") => {
                let reason = format!(
                    "the variable's name must begin with `{VARIABLES}` and consist of letters, \
                     digits and underscores"
                );
                return Err(self.invalid(&format!("{place}.environmentVariable"), reason));
            }
            ("", _) => {
                let reason = format!("the file must lie under `{FILES}`");
                return Err(self.invalid(&format!("{place}.filename"), reason));
            }
            _ => {
                let reason = "only one of `environmentVariable` and `filename` can be used";
                return Err(self.invalid(place, reason));
            }
        };
        Ok(data_source(specifier))
    }

    fn plain(&self, plain: &PlainAuth) -> Result<Credentials, GenerateError> {
        let first = plain
            .password
            .iter()
            .map(|one| (one, "plain.password".to_owned()));
        let more = plain.passwords.iter().enumerate();
        let more = more.map(|(i, one)| (one, format!("plain.passwords[{i}]")));
        let passwords = first
            .chain(more)
            .map(|(value, place)| self.clear_text(value, &place))
            .collect::<Result<_, _>>()?;
        Ok(Credentials {
            username: username(&plain.username),
            passwords,
            form: Form::ClearText,
        })
    }

    /// An empty password would switch authentication off.
    fn clear_text(&self, value: &str, place: &str) -> Result<DataSource, GenerateError> {
        if value.is_empty() {
            return Err(self.invalid(place, "an empty password would let everybody in"));
        }
        Ok(data_source(Specifier::InlineString(value.to_owned())))
    }

    fn secret(&self, reference: &SecretReference) -> Result<Credentials, GenerateError> {
        if reference.name.is_empty() {
            return Err(self.invalid("secret.name", "it names no Secret"));
        }
        let Some(secret) = self.find(&reference.name) else {
            return Err(self.missing("secret.name", &reference.name, None));
        };
        let username = match reference.username_field.as_str() {
            "" => self.value(&secret, &reference.name, USERNAME, "secret.usernameField")?,
            key => Some(self.required(&secret, &reference.name, key, "secret.usernameField")?),
        };
        let mut passwords = Vec::new();
        if !reference.password_field.is_empty() || reference.password_fields.is_empty() {
            let place = "secret.passwordField";
            let value = self.password(&secret, reference, place)?;
            passwords.push(self.clear_text(&value, place)?);
        }
        for (i, key) in reference.password_fields.iter().enumerate() {
            let place = format!("secret.passwordFields[{i}]");
            let value = self.required(&secret, &reference.name, key, &place)?;
            passwords.push(self.clear_text(&value, &place)?);
        }
        let username = username.and_then(|name| self::username(&name));
        Ok(Credentials {
            username,
            passwords,
            form: Form::ClearText,
        })
    }

    /// The value of the named key, or of `password`, or of `token`.
    fn password(
        &self,
        secret: &Secret,
        reference: &SecretReference,
        place: &str,
    ) -> Result<String, GenerateError> {
        if !reference.password_field.is_empty() {
            return self.required(secret, &reference.name, &reference.password_field, place);
        }
        match self.value(secret, &reference.name, PASSWORD, place)? {
            Some(value) => Ok(value),
            None => match self.value(secret, &reference.name, TOKEN, place)? {
                Some(value) => Ok(value),
                None => Err(self.missing(place, &reference.name, Some(PASSWORD))),
            },
        }
    }

    fn find(&self, name: &str) -> Option<Secret> {
        match &self.ctx.extra_named(SECRET, name)?.body {
            Body::Extra(json) => Secret::deserialize(&json.0).ok(),
            _ => None,
        }
    }

    fn required(
        &self,
        secret: &Secret,
        name: &str,
        key: &str,
        place: &str,
    ) -> Result<String, GenerateError> {
        let value = self.value(secret, name, key, place)?;
        value.ok_or_else(|| self.missing(place, name, Some(key)))
    }

    /// The value under a key, without white space around it (parity: files made by `echo` end in a newline).
    fn value(
        &self,
        secret: &Secret,
        name: &str,
        key: &str,
        place: &str,
    ) -> Result<Option<String>, GenerateError> {
        let unreadable = || {
            self.invalid(
                place,
                format!("the value of `{key}` in Secret `{name}` is no text"),
            )
        };
        match secret.value(key) {
            None => Ok(None),
            Some(Err(_)) => Err(unreadable()),
            Some(Ok(bytes)) => {
                let text = String::from_utf8(bytes).map_err(|_| unreadable())?;
                Ok(Some(text.trim().to_owned()))
            }
        }
    }

    /// The error says what is missing, the diagnostic also where it was asked for.
    fn missing(&self, place: &str, name: &str, key: Option<&str>) -> GenerateError {
        let what = match key {
            Some(key) => format!("{name} (key {key})"),
            None => name.to_owned(),
        };
        let sentence = format!("Secret `{what}` is not there");
        let diagnostic = Diagnostic::new(&codes::MISSING_SECRET, &self.owner.key, sentence);
        self.ctx
            .report(diagnostic.at(format!("{}.{place}", self.field)));
        GenerateError::MissingInput {
            kind: SECRET,
            name: what,
        }
    }
}

fn username(name: &str) -> Option<DataSource> {
    (!name.is_empty()).then(|| data_source(Specifier::InlineString(name.to_owned())))
}

fn data_source(specifier: Specifier) -> DataSource {
    DataSource {
        specifier: Some(specifier),
        ..DataSource::default()
    }
}

fn is_variable(name: &str) -> bool {
    name.strip_prefix(VARIABLES).is_some_and(|rest| {
        !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// A file below the directory, by a path that cannot lead out of it.
fn is_file(path: &str) -> bool {
    path.strip_prefix(FILES).is_some_and(|rest| {
        rest.split('/').all(|part| !matches!(part, "" | "." | ".."))
            && !rest.contains(|c: char| c.is_control())
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn each_namespace_has_carriers_of_its_own() {
        assert_eq!(carriers("shop-eu").key, "AERAKI_REDIS_CREDENTIALS_SHOP_EU");
        assert_ne!(carriers("shop-eu"), carriers("shopeu"));
    }

    #[rstest]
    #[case::plain("REDIS_PASSWORD", true)]
    #[case::prefix_alone("REDIS_", false)]
    #[case::foreign("AWS_SECRET_ACCESS_KEY", false)]
    #[case::not_a_name("REDIS_A=B", false)]
    #[case::empty("", false)]
    fn only_variables_for_redis_can_be_referred_to(#[case] name: &str, #[case] allowed: bool) {
        assert_eq!(is_variable(name), allowed);
    }

    #[rstest]
    #[case::plain("/etc/redis/password", true)]
    #[case::deeper("/etc/redis/cache/password", true)]
    #[case::hidden_link_of_a_secret_volume("/etc/redis/..data/password", true)]
    #[case::service_account_token("/var/run/secrets/kubernetes.io/serviceaccount/token", false)]
    #[case::way_out("/etc/redis/../../var/run/secrets/tokens/istio-token", false)]
    #[case::relative("etc/redis/password", false)]
    #[case::the_directory_itself("/etc/redis/", false)]
    #[case::another_directory("/etc/redis-other/password", false)]
    fn only_files_for_redis_can_be_referred_to(#[case] path: &str, #[case] allowed: bool) {
        assert_eq!(is_file(path), allowed);
    }
}
