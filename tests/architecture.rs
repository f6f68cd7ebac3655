//! The module rule, checked on the text of `src/`: who may import whom, what stays out of which layer, and how big things may get.
//!
//! The layers are those of `src/lib.rs`. A module imports from a smaller layer only; every import inside one layer is listed
//! below with its reason. A new edge, a file over 500 lines, a function over 70 or a file that does not open with `//!` fails here.
//! What is excused says why in the source (`// size: reason`) and is listed below, so that a reviewer sees both.
//! The scan knows text, not types: macros that write paths would escape it, and there are none.

// What a test does not expect is a failure: helpers may panic as tests do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "architecture/scan.rs"]
mod scan;

use scan::{Import, SourceFile, first_imports, functions};
use std::path::Path;

/// Every module of `src/` with its layer. Within layer 2 the order is mapping, sql, plan, derive.
const LAYERS: &[(&str, u32)] = &[
    ("change", 10),
    ("error", 10),
    ("finding", 10),
    ("position", 10),
    ("schema", 10),
    ("value", 10),
    ("write", 10),
    ("mapping", 21),
    ("sql", 22),
    ("plan", 23),
    ("derive", 24),
    ("transport", 29),
    ("source", 30),
    ("state", 30),
    ("target", 30),
    ("cutover", 40),
    ("migrate", 40),
    ("review", 40),
    ("verify", 40),
    ("cli", 50),
    ("config", 50),
    ("demo", 50),
    ("page", 50),
    ("report", 50),
];

/// Imports inside one layer: the module, what it may import (a module or a path in it), and why.
const INSIDE_A_LAYER: &[(&str, &str, &str)] = &[
    ("value", "error", "encoding can fail"),
    ("schema", "value", "collations and the types of keys"),
    ("schema", "error", "a table without an answer"),
    ("position", "error", "a position that does not parse"),
    ("change", "position", "a transaction has a position"),
    ("change", "schema", "a change names its table"),
    ("change", "value", "a change carries rows"),
    ("change", "error", "a broken event"),
    ("write", "plan::NodeId", "a write names its target table"),
    ("write", "error", "a stored write that cannot be read"),
    ("write", "value", "a write carries rows"),
    ("write", "position", "a write names what it contains"),
    ("review", "migrate::touched", "the hash by which keys are compared"),
    ("review", "migrate::start", "what a first run would refuse"),
    ("verify", "migrate::touched", "which keys were written meanwhile"),
    ("verify", "migrate::start", "who owns the mapping"),
    ("review", "verify", "a dry run compares as verify does"),
    ("cli", "config", "commands read the project file"),
    ("cli", "demo", "the demo command"),
    ("cli", "page", "the control socket"),
    ("cli", "report", "printable results"),
    ("page", "config", "the page shows the project"),
    ("page", "report", "the page prints what the report prints"),
    ("report", "config", "the report names the project"),
];

/// Crates that a layer below the given one must not name.
const OUTSIDERS: &[(&str, u32)] =
    &[("tokio", 30), ("mysql_async", 30), ("tokio_postgres", 30), ("fjall", 30), ("axum", 40), ("hyper", 40), ("clap", 50)];

const LINES_OF_A_FILE_MAX: usize = 500;
const LINES_OF_A_FUNCTION_MAX: usize = 70;

/// What is excused by a `// size: reason` in the source.
const EXCUSED: &[&str] = &[
    "src/source/mysql/column_type.rs fn read",
    "src/source/mysql/decode/wire.rs fn read",
    "src/source/mysql/driver_value.rs fn convert",
    "src/source/mysql/transaction.rs fn dispatch",
    "src/sql/bind/expression.rs fn shared_form",
    "src/sql/bind/place.rs fn span_of",
    "src/sql/bind/postgres/data_type.rs fn named",
    "src/sql/bind/postgres/mod.rs fn postgres_form",
    "src/sql/postgres/aggregate.rs fn chosen",
    "src/sql/postgres/convert.rs fn between",
];

fn layer(module: &str) -> Option<u32> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|(_, layer)| *layer)
}

/// Why an import is not allowed, if it is not.
fn import_fault(from: &str, import: &Import) -> Option<String> {
    let Some(here) = layer(from) else { return Some(format!("module {from} has no layer")) };
    let Some(there) = layer(&import.module) else { return Some(format!("imports {}, which has no layer", import.path)) };
    let listed = INSIDE_A_LAYER.iter().any(|(module, path, _)| {
        *module == from && (import.path == *path || import.path.strip_prefix(path).is_some_and(|rest| rest.starts_with("::")))
    });
    (import.module != from && there >= here && !listed)
        .then(|| format!("{from} (layer {here}) imports {} (layer {there})", import.path))
}

