//! One catalogue over several sources.
//!
//! A table's schema then begins with the name of its source (`erp.homeshop`), and so does the name of every collation (`erp:utf8mb4_bin`):
//! two servers may call different things by one name. Names of such sources have no `.` and no `:`, so that nothing is read two ways. What a
//! server itself is told and asked has the plain names: [`SourceCatalog::of_source`] gives its own catalogue back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{DataType, Flavor, SessionSettings, SourceCatalog, TableId, TableLayout, TableName, TableSchema};

/// What gives the SQL of one of several sources its meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceSemantics {
    /// Server family.
    pub flavor: Flavor,
    /// Server version, major, minor, patch.
    pub version: (u32, u32, u32),
    /// The database or schema that unqualified names mean.
    pub default_schema: String,
    /// Session settings, with plain names.
    pub session: SessionSettings,
}

impl TableName {
    /// The name that a table of `source` has in a catalogue of several sources.
    #[must_use]
    pub fn within(&self, source: &str) -> Self {
        Self { schema: format!("{source}.{}", self.schema), name: self.name.clone() }
    }

    /// The source of a table in a catalogue of several sources, and the table's own name there.
    #[must_use]
    pub fn apart(&self) -> Option<(&str, Self)> {
        let (source, schema) = self.schema.split_once('.')?;
        Some((source, Self { schema: schema.to_owned(), name: self.name.clone() }))
    }
}

/// A type with the names of its collations changed.
fn renamed(data_type: &DataType, change: &dyn Fn(&str) -> String) -> DataType {
    let mut data_type = data_type.clone();
    match &mut data_type {
        DataType::Text { collation, .. } | DataType::Enum { collation, .. } | DataType::Set { collation, .. } => {
            *collation = change(collation);
        }
        DataType::Array { element } => **element = renamed(element, change),
        _ => {}
    }
    data_type
}

fn qualified(source: &str, collation: &str) -> String {
    format!("{source}:{collation}")
}

fn plain(collation: &str) -> String {
    collation.split_once(':').map_or(collation, |(_, plain)| plain).to_owned()
}

impl TableSchema {
    /// The table under its name in a catalogue of several sources.
    #[must_use]
    pub fn within(&self, source: &str) -> Self {
        let mut table = Self { name: self.name.within(source), ..self.clone() };
        for column in &mut table.columns {
            column.data_type = renamed(&column.data_type, &|collation| qualified(source, collation));
        }
        table
    }

    /// The table as its own source has it.
    #[must_use]
    pub fn apart(&self) -> Option<(&str, Self)> {
        let (source, name) = self.name.apart()?;
        let mut table = Self { name, ..self.clone() };
        for column in &mut table.columns {
            column.data_type = renamed(&column.data_type, &plain);
        }
        Some((source, table))
    }
}

impl TableLayout {
    /// The layout as the table's own source has it; its id stays.
    #[must_use]
    pub fn apart(&self) -> Option<(&str, Self)> {
        let (source, name) = self.name.apart()?;
        let mut layout = Self { name, ..self.clone() };
        for stored in &mut layout.columns {
            stored.column.data_type = renamed(&stored.column.data_type, &plain);
        }
        Some((source, layout))
    }
}

impl SourceCatalog {
    /// One catalogue of several; `None` if there is none. What it says of a server as a whole is said per source.
    #[must_use]
    pub fn combined(catalogs: &BTreeMap<String, Self>) -> Option<Self> {
        let first = catalogs.values().next()?;
        let mut tables = Vec::new();
        let mut collations = BTreeMap::new();
        let mut sources = BTreeMap::new();
        for (source, catalog) in catalogs {
            tables.extend(catalog.tables.iter().map(|table| table.within(source)));
            let named = |(name, collation): (&String, &crate::value::Collation)| (qualified(source, name), collation.clone());
            collations.extend(catalog.collations.iter().map(named));
            let semantics = SourceSemantics {
                flavor: catalog.flavor,
                version: catalog.version,
                default_schema: catalog.default_schema.clone(),
                session: catalog.session.clone(),
            };
            sources.insert(source.clone(), semantics);
        }
        tables.sort_by(|left, right| left.name.cmp(&right.name));
        Some(Self { tables, collations, sources, ..first.clone() })
    }

    /// What one source says, under its own names. A catalogue of one source is that source's.
    #[must_use]
    pub fn of_source(&self, source: &str) -> Option<Self> {
        if self.sources.is_empty() {
            return Some(self.clone());
        }
        let of_it = |table: &TableSchema| table.apart().filter(|(of, _)| *of == source).map(|(_, table)| table);
        let tables = self.tables.iter().filter_map(of_it).collect();
        self.under(source, tables)
    }

    /// The catalogue as a mapping over one of the sources sees it: that source's tables under their own names, each at its place; of the others
    /// nothing that could be named.
    #[must_use]
    pub fn seen_from(&self, source: &str) -> Option<Self> {
        if self.sources.is_empty() {
            return Some(self.clone());
        }
        let seen = |table: &TableSchema| match table.apart() {
            Some((of, table)) if of == source => table,
            _ => TableSchema {
                name: TableName { schema: String::new(), name: String::new() },
                columns: Vec::new(),
                primary_key: None,
                unique_keys: Vec::new(),
                ..table.clone()
            },
        };
        let tables = self.tables.iter().map(seen).collect();
        self.under(source, tables)
    }

