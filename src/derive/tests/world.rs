//! A small legacy schema with small key domains, so that random rows meet; and random changes to it.

use std::collections::BTreeMap;

use crate::change::{Change, Image, Operation};
use crate::derive::tests::oracle::Tables;
use crate::plan::Plan;
use crate::schema::{
    Column, DataType, Flavor, Generated, SessionSettings, SourceCatalog, TableId, TableName, TableSchema, UniqueKey,
};
use crate::value::{Collation, Decimal, Row, Value};

const COLLATION: &str = "utf8mb4_general_ci";

fn column(name: &str, data_type: DataType, nullable: bool) -> Column {
    Column {
        name: name.into(),
        data_type,
        native_type: String::new(),
        nullable,
        generated: Generated::No,
        comment: String::new(),
    }
}

/// Columns as `name type`, `?` behind the type for NULL; then the columns of the primary key.
fn table(name: &str, columns: &str, key: &[usize]) -> TableSchema {
    let parse = |text: &str| {
        let (name, kind) = text.trim().split_once(' ').unwrap();
        let data_type = match kind.trim_end_matches('?') {
            "int" => DataType::Integer { bits: 32, unsigned: false },
            "dec" => DataType::Decimal { precision: 10, scale: 2, unsigned: false },
            "text" => DataType::Text { length: Some(20), fixed: false, charset: "utf8mb4".into(), collation: COLLATION.into() },
            other => panic!("{other}"),
        };
        column(name, data_type, kind.ends_with('?'))
    };
    TableSchema {
        name: TableName { schema: "erp".into(), name: name.into() },
        columns: columns.split(',').map(parse).collect(),
        primary_key: (!key.is_empty()).then(|| UniqueKey { name: "PRIMARY".into(), columns: key.to_vec() }),
        unique_keys: vec![],
        engine: "InnoDB".into(),
        transactional: true,
        comment: String::new(),
        row_estimate: 10,
        revision: String::new(),
    }
}

/// The schema.
pub(super) fn catalog() -> SourceCatalog {
    // Letters of both cases weigh the same, in two bytes as the servers give them.
    let weight = |letter: char| (letter, vec![0, letter.to_ascii_uppercase() as u8]);
    let letters = (' '..='~').map(weight);
    let collation = Collation::weighted(COLLATION, "utf8mb4", true, letters, Some(vec![0xff, 0xfd]));
    let mut tables = vec![
        table("o", "ord_no int, cust_no int?, st text?, del text, ctg text?, mbr text?, memo text?", &[0]),
        table("d", "ord_no int, seq int, item_no int?, qty int, amt dec?, use_yn text", &[0, 1]),
        table("c", "cust_no int, nm text, grd int?, boss int?", &[0]),
        table("cd", "grp text, cd text, nm text, use_yn text", &[0, 1]),
        table("h", "ord_no int?, ev text?, at int", &[]),
        table("p", "pay_no int, ord_no int?, kind text, amt dec?", &[0]),
        table("g", "ctg_no text, nm text?", &[0]),
    ];
    tables.sort_by(|left, right| left.name.cmp(&right.name));
    SourceCatalog {
        sources: std::collections::BTreeMap::new(),
        flavor: Flavor::MariaDb,
        version: (10, 11, 0),
        default_schema: "erp".into(),
        tables,
        collations: BTreeMap::from([(COLLATION.to_owned(), collation)]),
        session: SessionSettings {
            sql_mode: String::new(),
            time_zone: "+09:00".into(),
            div_precision_increment: 4,
            group_concat_max_len: 1024,
            collation_connection: COLLATION.into(),
            lower_case_table_names: 0,
        },
    }
}

fn value(rng: &mut fastrand::Rng, table: &str, column: &Column) -> Value {
    if column.nullable && rng.u8(..5) == 0 {
        return Value::Null;
    }
    let one = |rng: &mut fastrand::Rng, words: &[&str]| Value::text(words[rng.usize(..words.len())]);
    match (table, column.name.as_str()) {
        (_, "del" | "use_yn") => one(rng, &["N", "Y"]),
        (_, "st") => one(rng, &["10", "20", "30"]),
        ("cd", "grp") => one(rng, &["ST", "ZZ"]),
        ("cd", "cd") => one(rng, &["10", "20", "30"]),
        (_, "ctg") => one(rng, &["AA01", "aa01", "aa02", "BB01", "B"]),
        ("g", "ctg_no") => one(rng, &["AA", "bb", "B", "AA01"]),
        (_, "mbr") => one(rng, &["kim", "Kim", "lee", "kim "]),
        (_, "kind") => one(rng, &["CARD", "CASH"]),
        (_, "nm" | "memo" | "ev") => Value::text(format!("n{}", rng.u8(..4))),
        (_, "qty") => Value::Int(rng.i64(0..9)),
        (_, "amt") => Value::Decimal(Decimal::from_small(rng.i128(-500..500), 2)),
        (_, "at") => Value::Int(rng.i64(0..3)),
        _ => Value::Int(rng.i64(1..6)),
    }
}

