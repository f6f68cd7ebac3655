//! The tables of routines are complete: what the server has under a name that we carry is in them, carried or refused, so that overloads
//! resolve as on the server.

use std::collections::BTreeSet;

use strangler::sql::postgres::kind::Kind;
use strangler::sql::postgres::{routines, variadic_routines};

use super::Server;

/// A type of `pg_proc` as a kind, in our names; `None` for types that no expression of a mapping has.
fn kind(name: &str) -> Option<&'static str> {
    Some(match name {
        "bool" => "boolean",
        "int2" => "smallint",
        "int4" => "integer",
        "int8" => "bigint",
        "numeric" => "numeric",
        "float4" => "real",
        "float8" => "double precision",
        "text" => "text",
        "bpchar" => "character",
        "bytea" => "bytea",
        "date" => "date",
        "timestamp" => "timestamp",
        "timestamptz" => "timestamptz",
        "time" => "time",
        "interval" => "interval",
        "uuid" => "uuid",
        "json" => "json",
        "jsonb" => "jsonb",
        "_text" => "text[]",
        "anyarray" | "anycompatiblearray" => "anyarray",
        "anyelement" | "anynonarray" | "anycompatible" | "anycompatiblenonarray" => "anyelement",
        _ => return None,
    })
}

fn ours() -> BTreeSet<(String, String)> {
    let named = |kinds: &[Kind]| {
        kinds
            .iter()
            .map(|kind| {
                kind.name()
                    .replace("any", "anyelement")
                    .replace("anyelementarray", "anyarray")
                    .replace("anyelementelement", "anyelement")
            })
            .collect::<Vec<_>>()
            .join(",")
    };
    routines().map(|routine| (routine.name.to_owned(), named(routine.arguments))).collect()
}

#[tokio::test]
async fn every_overload_of_the_server_is_in_the_tables() {
    let Some(server) = Server::start("UTC").await else { return };
    let ours = ours();
    let names: BTreeSet<&str> = ours.iter().map(|(name, _)| name.as_str()).collect();
    let sql = "SELECT p.proname || ' ' || array_to_string(ARRAY(SELECT t.typname FROM unnest(p.proargtypes) WITH ORDINALITY AS a(o, n) \
               JOIN pg_type t ON t.oid = a.o ORDER BY a.n), ',') FROM pg_proc p WHERE p.prokind = 'f' AND p.pronamespace = 'pg_catalog'::regnamespace \
               UNION ALL SELECT o.oprname || ' ' || concat_ws(',', l.typname, r.typname) FROM pg_operator o \
               LEFT JOIN pg_type l ON l.oid = o.oprleft JOIN pg_type r ON r.oid = o.oprright WHERE o.oprnamespace = 'pg_catalog'::regnamespace";
    let mut missing = Vec::new();
    for row in server.ask(sql).await.unwrap().into_iter().flatten() {
        let (name, types) = row.split_once(' ').unwrap();
        if !names.contains(name) || matches!(name, "like" | "ilike") {
            continue;
        }
        let kinds: Option<Vec<&str>> = types.split(',').filter(|name| !name.is_empty()).map(kind).collect();
        let Some(kinds) = kinds else { continue };
        if !ours.contains(&(name.to_owned(), kinds.join(","))) {
            missing.push(format!("{name}({})", kinds.join(", ")));
        }
    }
    missing.sort();
    missing.dedup();
    assert!(missing.is_empty(), "{} overloads are not in the tables:\n{}", missing.len(), missing.join("\n"));
}

#[test]
fn at_least_150_functions_and_operators_are_carried() {
    let special = ["coalesce", "nullif", "greatest", "least", "case", "::", "in", "between", "is distinct from", "any", "all"];
    let aggregates = [
        "count",
        "sum",
        "avg",
        "min",
        "max",
        "bool_and",
        "bool_or",
        "every",
        "bit_and",
        "bit_or",
        "string_agg",
        "array_agg",
        "json_agg",
        "jsonb_agg",
    ];
    let comparisons = ["=", "<>", "<", "<=", ">", ">=", "and", "or", "not", "is null"];
    let carried: BTreeSet<&str> = routines()
        .chain(variadic_routines())
        .filter(|routine| routine.compute.is_some())
        .map(|routine| routine.name)
        .chain(special)
        .chain(aggregates)
        .chain(comparisons)
        .collect();
    assert!(carried.len() >= 150, "{}: {carried:?}", carried.len());
}
