use std::fs;
use std::sync::mpsc;

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

/// A watch that looks on notices only.
fn on_notices(roots: &Roots) -> (Watch, Receiver<BTreeSet<PathBuf>>) {
    let (looks, looked) = mpsc::channel();
    let pace = Pace {
        interval: Duration::from_secs(3600),
        ..Pace::default()
    };
    let watch = Watch::start(roots, pace, move |touched| {
        looks.send(touched).unwrap_or_default()
    });
    assert_eq!(watch.trouble(), None);
    (watch, looked)
}

fn wait_for(looked: &Receiver<BTreeSet<PathBuf>>, name: &str) {
    let until = Instant::now() + PATIENCE;
    while let Ok(touched) = looked.recv_timeout(until.saturating_duration_since(Instant::now())) {
        if touched.iter().any(|path| path.ends_with(name)) {
            return;
        }
    }
    panic!("nothing was told of {name}");
}

#[test]
fn a_new_file_in_a_new_directory_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_watch, looked) = on_notices(&Roots::new([directory.path()]));
    fs::write(directory.path().join("a.yaml"), "a").expect("written");
    wait_for(&looked, "a.yaml");
    fs::create_dir(directory.path().join("b")).expect("made");
    wait_for(&looked, "b");
    fs::write(directory.path().join("b/c.yaml"), "a").expect("written");
    wait_for(&looked, "c.yaml");
    fs::remove_file(directory.path().join("a.yaml")).expect("removed");
    wait_for(&looked, "a.yaml");
}

#[test]
fn a_named_file_that_an_editor_replaces_is_told_again_and_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("a.yaml");
    fs::write(&file, "a").expect("written");
    let (_watch, looked) = on_notices(&Roots::new([&file]));
    for content in ["b", "c"] {
        fs::write(directory.path().join("a.tmp"), content).expect("written");
        fs::rename(directory.path().join("a.tmp"), &file).expect("renamed");
        let until = Instant::now() + PATIENCE;
        let left = || until.saturating_duration_since(Instant::now());
        assert!(
            looked.recv_timeout(left()).is_ok(),
            "a look after {content}"
        );
        while looked.try_recv().is_ok() {}
    }
}

#[test]
fn reading_and_the_output_directory_are_no_reason_to_look() {
    let directory = tempfile::tempdir().expect("a directory");
    let out = directory.path().join("out");
    fs::create_dir(&out).expect("made");
    fs::write(directory.path().join("a.yaml"), "a").expect("written");
    let (_watch, looked) = on_notices(&Roots::new([directory.path()]).except(&out));
    fs::read(directory.path().join("a.yaml")).expect("read");
    fs::write(out.join("b.yaml"), "a").expect("written");
    assert!(looked.recv_timeout(Duration::from_millis(300)).is_err());
}

#[test]
fn without_notices_it_is_worth_a_look_at_every_interval() {
    let (looks, looked) = mpsc::channel();
    let pace = Pace {
        interval: Duration::from_millis(5),
        ..Pace::default()
    };
    let roots = Roots::new(["/nowhere/at/all"]);
    let watch = Watch::start(&roots, pace, move |touched| {
        looks.send(touched).unwrap_or_default()
    });
    assert!(watch.trouble().is_some());
    for _ in 0..3 {
        assert_eq!(looked.recv_timeout(PATIENCE), Ok(BTreeSet::new()));
    }
    drop(watch);
    while looked.try_recv().is_ok() {}
    assert!(looked.recv().is_err(), "a dropped watch looks no more");
}

#[test]
fn a_burst_of_changes_is_few_looks() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_watch, looked) = on_notices(&Roots::new([directory.path()]));
    for number in 0..100 {
        fs::write(directory.path().join(format!("{number}.yaml")), "a").expect("written");
    }
    wait_for(&looked, "99.yaml");
    assert!(looked.try_iter().count() < 50);
}
