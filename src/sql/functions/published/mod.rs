//! Which functions and operators mappings may use: the table behind `docs/functions.md`.
//!
//! One file per dialect holds its entries; [`markdown`] prints them. What is refused by name comes from the binder itself.

mod mysql;
mod postgres;
mod refused;

pub use postgres::{FORMS, Form};
pub use refused::refusal;

use std::fmt::Write as _;

/// A dialect with its entries and what it refuses.
#[derive(Debug)]
pub struct Dialect {
    /// The heading.
    pub title: &'static str,
    /// Its functions and operators.
    pub groups: &'static [Group],
    /// Names, why they are refused, what to write instead.
    pub refusals: &'static [Refused],
}

/// Functions of one subject.
#[derive(Debug)]
pub struct Group {
    /// The subject.
    pub title: &'static str,
    /// Its functions.
    pub entries: &'static [Entry],
}

/// A function or operator.
#[derive(Debug)]
pub struct Entry {
    /// As written in SQL.
    pub name: &'static str,
    /// What it takes.
    pub arguments: &'static str,
    /// Its result type.
    pub result: &'static str,
    /// What is special about it; may be empty.
    pub remarks: &'static str,
    /// An expression over the table of the tests; empty where it needs another table.
    pub example: &'static str,
    /// Who has it.
    pub servers: Servers,
}

/// Which servers of a dialect have a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Servers {
    /// All.
    Both,
    /// MariaDB alone.
    MariaDb,
    /// MySQL alone.
    MySql,
}

/// Functions that are refused for one reason.
#[derive(Debug)]
pub struct Refused {
    /// Upper-case names.
    pub names: &'static [&'static str],
    /// Why: continues a sentence that begins with the name.
    pub why: &'static str,
    /// What to write instead.
    pub help: &'static str,
}

/// The dialects in the order of the document.
#[must_use]
pub fn dialects() -> Vec<Dialect> {
    vec![Dialect { title: "MySQL and MariaDB", groups: mysql::GROUPS, refusals: refused::REFUSED }]
}

/// The document.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from(
        "# Functions and operators\n\n\
         Generated from the code; a test fails when this file is stale and names the command that writes it anew.\n\n\
         A mapping's SELECT means what it means on the legacy server, value for value and type for type. Every example below is compared\n\
         with real servers over NULL, empty strings, Hangul, emoji, extremes and zero dates. What is not listed is refused at `check`\n\
         with a caret; what is listed and meets a value whose answer servers disagree about stops the mapping, naming the place.\n",
    );
    for dialect in dialects() {
        let count: usize = dialect.groups.iter().map(|group| group.entries.len()).sum();
        let _ = writeln!(out, "\n## {}\n\n{count} functions and operators.", dialect.title);
        for group in dialect.groups {
            let _ = writeln!(out, "\n### {}\n\n| name | arguments | result | remarks |\n|---|---|---|---|", group.title);
            for entry in group.entries {
                let _ = writeln!(
                    out,
                    "| `{}` | {} | {} | {} |",
                    escaped(entry.name),
                    escaped(entry.arguments),
                    escaped(entry.result),
                    escaped(&remarks(entry))
                );
            }
        }
        out.push_str("\n### Refused\n\n| names | why | instead |\n|---|---|---|\n");
        refusals(dialect.refusals, &mut out);
    }
    postgres::section(&mut out);
    out
}

fn refusals(refused: &[Refused], out: &mut String) {
    for refused in refused {
        let names: Vec<String> = refused.names.iter().map(|name| format!("`{}`", escaped(name))).collect();
        let _ = writeln!(out, "| {} | {} | {} |", names.join(" "), escaped(refused.why), escaped(refused.help));
    }
}

fn remarks(entry: &Entry) -> String {
    let whose = match entry.servers {
        Servers::Both => "",
        Servers::MariaDb => "MariaDB",
        Servers::MySql => "MySQL",
    };
    [whose, entry.remarks].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("; ")
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}
