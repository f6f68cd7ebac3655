//! Random strings read as numbers and dates, and every character in both cases: what a list of expressions cannot cover.

use std::fmt::Write as _;

use strangler::schema::{DataType, SourceCatalog};
use strangler::sql::evaluate::evaluate;
use strangler::sql::functions::case_map::CaseMap;
use strangler::value::{Row, Value};

use super::server::Server;
use super::{OneRow, bind_from, canonical, print};

/// Expressions over the strings `t`.
const READERS: [&str; 14] = [
    "CAST(t AS DATE)",
    "CAST(t AS DATETIME)",
    "CAST(t AS DATETIME(3))",
    "CAST(t AS SIGNED)",
    "CAST(t AS UNSIGNED)",
    "CAST(t AS DECIMAL(12,3))",
    "CAST(t AS DECIMAL(65,30))",
    "t + 0",
    "t = 12",
    "YEAR(t)",
    "STR_TO_DATE(t, '%Y%m%d')",
    "STR_TO_DATE(t, '%Y-%m-%d %H:%i:%s')",
    "STR_TO_DATE(t, '%d/%m/%y %h:%i %p')",
    "STR_TO_DATE(t, '%b %D %Y')",
];

fn string(random: &mut fastrand::Rng) -> String {
    let pieces = [
        "2024",
        "24",
        "1999",
        "0000",
        "00",
        "01",
        "1",
        "12",
        "13",
        "31",
        "30",
        "02",
        "29",
        "-",
        "-",
        "-",
        "/",
        ".",
        ":",
        ":",
        " ",
        " ",
        "T",
        "e",
        "E",
        "+",
        "0",
        "9",
        "99999999999",
        "x",
        "abc",
        "Jan",
        "feb",
        "st",
        "PM",
        "am",
        "20240131",
        "20240230",
        "2024-01-31",
        "10:20:30",
        "102030",
        "가",
        ".5",
        "123456",
        "7",
        "2024-12-31 23:59:59",
        "\t",
    ];
    (0..random.usize(0..8)).map(|_| pieces[random.usize(0..pieces.len())]).collect()
}

pub fn random_strings_read_alike(server: &Server, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let strings: Vec<String> = (0..3000).map(|_| string(&mut random).chars().take(40).collect()).collect();
    server.fill_strings(&strings);
    for sql_mode in ["", "STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE"] {
        let catalog: SourceCatalog = server.catalog(sql_mode);
        let mut faults = String::new();
        let (mut compared, mut unread, mut wrong) = (0, 0, 0);
        for reader in READERS {
            let Ok(expr) = bind_from(reader, "z", &catalog) else { continue };
            let theirs = server.answers(reader, "z", sql_mode).unwrap();
            for ((k, text), theirs) in (0..).zip(&strings).zip(&theirs) {
                let row: Row = vec![Value::Int(k), Value::text(text.as_str())].into();
                compared += 1;
                let Ok(value) = evaluate(&expr, &OneRow(&row)) else {
                    unread += 1;
                    continue;
                };
                let (ours, theirs) = (print(&value, &expr.data_type), canonical(theirs.as_deref(), &expr.data_type));
                if ours != theirs {
                    wrong += 1;
                    if wrong < 60 {
                        let _ = writeln!(faults, "{reader} of {text:?}: ours {ours}, the server's {theirs}");
                    }
                }
            }
        }
        eprintln!("{}: {compared} random strings read, {unread} without a value here", server.name());
        assert!(wrong == 0, "seed {seed}, {wrong} differences from {}:\n{faults}", server.name());
        assert!(unread * 5 < compared, "too many strings have no value here: {unread} of {compared}");
    }
}

pub fn every_character_has_the_servers_case(server: &Server) {
    let collations = ["utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_bin", "utf8mb4_0900_ai_ci"];
    for collation in collations.into_iter().filter(|name| server.has_collation(name)) {
        let map = CaseMap::of(collation).unwrap();
        let mut faults = Vec::new();
        for (character, upper, lower) in server.cases(collation) {
            for (ours, theirs) in [(map.upper(&character), upper), (map.lower(&character), lower)] {
                if ours.as_deref().is_some_and(|ours| ours != theirs) {
                    faults.push(format!("{character:?}: ours {ours:?}, the server's {theirs:?}"));
                }
            }
        }
        assert!(faults.is_empty(), "{collation}: {} differences: {:?}", faults.len(), faults.iter().take(20).collect::<Vec<_>>());
    }
}

pub fn text_type() -> DataType {
    DataType::Text { length: Some(200), fixed: false, charset: "utf8mb4".into(), collation: "utf8mb4_general_ci".into() }
}
