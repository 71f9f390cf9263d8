use aeraki_core::object::Body;
use aeraki_core::registry::Registry;
use proptest::prelude::*;

use super::*;

fn source() -> Source {
    Source::new(Reader::new(&Registry::of([]).expect("nothing clashes")))
}

/// A document with an entry of this name; the host tells versions apart.
fn entry(name: &str, host: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: {name}}}\nspec: {{hosts: \
         [{host}]}}\n"
    )
}

fn put(source: &mut Source, path: &str, content: &str) -> Update {
    source.update(Path::new(path), Some(content.as_bytes()))
}

fn host(object: &Object) -> String {
    match &object.body {
        Body::ServiceEntry { spec, .. } => spec.get().hosts.remove(0),
        other => panic!("an entry, not {other:?}"),
    }
}

/// `+name=host` for a put, `-name` for a deletion.
fn shown(update: &Update) -> Vec<String> {
    let event = |event: &ConfigEvent| match event {
        ConfigEvent::Put(object) => format!("+{}={}", object.key.name, host(object)),
        ConfigEvent::Delete(key) => format!("-{}", key.name),
        other => panic!("{other:?}"),
    };
    update.events.iter().map(event).collect()
}

fn told(problems: &[Problem]) -> Vec<String> {
    let shown = |p: &Problem| {
        let line = p.span.map_or(0, |span| span.line);
        format!(
            "{}:{line} {} {}",
            p.origin(),
            p.diagnostic.code,
            p.diagnostic.message
        )
    };
    problems.iter().map(shown).collect()
}

#[test]
fn a_file_that_comes_changes_and_goes_is_three_events() {
    let mut source = source();
    assert_eq!(
        shown(&put(&mut source, "a.yaml", &entry("a", "one"))),
        ["+a=one"]
    );
    assert_eq!(
        shown(&put(&mut source, "a.yaml", &entry("a", "two"))),
        ["+a=two"]
    );
    assert_eq!(shown(&source.update(Path::new("a.yaml"), None)), ["-a"]);
    assert!(source.is_complete() && source.objects().next().is_none());
}

#[test]
fn content_that_says_the_same_is_no_event() {
    let mut source = source();
    put(&mut source, "a.yaml", &entry("a", "one"));
    let again = format!("# a comment\n{}", entry("a", "one"));
    assert_eq!(shown(&put(&mut source, "a.yaml", &again)), [""; 0]);
    let place = source
        .located(&source.objects().next().expect("one").object.key)
        .expect("it is there");
    assert_eq!(
        place.span("").expect("a place").line,
        5,
        "the place is that of the new text"
    );
}

#[test]
fn an_object_that_moves_to_another_document_or_file_stays() {
    let mut source = source();
    put(&mut source, "a.yaml", &entry("a", "one"));
    let moved = entry("b", "two") + &entry("a", "one");
    assert_eq!(shown(&put(&mut source, "a.yaml", &moved)), ["+b=two"]);
    assert_eq!(
        shown(&put(&mut source, "b.yaml", &entry("a", "one"))),
        [""; 0]
    );
    assert_eq!(
        shown(&put(&mut source, "a.yaml", &entry("b", "two"))),
        [""; 0]
    );
}

#[test]
fn a_broken_document_keeps_its_last_good_state_and_says_so() {
    let mut source = source();
    put(
        &mut source,
        "a.yaml",
        &(entry("a", "one") + &entry("b", "one")),
    );
    let broken = entry("a", "two") + "---\nkind: [\n";
    let update = put(&mut source, "a.yaml", &broken);
    assert_eq!(shown(&update), ["+a=two"], "the good document counts");
    assert_eq!(
        update.kept.iter().map(|key| &*key.name).collect::<Vec<_>>(),
        ["b"]
    );
    assert_eq!(
        told(&update.problems),
        ["a.yaml:7 AER0001 unclosed bracket '['; ServiceEntry default/b stays as it was last read"]
    );
    assert!(source.is_complete(), "it has been whole once");
    assert_eq!(
        shown(&put(&mut source, "a.yaml", &entry("a", "two"))),
        ["-b"],
        "whole again"
    );
    assert!(source.problems().next().is_none());
}

#[test]
fn an_object_that_is_broken_itself_keeps_its_last_good_state() {
    let mut source = source();
    put(
        &mut source,
        "a.yaml",
        &(entry("a", "one") + &entry("b", "one")),
    );
    let broken = entry("a", "1.5") + &entry("b", "two");
    let update = put(&mut source, "a.yaml", &broken);
    assert_eq!(shown(&update), ["+b=two"]);
    let message = &update.problems[0].diagnostic.message;
    assert_eq!(
        message,
        "expected a string, found the number 1.5; the object stays as it was last read"
    );
    let kept = source.located(&update.kept[0]).expect("it is kept");
    assert!(
        kept.text().contains("[one]"),
        "its place is in the text that it was read from"
    );
}

#[test]
fn what_is_kept_survives_further_broken_states_and_goes_with_the_file() {
    let mut source = source();
    put(
        &mut source,
        "a.yaml",
        &(entry("a", "one") + &entry("b", "one")),
    );
    for broken in ["[", "[[", "\u{0}"] {
        assert_eq!(shown(&put(&mut source, "a.yaml", broken)), [""; 0]);
    }
    assert_eq!(
        shown(&source.unreadable(Path::new("a.yaml"), "permission denied")),
        [""; 0]
    );
    assert_eq!(
        shown(&source.update(Path::new("a.yaml"), None)),
        ["-a", "-b"]
    );
}

