//! Several Thrift services on one port: a multiplexed client calls `Greeter:SayHello` where another calls `SayHello`.
//!
//! Envoy's route matches either a method name, which is the whole of `Greeter:SayHello`, or a service name. So what a
//! rule says is spelt out once per service name of the annotation.

use aeraki_api::envoy::thrift::route_match::MatchSpecifier;
use aeraki_core::diagnostic::{Diagnostic, catalogue};
use aeraki_core::generator::{GenerateError, ServiceContext, annotation_field};
use aeraki_core::registry::Annotation;
use aeraki_core::route::Text;

const SERVICE_NAME: &str = "thrift.aeraki.io/service-name";
const STRIP: &str = "thrift.aeraki.io/strip-service-name";
/// Stands between service and method in a multiplexed call.
const SEPARATOR: char = ':';

pub(crate) const ANNOTATIONS: [Annotation; 2] = [
    Annotation {
        key: SERVICE_NAME,
        on: "ServiceEntry, Service",
        meaning: "the service names of multiplexed clients, separated by commas; calls of other \
                  names fail; default: calls are not told apart by service name",
    },
    Annotation {
        key: STRIP,
        on: "ServiceEntry, Service",
        meaning: "true: the server gets `SayHello` for `Greeter:SayHello`; default false",
    },
];

/// What is known of multiplexed clients.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Multiplex {
    /// Each once. None: a call is matched by its method name as it stands.
    pub(crate) services: Vec<String>,
    /// The server is not multiplexed.
    pub(crate) strip: bool,
}

impl Multiplex {
    /// What the service's annotations say. A service name that cannot be used fails the service, so that its last good
    /// filters stay: without the name, calls of every service would match.
    pub(crate) fn read(ctx: &ServiceContext<'_>) -> Result<Self, GenerateError> {
        let services = match ctx.service().annotation(SERVICE_NAME) {
            None => Vec::new(),
            Some(list) => parse_services(list).map_err(|reason| refuse(ctx, &reason))?,
        };
        let strip = ctx.annotation(STRIP, parse_bool).unwrap_or(false);
        Ok(Self { services, strip })
    }

    /// For the server's side, where every call has the one destination.
    pub(crate) fn of_any_service(&self) -> Self {
        Self {
            services: Vec::new(),
            strip: self.strip,
        }
    }

    /// What Envoy has to look for so that calls of `method` are found; any of them will do.
    ///
    /// Without service names that is the method as it stands. With them, each service's method; a method with a colon
    /// is one that already names its service.
    pub(crate) fn specifiers(&self, method: Option<&Text>) -> Vec<MatchSpecifier> {
        let method = match method {
            None => None,
            Some(Text::Exact(method)) => Some(method),
            // Core leaves such entries out, since Envoy cannot express them: they match nothing.
            Some(Text::Prefix(_) | Text::Regex(_)) => return Vec::new(),
        };
        match (method, &self.services[..]) {
            (None, []) => vec![MatchSpecifier::MethodName(String::new())],
            (None, services) => services
                .iter()
                .cloned()
                .map(MatchSpecifier::ServiceName)
                .collect(),
            (Some(method), services) if services.is_empty() || method.contains(SEPARATOR) => {
                vec![MatchSpecifier::MethodName(method.clone())]
            }
            (Some(method), services) => services
                .iter()
                .map(|service| MatchSpecifier::MethodName(format!("{service}{SEPARATOR}{method}")))
                .collect(),
        }
    }
}

fn refuse(ctx: &ServiceContext<'_>, reason: &str) -> GenerateError {
    let field = annotation_field(SERVICE_NAME);
    let sentence = format!("annotation `{SERVICE_NAME}`: {reason}");
    let diagnostic = Diagnostic::new(
        &catalogue::FORBIDDEN_CHARACTER,
        ctx.service().object(),
        sentence,
    );
    ctx.report(diagnostic.at(field.clone()));
    let reason = "no filter is made for the port, since it would take calls of every service; \
                  what was there before stays"
        .to_owned();
    GenerateError::InvalidInput {
        object: None,
        field,
        reason,
    }
}

fn parse_services(list: &str) -> Result<Vec<String>, String> {
    let forbidden = |c: char| c == SEPARATOR || c == '|' || c.is_control() || c.is_whitespace();
    let mut services: Vec<String> = Vec::new();
    for name in list
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
    {
        if let Some(found) = name.chars().find(|c| forbidden(*c)) {
            return Err(format!(
                "{name:?} holds {found:?}, which no service name may have"
            ));
        }
        if services.iter().all(|earlier| earlier != name) {
            services.push(name.to_owned());
        }
    }
    if services.is_empty() {
        return Err(format!("{list:?} names no service"));
    }
    Ok(services)
}

fn parse_bool(word: &str) -> Result<bool, String> {
    match word.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("{word:?} is neither true nor false")),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn specifiers(services: &str, method: Option<&str>) -> Vec<String> {
        let services = if services.is_empty() {
            Vec::new()
        } else {
            parse_services(services).unwrap()
        };
        let multiplex = Multiplex {
            services,
            strip: false,
        };
        let method = method.map(|method| Text::Exact(method.to_owned()));
        let shown = multiplex
            .specifiers(method.as_ref())
            .into_iter()
            .map(|one| match one {
                MatchSpecifier::MethodName(name) => format!("method {name}"),
                MatchSpecifier::ServiceName(name) => format!("service {name}"),
            });
        shown.collect()
    }

    #[rstest]
    #[case::anything("", None, &["method "])]
    #[case::a_method("", Some("SayBye"), &["method SayBye"])]
    #[case::a_whole_name("", Some("Greeter:SayBye"), &["method Greeter:SayBye"])]
    #[case::a_service("Greeter", None, &["service Greeter"])]
    #[case::its_method("Greeter", Some("SayBye"), &["method Greeter:SayBye"])]
    #[case::already_whole("Greeter", Some("Greeter:SayBye"), &["method Greeter:SayBye"])]
    #[case::services("Greeter,Clock", None, &["service Greeter", "service Clock"])]
    #[case::their_method("Greeter,Clock", Some("ping"), &["method Greeter:ping", "method Clock:ping"])]
    #[case::of_one_of_them("Greeter,Clock", Some("Clock:now"), &["method Clock:now"])]
    fn a_rule_finds(
        #[case] services: &str,
        #[case] method: Option<&str>,
        #[case] expected: &[&str],
    ) {
        assert_eq!(specifiers(services, method), expected);
    }

    #[test]
    fn a_form_that_envoy_cannot_express_matches_nothing() {
        let prefix = Text::Prefix("Say".to_owned());
        assert!(Multiplex::default().specifiers(Some(&prefix)).is_empty());
    }

    #[rstest]
    #[case::separator("Greeter:SayHello")]
    #[case::space("My Greeter")]
    #[case::line_feed("a\nb")]
    #[case::nothing(",")]
    fn a_service_name_that_none_can_have_is_refused(#[case] list: &str) {
        assert!(parse_services(list).is_err());
    }

    #[test]
    fn a_list_of_services_keeps_its_order_and_each_name_once() {
        assert_eq!(parse_services("b, a,b,").unwrap(), ["b", "a"]);
    }
}
