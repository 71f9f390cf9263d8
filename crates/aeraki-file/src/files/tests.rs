use std::os::unix::fs::symlink;

use aeraki_core::object::ConfigEvent;
use aeraki_core::registry::Registry;

use super::*;
use crate::scratch::Scratch;

fn files_of(directory: &Scratch) -> Files {
    files(Roots::new([directory.root()]))
}

fn files(roots: Roots) -> Files {
    Files::new(
        Reader::new(&Registry::of([]).expect("nothing clashes")),
        roots,
    )
}

fn service(name: &str) -> String {
    format!("apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n")
}

fn look(files: &mut Files) -> Vec<String> {
    shown(&files.refresh(&BTreeSet::new()))
}

fn shown(update: &Update) -> Vec<String> {
    let event = |event: &ConfigEvent| match event {
        ConfigEvent::Put(object) => format!("+{}", object.key.name),
        ConfigEvent::Delete(key) => format!("-{}", key.name),
        other => panic!("{other:?}"),
    };
    update.events.iter().map(event).collect()
}

#[test]
fn a_directory_is_read_with_all_that_is_below_it_and_no_more() {
    let directory = Scratch::new();
    for name in [
        "z.yaml",
        "a.yml",
        "b/c/d.json",
        "b/.hidden/e.yaml",
        ".f.yaml",
        "target/g.yaml",
        "b/target.yaml",
        "h.txt",
    ] {
        let object = Path::new(name)
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .replace('.', "");
        directory.write(name, &service(&object));
    }
    let mut files = files_of(&directory);
    assert!(files.complete_view().is_none(), "nobody has looked");
    assert_eq!(look(&mut files), ["+a", "+d", "+target", "+g", "+z"]);
    assert!(files.complete_view().is_some());
    let skipped = Skipped {
        hidden: 2,
        links: 0,
    };
    assert_eq!(files.skipped(), skipped);
    assert_eq!(look(&mut files), [""; 0]);
    assert_eq!(files.skipped(), skipped);
}

#[test]
fn edited_added_and_removed_files_are_found() {
    let directory = Scratch::new();
    directory.write("a.yaml", &service("a"));
    directory.write("b/b.yaml", &service("b"));
    let mut files = files_of(&directory);
    look(&mut files);
    directory.write("a.yaml", &service("aa"));
    directory.write("c.yaml", &service("c"));
    fs::remove_dir_all(directory.path("b")).expect("removed");
    assert_eq!(look(&mut files), ["-b", "-a", "+aa", "+c"]);
}

#[test]
fn a_file_that_is_said_to_be_touched_is_read_though_it_looks_the_same() {
    let directory = Scratch::new();
    directory.write("a.yaml", &service("a"));
    let mut files = files_of(&directory);
    look(&mut files);
    let file = fs::File::options()
        .write(true)
        .open(directory.path("a.yaml"))
        .expect("there");
    let time = file.metadata().expect("there").modified().expect("a time");
    directory.write("a.yaml", &service("b"));
    file.set_modified(time).expect("set back");
    assert_eq!(look(&mut files), [""; 0]);
    let touched = BTreeSet::from([directory.path("a.yaml")]);
    assert_eq!(shown(&files.refresh(&touched)), ["-a", "+b"]);
}

#[test]
fn a_swapped_config_map_is_found() {
    let directory = Scratch::new();
    directory.write("..1/a.yaml", &service("a"));
    directory.write("..2/a.yaml", &service("b"));
    symlink("..1", directory.path("..data")).expect("a link");
    symlink("..data/a.yaml", directory.path("a.yaml")).expect("a link");
    let mut files = files_of(&directory);
    assert_eq!(look(&mut files), ["+a"]);
    symlink("..2", directory.path("..new")).expect("a link");
    fs::rename(directory.path("..new"), directory.path("..data")).expect("swapped");
    assert_eq!(look(&mut files), ["-a", "+b"]);
}

#[test]
fn links_that_lead_in_a_circle_do_no_harm_and_are_counted() {
    let directory = Scratch::new();
    directory.write("a.yaml", &service("a"));
    symlink(".", directory.path("circle")).expect("a link");
    symlink("a.yaml", directory.path("other")).expect("a link");
    symlink("nowhere", directory.path("elsewhere")).expect("a link");
    let mut files = files_of(&directory);
    assert_eq!(look(&mut files), ["+a"]);
    assert_eq!(files.skipped().links, 1);
    assert!(files.complete_view().is_some());
}