#[test]
fn the_view_is_incomplete_until_every_file_has_been_whole_or_is_gone() {
    let mut source = source();
    put(&mut source, "a.yaml", &entry("a", "one"));
    assert!(source.is_complete());
    put(&mut source, "b.yaml", &(entry("b", "one") + "---\n["));
    assert!(
        !source.is_complete(),
        "nobody knows what its second document was"
    );
    source.unreadable(Path::new("c.yaml"), "permission denied");
    source.update(Path::new("b.yaml"), None);
    assert!(!source.is_complete());
    put(&mut source, "c.yaml", "");
    assert!(source.is_complete());
}

#[test]
fn of_two_with_one_name_the_first_counts_and_the_other_takes_over() {
    let mut source = source();
    put(&mut source, "b.yaml", &entry("x", "second"));
    let update = put(
        &mut source,
        "a.yaml",
        &(entry("w", "w") + &entry("x", "first")),
    );
    assert_eq!(shown(&update), ["+w=w", "+x=first"]);
    let expected = "b.yaml:4 AER0004 the object is defined before, in a.yaml:9, and that counts";
    assert_eq!(told(&update.problems), [expected]);
    assert_eq!(told(&source.problems().collect::<Vec<_>>()), [expected]);
    assert_eq!(
        shown(&source.update(Path::new("a.yaml"), None)),
        ["-w", "+x=second"]
    );
    assert!(source.problems().next().is_none());
}

#[test]
fn of_two_in_one_file_the_first_counts() {
    let mut source = source();
    let update = put(
        &mut source,
        "a.yaml",
        &(entry("x", "first") + &entry("x", "second")),
    );
    assert_eq!(shown(&update), ["+x=first"]);
    assert_eq!(update.problems[0].diagnostic.code, "AER0004");
    assert_eq!(update.problems[0].span.expect("a place").line, 9);
}

#[test]
fn other_kinds_are_counted_over_all_files() {
    let mut source = source();
    let pod = "---\nkind: Pod\napiVersion: v1\nmetadata: {name: a}\n";
    put(&mut source, "a.yaml", pod);
    put(&mut source, "b.yaml", &pod.repeat(2));
    assert_eq!(source.passed_over(), [("Pod", 3)].into());
}

const PATHS: [&str; 3] = ["a.yaml", "b/c.yaml", "d.json"];

/// What a file holds: entries by name and version, and whether something in it is broken.
type Content = Option<(Vec<(u8, u8)>, bool)>;

fn text((entries, broken): &(Vec<(u8, u8)>, bool)) -> String {
    let entries = entries
        .iter()
        .map(|(name, version)| entry(&format!("n{name}"), &format!("v{version}")));
    let tail = if *broken { "---\n[\n" } else { "" };
    entries.chain([tail.to_owned()]).collect()
}

fn content() -> impl Strategy<Value = Content> {
    let entries = prop::collection::vec((0_u8..4, 0_u8..3), 0..4);
    prop::option::weighted(0.8, (entries, prop::bool::weighted(0.3)))
}

fn take(source: &mut Source, path: usize, content: &Content) -> Vec<ConfigEvent> {
    let text = content.as_ref().map(text);
    source
        .update(Path::new(PATHS[path]), text.as_deref().map(str::as_bytes))
        .events
}

proptest! {
    #[test]
    fn the_end_state_is_that_of_a_fresh_read(
        updates in prop::collection::vec((0_usize..3, content()), 0..12),
        mut last in prop::collection::vec(content(), 3),
    ) {
        let (mut lived, mut heard) = (source(), BTreeMap::new());
        for content in last.iter_mut().flatten() {
            content.1 = false;
        }
        let last: Vec<(usize, Content)> = last.into_iter().enumerate().collect();
        for (path, content) in updates.iter().chain(&last) {
            for event in take(&mut lived, *path, content) {
                match event {
                    ConfigEvent::Put(object) => heard.insert(object.key.clone(), object),
                    ConfigEvent::Delete(key) => heard.remove(&key),
                    _ => None,
                };
            }
        }
        let mut fresh = source();
        for (path, content) in last.iter().rev() {
            take(&mut fresh, *path, content);
        }
        let objects = |source: &Source| source.objects().map(|l| Arc::clone(&l.object)).collect::<Vec<_>>();
        prop_assert_eq!(objects(&lived), objects(&fresh));
        prop_assert_eq!(heard.into_values().collect::<Vec<_>>(), objects(&lived), "the events tell all of it");
        let problems = |source: &Source| told(&source.problems().collect::<Vec<_>>());
        prop_assert_eq!(problems(&lived), problems(&fresh));
        prop_assert_eq!(lived.files().count(), fresh.files().count());
        prop_assert!(lived.is_complete());
    }

    #[test]
    fn a_broken_file_never_takes_an_object_away(
        first in prop::collection::vec((0_u8..4, 0_u8..3), 0..4),
        then in prop::collection::vec((0_u8..4, 0_u8..3), 0..4),
    ) {
        let mut source = source();
        take(&mut source, 0, &Some((first, false)));
        let before = source.objects().count();
        let events = take(&mut source, 0, &Some((then, true)));
        prop_assert!(events.iter().all(|event| matches!(event, ConfigEvent::Put(_))));
        prop_assert!(source.objects().count() >= before);
    }
}
