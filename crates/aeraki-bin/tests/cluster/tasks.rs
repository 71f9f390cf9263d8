//! No task ends in silence: the process ends with it, and says which it was (goal R14).

use std::process::Command;

use rstest::rstest;

use crate::world::World;

/// Every task that a run has starts through one door, which says so.
async fn tasks_of(world: &World, args: &[&str]) -> Vec<String> {
    let aeraki = world.start(args);
    aeraki.until_synced().await;
    let started = aeraki.said("Task started");
    let name = |line: &serde_json::Value| line["name"].as_str().unwrap().to_owned();
    let names = started.iter().map(name).collect();
    assert!(aeraki.end());
    names
}

#[rstest]
#[case::ended("end")]
#[case::panicked("panic")]
#[tokio::test]
async fn the_end_of_any_task_ends_the_process(#[case] how: &str) {
    let world = World::empty().await;
    let tasks = tasks_of(&world, &[]).await;
    for known in [
        "istiod",
        "writer",
        "controller",
        "leader election",
        "admin server",
    ] {
        assert!(
            tasks.iter().any(|task| task == known),
            "{known} in {tasks:?}"
        );
    }
    for task in &tasks {
        let failpoint = format!("{how}:{task}");
        let mut aeraki = world.start_with(&[], |command: &mut Command| {
            command.env("AERAKI_FAILPOINT", &failpoint);
        });
        let status = aeraki.until_ended().await;
        assert_eq!(status.code(), Some(1), "{failpoint}");
        let log = aeraki.process.log().unwrap();
        let error = log.lines().find(|line| line.starts_with("error: "));
        let end = if how == "end" {
            "has ended"
        } else {
            "has failed: it has panicked"
        };
        let reason = format!("the task `{task}` {end}");
        assert!(
            error.is_some_and(|error| error.contains(&reason)),
            "{failpoint}: {log}"
        );
    }
}