#[test]
fn a_link_that_leads_nowhere_is_not_a_file_that_was_removed() {
    let directory = Scratch::new();
    directory.write("a.yaml", &service("a"));
    directory.write(".data/b.yaml", &service("b"));
    symlink(".data/b.yaml", directory.path("b.yaml")).expect("a link");
    let mut files = files_of(&directory);
    assert_eq!(look(&mut files), ["+a", "+b"]);

    fs::rename(directory.path(".data"), directory.path(".away")).expect("moved");
    assert_eq!(look(&mut files), [""; 0]);
    assert!(files.complete_view().is_none());
    let unlisted: Vec<_> = files.unlisted().map(|(path, _)| path.to_owned()).collect();
    assert_eq!(unlisted, [directory.path("b.yaml")]);
    assert_eq!(files.unlisted_root(), None);
    let mut fresh = files_of(&directory);
    assert_eq!(look(&mut fresh), ["+a"]);
    assert!(fresh.complete_view().is_none());

    fs::rename(directory.path(".away"), directory.path(".data")).expect("moved back");
    assert_eq!(look(&mut files), [""; 0]);
    assert!(files.complete_view().is_some());
    fs::remove_file(directory.path("b.yaml")).expect("removed");
    assert_eq!(look(&mut files), ["-b"]);
    assert!(files.complete_view().is_some());
}

#[test]
fn an_empty_directory_is_no_complete_view_until_a_file_has_been_read() {
    let directory = Scratch::new();
    let mut files = files_of(&directory);
    look(&mut files);
    assert!(files.complete_view().is_none() && files.awaits_first_file());
    directory.write("a.yaml", "kind: [\n");
    look(&mut files);
    assert!(files.complete_view().is_none() && !files.awaits_first_file());
    fs::remove_file(directory.path("a.yaml")).expect("removed");
    look(&mut files);
    assert!(files.complete_view().is_none() && files.awaits_first_file());
    directory.write("a.yaml", &service("a"));
    look(&mut files);
    fs::remove_file(directory.path("a.yaml")).expect("removed");
    assert_eq!(look(&mut files), ["-a"]);
    assert!(files.complete_view().is_some(), "somebody removed the last");

    let mut files = files_of(&directory).may_be_empty(true);
    assert!(files.complete_view().is_none(), "nobody has looked");
    look(&mut files);
    assert!(files.complete_view().is_some() && !files.awaits_first_file());
}

#[test]
fn a_root_that_goes_away_takes_nothing_with_it() {
    let directory = Scratch::new();
    directory.write("conf/a.yaml", &service("a"));
    let mut files = files(Roots::new([directory.path("conf")]));
    look(&mut files);
    fs::rename(directory.path("conf"), directory.path("away")).expect("moved");
    assert_eq!(look(&mut files), [""; 0]);
    assert!(files.complete_view().is_none());
    assert_eq!(files.unlisted().count(), 1);
    assert!(files.unlisted_root().is_some());
    fs::rename(directory.path("away"), directory.path("conf")).expect("moved back");
    assert_eq!(look(&mut files), [""; 0]);
    assert!(files.complete_view().is_some());
}

#[test]
fn a_named_file_may_have_any_ending_and_is_read_once() {
    let directory = Scratch::new();
    directory.write("a.conf", &service("a"));
    directory.write("b.yaml", &service("b"));
    let same = directory.root().join("./b.yaml");
    let mut files = files(Roots::new([
        directory.path("a.conf"),
        same,
        directory.root().to_owned(),
    ]));
    let update = files.refresh(&BTreeSet::new());
    assert_eq!(shown(&update), ["+a", "+b"]);
    assert!(update.problems.is_empty(), "{:?}", update.problems);
}

#[test]
fn the_output_directory_is_passed_over() {
    let directory = Scratch::new();
    directory.write("a.yaml", &service("a"));
    directory.write("out/b.yaml", &service("b"));
    let roots = Roots::new([directory.root()]).except(directory.path("out"));
    assert_eq!(look(&mut files(roots)), ["+a"]);
}

#[test]
fn standard_input_is_given_and_stays() {
    let mut files = files(Roots::new([STDIN]));
    assert_eq!(shown(&files.give(STDIN, service("a").as_bytes())), ["+a"]);
    assert_eq!(look(&mut files), [""; 0]);
    assert!(files.complete_view().is_some());
}

#[test]
fn what_cannot_be_read_is_told_and_the_view_is_not_complete() {
    let directory = Scratch::new();
    directory.write("a.yaml", "");
    let file = fs::File::options()
        .write(true)
        .open(directory.path("a.yaml"))
        .expect("there");
    file.set_len(MAX_BYTES + 1).expect("a sparse file");
    let mut files = files_of(&directory);
    let update = files.refresh(&BTreeSet::new());
    let message = &update.problems[0].diagnostic.message;
    assert_eq!(message, "the file cannot be read: it is larger than 64 MiB");
    assert!(files.complete_view().is_none());
}
