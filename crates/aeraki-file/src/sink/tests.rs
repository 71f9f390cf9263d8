use std::sync::Arc;

use aeraki_core::MANAGER_LABEL;
use aeraki_core::draft::Direction;
use aeraki_core::object::ObjectKey;
use aeraki_core::plan::HoldReason;
use aeraki_core::protocol::Protocol;
use proptest::prelude::*;

use super::*;
use crate::scratch::Scratch;

fn sink_of(directory: &Scratch) -> Sink {
    Sink::new(directory.path("out"))
}

/// Everything below the output directory.
fn listing(directory: &Scratch) -> Vec<String> {
    let mut found = Vec::new();
    for namespace in list(&directory.path("out")).expect("listed") {
        found.push(
            namespace
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned(),
        );
        for file in list(&namespace).unwrap_or_default() {
            let file = file
                .strip_prefix(directory.path("out"))
                .expect("below")
                .to_string_lossy();
            found.push(file.into_owned());
        }
    }
    found
}

fn filter(namespace: &str, name: &str, priority: i32) -> Arc<Filter> {
    let spec = EnvoyFilter {
        priority,
        ..EnvoyFilter::default()
    };
    let mut object = Cr::new(name, namespace, spec);
    object
        .metadata
        .labels
        .insert(MANAGER_LABEL.0.to_owned(), MANAGER_LABEL.1.to_owned());
    Arc::new(Filter {
        key: FilterKey {
            namespace: namespace.into(),
            name: name.into(),
        },
        service: ObjectKey::new(Kind::SERVICE, namespace, "a"),
        host: aeraki_core::host::Host::new("a"),
        port: 1,
        protocol: Protocol::Custom("test"),
        direction: Direction::Outbound,
        content: Content::of(&object),
    })
}

/// Created, updated, deleted, failed.
fn apply(sink: &mut Sink, actions: &[Action]) -> (usize, usize, usize, usize) {
    let written = sink.apply(actions);
    (
        written.created,
        written.updated,
        written.deleted,
        written.failures.len(),
    )
}

const NAME: &str = "aeraki-outbound-a-1";
const FILE: &str = "out/shop/aeraki-outbound-a-1.yaml";

#[test]
fn a_filter_is_created_updated_and_deleted() {
    let directory = Scratch::new();
    let mut sink = sink_of(&directory);
    assert!(
        sink.observe().expect("looked").is_empty(),
        "the directory is not there yet"
    );
    let (one, two) = (filter("shop", NAME, 1), filter("shop", NAME, 2));
    assert_eq!(
        apply(&mut sink, &[Action::Create(Arc::clone(&one))]),
        (1, 0, 0, 0)
    );
    assert_eq!(
        listing(&directory),
        ["shop", "shop/aeraki-outbound-a-1.yaml"]
    );
    assert_eq!(
        fs::read_to_string(directory.path(FILE)).expect("written"),
        to_yaml(&one.object())
    );
    assert_eq!(
        apply(&mut sink, &[Action::Update(Arc::clone(&two))]),
        (0, 1, 0, 0)
    );
    assert_eq!(sink.observe().expect("looked")[&two.key], two.content);
    assert_eq!(
        apply(&mut sink, &[Action::Delete(two.key.clone())]),
        (0, 0, 1, 0)
    );
    assert_eq!(
        listing(&directory),
        [""; 0],
        "the namespace goes with its last filter"
    );
}

#[test]
fn what_was_written_is_observed_by_the_next_process_as_it_was_wanted() {
    let directory = Scratch::new();
    let wanted = filter("shop", NAME, 1);
    sink_of(&directory).apply(&[Action::Create(Arc::clone(&wanted))]);
    let mut later = sink_of(&directory);
    let observed = later.observe().expect("looked");
    assert_eq!(observed.len(), 1);
    assert_eq!(observed[&wanted.key], wanted.content);
    assert_eq!(
        apply(&mut later, &[Action::Delete(wanted.key.clone())]),
        (0, 0, 1, 0)
    );
    assert_eq!(
        listing(&directory),
        [""; 0],
        "the directory is known as ours by what is in it"
    );
}

#[test]
fn equal_content_is_not_written() {
    let directory = Scratch::new();
    let mut sink = sink_of(&directory);
    let wanted = filter("shop", NAME, 1);
    sink.apply(&[Action::Create(Arc::clone(&wanted))]);
    let before = Stamp::of(&fs::metadata(directory.path(FILE)).expect("there"));
    assert_eq!(apply(&mut sink, &[Action::Update(wanted)]), (0, 0, 0, 0));
    assert_eq!(
        Stamp::of(&fs::metadata(directory.path(FILE)).expect("there")),
        before
    );
}

