//! What lists and watches look like on the wire. Objects stay text here: one that cannot be read takes no other along.

use serde::Deserialize;
use serde_json::value::RawValue;

/// One page of a list.
#[derive(Deserialize)]
pub(crate) struct Page<'a> {
    #[serde(default)]
    pub(crate) metadata: PageMeta,
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

/// Where the list stands in the server's history, and how to ask for the next page.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PageMeta {
    pub(crate) resource_version: String,
    #[serde(rename = "continue")]
    pub(crate) next: String,
}

impl<'a> Page<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The objects, each as its own text.
    pub(crate) fn items(&self) -> impl Iterator<Item = &'a str> {
        self.items.iter().flatten().map(|item| item.get())
    }
}

/// One line of a watch.
#[derive(Debug)]
pub(crate) enum Line<'a> {
    /// An object is new or changed.
    Put(&'a str),
    /// An object is gone; this was its last state.
    Gone(&'a str),
    /// Nothing happened up to here.
    Bookmark(String),
    /// The watch cannot go on.
    Failed(Failure),
}

/// Why a watch cannot go on.
#[derive(Deserialize, Default, Debug, PartialEq, Eq)]
#[serde(default)]
pub(crate) struct Failure {
    pub(crate) code: u16,
    pub(crate) message: String,
}

#[derive(Deserialize)]
struct RawLine<'a> {
    #[serde(rename = "type")]
    what: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize)]
struct BookmarkObject {
    metadata: PageMeta,
}

impl<'a> Line<'a> {
    /// Reads a line; `None` for a type of line that nobody has heard of.
    pub(crate) fn parse(line: &'a str) -> Result<Option<Self>, serde_json::Error> {
        let RawLine { what, object } = serde_json::from_str(line)?;
        let object = object.get();
        Ok(Some(match what {
            "ADDED" | "MODIFIED" => Self::Put(object),
            "DELETED" => Self::Gone(object),
            "BOOKMARK" => {
                let bookmark: BookmarkObject = serde_json::from_str(object)?;
                Self::Bookmark(bookmark.metadata.resource_version)
            }
            "ERROR" => Self::Failed(serde_json::from_str(object)?),
            _ => return Ok(None),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_gives_its_objects_as_text_and_where_it_goes_on() {
        let text = r#"{"kind":"List","metadata":{"resourceVersion":"7","continue":"t"},"items":[{"a":1},"odd"]}"#;
        let page = Page::parse(text).unwrap();
        assert_eq!(
            (
                page.metadata.resource_version.as_str(),
                page.metadata.next.as_str()
            ),
            ("7", "t")
        );
        assert_eq!(page.items().collect::<Vec<_>>(), [r#"{"a":1}"#, r#""odd""#]);
    }

    #[test]
    fn a_page_without_items_is_an_empty_one() {
        for text in [r#"{"metadata":{"resourceVersion":"7"},"items":null}"#, "{}"] {
            assert_eq!(Page::parse(text).unwrap().items().count(), 0, "{text}");
        }
    }

    #[test]
    fn a_line_says_what_happened() {
        let line = |text| Line::parse(text).unwrap();
        let put = r#"{"type":"MODIFIED","object":{"a":"b"}}"#;
        assert!(matches!(line(put), Some(Line::Put(r#"{"a":"b"}"#))));
        let gone = r#"{"type":"DELETED","object":{}}"#;
        assert!(matches!(line(gone), Some(Line::Gone("{}"))));
        let bookmark = r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"12"}}}"#;
        assert!(matches!(line(bookmark), Some(Line::Bookmark(at)) if at == "12"));
        let error = r#"{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}}"#;
        let Some(Line::Failed(failure)) = line(error) else {
            panic!("an error");
        };
        assert_eq!((failure.code, failure.message.as_str()), (410, "too old"));
        assert!(line(r#"{"type":"NOVEL","object":{}}"#).is_none());
    }

    #[test]
    fn half_a_line_is_an_error_and_no_event() {
        assert!(Line::parse(r#"{"type":"ADDED","obj"#).is_err());
    }
}
