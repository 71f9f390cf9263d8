//! Takes a file's text apart into documents, so that a broken one does not take its neighbours with it.
//!
//! In YAML a line that begins with `---` or `...` and then ends or goes on with a blank is a document marker wherever
//! it stands, even inside a quoted text or a block, so the cuts need no parser. A JSON file may hold several values one
//! behind the other, as kubectl reads them.

use std::ops::Range;

use serde::de::IgnoredAny;

/// The stretches of `text` that are a document each, without those that hold comments only.
pub(crate) fn documents(text: &str) -> Vec<Range<usize>> {
    json_values(text).unwrap_or_else(|| yaml_documents(text))
}

/// JSON values one behind the other. `None` if it is one value only, or not JSON: then it is a matter of YAML.
fn json_values(text: &str) -> Option<Vec<Range<usize>>> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    let (mut ranges, mut start) = (Vec::new(), 0);
    while let Some(value) = values.next() {
        value.ok()?;
        ranges.push(start..values.byte_offset());
        start = values.byte_offset();
    }
    (ranges.len() > 1).then_some(ranges)
}

fn yaml_documents(text: &str) -> Vec<Range<usize>> {
    let (mut ranges, mut start, mut at) = (Vec::new(), 0, 0);
    for line in text.split_inclusive('\n') {
        let end = at + line.len();
        if is_marker(line, "---") && !is_directives(&text[start..at]) {
            ranges.push(start..at);
            start = at;
        } else if is_marker(line, "...") {
            ranges.push(start..end);
            start = end;
        }
        at = end;
    }
    ranges.push(start..text.len());
    ranges.retain(|range| !text[range.clone()].lines().all(is_comment));
    ranges
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// Directives stand before the marker of the document that they are for.
fn is_directives(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !is_comment(line)).peekable();
    lines.peek().is_some() && lines.all(|line| line.starts_with('%'))
}

fn is_comment(line: &str) -> bool {
    let line = line.trim_start_matches('\u{feff}').trim_start();
    line.is_empty() || line.starts_with('#')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::documents;

    #[rstest]
    #[case::one("a: 1\n", &["a: 1\n"])]
    #[case::nothing("# only a comment\n\n", &[])]
    #[case::empty("", &[])]
    #[case::two("a: 1\n---\nb: 2\n", &["a: 1\n", "---\nb: 2\n"])]
    #[case::content_behind_the_marker("--- {a: 1}\n--- |\n text\n", &["--- {a: 1}\n", "--- |\n text\n"])]
    #[case::comment_before_the_first("# licence\n---\na: 1\n", &["---\na: 1\n"])]
    #[case::windows_line_ends("a: 1\r\n---\r\nb: 2\r\n", &["a: 1\r\n", "---\r\nb: 2\r\n"])]
    #[case::directive("%YAML 1.2\n---\na: 1\n", &["%YAML 1.2\n---\na: 1\n"])]
    #[case::end_marker("a: 1\n...\n# between\n---\nb: 2\n", &["a: 1\n...\n", "---\nb: 2\n"])]
    #[case::no_marker_inside_a_line("a: ---\nb: '--- x'\n----\n", &["a: ---\nb: '--- x'\n----\n"])]
    #[case::indented_is_content("a: |\n  ---\n  b\n", &["a: |\n  ---\n  b\n"])]
    #[case::broken_and_good("a: [1\n---\nb: 2\n", &["a: [1\n", "---\nb: 2\n"])]
    #[case::json_values("{\"a\": 1}\n{\"b\": 2}\n", &["{\"a\": 1}", "\n{\"b\": 2}"])]
    #[case::flow_yaml_is_no_json("{a: 1}\n", &["{a: 1}\n"])]
    fn a_file_comes_apart_into_documents(#[case] text: &str, #[case] expected: &[&str]) {
        let found: Vec<&str> = documents(text)
            .into_iter()
            .map(|range| &text[range])
            .collect();
        assert_eq!(found, expected);
    }
}