#[test]
fn what_is_not_ours_is_never_touched() {
    let directory = Scratch::new();
    let wanted = filter("shop", NAME, 1);
    let unlabelled = to_yaml(&wanted.object()).replace("Aeraki", "Istio");
    let elsewhere = to_yaml(&wanted.object()).replace("namespace: shop", "namespace: mall");
    for foreign in ["hello", "a: [", "kind: Pod\n", &unlabelled, &elsewhere] {
        directory.write(FILE, foreign);
        let mut sink = sink_of(&directory);
        let observed = sink.observe().expect("looked");
        assert!(
            !is_ours(&wanted.key, &observed[&wanted.key]),
            "the plan is told that it is foreign"
        );
        let delete = Action::Delete(wanted.key.clone());
        let all = [
            Action::Create(Arc::clone(&wanted)),
            Action::Update(Arc::clone(&wanted)),
            delete,
        ];
        assert_eq!(apply(&mut sink, &all), (0, 0, 0, 3));
        assert_eq!(
            fs::read_to_string(directory.path(FILE)).expect("there"),
            foreign
        );
    }
}

/// A whole file of ours, as it is written for a service.
fn marked() -> (Arc<Filter>, String) {
    let mut filter = Arc::unwrap_or_clone(filter("shop", NAME, 1));
    let mut object = filter.object();
    let annotations = &mut object.metadata.annotations;
    annotations.insert(HASH_ANNOTATION.to_owned(), "0123".to_owned());
    filter.content = Content::of(&object);
    (Arc::new(filter), to_yaml(&object))
}

#[test]
fn what_is_left_of_a_file_of_ours_is_ours() {
    let (wanted, whole) = marked();
    let mark = whole.find(HASH_ANNOTATION).expect("marked") + HASH_ANNOTATION.len();
    let mut remains: Vec<String> = (mark..whole.len() - 1)
        .map(|end| whole[..end].to_owned())
        .collect();
    remains.extend([String::new(), "\n".to_owned(), "\0\0\0".to_owned()]);
    for damaged in remains {
        let directory = Scratch::new();
        directory.write(FILE, &damaged);
        let mut sink = sink_of(&directory);
        let observed = sink.observe().expect("looked");
        let there = &observed[&wanted.key];
        assert!(is_ours(&wanted.key, there), "{damaged:?}");
        if *there != wanted.content {
            let update = Action::Update(Arc::clone(&wanted));
            assert_eq!(apply(&mut sink, &[update]), (0, 1, 0, 0), "{damaged:?}");
            assert_eq!(
                fs::read_to_string(directory.path(FILE)).expect("there"),
                whole
            );
        }
        directory.write(FILE, &damaged);
        sink.observe().expect("looked");
        assert_eq!(
            apply(&mut sink, &[Action::Delete(wanted.key.clone())]),
            (0, 0, 1, 0)
        );
    }
}

#[test]
fn a_damaged_file_of_another_form_of_name_is_foreign() {
    let directory = Scratch::new();
    directory.write("out/shop/notes.yaml", "");
    let long = format!("aeraki-outbound-{}", "a".repeat(SHORTENED - 16));
    directory.write(&format!("out/shop/{long}.yaml"), "");
    let mut sink = sink_of(&directory);
    let observed = sink.observe().expect("looked");
    assert!(!observed.iter().any(|(key, content)| is_ours(key, content)));
}

#[test]
fn a_file_that_is_swapped_after_the_look_is_not_touched() {
    let directory = Scratch::new();
    let mut sink = sink_of(&directory);
    let wanted = filter("shop", NAME, 1);
    sink.apply(&[Action::Create(Arc::clone(&wanted))]);
    sink.observe().expect("looked");
    directory.write(FILE, "mine now");
    assert_eq!(
        apply(&mut sink, &[Action::Delete(wanted.key.clone())]),
        (0, 0, 0, 1)
    );
    let observed = sink.observe().expect("looked");
    assert!(!is_ours(&wanted.key, &observed[&wanted.key]));
    fs::remove_file(directory.path(FILE)).expect("removed");
    assert!(sink.observe().expect("looked").is_empty());
    assert_eq!(apply(&mut sink, &[Action::Create(wanted)]), (1, 0, 0, 0));
}

#[test]
fn a_drift_of_our_own_file_is_observed() {
    let directory = Scratch::new();
    let mut sink = sink_of(&directory);
    let wanted = filter("shop", NAME, 1);
    sink.apply(&[Action::Create(Arc::clone(&wanted))]);
    let drifted = filter("shop", NAME, 77);
    directory.write(FILE, &to_yaml(&drifted.object()));
    assert_eq!(
        sink.observe().expect("looked")[&wanted.key],
        drifted.content
    );
}

