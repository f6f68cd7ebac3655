//! Aggregates over groups of the awkward table, here and by the server.

use strangler::error::Class;
use strangler::sql::aggregate::Accumulator;
use strangler::sql::evaluate::evaluate;
use strangler::sql::query::Aggregate;
use strangler::value::{Row, Value};

use super::{OneRow, Server, table};

const AGGREGATES: [&str; 54] = [
    "count(*)",
    "count(i4)",
    "count(DISTINCT b)",
    "count(DISTINCT i4)",
    "count(DISTINCT t)",
    "count(*) FILTER (WHERE i4 > 0)",
    "count(i4) FILTER (WHERE b)",
    "sum(i2)",
    "sum(i4)",
    "sum(i8)",
    "sum(n2)",
    "sum(n)",
    "sum(DISTINCT i4)",
    "sum(i4) FILTER (WHERE b)",
    "sum(CASE WHEN b THEN n2 ELSE 0 END)",
    "sum(interval '1 day' * k)",
    "avg(i2)",
    "avg(i4)",
    "avg(i8)",
    "avg(n2)",
    "avg(n)",
    "min(i4)",
    "max(n2)",
    "min(t)",
    "max(vc)",
    "min(d)",
    "max(ts)",
    "min(tm)",
    "max(f8)",
    "bool_and(b)",
    "bool_or(b)",
    "every(i4 > 0)",
    "bit_and(i4)",
    "bit_or(i2)",
    "string_agg(t, ',' ORDER BY k)",
    "string_agg(t, '-' ORDER BY i4 DESC, k)",
    "string_agg(DISTINCT t, '|' ORDER BY t)",
    "array_agg(vc ORDER BY k)",
    "array_agg(i4 ORDER BY d, k)",
    "json_agg(n2 ORDER BY k)",
    "bit_xor(i4)",
    "string_agg(c5, ',' ORDER BY k)",
    "string_agg(DISTINCT c5, ',')",
    "string_agg(t, ',' ORDER BY i4 NULLS FIRST, k)",
    "array_agg(t ORDER BY n2 DESC NULLS LAST, k)",
    "array_agg(i4 ORDER BY k) FILTER (WHERE i4 > 0)",
    "array_agg(b ORDER BY k) FILTER (WHERE k < 4)",
    "json_agg(t ORDER BY k DESC) FILTER (WHERE b)",
    "jsonb_agg(d ORDER BY k) FILTER (WHERE b IS NULL)",
    "json_object_agg(k, vc ORDER BY k)",
    "json_object_agg(c5, n2 ORDER BY k) FILTER (WHERE c5 IS NOT NULL)",
    "jsonb_object_agg(k, ts)",
    "jsonb_object_agg(k, jb) FILTER (WHERE b)",
    "jsonb_agg(m ORDER BY k)",
];

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

#[tokio::test]
async fn aggregates_are_what_postgresql_says() {
    let Some(server) = Server::start("UTC").await else { return };
    let catalog = table::catalog("UTC");
    let rows = server.rows(&catalog).await;
    let mut faults = Vec::new();
    for written in AGGREGATES {
        let query = match strangler::sql::bind(&format!("SELECT {written} AS c FROM v"), &catalog) {
            Ok(query) => query,
            Err(findings) => {
                faults.push(format!("{written}: {}", findings[0].message));
                continue;
            }
        };
        let aggregate = &query.branches[0].select.aggregates[0];
        for end in 0..=rows.len() {
            let group: Vec<&Row> = rows.iter().take(end).collect();
            let theirs = server.ask(&format!("SELECT {written} FROM v WHERE k <= {end}")).await;
            match (value_of(aggregate, &group), theirs) {
                (Ok(ours), Ok(theirs)) => {
                    let ours = printed(&ours);
                    if ours != theirs[0] {
                        faults.push(format!("{written} of {end} rows: ours {ours:?}, the server's {:?}", theirs[0]));
                    }
                }
                (Err(error), Err(_)) if error.class() == Class::Person => {}
                (ours, theirs) => faults.push(format!("{written} of {end} rows: ours {ours:?}, the server's {theirs:?}")),
            }
        }
    }
    assert!(faults.is_empty(), "{} differences:\n{}", faults.len(), faults.join("\n"));
}

fn printed(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(truth) => if *truth { "t" } else { "f" }.into(),
        Value::Int(number) => number.to_string(),
        Value::Decimal(number) => number.to_string(),
        Value::NonFinite(number) => number.to_string(),
        Value::Double(number) if number.is_nan() => "NaN".into(),
        Value::Double(number) if number.is_infinite() => "Infinity".into(),
        Value::Double(number) => format!("{number:e}").replace("e308", "e+308").replace("e0", ""),
        Value::Text(text) => text.to_string(),
        Value::Date(day) if !day.is_finite() => "-infinity".into(),
        Value::Date(day) => day.to_string(),
        Value::DateTime(moment) if !moment.date.is_finite() => "infinity".into(),
        Value::DateTime(moment) if moment.time_us % 1_000_000 == 0 => moment.format(0),
        Value::DateTime(moment) => moment.format(6),
        Value::Time(time) if time.0 % 1_000_000 == 0 => time.format(0),
        Value::Time(time) => time.format(6),
        Value::Interval(interval) => interval.to_string(),
        other => format!("{other:?}"),
    })
}
