//! The diagnostic codes as text: the list, and what one of them means.

use aeraki_core::diagnostic::Code;
use aeraki_core::near_miss;
use aeraki_core::registry::Registry;
use anyhow::Result;
use serde_json::{Value, json};

use crate::cli::usage;
use crate::table::Table;

/// Where the reference of all codes stands, from the project's root.
const REFERENCE: &str = "docs/diagnostics.md";

/// Every code of this binary, by id. Two protocols may share one.
pub(crate) fn all(registry: &Registry) -> Vec<&'static Code> {
    let mut codes: Vec<&'static Code> = registry.codes().collect();
    codes.sort_by_key(|code| code.id);
    codes.dedup_by_key(|code| code.id);
    codes
}

/// The code called `id`, in any letter case.
pub(crate) fn find(registry: &Registry, id: &str) -> Result<&'static Code> {
    let codes = all(registry);
    let wanted = id.to_ascii_uppercase();
    if let Some(code) = codes.iter().find(|code| code.id == wanted) {
        return Ok(code);
    }
    let hint = near_miss::closest(&wanted, codes.iter().map(|code| code.id))
        .map(|near| format!(" (did you mean {near}?)"))
        .unwrap_or_default();
    let sentence = format!("there is no code {id}{hint}; `aeraki analyze -L` lists them");
    Err(usage(sentence))
}

/// Where a code is explained.
pub(crate) fn documentation(id: &str) -> String {
    format!("{REFERENCE}#{}", id.to_ascii_lowercase())
}

/// What a code means, for a terminal.
pub(crate) fn explain(code: &Code) -> String {
    let Code {
        id,
        severity,
        title,
        explanation,
        remedy,
    } = code;
    let (explanation, remedy) = (wrap(explanation), wrap(remedy));
    format!("{id} ({severity}): {title}\n\n{explanation}\nWhat to do:\n{remedy}")
}

/// One line for each code.
pub(crate) fn table(codes: &[&Code]) -> String {
    let mut table = Table::new(["CODE", "LEVEL", "MEANING"]);
    for code in codes {
        table.row([code.id, code.severity.name(), code.title].map(str::to_owned));
    }
    table.plain()
}

/// The codes for programs.
pub(crate) fn json(codes: &[&Code]) -> Value {
    codes
        .iter()
        .map(|code| {
            json!({
                "code": code.id,
                "level": code.severity.name(),
                "title": code.title,
                "explanation": code.explanation,
                "remedy": code.remedy,
                "documentationUrl": documentation(code.id),
            })
        })
        .collect()
}

/// The reference of all codes, as it stands in the documentation.
pub(crate) fn markdown(codes: &[&Code]) -> String {
    let mut text = String::from(
        "# Diagnostics\n\n\
         Generated from the code by `aeraki analyze -L -o markdown`.\n\n\
         Every diagnostic has a code that never changes its meaning. `aeraki analyze --explain CODE` prints the same text.\n\
         The level is the usual one; a single occurrence may have another. To silence a code on one object, list it in the\n\
         annotation `aeraki.net/suppress`; to silence it in one run, use `aeraki analyze -S CODE`.\n\n",
    );
    for code in codes {
        text.push_str(&format!(
            "## {}\n\n**{}** — {}.\n\n{}\n\nWhat to do: {}\n\n",
            code.id, code.severity, code.title, code.explanation, code.remedy
        ));
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// Lines of at most 80 characters.
fn wrap(text: &str) -> String {
    let mut wrapped = String::new();
    let mut width = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > 80 {
            wrapped.push('\n');
            width = 0;
        } else if width > 0 {
            wrapped.push(' ');
            width += 1;
        }
        wrapped.push_str(word);
        width += length;
    }
    wrapped.push('\n');
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_in_any_letter_case_and_a_near_one_is_named() {
        let registry = Registry::default();
        assert_eq!(find(&registry, "aer0101").unwrap().id, "AER0101");
        let error = find(&registry, "AER0109").unwrap_err().to_string();
        assert!(error.contains("did you mean AER01"), "{error}");
        let error = find(&registry, "IST0101").unwrap_err().to_string();
        assert!(error.contains("`aeraki analyze -L`"), "{error}");
    }

    #[test]
    fn explanations_are_wrapped_and_lose_no_word() {
        for code in all(&Registry::default()) {
            let text = explain(code);
            assert!(
                text.lines().skip(1).all(|line| line.chars().count() <= 80),
                "{text}"
            );
            let words: Vec<&str> = code.explanation.split_whitespace().collect();
            let wrapped: Vec<&str> = text.split_whitespace().collect();
            assert!(
                wrapped.windows(words.len()).any(|window| window == words),
                "{text}"
            );
        }
    }
}
