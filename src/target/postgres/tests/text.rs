//! Statement text, word for word.

use super::super::{definition, sql};
use super::*;

fn sample() -> TargetTable {
    let mut table = table(
        "order lines",
        2,
        &[
            ("order_id", TargetType::BigInt),
            ("line", TargetType::SmallInt),
            ("name", TargetType::Varchar(40)),
            ("price", TargetType::Numeric(Some((15, 2)))),
        ],
    );
    table.schema = Some("shop".into());
    table.description = "It's one row per line".into();
    table.columns[2].description = "상품명".into();
    table.indexes = vec![vec![2, 3]];
    table
}

#[test]
fn statements_about_rows() {
    let table = sample();
    let rows = "unnest($1::bigint[], $2::smallint[], $3::text[], $4::numeric[]) AS u(c1, c2, c3, c4)";
    let insert = format!(
        "INSERT INTO \"shop\".\"order lines\" (\"order_id\", \"line\", \"name\", \"price\") SELECT u.c1, u.c2, u.c3, u.c4 FROM {rows}"
    );
    assert_eq!(sql::insert(&table), insert);
    assert_eq!(
        sql::upsert(&table),
        format!(
            "{insert} ON CONFLICT (\"order_id\", \"line\") DO UPDATE SET \"name\" = EXCLUDED.\"name\", \"price\" = EXCLUDED.\"price\""
        )
    );
    assert_eq!(
        sql::delete(&table),
        "DELETE FROM \"shop\".\"order lines\" AS t USING unnest($1::bigint[], $2::smallint[]) AS u(c1, c2) \
         WHERE t.\"order_id\" = u.c1 AND t.\"line\" = u.c2"
    );
    assert_eq!(
        sql::select_after(&table, true),
        "SELECT t.\"order_id\", t.\"line\", t.\"name\", t.\"price\" FROM \"shop\".\"order lines\" AS t \
         WHERE (t.\"order_id\", t.\"line\") > ($1::bigint, $2::smallint) ORDER BY t.\"order_id\", t.\"line\" LIMIT $3::bigint"
    );
    assert_eq!(
        sql::select_keys(&table),
        "SELECT t.\"order_id\", t.\"line\", t.\"name\", t.\"price\" FROM unnest($1::bigint[], $2::smallint[]) AS u(c1, c2) \
         JOIN \"shop\".\"order lines\" AS t ON t.\"order_id\" = u.c1 AND t.\"line\" = u.c2"
    );
    assert_eq!(
        sql::copy(&table),
        "COPY \"shop\".\"order lines\" (\"order_id\", \"line\", \"name\", \"price\") FROM STDIN (FORMAT binary)"
    );
    assert_eq!(
        sql::create_staging(&table),
        "CREATE TEMPORARY TABLE strangler_staging (c1 bigint, c2 smallint, c3 text, c4 numeric) ON COMMIT DROP"
    );
    assert!(sql::upsert(&super::table("k", 1, &[("id", TargetType::Integer)])).ends_with("ON CONFLICT (\"id\") DO NOTHING"));
}

#[test]
fn statements_that_create() {
    let statements = definition::target_table(&sample());
    assert_eq!(
        statements,
        [
            "CREATE TABLE \"shop\".\"order lines\" (\n  \"order_id\" bigint NOT NULL,\n  \"line\" smallint NOT NULL,\n  \"name\" varchar(40),\n  \
             \"price\" numeric(15,2),\n  PRIMARY KEY (\"order_id\", \"line\")\n)",
            "COMMENT ON TABLE \"shop\".\"order lines\" IS 'It''s one row per line'",
            "COMMENT ON COLUMN \"shop\".\"order lines\".\"name\" IS '상품명'",
        ]
    );
    assert_eq!(definition::index(&sample(), &[2, 3]), "CREATE INDEX ON \"shop\".\"order lines\" (\"name\", \"price\")");
}

#[test]
fn names_are_quoted_and_texts_are_literals() {
    assert_eq!(sql::quoted("a\"b"), "\"a\"\"b\"");
    assert_eq!(sql::literal("it's \\n"), "'it''s \\n'");
}
