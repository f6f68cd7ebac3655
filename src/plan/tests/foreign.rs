//! What is proven, and what is not, about tables of another source: their keys are keys by their own equality.

use std::collections::BTreeMap;

use crate::plan::{Builder, Fact, MappingInput, Plan, PlanFinding, Policies, TableInput};
use crate::schema::{Column, DataType, Flavor, Generated, SessionSettings, SourceCatalog, TableName, TableSchema, UniqueKey};
use crate::sql::foreign::View;
use crate::value::collation::PostgresCollation;
use crate::value::{Collation, KeyKind};

fn column(name: &str, data_type: DataType) -> Column {
    Column {
        name: name.into(),
        data_type,
        native_type: String::new(),
        nullable: false,
        generated: Generated::No,
        comment: String::new(),
    }
}

fn text(charset: &str, collation: &str) -> DataType {
    DataType::Text { length: Some(20), fixed: false, charset: charset.into(), collation: collation.into() }
}

const INT: DataType = DataType::Integer { bits: 32, unsigned: false };

fn table(schema: &str, name: &str, columns: Vec<Column>) -> TableSchema {
    TableSchema {
        name: TableName { schema: schema.into(), name: name.into() },
        columns,
        primary_key: Some(UniqueKey { name: "PRIMARY".into(), columns: vec![0] }),
        unique_keys: vec![],
        engine: String::new(),
        transactional: true,
        comment: String::new(),
        row_estimate: 100,
        revision: String::new(),
    }
}

/// Orders in MariaDB; members with a number, codes and numbers that may be NaN in PostgreSQL.
fn both() -> SourceCatalog {
    let weights = ('a'..='z').flat_map(|one| [(one, vec![one as u8]), (one.to_ascii_uppercase(), vec![one as u8])]);
    let erp_text = text("utf8mb4", "utf8mb4_general_ci");
    let erp = SourceCatalog {
        flavor: Flavor::MariaDb,
        version: (10, 11, 0),
        default_schema: "shop".into(),
        tables: vec![
            table("shop", "code", vec![column("code", erp_text.clone()), column("label", erp_text.clone())]),
            table("shop", "orders", vec![column("id", INT), column("member", INT), column("code", erp_text)]),
        ],
        collations: BTreeMap::from([(
            "utf8mb4_general_ci".to_owned(),
            Collation::weighted("utf8mb4_general_ci", "utf8mb4", true, weights, None),
        )]),
        session: SessionSettings {
            sql_mode: String::new(),
            time_zone: "+00:00".into(),
            div_precision_increment: 4,
            group_concat_max_len: 1 << 20,
            collation_connection: "utf8mb4_general_ci".into(),
            lower_case_table_names: 0,
        },
        sources: BTreeMap::new(),
    };
    let behaviour = PostgresCollation { deterministic: true, ordered_by_bytes: true, character_type: "C".into() };
    let crm_text = text("UTF8", "default");
    let crm = SourceCatalog {
        flavor: Flavor::PostgreSql,
        version: (15, 0, 0),
        default_schema: "public".into(),
        tables: vec![
            table("public", "grade", vec![column("code", crm_text.clone()), column("label", crm_text)]),
            table(
                "public",
                "member",
                vec![column("id", INT), column("credit", DataType::Decimal { precision: 9, scale: 2, unsigned: false })],
            ),
        ],
        collations: BTreeMap::from([("default".to_owned(), Collation::postgres("default", behaviour))]),
        session: SessionSettings::postgres("UTC", "default"),
        sources: BTreeMap::new(),
    };
    SourceCatalog::combined(&BTreeMap::from([("erp".to_owned(), erp), ("crm".to_owned(), crm)])).unwrap()
}

fn planned(dialect: &str, key: &str, sql: &str, facts: &[(&str, &str)]) -> Result<Plan, Vec<PlanFinding>> {
    let catalog = both();
    let collation = if dialect == "erp" { "utf8mb4_general_ci" } else { "default" };
    let view = View::of_several(&catalog, &["crm".to_owned(), "erp".to_owned()], dialect, Some(collation)).unwrap().unwrap();
    let mut query = crate::sql::bind(sql, &view.bound).unwrap_or_else(|found| panic!("{sql}\n{found:#?}"));
    view.adopt(&mut query);
    let fact = |(source, name): &(&str, &str)| {
        let (table, definition) = view.bound.table(Some(source), name).unwrap();
        let ordinal = definition.columns.iter().position(|column| column.name == "code").unwrap();
        let written = vec![view.column(table, ordinal).unwrap()];
        Fact { table, columns: vec![ordinal], written, filter: None, condition: String::new() }
    };
    let table = TableInput {
        schema: None,
        name: "t".into(),
        description: String::new(),
        key: vec![key.into()],
        indexes: vec![],
        columns: BTreeMap::new(),
        sql: sql.into(),
        query,
    };
    let mut builder = Builder::new(&catalog);
    builder.mapping_under(
        &view.planned,
        MappingInput {
            name: "test".into(),
            target: crate::schema::TargetKind::PostgreSql,
            policies: Policies::default(),
            tables: vec![table],
            facts: facts.iter().map(fact).collect(),
        },
    )?;
    Ok(builder.finish())
}

const BY_CODE: &str = "SELECT o.id AS id, g.label AS label FROM erp.orders o LEFT JOIN crm.grade g ON g.code = o.code";

#[test]
fn a_key_by_bytes_is_no_key_under_a_collation_that_takes_letters_for_equal() {
    let refused = planned("erp", "id", BY_CODE, &[]).unwrap_err();
    assert!(refused[0].message.contains("may join several rows"), "{refused:#?}");
    let plan = planned("erp", "id", BY_CODE, &[("crm", "grade")]).unwrap_or_else(|refused| panic!("{refused:#?}"));
    // The fact is watched by the rule of the comparison, not by bytes.
    let watched = &plan.indexes[plan.facts[0].index.0 as usize].parts[0].kind;
    assert!(matches!(watched, KeyKind::Text(collation) if collation.name() == "utf8mb4_general_ci"), "{watched:?}");
}

#[test]
fn a_key_that_takes_letters_for_equal_is_one_by_bytes_too() {
    let sql = "SELECT o.id AS id, c.label AS label FROM erp.orders o LEFT JOIN erp.code c ON c.code = o.code";
    planned("crm", "id", sql, &[]).unwrap_or_else(|refused| panic!("{refused:#?}"));
}

#[test]
fn the_key_of_a_foreign_table_is_a_key_of_the_target() {
    for (dialect, sql) in [("erp", "SELECT g.code AS id FROM crm.grade g"), ("crm", "SELECT c.code AS id FROM erp.code c")] {
        planned(dialect, "id", sql, &[]).unwrap_or_else(|refused| panic!("{dialect}: {refused:#?}"));
    }
}

#[test]
fn a_number_of_another_source_joins_by_the_key_of_its_table() {
    let sql = "SELECT o.id AS id, m.credit AS credit FROM erp.orders o LEFT JOIN crm.member m ON m.id = o.member";
    let plan = planned("erp", "id", sql, &[]).unwrap_or_else(|refused| panic!("{refused:#?}"));
    let kept: Vec<_> = plan.indexes.iter().filter(|index| !index.over_identity).collect();
    assert_eq!(kept.len(), 1, "orders by member; members are found by their key: {kept:#?}");
    let member = plan.tables.iter().find(|table| table.layout.name.name == "member").unwrap();
    assert_eq!(member.layout.name.schema, "crm.public");
}
