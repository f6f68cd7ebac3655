//! Random schemas and rows: a root `r`, its children `s` (with `r_id`), and a dimension `d` (referenced by `d_id`).

use strangler::schema::{Column, DataType, Generated, TableName, TableSchema, UniqueKey};

use super::grammar::{ColumnName, Kind};

/// A column type and the values its random rows have, as SQL.
pub struct ColumnKind {
    pub kind: Kind,
    pub declared: &'static str,
    pub values: &'static [&'static str],
}

/// A random column.
#[derive(Clone)]
pub struct RandomColumn {
    pub name: String,
    pub kind: &'static ColumnKind,
    pub nullable: bool,
}

/// A table: `id INT` first, then references, then random columns. Values are SQL literals.
#[derive(Clone)]
pub struct RandomTable {
    pub name: &'static str,
    pub references: &'static [&'static str],
    pub columns: Vec<RandomColumn>,
}

/// A row by its id: references and columns as SQL literals.
pub type Rows = std::collections::BTreeMap<i64, Vec<String>>;

/// The rows of every table at one moment.
pub type State = Vec<Rows>;

impl RandomTable {
    fn random(
        random: &mut fastrand::Rng,
        name: &'static str,
        references: &'static [&'static str],
        kinds: &'static [ColumnKind],
    ) -> Self {
        let columns = (0..random.usize(4..8)).map(|number| RandomColumn {
            name: format!("{name}{number}"),
            kind: &kinds[random.usize(0..kinds.len())],
            nullable: random.u8(0..4) > 0,
        });
        Self { name, references, columns: columns.collect() }
    }

    pub fn create(&self) -> String {
        let mut parts = vec!["id INT NOT NULL PRIMARY KEY".to_owned()];
        parts.extend(self.references.iter().map(|reference| format!("{reference} INT NULL")));
        for RandomColumn { name, kind, nullable } in &self.columns {
            parts.push(format!("{name} {}{}", kind.declared, if *nullable { " NULL" } else { " NOT NULL" }));
        }
        format!("CREATE TABLE {} ({})", self.name, parts.join(", "))
    }

    /// As the catalogue of a server has it.
    pub fn schema(&self, schema: &str, primary_key: &str, engine: &str, data_type: impl Fn(&str) -> DataType) -> TableSchema {
        let column = |name: &str, data_type: DataType, nullable: bool| Column {
            name: name.into(),
            data_type,
            native_type: String::new(),
            nullable,
            generated: Generated::No,
            comment: String::new(),
        };
        let integer = || DataType::Integer { bits: 32, unsigned: false };
        let mut columns = vec![column("id", integer(), false)];
        columns.extend(self.references.iter().map(|reference| column(reference, integer(), true)));
        columns.extend(self.columns.iter().map(|own| column(&own.name, data_type(own.kind.declared), own.nullable)));
        TableSchema {
            name: TableName { schema: schema.into(), name: self.name.into() },
            columns,
            primary_key: Some(UniqueKey { name: primary_key.into(), columns: vec![0] }),
            unique_keys: Vec::new(),
            engine: engine.into(),
            transactional: true,
            comment: String::new(),
            row_estimate: 10,
            revision: String::new(),
        }
    }

    pub fn row(&self, random: &mut fastrand::Rng) -> Vec<String> {
        let mut row: Vec<String> = self
            .references
            .iter()
            .map(|_| if random.u8(0..6) == 0 { "NULL".into() } else { random.i64(1..9).to_string() })
            .collect();
        for column in &self.columns {
            let null = column.nullable && random.u8(0..5) == 0;
            let values = column.kind.values;
            row.push(if null { "NULL".into() } else { values[random.usize(0..values.len())].to_owned() });
        }
        row
    }

    /// Its columns under an alias, ids and references included.
    pub fn names(&self, alias: &str) -> Vec<ColumnName> {
        let integer = |name: &str| ColumnName { kind: Kind::Integer, text: format!("{alias}.{name}") };
        let mut names = vec![integer("id")];
        names.extend(self.references.iter().map(|reference| integer(reference)));
        names.extend(
            self.columns.iter().map(|column| ColumnName { kind: column.kind.kind, text: format!("{alias}.{}", column.name) }),
        );
        names
    }
}

/// A schema with its rows at several moments.
pub struct World {
    pub tables: Vec<RandomTable>,
    pub states: Vec<State>,
}

impl World {
    pub fn random(random: &mut fastrand::Rng, kinds: &'static [ColumnKind], batches: usize) -> Self {
        let tables = vec![
            RandomTable::random(random, "r", &["d_id"], kinds),
            RandomTable::random(random, "s", &["r_id", "d_id"], kinds),
            RandomTable::random(random, "d", &[], kinds),
        ];
        let first: State = tables
            .iter()
            .map(|table| {
                let mut rows = Rows::new();
                for id in 1..=random.i64(5..13) {
                    if random.u8(0..5) > 0 {
                        rows.insert(id, table.row(random));
                    }
                }
                rows
            })
            .collect();
        let mut states = vec![first];
        for _ in 0..batches {
            let mut next = states.last().unwrap().clone();
            for _ in 0..random.usize(1..6) {
                change(random, &tables, &mut next);
            }
            states.push(next);
        }
        Self { tables, states }
    }
}

fn change(random: &mut fastrand::Rng, tables: &[RandomTable], state: &mut State) {
    let place = random.usize(0..tables.len());
    let (table, rows) = (&tables[place], &mut state[place]);
    let id = random.i64(1..14);
    match (random.u8(0..4), rows.get_mut(&id)) {
        (0, Some(_)) => drop(rows.remove(&id)),
        (_, Some(row)) => {
            // Most columns stay as they are.
            for (old, new) in row.iter_mut().zip(table.row(random)) {
                if random.u8(0..3) == 0 {
                    *old = new;
                }
            }
        }
        (_, None) => drop(rows.insert(id, table.row(random))),
    }
}
