//! What a Dubbo service is called by: its interfaces, and maybe a group and a version.
//!
//! It stands in annotations of the service. A value that cannot be used fails the whole service, so that its last good
//! filters stay: leaving the value out would send other calls its way.

use aeraki_core::diagnostic::{Code, Diagnostic, Severity, catalogue};
use aeraki_core::generator::{GenerateError, ServiceContext, annotation_field};
use aeraki_core::registry::Annotation;

/// Go Aeraki's annotation.
const INTERFACE: &str = "interface";
const GROUP: &str = "dubbo.aeraki.io/group";
const VERSION: &str = "dubbo.aeraki.io/version";
/// Any interface, group or version.
const ANY: &str = "*";

pub(crate) const ANNOTATIONS: &[Annotation] = &[
    Annotation {
        key: INTERFACE,
        on: "ServiceEntry, Service",
        meaning: "the interfaces of the service, separated by commas; `*` at the start or the end \
                  of one stands for anything; default `*`",
    },
    Annotation {
        key: GROUP,
        on: "ServiceEntry, Service",
        meaning: "the group that calls must name; default: any, or none",
    },
    Annotation {
        key: VERSION,
        on: "ServiceEntry, Service",
        meaning: "the version that calls must name; default: any, or none",
    },
];

pub(crate) static ANY_INTERFACE_COVERS_ALL: Code = Code {
    id: "AER0531",
    severity: Severity::Info,
    title: "the interface `*` covers the others of the list",
    explanation: "The annotation `interface` lists `*` beside other interfaces. All have the same routes, so the others change nothing. `*` is put last, because the first interface that fits a call decides.",
    remedy: "List the interfaces, or `*` alone.",
};

/// The interfaces, group and version of the calls that a filter takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ServiceKey {
    /// At least one, each once; `*` comes last.
    pub(crate) interfaces: Vec<String>,
    /// `None`: any.
    pub(crate) group: Option<String>,
    /// `None`: any.
    pub(crate) version: Option<String>,
}

impl ServiceKey {
    /// Every call.
    pub(crate) fn any() -> Self {
        Self {
            interfaces: vec![ANY.to_owned()],
            group: None,
            version: None,
        }
    }

    /// What the service's annotations say.
    pub(crate) fn read(ctx: &ServiceContext<'_>) -> Result<Self, GenerateError> {
        Ok(Self {
            interfaces: interfaces(ctx)?,
            group: qualifier(ctx, GROUP)?,
            version: qualifier(ctx, VERSION)?,
        })
    }
}

fn interfaces(ctx: &ServiceContext<'_>) -> Result<Vec<String>, GenerateError> {
    let Some(list) = ctx.service().annotation(INTERFACE) else {
        let sentence = "no annotation `interface`: the routes hold for every interface, as for `*`";
        let diagnostic = Diagnostic::new(
            &catalogue::MISSING_ANNOTATION,
            ctx.service().object(),
            sentence,
        );
        ctx.report(diagnostic.at(annotation_field(INTERFACE)));
        return Ok(ServiceKey::any().interfaces);
    };
    let interfaces = parse_interfaces(list).map_err(|reason| refuse(ctx, INTERFACE, &reason))?;
    if interfaces.len() > 1 && interfaces.last().is_some_and(|last| last == ANY) {
        let sentence = "`*` covers the other interfaces of the list";
        let diagnostic =
            Diagnostic::new(&ANY_INTERFACE_COVERS_ALL, ctx.service().object(), sentence);
        ctx.report(diagnostic.at(annotation_field(INTERFACE)));
    }
    Ok(interfaces)
}

fn qualifier(ctx: &ServiceContext<'_>, key: &'static str) -> Result<Option<String>, GenerateError> {
    match ctx.service().annotation(key) {
        None | Some(ANY) => Ok(None),
        Some(value) => {
            check_characters(value).map_err(|reason| refuse(ctx, key, &reason))?;
            Ok(Some(value.to_owned()))
        }
    }
}

fn refuse(ctx: &ServiceContext<'_>, key: &'static str, reason: &str) -> GenerateError {
    let field = annotation_field(key);
    let diagnostic = Diagnostic::new(
        &catalogue::FORBIDDEN_CHARACTER,
        ctx.service().object(),
        format!("annotation `{key}`: {reason}"),
    );
    ctx.report(diagnostic.at(field.clone()));
    let reason = "no filter is made for the port, since it would take calls of other names; what \
                  was there before stays"
        .to_owned();
    GenerateError::InvalidInput {
        object: None,
        field,
        reason,
    }
}

/// The names of a list, each once, `*` last.
fn parse_interfaces(list: &str) -> Result<Vec<String>, String> {
    let mut interfaces: Vec<String> = Vec::new();
    for name in list
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
    {
        check_interface(name)?;
        if interfaces.iter().all(|earlier| earlier != name) {
            interfaces.push(name.to_owned());
        }
    }
    if interfaces.is_empty() {
        return Err(format!("{list:?} names no interface"));
    }
    // A stable sort: the others stay in the order of the list.
    interfaces.sort_by_key(|name| name == ANY);
    Ok(interfaces)
}

fn check_interface(name: &str) -> Result<(), String> {
    check_characters(name)?;
    let fixed = name
        .strip_prefix('*')
        .or_else(|| name.strip_suffix('*'))
        .unwrap_or(name);
    if fixed.contains('*') {
        return Err(format!(
            "{name:?} has a `*` that is not alone at the start or the end"
        ));
    }
    Ok(())
}

fn check_characters(name: &str) -> Result<(), String> {
    let forbidden = |c: char| c == '|' || c == ',' || c.is_control() || c.is_whitespace();
    match name.chars().find(|c| forbidden(*c)) {
        Some(found) => Err(format!("{name:?} holds {found:?}, which no name may have")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::one("a.B", &["a.B"])]
    #[case::several("a.B,a.C , a.D", &["a.B", "a.C", "a.D"])]
    #[case::each_once("a.B,a.C,a.B", &["a.B", "a.C"])]
    #[case::a_comma_too_many(",a.B,,", &["a.B"])]
    #[case::star_last("*,a.B,*,a.C", &["a.B", "a.C", "*"])]
    #[case::wildcards("*.B, a.*", &["*.B", "a.*"])]
    fn a_list_of_interfaces_is_read(#[case] list: &str, #[case] expected: &[&str]) {
        assert_eq!(parse_interfaces(list).unwrap(), expected);
    }

    #[rstest]
    #[case::bar("a|b")]
    #[case::space_within("a b")]
    #[case::line_feed("a\nb")]
    #[case::control("a\u{1}")]
    #[case::star_in_the_middle("a.*.B")]
    #[case::two_stars("*a*")]
    #[case::only_commas(" , ")]
    fn a_name_that_envoy_would_read_otherwise_is_refused(#[case] list: &str) {
        assert!(parse_interfaces(list).is_err());
    }
}