    /// Tables under the semantics and the collations of one source.
    fn under(&self, source: &str, tables: Vec<TableSchema>) -> Option<Self> {
        let semantics = self.sources.get(source)?;
        let own = |(name, collation): (&String, &crate::value::Collation)| {
            let (of, plain) = name.split_once(':')?;
            (of == source).then(|| (plain.to_owned(), collation.clone()))
        };
        Some(Self {
            flavor: semantics.flavor,
            version: semantics.version,
            default_schema: semantics.default_schema.clone(),
            tables,
            collations: self.collations.iter().filter_map(own).collect(),
            session: semantics.session.clone(),
            sources: BTreeMap::new(),
        })
    }

    /// The tables of several sources that a name may mean: `table` in the default schema of any, `source.table` in the default schema of one,
    /// `source.schema.table` exactly.
    pub fn named<'c>(&'c self, schema: Option<&'c str>, name: &'c str) -> impl Iterator<Item = (TableId, &'c TableSchema)> {
        let folded = self.session.lower_case_table_names != 0;
        let same = move |left: &str, right: &str| if folded { left.eq_ignore_ascii_case(right) } else { left == right };
        let is_meant = move |table: &TableSchema| {
            let Some((source, own)) = table.name.apart() else { return false };
            let Some(semantics) = self.sources.get(source) else { return false };
            let is_default = own.schema == semantics.default_schema;
            same(&own.name, name)
                && match schema {
                    None => is_default,
                    Some(schema) => (is_default && schema == source) || same(&table.name.schema, schema),
                }
        };
        (0..).map(TableId).zip(&self.tables).filter(move |(_, table)| is_meant(table))
    }

    /// The one table that a name means; none if it may mean several.
    pub(super) fn only_one_named(&self, schema: Option<&str>, name: &str) -> Option<(TableId, &TableSchema)> {
        let mut found = self.tables.iter().zip(0..).filter(|(table, place)| {
            table.name.name.eq_ignore_ascii_case(name) && self.named(schema, name).any(|(id, _)| id.0 == *place)
        });
        match (found.next(), found.next()) {
            (Some((table, place)), None) => Some((TableId(place), table)),
            _ => None,
        }
    }

    /// The server family of a source.
    #[must_use]
    pub fn flavor_at(&self, source: &str) -> Flavor {
        self.sources.get(source).map_or(self.flavor, |source| source.flavor)
    }

    /// The server family that a table belongs to.
    #[must_use]
    pub fn flavor_of(&self, table: &TableName) -> Flavor {
        table.apart().map_or(self.flavor, |(source, _)| self.flavor_at(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Column, Generated};
    use crate::value::Collation;

    fn catalog(flavor: Flavor, schema: &str, table: &str, collation: &str) -> SourceCatalog {
        let data_type = DataType::Text { length: None, fixed: false, charset: "c".into(), collation: collation.into() };
        let column = Column {
            name: "c".into(),
            data_type,
            native_type: String::new(),
            nullable: true,
            generated: Generated::No,
            comment: String::new(),
        };
        let table = TableSchema {
            name: TableName { schema: schema.into(), name: table.into() },
            columns: vec![column],
            primary_key: None,
            unique_keys: vec![],
            engine: String::new(),
            transactional: true,
            comment: String::new(),
            row_estimate: 0,
            revision: String::new(),
        };
        SourceCatalog {
            flavor,
            version: (1, 2, 3),
            default_schema: schema.into(),
            tables: vec![table],
            collations: BTreeMap::from([(collation.to_owned(), Collation::binary(collation, "c", true))]),
            session: SessionSettings::postgres("UTC", collation),
            sources: BTreeMap::new(),
        }
    }

    #[test]
    fn what_two_servers_call_by_one_name_is_kept_apart_and_given_back() {
        let erp = catalog(Flavor::MariaDb, "shop", "t", "same");
        let crm = catalog(Flavor::PostgreSql, "shop", "t", "same");
        let both = SourceCatalog::combined(&BTreeMap::from([("erp".into(), erp.clone()), ("crm".into(), crm.clone())])).unwrap();
        let names: Vec<String> = both.tables.iter().map(|table| table.name.to_string()).collect();
        assert_eq!(names, ["crm.shop.t", "erp.shop.t"]);
        assert_eq!(both.collations.keys().collect::<Vec<_>>(), ["crm:same", "erp:same"]);
        assert_eq!(both.of_source("erp").unwrap(), erp);
        assert_eq!(both.of_source("crm").unwrap(), crm);
        assert_eq!(both.flavor_of(&both.tables[0].name), Flavor::PostgreSql);
        let stored: SourceCatalog = serde_json::from_str(&serde_json::to_string(&both).unwrap()).unwrap();
        assert_eq!(stored, both);
    }

    #[test]
    fn a_mapping_over_one_source_cannot_name_a_table_of_another() {
        let erp = catalog(Flavor::MariaDb, "shop", "t", "same");
        let crm = catalog(Flavor::PostgreSql, "public", "member", "same");
        let both = SourceCatalog::combined(&BTreeMap::from([("erp".into(), erp.clone()), ("crm".into(), crm)])).unwrap();
        let seen = both.seen_from("erp").unwrap();
        assert_eq!(seen.table(None, "t").map(|(id, table)| (id.0, table)), Some((1, &erp.tables[0])));
        for schema in [None, Some("public"), Some("crm.public"), Some("")] {
            assert!(seen.table(schema, "member").is_none());
        }
    }
}