/// Whole tables with the random changes that are made to them.
pub(super) struct World<'a> {
    pub(super) catalog: &'a SourceCatalog,
    pub(super) tables: Tables,
    pub(super) rng: fastrand::Rng,
}

impl<'a> World<'a> {
    pub(super) fn new(catalog: &'a SourceCatalog, seed: u64) -> Self {
        let tables = (0..catalog.tables.len()).map(|index| (TableId(index as u32), vec![])).collect();
        Self { catalog, tables, rng: fastrand::Rng::with_seed(seed) }
    }

    fn fresh(&mut self, schema: &TableSchema) -> Row {
        schema.columns.iter().map(|column| value(&mut self.rng, &schema.name.name, column)).collect()
    }

    /// Whether another row than `but` has the row's key, as the source compares it.
    fn is_taken(&self, id: TableId, row: &[Value], but: Option<usize>) -> bool {
        let Some(key) = &self.catalog.tables[id.0 as usize].primary_key else { return false };
        let folded = |row: &[Value]| -> Vec<String> {
            let fold = |value: &Value| match value {
                Value::Text(text) => text.to_ascii_lowercase().trim_end().to_owned(),
                other => format!("{other:?}"),
            };
            key.columns.iter().map(|column| fold(&row[*column])).collect()
        };
        let rows = self.tables[&id].iter().enumerate();
        rows.filter(|(index, _)| Some(*index) != but).any(|(_, other)| folded(other) == folded(row))
    }

    /// One random change to the tables, with its event; `None` if the dice gave an impossible one.
    fn change(&mut self, plan: &Plan) -> Option<Change> {
        let id = TableId(self.rng.u32(..self.catalog.tables.len() as u32));
        let schema = self.catalog.tables[id.0 as usize].clone();
        let image = |row: &Row| Image::Full(project(plan, id, row));
        let count = self.tables[&id].len();
        let operation = match self.rng.u8(..100) {
            0 => {
                self.tables.get_mut(&id)?.clear();
                Operation::Truncate
            }
            1..=40 if count < 8 => {
                let row = self.fresh(&schema);
                if self.is_taken(id, &row, None) {
                    return None;
                }
                self.tables.get_mut(&id)?.push(row.clone());
                Operation::Insert { new: image(&row) }
            }
            41..=60 if count > 0 => {
                let index = self.rng.usize(..count);
                let row = self.tables.get_mut(&id)?.swap_remove(index);
                Operation::Delete { old: image(&row) }
            }
            _ if count > 0 => {
                let index = self.rng.usize(..count);
                let old = self.tables[&id][index].clone();
                let fresh = self.fresh(&schema);
                // Most updates keep most columns; some move the key.
                let keep = |rng: &mut fastrand::Rng| rng.u8(..3) > 0;
                let new: Row = old
                    .iter()
                    .zip(&fresh)
                    .map(|(old, new)| if keep(&mut self.rng) { old.clone() } else { new.clone() })
                    .collect();
                if self.is_taken(id, &new, Some(index)) {
                    return None;
                }
                self.tables.get_mut(&id)?[index] = new.clone();
                Operation::Update { old: image(&old), new: image(&new) }
            }
            _ => return None,
        };
        Some(Change { table: id, operation })
    }

    /// A random transaction.
    pub(super) fn batch(&mut self, plan: &Plan) -> Vec<Change> {
        let size = self.rng.usize(1..7);
        (0..size * 2).filter_map(|_| self.change(plan)).take(size).collect()
    }
}

/// The stored columns of a row.
pub(super) fn project(plan: &Plan, id: TableId, row: &Row) -> Row {
    plan.tables[id.0 as usize].layout.columns.iter().map(|column| row[column.ordinal].clone()).collect()
}
