//! Which findings their author does not want to see: by the command line, or by an annotation on the object.

use aeraki_core::annotation::SUPPRESS;
use aeraki_core::object::Object;
use aeraki_core::registry::Registry;
use anyhow::Result;

use crate::cli::usage;
use crate::codes;
use crate::finding::Finding;

/// One `-S CODE` or `-S 'CODE=KIND NAME.NAMESPACE'`, where `*` stands for any characters.
#[derive(Debug)]
struct Rule {
    code: String,
    object: String,
}

/// All that is suppressed by the command line.
#[derive(Debug, Default)]
pub(crate) struct Suppressions {
    rules: Vec<Rule>,
}

impl Suppressions {
    /// Reads the values of `-S`. A code that does not exist is refused: it would suppress nothing.
    pub(crate) fn parse(values: &[String], registry: &Registry) -> Result<Self> {
        let rules = values
            .iter()
            .map(|value| rule(value, registry))
            .collect::<Result<_>>()?;
        Ok(Self { rules })
    }

    /// Whether the finding is not to be reported. `object` is the one it is about, if it could be read.
    pub(crate) fn hides(&self, finding: &Finding, object: Option<&Object>) -> bool {
        let code = finding.diagnostic.code;
        let key = &finding.diagnostic.object;
        let name = format!("{} {}.{}", key.kind, key.name, key.namespace);
        let by_rule = |rule: &Rule| matches(&rule.code, code) && matches(&rule.object, &name);
        self.rules.iter().any(by_rule) || object.is_some_and(|object| is_annotated(object, code))
    }
}

fn rule(value: &str, registry: &Registry) -> Result<Rule> {
    let (code, object) = match value.split_once('=') {
        Some((code, object)) => (code.trim(), object.trim()),
        None => (value.trim(), "*"),
    };
    if object != "*" && !object.contains(' ') {
        let sentence = format!("`{object}` has not the form `KIND NAME.NAMESPACE` (in -S {value})");
        return Err(usage(sentence));
    }
    let code = if code.contains('*') {
        code
    } else {
        codes::find(registry, code)?.id
    };
    Ok(Rule {
        code: code.to_owned(),
        object: object.to_owned(),
    })
}

fn is_annotated(object: &Object, code: &str) -> bool {
    let listed = object.meta.annotations.get(SUPPRESS);
    listed.is_some_and(|list| list.split(',').any(|one| matches(one.trim(), code)))
}

/// Whether the text has the form of the pattern, in which `*` stands for any characters.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(head) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = text.find(part) else {
            return false;
        };
        text = &text[at + part.len()..];
    }
    text.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use aeraki_api::{Cr, ObjectMeta, networking::ServiceEntry};
    use aeraki_core::diagnostic::{Diagnostic, catalogue};
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("AER0101", "AER0101", true)]
    #[case("AER0101", "AER0102", false)]
    #[case("*", "", true)]
    #[case("AER01*", "AER0102", true)]
    #[case("a*a", "a", false)]
    #[case("a*b*c", "axxbyyc", true)]
    #[case("a*b*c", "acb", false)]
    #[case("*ab", "aab", true)]
    #[case("**", "x", true)]
    fn a_star_stands_for_any_characters(
        #[case] pattern: &str,
        #[case] text: &str,
        #[case] is_match: bool,
    ) {
        assert_eq!(matches(pattern, text), is_match);
    }

    fn service(annotation: &str) -> Object {
        let annotations = [(SUPPRESS.to_owned(), annotation.to_owned())].into();
        let metadata = ObjectMeta {
            name: "orders".to_owned(),
            namespace: "shop".to_owned(),
            annotations,
            ..ObjectMeta::default()
        };
        Object::from(Cr::<ServiceEntry> {
            metadata,
            ..Cr::default()
        })
    }

    #[rstest]
    #[case::nothing(&[], "", false)]
    #[case::code(&["AER0101"], "", true)]
    #[case::lower_case(&["aer0101"], "", true)]
    #[case::other_code(&["AER0102"], "", false)]
    #[case::object(&["AER0101=ServiceEntry orders.shop"], "", true)]
    #[case::pattern(&["AER0101=ServiceEntry *.shop"], "", true)]
    #[case::other_object(&["AER0101=ServiceEntry carts.shop"], "", false)]
    #[case::annotation(&[], "AER0120, AER0101", true)]
    #[case::annotation_of_other_codes(&[], "AER0120,AER0102", false)]
    #[case::annotation_of_all(&[], "*", true)]
    fn findings_are_hidden_by_flag_and_by_annotation(
        #[case] flags: &[&str],
        #[case] annotation: &str,
        #[case] hidden: bool,
    ) {
        let flags: Vec<String> = flags.iter().copied().map(str::to_owned).collect();
        let suppressions = Suppressions::parse(&flags, &Registry::default()).unwrap();
        let object = service(annotation);
        let diagnostic = Diagnostic::new(&catalogue::UNKNOWN_PROTOCOL, &object.key, "x");
        let finding = Finding {
            diagnostic,
            place: None,
        };
        assert_eq!(suppressions.hides(&finding, Some(&object)), hidden);
    }

    #[rstest]
    #[case::unknown_code("AER9999")]
    #[case::no_object("AER0101=orders")]
    fn a_suppression_that_could_never_hide_anything_is_refused(#[case] value: &str) {
        assert!(Suppressions::parse(&[value.to_owned()], &Registry::default()).is_err());
    }
}
