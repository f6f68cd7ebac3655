//! The catalogue of a small shop on PostgreSQL.

use std::collections::BTreeMap;

use crate::schema::{Column, DataType, Flavor, Generated, SessionSettings, SourceCatalog, TableName, TableSchema, UniqueKey};
use crate::value::{Collation, PostgresCollation};

fn text(collation: &str) -> DataType {
    DataType::Text { length: None, fixed: false, charset: "UTF8".into(), collation: collation.into() }
}

fn table(name: &str, key: usize, columns: Vec<(&str, DataType)>) -> TableSchema {
    let columns = columns.into_iter().enumerate().map(|(ordinal, (name, data_type))| Column {
        name: name.into(),
        data_type,
        native_type: String::new(),
        nullable: ordinal >= key,
        generated: Generated::No,
        comment: String::new(),
    });
    TableSchema {
        name: TableName { schema: "public".into(), name: name.into() },
        columns: columns.collect(),
        primary_key: Some(UniqueKey { name: format!("{name}_pkey"), columns: (0..key).collect() }),
        unique_keys: Vec::new(),
        engine: "heap".into(),
        transactional: true,
        comment: String::new(),
        row_estimate: 1_000,
        revision: String::new(),
    }
}

/// Orders and their lines; the texts sort by ICU but for the codes.
pub(super) fn shop() -> SourceCatalog {
    let integer = || DataType::Integer { bits: 32, unsigned: false };
    let native = |name: &str| DataType::Native { name: name.into(), declared: name.into() };
    let behaviour = |character_type: &str, deterministic, ordered_by_bytes| PostgresCollation {
        deterministic,
        ordered_by_bytes,
        character_type: character_type.into(),
    };
    let collations =
        [("default", behaviour("", true, false)), ("C", behaviour("C", true, true)), ("ko_nocase", behaviour("", false, false))];
    let collation = |(name, behaviour): (&str, PostgresCollation)| (name.to_owned(), Collation::postgres(name, behaviour));
    let labels = ["open", "paid"].map(str::to_owned).to_vec();
    SourceCatalog {
        sources: std::collections::BTreeMap::new(),
        flavor: Flavor::PostgreSql,
        version: (15, 0, 0),
        default_schema: "public".into(),
        tables: vec![
            table(
                "line",
                2,
                vec![
                    ("ord", integer()),
                    ("seq", integer()),
                    ("qty", integer()),
                    ("price", DataType::Numeric),
                    ("item", text("C")),
                ],
            ),
            table(
                "ord",
                1,
                vec![
                    ("id", integer()),
                    ("name", text("default")),
                    ("code", text("C")),
                    ("nick", text("ko_nocase")),
                    ("at", DataType::TimestampTz { fraction: 6 }),
                    ("made", DataType::DateTime { fraction: 6 }),
                    ("weight", DataType::Double),
                    ("doc", DataType::Jsonb),
                    ("raw", DataType::Json),
                    ("tags", DataType::Array { element: Box::new(text("default")) }),
                    ("state", DataType::NamedEnum { name: "state".into(), labels }),
                    ("ip", native("inet")),
                    ("shape", native("polygon")),
                    ("total", DataType::Decimal { precision: 12, scale: 2, unsigned: false }),
                ],
            ),
        ],
        collations: collations.into_iter().map(collation).collect::<BTreeMap<_, _>>(),
        session: SessionSettings::postgres("Asia/Seoul", "default"),
    }
}