/// Faults of one file of `src/`, each with its line.
fn faults(file: &SourceFile) -> Vec<String> {
    let mut faults = Vec::new();
    let mut fault = |line: usize, message: String| faults.push(format!("{}:{line}: {message}", file.path));
    if !file.text.starts_with("//!") {
        fault(1, "does not open with `//!`".into());
    }
    let lines = file.text.lines().count();
    if lines > LINES_OF_A_FILE_MAX && !file.is_test && !file.is_excused_as_a_whole() {
        fault(lines, format!("{lines} lines, {LINES_OF_A_FILE_MAX} are allowed"));
    }
    let code = file.code_without_tests();
    for function in functions(&code) {
        let excused = file.is_excused_as_a_whole() || file.is_excused_at(function.line);
        if function.lines > LINES_OF_A_FUNCTION_MAX && !file.is_test && !excused {
            fault(
                function.line,
                format!("fn {} has {} lines, {LINES_OF_A_FUNCTION_MAX} are allowed", function.name, function.lines),
            );
        }
    }
    if file.is_test || file.module.is_empty() {
        return faults; // tests may use everything; lib.rs and main.rs are the root
    }
    for import in first_imports(&code, &file.module_path) {
        if let Some(message) = import_fault(&file.module, &import) {
            fault(import.line, message);
        }
    }
    for (outsider, from_layer) in OUTSIDERS {
        if layer(&file.module).is_some_and(|here| here < *from_layer)
            && let Some(line) = scan::line_of_word(&code, outsider)
        {
            fault(line, format!("{outsider} has no place below layer {from_layer}"));
        }
    }
    faults
}

/// The names of what a file excuses: the file itself, or its functions.
fn excuses(file: &SourceFile) -> Vec<String> {
    if file.is_test {
        return Vec::new();
    }
    if file.is_excused_as_a_whole() {
        return vec![file.path.clone()];
    }
    let excused = functions(&file.code_without_tests()).into_iter().filter(|function| file.is_excused_at(function.line));
    excused.map(|function| format!("{} fn {}", file.path, function.name)).collect()
}

fn all_files() -> Vec<SourceFile> {
    SourceFile::read_all(Path::new(env!("CARGO_MANIFEST_DIR")), "src")
}

