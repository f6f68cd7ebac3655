//! Random expressions over every row of the awkward table: NULLs, extremes, zero dates, Hangul, blanks.

use super::super::server::Server;
use super::super::{Tally, bind, compare_values};
use super::grammar::{ColumnName, Kind, Tree};
use super::mysql::GRAMMAR;
use strangler::schema::SourceCatalog;
use strangler::value::Row;

const COLUMNS: [(Kind, &[&str]); 7] = [
    (Kind::Integer, &["k", "i8", "i32", "i64", "u8", "u32", "u64", "y"]),
    (Kind::Decimal, &["d10", "d14", "ud8", "d30"]),
    (Kind::Double, &["db"]),
    (Kind::Text, &["c8", "vc", "vb", "vu", "vk", "tx", "num", "dts", "e", "st"]),
    (Kind::Date, &["dt"]),
    (Kind::DateTime, &["dtm", "dtm3"]),
    (Kind::Time, &["tm", "tm2"]),
];

/// So many differences are cut down and shown.
const SHOWN_MAX: usize = 25;

pub fn run(server: &Server, seed: u64, count: usize) {
    let catalog = server.catalog("");
    let rows = server.rows(&catalog);
    let columns: Vec<ColumnName> = COLUMNS
        .iter()
        .flat_map(|(kind, names)| names.iter().map(|name| ColumnName { kind: *kind, text: (*name).to_owned() }))
        .collect();
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut compared, mut refused, mut shown) = (0, 0, Vec::new());
    while compared < count && shown.len() < SHOWN_MAX {
        let kind = Kind::ALL[random.usize(0..Kind::ALL.len())];
        let tree = Tree::random(&mut random, &GRAMMAR, &columns, kind, 3);
        match fault(server, &catalog, &rows, &tree) {
            None => refused += 1,
            Some(fault) => {
                compared += 1;
                if let Some(fault) = fault {
                    shown.push(smallest(server, &catalog, &rows, tree, fault));
                }
            }
        }
        assert!(refused < 10 * compared + 500, "too few expressions are inside the language");
    }
    eprintln!("{}: {compared} random expressions over the awkward rows, {refused} refused", server.name());
    assert!(shown.is_empty(), "seed {seed}: {} differences from {}:\n{}", shown.len(), server.name(), shown.join("\n"));
}

/// `None` for an expression outside the language, else its first difference if there is one.
fn fault(server: &Server, catalog: &SourceCatalog, rows: &[Row], tree: &Tree) -> Option<Option<String>> {
    let text = tree.render();
    let expr = bind(&text, catalog).ok()?;
    let mut tally = Tally { compared: 0, bound: 0, faults: Vec::new(), refused: Vec::new(), no_value: 0 };
    compare_values(server, &text, &expr, rows, "", &mut tally);
    Some(tally.faults.into_iter().next())
}

fn smallest(server: &Server, catalog: &SourceCatalog, rows: &[Row], tree: Tree, first: String) -> String {
    let (mut tree, mut shown) = (tree, first);
    'cut: loop {
        for candidate in tree.smaller() {
            if let Some(Some(fault)) = fault(server, catalog, rows, &candidate) {
                (tree, shown) = (candidate, fault);
                continue 'cut;
            }
        }
        return shown;
    }
}
