//! The one command of each example's README: `strangler demo examples/..`, on servers of its own, from the empty database to the last verify.

use crate::support::long;
use crate::support::program::{command, run};

/// Each direction by its example; the desk has two sources.
const STORIES: [&str; 9] = [
    "desk",
    "northwind/to-mysql.yaml",
    "club/mysql-to-mysql.yaml",
    "northwind",
    "northwind/to-mariadb.yaml",
    "club",
    "club/mysql-to-mariadb.yaml",
    "club/mariadb-to-mariadb.yaml",
    "opencart",
];
/// How many of them are told when time is short; the other tests of examples run the rest with more load.
const SHORT: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_story_is_told_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    for story in STORIES.iter().take(if long() { STORIES.len() } else { SHORT }) {
        let example = format!("{}/examples/{story}", env!("CARGO_MANIFEST_DIR"));
        let told = run(command(folder.path(), &[], &["demo", &example])).await;
        let excused = std::env::var_os("STRANGLER_MYSQL").is_some_and(|value| value == "absent");
        if told.code == Some(69) && (excused || std::env::var_os("STRANGLER_REQUIRE_DB").is_none()) {
            eprintln!("SKIPPED {story}: {}", told.stderr);
            continue;
        }
        told.expect(0).names(&["equal", "nothing pending", "caught up: every checkpoint"]);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it writes nothing where it is called");
}

/// Every project file of an example is told by one of them, or says that it is not for servers of ours.
#[test]
fn no_project_file_is_forgotten() {
    let mut files = Vec::new();
    for example in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples")).unwrap() {
        let example = example.unwrap();
        for entry in std::fs::read_dir(example.path()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".yaml") {
                let folder = example.file_name().into_string().unwrap();
                files.push(if name == "strangler.yaml" { folder } else { format!("{folder}/{name}") });
            }
        }
    }
    files.retain(|file| !STORIES.contains(&file.as_str()));
    files.sort();
    // The shop is what `strangler demo` shows without an example.
    assert_eq!(files, ["homeshop"]);
}