#[test]
fn directories_and_files_of_others_stay() {
    let directory = Scratch::new();
    directory.write("out/README.md", "read me");
    fs::create_dir_all(directory.path("out/empty")).expect("made");
    let mut sink = sink_of(&directory);
    sink.observe().expect("looked");
    let (a, b) = (filter("shop", NAME, 1), filter("empty", NAME, 1));
    sink.apply(&[
        Action::Create(Arc::clone(&a)),
        Action::Create(Arc::clone(&b)),
    ]);
    directory.write("out/shop/notes.txt", "mine");
    let deletes = [Action::Delete(a.key.clone()), Action::Delete(b.key.clone())];
    assert_eq!(apply(&mut sink, &deletes), (0, 0, 2, 0));
    assert_eq!(
        listing(&directory),
        ["README.md", "empty", "shop", "shop/notes.txt"]
    );
}

#[test]
fn what_a_process_left_half_written_is_removed_at_the_first_look() {
    let directory = Scratch::new();
    directory.write(&format!("out/shop/.17{LEFTOVER}"), "half");
    let mut sink = sink_of(&directory);
    sink.observe().expect("looked");
    assert_eq!(listing(&directory), ["shop"]);
}

#[test]
fn holding_does_nothing_and_a_foreign_object_is_told() {
    let directory = Scratch::new();
    let mut sink = sink_of(&directory);
    let key = filter("shop", NAME, 1).key.clone();
    let hold = Action::Hold(key.clone(), HoldReason::IncompleteView);
    let written = sink.apply(&[hold, Action::Foreign(key)]);
    let failures: Vec<String> = written
        .failures
        .iter()
        .map(|(_, error)| error.to_string())
        .collect();
    assert_eq!(failures.len(), 1);
    assert!(
        failures[0].ends_with("is not an EnvoyFilter of ours and stays as it is"),
        "{failures:?}"
    );
}

#[test]
fn a_name_that_leads_elsewhere_is_refused_and_the_rest_is_written() {
    let directory = Scratch::new();
    let mut sink = sink_of(&directory);
    for (namespace, name) in [
        ("..", "x"),
        ("shop", "../x"),
        ("", "x"),
        ("a/b", "x"),
        ("shop", ""),
    ] {
        let actions = [
            Action::Create(filter(namespace, name, 1)),
            Action::Create(filter("ok", NAME, 1)),
        ];
        let written = sink.apply(&actions);
        assert!(
            matches!(written.failures[..], [(_, SinkError::IllegalName)]),
            "{namespace}/{name}"
        );
    }
    assert_eq!(listing(&directory), ["ok", "ok/aeraki-outbound-a-1.yaml"]);
}

#[test]
fn the_longest_names_find_files_of_their_own() {
    let directory = Scratch::new();
    let mut sink = sink_of(&directory);
    let name = |last: char| format!("aeraki-outbound-{}{last}", "x".repeat(253 - 17));
    let (a, b) = (filter("shop", &name('a'), 1), filter("shop", &name('b'), 1));
    let actions = [
        Action::Create(Arc::clone(&a)),
        Action::Create(Arc::clone(&b)),
    ];
    assert_eq!(apply(&mut sink, &actions), (2, 0, 0, 0));
    let mut later = sink_of(&directory);
    let keys: Vec<&FilterKey> = later.observe().expect("looked").keys().collect();
    assert_eq!(keys, [&a.key, &b.key]);
}

proptest! {
    #[test]
    fn different_names_have_different_files(a in "[a-b]{247,253}", b in "[a-b]{247,253}") {
        let (one, two) = (file_name(&a), file_name(&b));
        prop_assert!(one.len() <= MAX_FILE_NAME);
        prop_assert_eq!(a == b, one == two);
    }
}

#[cfg(unix)]
#[test]
fn a_file_with_a_password_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = Scratch::new();
    let mut sink = sink_of(&directory);
    let mode = || {
        let metadata = fs::metadata(directory.path(FILE)).expect("written");
        metadata.permissions().mode() & 0o777
    };
    let open = filter("shop", NAME, 1);
    let mut private = (*open).clone();
    let password = serde_json::json!({
        "configPatches": [{
            "applyTo": "NETWORK_FILTER",
            "patch": {"operation": "REPLACE", "value": {"typed_config": {
                "downstream_auth_passwords": [{"inline_string": "s3cret"}],
            }}},
        }],
    });
    let mut object = private.object();
    object.spec = serde_json::from_value(password).expect("an EnvoyFilter");
    private.content = Content::of(&object);
    let private = Arc::new(private);

    apply(&mut sink, &[Action::Create(Arc::clone(&open))]);
    assert_ne!(
        mode() & 0o044,
        0,
        "without a password it is as the umask says"
    );
    apply(&mut sink, &[Action::Update(Arc::clone(&private))]);
    assert_eq!(mode(), 0o600);

    // As an earlier version, or somebody's copy, may have left it.
    let for_all = fs::Permissions::from_mode(0o644);
    fs::set_permissions(directory.path(FILE), for_all).expect("opened up");
    assert_eq!(apply(&mut sink, &[Action::Update(private)]), (0, 0, 0, 0));
    assert_eq!(mode(), 0o600);
    apply(&mut sink, &[Action::Update(open)]);
    assert_ne!(mode() & 0o044, 0);
}
