//! The published table of functions: every example is typed, every refused name is refused, and the file is what the code says.

use strangler::schema::Flavor;
use strangler::sql::functions::published::{self, Servers};
use strangler::value::Collation;

use super::{bare_catalog, bind};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/functions.md");

/// The examples that a server has.
pub fn examples(server: &str) -> Vec<&'static str> {
    let is_mariadb = server == "mariadb";
    let own = |servers| match servers {
        Servers::Both => true,
        Servers::MariaDb => is_mariadb,
        Servers::MySql => !is_mariadb,
    };
    let groups = published::dialects().into_iter().take(1).flat_map(|dialect| dialect.groups);
    groups
        .filter(|group| group.title != "Aggregates")
        .flat_map(|group| group.entries)
        .filter(|entry| own(entry.servers) && !entry.example.is_empty())
        .map(|entry| entry.example)
        .collect()
}

#[test]
fn the_published_functions_are_the_ones_that_are_typed() {
    for (flavor, version, name, literals) in [
        (Flavor::MariaDb, (10, 11, 0), "mariadb", "utf8mb4_general_ci"),
        (Flavor::MySql, (9, 7, 0), "mysql", "utf8mb4_0900_ai_ci"),
    ] {
        let mut catalog = bare_catalog(flavor, version);
        catalog.session.collation_connection = literals.into();
        for known in ["utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_bin", "utf8mb4_0900_ai_ci", "euckr_korean_ci"] {
            let charset = known.split('_').next().unwrap();
            catalog.collations.insert(known.into(), Collation::binary(known, charset, true));
        }
        let refused: Vec<String> = examples(name)
            .into_iter()
            .filter_map(|example| bind(example, &catalog).err().map(|finding| format!("{example}: {finding}")))
            .collect();
        assert!(refused.is_empty(), "published and refused on {name}:\n{}", refused.join("\n"));
        for refused in published::dialects().into_iter().take(1).flat_map(|dialect| dialect.refusals) {
            for function in refused.names {
                let call = format!("{function}(i32)");
                assert!(bind(&call, &catalog).is_err(), "{call} is published as refused and is typed");
            }
        }
    }
}

#[test]
fn mysql_and_mariadb_have_150_functions_and_operators() {
    let count: usize = published::dialects()[0].groups.iter().map(|group| group.entries.len()).sum();
    assert!(count >= 150, "{count}");
}

#[test]
fn postgresql_has_150_functions_and_operators_and_every_one_is_compared_with_the_server() {
    let compared = concat!(
        include_str!("../postgres_expressions/expressions.txt"),
        include_str!("../postgres_expressions/instants.txt"),
        include_str!("../postgres_expressions/aggregates.rs"),
        include_str!("random/postgres_words.rs"),
    )
    .to_lowercase();
    // What the grammar writes otherwise.
    let written = |name: &str| match name {
        "btrim" => "trim(".to_owned(),
        "timezone" => "at time zone".to_owned(),
        sign if !sign.starts_with(|c: char| c.is_ascii_alphabetic()) => sign.to_owned(),
        name => name.to_owned(),
    };
    let names: std::collections::BTreeSet<&str> = strangler::sql::postgres::subjects()
        .iter()
        .flat_map(|(_, routines)| routines)
        .filter(|routine| routine.compute.is_some())
        .map(|routine| routine.name)
        .collect();
    let missing: Vec<&&str> = names.iter().filter(|name| !compared.contains(&written(name))).collect();
    assert!(missing.is_empty(), "published and never compared: {missing:?}");
    let forms = published::FORMS.iter().flat_map(|form| form.name.split(',')).count();
    assert!(names.len() + forms >= 150, "{} + {forms}", names.len());
}

#[test]
fn docs_functions_md_is_generated_from_the_code() {
    let wanted = published::markdown();
    if std::env::var("STRANGLER_WRITE_DOCS").as_deref() == Ok("1") {
        std::fs::write(FILE, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/functions.md is stale: run `STRANGLER_WRITE_DOCS=1 cargo test --test expressions docs_functions_md` and commit it"
    );
}
