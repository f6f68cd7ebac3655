//! Random JSON documents, whole and broken, read here and by the server.

use std::fmt::Write as _;

use strangler::schema::SourceCatalog;
use strangler::sql::evaluate::evaluate;
use strangler::value::{Row, Value};

use super::server::Server;
use super::{OneRow, bind_from, canonical, print};

/// Expressions over the documents `t`. The servers make an error or NULL of a broken document where it says `whole`.
const READERS: [(&str, bool); 30] = [
    ("JSON_EXTRACT(CAST(t AS JSON), '$.a')", true),
    ("JSON_KEYS(CAST(t AS JSON))", true),
    ("JSON_LENGTH(CAST(t AS JSON), '$.a')", true),
    ("t->'$.a'", true),
    ("t->>'$.a' = 'x'", true),
    ("CAST(t AS JSON)", true),
    ("JSON_EXTRACT(t, '$')", true),
    ("JSON_EXTRACT(t, '$.a')", true),
    ("JSON_EXTRACT(t, '$.a.b')", true),
    ("JSON_EXTRACT(t, '$.a[0]')", true),
    ("JSON_EXTRACT(t, '$[1]')", true),
    ("JSON_EXTRACT(t, '$[0][0].a')", true),
    ("JSON_EXTRACT(t, '$.\"k y\"')", true),
    ("JSON_EXTRACT(t, '$.\"가\"')", true),
    ("JSON_UNQUOTE(JSON_EXTRACT(t, '$.a'))", true),
    ("JSON_UNQUOTE(JSON_EXTRACT(t, '$[0]'))", true),
    ("JSON_UNQUOTE(JSON_EXTRACT(t, '$.a')) = 'x'", true),
    ("JSON_VALUE(t, '$.a')", false),
    ("JSON_VALUE(t, '$[0]')", false),
    ("JSON_VALID(t)", false),
    ("JSON_LENGTH(t)", true),
    ("JSON_LENGTH(t, '$.a')", true),
    ("JSON_DEPTH(t)", true),
    ("JSON_TYPE(t)", true),
    ("JSON_KEYS(t)", true),
    ("JSON_KEYS(t, '$.a')", true),
    ("JSON_CONTAINS_PATH(t, 'one', '$.a', '$[0]')", true),
    ("JSON_QUOTE(t)", false),
    ("JSON_OBJECT('k', t, 'n', k, 'e', JSON_ARRAY(k, t, NULL))", false),
    ("JSON_ARRAY(JSON_EXTRACT(t, '$.a'), CAST(k + 0.50 AS DECIMAL(10,2)))", true),
];

fn document(random: &mut fastrand::Rng, depth: usize) -> String {
    let blank = |random: &mut fastrand::Rng| if random.u8(0..5) == 0 { " " } else { "" };
    match random.u8(0..if depth > 2 { 6 } else { 10 }) {
        0 => ["null", "true", "false"][random.usize(0..3)].to_owned(),
        1 | 2 => {
            let numbers = [
                "0",
                "-0",
                "1",
                "-1",
                "42",
                "1.5",
                "1.50",
                "-0.0",
                "1e2",
                "1E-7",
                "12345678901234567890",
                "9223372036854775808",
                "0.1",
                "100000000000000000000",
                "1.0",
                "123456.789e3",
            ];
            numbers[random.usize(0..numbers.len())].to_owned()
        }
        3..=5 => {
            let strings =
                ["\"\"", "\"x\"", "\"a\\\"b\"", "\"\\u00e9\\/\"", "\"가나\"", "\"\\ud83d\\ude00\"", "\"\\n\\t\\\\\"", "\"10\""];
            strings[random.usize(0..strings.len())].to_owned()
        }
        6 | 7 => {
            let items: Vec<String> = (0..random.usize(0..4)).map(|_| document(random, depth + 1)).collect();
            format!("[{}{}]", blank(random), items.join(if random.bool() { "," } else { " , " }))
        }
        _ => {
            let keys = ["a", "b", "k y", "가", "bb", "\\u0061", ""];
            let members: Vec<String> = (0..random.usize(0..4))
                .map(|_| {
                    let key = keys[random.usize(0..keys.len())];
                    format!("\"{key}\"{}:{}{}", blank(random), blank(random), document(random, depth + 1))
                })
                .collect();
            format!("{{{}{}}}", members.join(", "), blank(random))
        }
    }
}

/// A document with one character gone, doubled or replaced.
fn broken(random: &mut fastrand::Rng) -> String {
    let mut letters: Vec<char> = document(random, 0).chars().collect();
    let place = random.usize(0..letters.len());
    match random.u8(0..3) {
        0 => drop(letters.remove(place)),
        1 => letters.insert(place, letters[place]),
        _ => letters[place] = ['x', ',', '"', '{', '0', ' '][random.usize(0..6)],
    }
    letters.into_iter().collect()
}

pub fn random_documents_read_alike(server: &Server, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    for is_whole in [true, false] {
        let make = |random: &mut fastrand::Rng| if is_whole { document(random, 0) } else { broken(random) };
        let documents: Vec<String> =
            std::iter::repeat_with(|| make(&mut random)).filter(|text| text.chars().count() <= 200).take(1200).collect();
        server.fill_strings(&documents);
        compare(server, &documents, is_whole);
    }
}

fn compare(server: &Server, documents: &[String], is_whole: bool) {
    let catalog: SourceCatalog = server.catalog("");
    let mut faults = String::new();
    let (mut compared, mut unread, mut wrong) = (0, 0, 0);
    for (reader, needs_whole) in READERS {
        let is_mysql = server.name() == "mysql";
        let is_mysqls_own = reader.contains("->") || reader.contains("AS JSON");
        if (needs_whole && !is_whole && is_mysql) || (is_mysqls_own && !is_mysql) {
            continue;
        }
        let expr = bind_from(reader, "z", &catalog).unwrap_or_else(|finding| panic!("{reader}: {finding}"));
        let theirs = server.answers(reader, "z", "").unwrap_or_else(|error| panic!("{reader}: {error}"));
        for ((k, text), theirs) in (0..).zip(documents).zip(&theirs) {
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
                    let _ = writeln!(faults, "{reader} of {text}: ours {ours}, the server's {theirs}");
                }
            }
        }
    }
    eprintln!("{}: {compared} answers about documents, {unread} without a value here", server.name());
    assert!(wrong == 0, "{wrong} differences from {}:\n{faults}", server.name());
    assert!(!is_whole || unread * 4 < compared, "too many documents have no value here: {unread} of {compared}");
}