#[test]
fn every_file_keeps_the_rule() {
    let files = all_files();
    assert!(files.len() > 40, "only {} files found", files.len());
    let faults: Vec<String> = files.iter().flat_map(faults).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn what_is_excused_is_listed_and_what_is_listed_is_excused() {
    let found: Vec<String> = all_files().iter().flat_map(excuses).collect();
    assert_eq!(found, EXCUSED, "\nfound:\n{}\n", found.join("\n"));
}

/// Statements over legacy tables, whose names come at run time: where each is, what bounds it, and how it begins. Every connection that
/// sends one has the statement time limit of its session, and a client-side deadline.
const OVER_LEGACY_TABLES: &[(&str, &str, &str)] = &[
    (
        "src/review/fan_out.rs",
        "plan looks for frequent values: the newest rows by the key, LIMIT, under the time limit",
        "FROM (SELECT {columns} FROM {from} ORDER BY {newest} LIMIT {SAMPLE_ROWS})",
    ),
    (
        "src/review/preflight.rs",
        "check looks for keys that break a declared fact: LIMIT, under the time limit",
        "SELECT COUNT(*) FROM (SELECT 1 AS one FROM {table} WHERE",
    ),
    (
        "src/source/mysql/snapshot.rs",
        "the end of a key range: one row behind an offset, by the key",
        "SELECT {} FROM {} WHERE {} ORDER BY {} LIMIT 1 OFFSET",
    ),
    ("src/source/mysql/snapshot.rs", "a chunk: one key range", "SELECT {} FROM {} WHERE {}{}"),
    (
        "src/source/postgres/snapshot.rs",
        "the end of a key range: one row behind an offset, by the key",
        "SELECT {} FROM {} WHERE {} ORDER BY {} LIMIT 1 OFFSET",
    ),
    ("src/source/postgres/snapshot.rs", "a chunk: one key range", "SELECT {} FROM {} WHERE {}{}"),
];

#[test]
fn what_the_engine_asks_of_legacy_tables_stays_in_key_ranges() {
    let mut found: Vec<(String, String)> = Vec::new();
    for file in all_files()
        .into_iter()
        .filter(|file| !file.is_test && matches!(file.module.as_str(), "source" | "review" | "cli" | "migrate"))
    {
        let reads = file.text.lines().map(str::trim).filter(|line| line.contains("SELECT") && line.contains("FROM {"));
        found.extend(reads.map(|line| (file.path.clone(), line.trim_start_matches('"').to_owned())));
    }
    found.sort();
    let is_listed =
        |(path, line): &(String, String)| OVER_LEGACY_TABLES.iter().any(|(file, _, text)| path == file && line.starts_with(text));
    let unlisted: Vec<_> = found.iter().filter(|one| !is_listed(one)).collect();
    assert!(unlisted.is_empty(), "statements over legacy tables that nobody has bounded: {unlisted:#?}");
    assert_eq!(found.len(), OVER_LEGACY_TABLES.len(), "{found:#?}");
}

#[test]
fn tests_have_headers_and_a_size_too() {
    for file in SourceFile::read_all(Path::new(env!("CARGO_MANIFEST_DIR")), "tests") {
        assert!(file.text.starts_with("//!"), "{} does not open with `//!`", file.path);
        assert!(file.text.lines().count() <= LINES_OF_A_FILE_MAX, "{} has more than {LINES_OF_A_FILE_MAX} lines", file.path);
    }
}

/// The guard itself is tried on text that breaks each rule once.
mod guard {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        faults(&SourceFile::new(path.into(), text.into()))
    }

    #[test]
    fn a_new_edge_is_found_however_it_is_written() {
        for (text, path) in [
            ("use crate::migrate::Board;", "migrate::Board"),
            ("use crate::{error::Error, migrate::{Board}};", "migrate::Board"),
            ("fn f() { let a = crate::migrate::now_us(); }", "migrate::now_us"),
            ("use super::super::migrate::Board;", "migrate::Board"),
            ("pub use crate::migrate as flow;", "migrate"),
        ] {
            let found = found("src/state/disk.rs", &format!("//! Doc.\n{text}\n"));
            assert_eq!(found, [format!("src/state/disk.rs:2: state (layer 30) imports {path} (layer 40)")], "{text}");
        }
    }

    #[test]
    fn edges_to_a_smaller_layer_and_listed_ones_pass_and_neighbours_do_not() {
        assert!(found("src/state/disk.rs", "//! Doc.\nuse crate::derive::Arrangements;\nuse super::codec;\n").is_empty());
        assert!(found("src/verify/mod.rs", "//! Doc.\nuse crate::migrate::touched::key_of;\n").is_empty());
        assert_eq!(found("src/verify/mod.rs", "//! Doc.\nuse crate::migrate::run::Engine;\n").len(), 1);
        assert_eq!(found("src/verify/mod.rs", "//! Doc.\nuse crate::migrate::touched_by;\n").len(), 1);
        assert_eq!(found("src/source/mod.rs", "//! Doc.\nuse crate::target::Target;\n").len(), 1);
        assert_eq!(found("src/sql/mod.rs", "//! Doc.\nuse crate::plan::Plan;\n").len(), 1);
    }

    #[test]
    fn comments_strings_and_tests_are_not_imports() {
        let text = "//! See [`crate::migrate`].\n/* crate::cli */ fn f() -> &'static str { r#\"crate::cli\"# }\n\
                    #[cfg(test)]\nmod tests {\n    use crate::demo::servers;\n    fn tokio() {}\n}\n";
        assert_eq!(found("src/sql/mod.rs", text), [""; 0]);
        assert_eq!(found("src/sql/tests/mod.rs", "//! Doc.\nuse crate::demo::servers;\n"), [""; 0]);
    }

    #[test]
    fn outsiders_are_found() {
        assert_eq!(found("src/derive/mod.rs", "//! Doc.\nuse tokio::sync::Notify;\n").len(), 1);
        assert_eq!(found("src/derive/mod.rs", "//! Doc.\nfn tokio_postgres_like() {}\n").len(), 0);
        assert_eq!(found("src/migrate/mod.rs", "//! Doc.\n#[derive(clap::Parser)]\nstruct S;\n").len(), 1);
        assert_eq!(found("src/unknown/mod.rs", "//! Doc.\nuse crate::error::Error;\n").len(), 1);
    }

    #[test]
    fn long_files_long_functions_and_missing_headers_are_found() {
        let body = "    let _ = '{';\n".repeat(70);
        let long = format!("//! Doc.\nfn long() {{\n{body}}}\n");
        assert_eq!(found("src/derive/a.rs", &long), ["src/derive/a.rs:2: fn long has 72 lines, 70 are allowed"]);
        let excused = long.replace("fn long", "// size: one arm for each kind\n#[inline]\nfn long");
        assert_eq!(found("src/derive/a.rs", &excused), [""; 0]);
        assert_eq!(excuses(&SourceFile::new("src/derive/a.rs".into(), excused)), ["src/derive/a.rs fn long"]);
        assert_eq!(found("src/derive/a.rs", "// Doc.\n").len(), 1);
        assert_eq!(found("src/derive/a.rs", &format!("//! Doc.\n{}", "\n".repeat(500))).len(), 1);
        assert_eq!(found("src/derive/a.rs", &format!("//! Doc.\n\n// size: a table\n{}", "\n".repeat(500))), [""; 0]);
    }
}
