//! Aggregates over growing groups of the awkward table, here and by the server.

use strangler::error::Class;
use strangler::schema::SourceCatalog;
use strangler::sql::aggregate::Accumulator;
use strangler::sql::evaluate::evaluate;
use strangler::sql::query::Aggregate;
use strangler::value::{Row, Value};

use super::server::Server;
use super::{OneRow, canonical, print, table};

const AGGREGATES: [&str; 50] = [
    "COUNT(*)",
    "COUNT(i32)",
    "COUNT(DISTINCT c8)",
    "COUNT(DISTINCT vb)",
    "COUNT(DISTINCT i32, c8)",
    "COUNT(DISTINCT y)",
    "SUM(i32)",
    "SUM(i8)",
    "SUM(u64)",
    "SUM(i64)",
    "SUM(d10)",
    "SUM(ud8)",
    "SUM(d30)",
    "SUM(DISTINCT i8)",
    "SUM(i8 * d10)",
    "SUM(CASE WHEN i8 > 1 THEN d10 ELSE 0 END)",
    "SUM(d10 - COALESCE(ud8, 0))",
    "AVG(i32)",
    "AVG(i8)",
    "AVG(d10)",
    "AVG(ud8)",
    "AVG(DISTINCT i8)",
    "AVG(u64)",
    "MIN(i32)",
    "MAX(d10)",
    "MAX(u64)",
    "MIN(dt)",
    "MAX(dtm3)",
    "MAX(dtm)",
    "MIN(tm)",
    "MAX(vb)",
    "MIN(y)",
    "MAX(STR_TO_DATE(c8, '%Y%m%d'))",
    "GROUP_CONCAT(i8 ORDER BY k)",
    "GROUP_CONCAT(vc ORDER BY k SEPARATOR ' / ')",
    "GROUP_CONCAT(vc, '=', i32 ORDER BY k DESC SEPARATOR '')",
    "GROUP_CONCAT(DISTINCT y ORDER BY y)",
    "GROUP_CONCAT(vc ORDER BY i8 DESC, k)",
    "GROUP_CONCAT(REPEAT(vc, 60) ORDER BY k)",
    "GROUP_CONCAT(d10 ORDER BY d10, k SEPARATOR '가')",
    "BIT_AND(i8)",
    "BIT_OR(u8)",
    "BIT_XOR(i64)",
    "BIT_XOR(u64)",
    "BIT_OR(d10)",
    "BIT_AND(u32)",
    "mariadb only: JSON_ARRAYAGG(i8 ORDER BY k)",
    "mariadb only: JSON_ARRAYAGG(vb ORDER BY k DESC)",
    "mysql only: JSON_OBJECTAGG(k, vc)",
    "mysql only: JSON_OBJECTAGG(vc, d10)",
];

/// MariaDB prints the least YEAR 0 as 0, and as 0000 where it groups: as a string it is refused there.
fn the_least_year_is_no_string_on_mariadb(catalog: &SourceCatalog) {
    for (text, is_carried) in [("CONCAT(MIN(y), '')", false), ("CONCAT(MIN(y) + 0, '')", true), ("MIN(y)", true)] {
        let bound = strangler::sql::bind(&format!("SELECT k, {text} AS c FROM v GROUP BY k"), catalog);
        assert_eq!(bound.is_ok(), is_carried, "{text}: {bound:?}");
    }
}

fn value_of(aggregate: &Aggregate, rows: &[&Row]) -> strangler::error::Result<Value> {
    let mut accumulator = Accumulator::new(aggregate);
    for row in rows {
        let scope = OneRow(row);
        let arguments = aggregate.arguments.iter().map(|argument| evaluate(argument, &scope)).collect::<Result<Vec<_>, _>>()?;
        let order = aggregate.order_by.iter().map(|item| evaluate(&item.expr, &scope)).collect::<Result<Vec<_>, _>>()?;
        accumulator.add(arguments, order)?;
    }
    accumulator.finish()
}

pub fn aggregates_are_the_servers(server: &Server) {
    let catalog = server.catalog("");
    if server.name() == "mariadb" {
        the_least_year_is_no_string_on_mariadb(&catalog);
    }
    let rows = server.rows(&catalog);
    let mut faults = Vec::new();
    let mut compared = 0;
    for text in AGGREGATES {
        let text = match text.split_once(" only: ") {
            Some((name, _)) if name != server.name() => continue,
            Some((_, text)) => text,
            None => text,
        };
        let query = match strangler::sql::bind(&format!("SELECT {text} AS c FROM v"), &catalog) {
            Ok(query) => query,
            Err(findings) => {
                faults.push(format!("{text}: refused: {}", findings[0].message));
                continue;
            }
        };
        let select = &query.branches[0].select;
        let (aggregate, data_type) = (&select.aggregates[0], &query.columns[0].data_type);
        if let Some(theirs) = server.type_of(text)
            && !table::same_type(data_type, &theirs)
        {
            faults.push(format!("{text}: type {data_type:?}, the server says {theirs}"));
        }
        for last in 0..=rows.len() {
            let theirs = server.aggregate(text, last);
            // The group is fed backwards: its result must not depend on the order of its rows.
            let group: Vec<&Row> = rows.iter().take(last).rev().collect();
            let value = match value_of(aggregate, &group) {
                Ok(value) => strangler::sql::functions::coerce::cast(value, data_type, data_type).unwrap(),
                Err(error) if error.class() == Class::Person => continue,
                Err(error) => panic!("{text}: {error:?}"),
            };
            compared += 1;
            let (ours, theirs) = (print(&value, data_type), canonical(theirs.as_deref(), data_type));
            if ours != theirs {
                faults.push(format!("{text} of {last} rows: ours {ours}, the server's {theirs}"));
            }
        }
    }
    assert!(faults.is_empty(), "{} differences from {}:\n{}", faults.len(), server.name(), faults.join("\n"));
    assert!(compared > 300, "too little was compared: {compared}");
}
