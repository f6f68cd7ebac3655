//! What a legacy table looks like at one position of its source, and which of its columns the engine stores.
//!
//! A [`TableSchema`] is read from the source's catalogue. A [`TableLayout`] is the plan's choice of stored columns; rows
//! that a source emits have exactly the layout's columns in the layout's order.

use std::fmt;

use serde::{Deserialize, Serialize};

mod grants;
mod mysql_type;
mod several;

pub use grants::Grants;
pub use mysql_type::{LongSize, MySqlType, TargetKind};
pub use several::SourceSemantics;

/// A schema-qualified table name, spelled as the catalogue spells it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableName {
    /// Database (MySQL) or schema (PostgreSQL).
    pub schema: String,
    /// Table.
    pub name: String,
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// The index of a mapped legacy table in its plan; stable as long as the plan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableId(pub u32);

/// The type of a column or an expression, exact enough to choose semantics, encodings and target types.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DataType {
    /// The type of a bare NULL.
    Null,
    /// A real boolean (PostgreSQL).
    Boolean,
    /// TINYINT to BIGINT, signed or unsigned.
    Integer {
        /// 8, 16, 24, 32 or 64.
        bits: u8,
        /// UNSIGNED.
        unsigned: bool,
    },
    /// DECIMAL(precision, scale).
    Decimal {
        /// Total digits.
        precision: u16,
        /// Digits after the point.
        scale: u16,
        /// UNSIGNED.
        unsigned: bool,
    },
    /// Single precision.
    Float,
    /// Double precision.
    Double,
    /// PostgreSQL's `numeric` without a precision (or with a negative scale): any scale, the infinities, NaN. A `numeric(p,s)` column is a
    /// `Decimal` and may hold NaN.
    Numeric,
    /// CHAR, VARCHAR and the TEXTs. PostgreSQL's `text`, `varchar(n)` and `character(n)` have the charset `UTF8`; a value of the last is
    /// padded with blanks to its length.
    Text {
        /// Length in characters; `None` where the type has no bound worth keeping (the TEXTs).
        length: Option<u32>,
        /// CHAR(n).
        fixed: bool,
        /// The source's name of the charset, e.g. `euckr`.
        charset: String,
        /// The source's name of the collation, e.g. `utf8mb4_general_ci`.
        collation: String,
    },
    /// BINARY, VARBINARY and the BLOBs.
    Bytes {
        /// Length in bytes; `None` for the BLOBs.
        length: Option<u32>,
        /// BINARY(n): padded with zero bytes.
        fixed: bool,
    },
    /// ENUM with its labels, first label = index 1.
    Enum {
        /// Labels in order.
        labels: Vec<String>,
        /// The source's name of the charset.
        charset: String,
        /// The source's name of the collation.
        collation: String,
    },
    /// SET with its labels, first label = bit 0.
    Set {
        /// Labels in order.
        labels: Vec<String>,
        /// The source's name of the charset.
        charset: String,
        /// The source's name of the collation.
        collation: String,
    },
    /// BIT(length).
    Bit {
        /// 1 to 64.
        length: u8,
    },
    /// DATE.
    Date,
    /// DATETIME(fraction).
    DateTime {
        /// Digits after the second, 0 to 6.
        fraction: u8,
    },
    /// TIMESTAMP(fraction); values arrive in the session time zone.
    Timestamp {
        /// Digits after the second, 0 to 6.
        fraction: u8,
    },
    /// TIME(fraction).
    Time {
        /// Digits after the second, 0 to 6.
        fraction: u8,
    },
    /// YEAR.
    Year,
    /// JSON (MySQL's binary JSON; MariaDB's JSON is LONGTEXT); PostgreSQL's `json`, which keeps its text.
    Json,
    /// PostgreSQL's `timestamptz`: an instant, held in UTC.
    TimestampTz {
        /// Digits after the second, 0 to 6.
        fraction: u8,
    },
    /// PostgreSQL's `time`: from 00:00:00 to 24:00:00.
    TimeOfDay {
        /// Digits after the second, 0 to 6.
        fraction: u8,
    },
    /// PostgreSQL's `interval`.
    Interval,
    /// `uuid`, held as its 16 bytes.
    Uuid,
    /// `jsonb`, held as the text the server prints.
    Jsonb,
    /// An array of PostgreSQL, held as the text the server prints.
    Array {
        /// The type of its elements; an array has no type of its own per dimension.
        element: Box<DataType>,
    },
    /// An enum of PostgreSQL, held as its label; the labels order it.
    NamedEnum {
        /// Its name as `format_type` prints it under the pinned search path.
        name: String,
        /// Labels in order.
        labels: Vec<String>,
    },
    /// A PostgreSQL type that the engine carries as the text the server prints under [`POSTGRES_PINNED`], e.g. `inet`, `money`, `tsvector`,
    /// ranges and composites. What [`DataType::native_equality`] does not list can be passed on but not compared.
    Native {
        /// Its name as `format_type` prints it without a modifier, e.g. `inet`, `int4range`.
        name: String,
        /// The whole type with its modifier, e.g. `bit(3)`; the type of a target column that takes it over.
        declared: String,
    },
    /// A type that the engine can name but not carry; using such a column is refused.
    Unsupported {
        /// The source's own name of the type.
        native: String,
    },
}

impl DataType {
    /// Whether two values of a native type are equal exactly if their texts are: each value has one text, and equal values have the same.
    /// Not so, for example, `tsquery`, geometric types (equal within a tolerance) and composites (a member may be a float or a numeric).
    #[must_use]
    pub fn native_equality(name: &str) -> bool {
        const EXACT: [&str; 17] = [
            "bit",
            "bit varying",
            "cidr",
            "daterange",
            "inet",
            "int4multirange",
            "int4range",
            "int8multirange",
            "int8range",
            "macaddr",
            "macaddr8",
            "money",
            "oid",
            "pg_lsn",
            "datemultirange",
            "tsrange",
            "tsvector",
        ];
        EXACT.contains(&name)
    }
}

/// One column of a legacy table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Catalogue-true name.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
    /// The source's full type text, e.g. `varchar(16)`; for messages.
    pub native_type: String,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// Whether the column is generated, and how.
    pub generated: Generated,
    /// The column comment; empty if none.
    pub comment: String,
}

/// Whether a column is computed by the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Generated {
    /// An ordinary column.
    No,
    /// Computed and stored: in every row image.
    Stored,
    /// Computed when read; both families log its value in every row image nevertheless.
    Virtual,
}

/// A primary or unique key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UniqueKey {
    /// Its name, `PRIMARY` for the primary key.
    pub name: String,
    /// Column ordinals, zero-based, in key order. Keys over prefixes or expressions are left out by the catalogue reader.
    pub columns: Vec<usize>,
}

/// A legacy table at one position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSchema {
    /// Its name.
    pub name: TableName,
    /// Columns in ordinal order.
    pub columns: Vec<Column>,
    /// The primary key, if there is one.
    pub primary_key: Option<UniqueKey>,
    /// Further unique keys.
    pub unique_keys: Vec<UniqueKey>,
    /// The storage engine as the source names it, e.g. `InnoDB`, `MyISAM`.
    pub engine: String,
    /// Whether the engine is transactional.
    pub transactional: bool,
    /// The table comment; empty if none.
    pub comment: String,
    /// The source's own estimate of the row count.
    pub row_estimate: u64,
    /// What the source's catalogue shows to change when rows are rewritten without a trace in the log; empty where nothing is.
    #[serde(default)]
    pub revision: String,
}

impl TableSchema {
    /// The zero-based ordinal of a column whose name is exactly this one, as PostgreSQL compares names once they are folded.
    #[must_use]
    pub fn ordinal_exact(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|candidate| candidate.name == column)
    }

    /// The zero-based ordinal of a column, compared without regard to ASCII case as MySQL does.
    #[must_use]
    pub fn ordinal(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|candidate| candidate.name.eq_ignore_ascii_case(column))
    }

    /// The key by which the engine stores rows: the primary key, else the first unique key without nullable columns.
    /// `None`: the rows are a bag.
    #[must_use]
    pub fn identity(&self) -> Option<&UniqueKey> {
        self.primary_key.as_ref().or_else(|| {
            self.unique_keys
                .iter()
                .find(|key| key.columns.iter().all(|ordinal| self.columns.get(*ordinal).is_some_and(|column| !column.nullable)))
        })
    }
}

/// One stored column of a mapped table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredColumn {
    /// Zero-based ordinal in the legacy table.
    pub ordinal: usize,
    /// The column's name and type.
    pub column: Column,
}

/// Which columns of a legacy table the engine stores, and by which of them it finds a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableLayout {
    /// The table's id in the plan.
    pub id: TableId,
    /// Its name.
    pub name: TableName,
    /// Stored columns, in ordinal order.
    pub columns: Vec<StoredColumn>,
    /// Indexes into `columns` that make the row's identity, in key order; `None`: the rows are a bag.
    pub identity: Option<Vec<usize>>,
    /// Whether the engine of the table is transactional.
    pub transactional: bool,
    /// How many columns the legacy table has in all.
    pub source_column_count: usize,
}

/// Which server family a source is; semantics differ between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flavor {
    /// Oracle MySQL and Percona Server.
    MySql,
    /// MariaDB.
    MariaDb,
    /// PostgreSQL.
    PostgreSql,
}

impl Flavor {
    /// An identifier as the server looks it up: PostgreSQL folds ASCII letters outside quotes to lower case, MySQL leaves names as they are.
    #[must_use]
    pub fn folded(self, identifier: &str, quoted: bool) -> String {
        if self == Self::PostgreSql && !quoted { identifier.to_ascii_lowercase() } else { identifier.to_owned() }
    }
}

/// The settings that a PostgreSQL session of the engine always runs under, on a source and on a target: they decide how values are printed
/// and read, and a mapping cannot choose them. `search_path` is pinned too, to the catalogue's default schema.
pub const POSTGRES_PINNED: [(&str, &str); 10] = [
    ("client_encoding", "UTF8"),
    ("DateStyle", "ISO, YMD"),
    ("IntervalStyle", "postgres"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "1"),
    ("standard_conforming_strings", "on"),
    ("lc_monetary", "C"),
    ("lc_numeric", "C"),
    ("lc_time", "C"),
    ("xmloption", "content"),
];

/// The session settings that give the mapping's SQL its meaning; recorded once and set on every connection. Of PostgreSQL only `time_zone`
/// (its `TimeZone`) and `collation_connection` (the database's default collation) are open, see [`SessionSettings::postgres`]; everything
/// else is [`POSTGRES_PINNED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSettings {
    /// `sql_mode`, normalised to upper case without spaces.
    pub sql_mode: String,
    /// `time_zone`, e.g. `+09:00`; never `SYSTEM`.
    pub time_zone: String,
    /// `div_precision_increment`: digits that a decimal division adds.
    pub div_precision_increment: u32,
    /// `group_concat_max_len` in bytes.
    pub group_concat_max_len: u64,
    /// `collation_connection`: the collation of string literals.
    pub collation_connection: String,
    /// `lower_case_table_names`.
    pub lower_case_table_names: u8,
}

impl SessionSettings {
    /// The settings of a PostgreSQL source: its `TimeZone` and the database's default collation, which must be in the catalogue.
    #[must_use]
    pub fn postgres(time_zone: impl Into<String>, default_collation: impl Into<String>) -> Self {
        Self {
            sql_mode: String::new(),
            time_zone: time_zone.into(),
            div_precision_increment: 0,
            group_concat_max_len: u64::MAX,
            collation_connection: default_collation.into(),
            lower_case_table_names: 0,
        }
    }
}

/// What a source's catalogue said about the mapped tables, with everything evaluation depends on. Stored with the state, so
/// that a restart means the same as the first start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceCatalog {
    /// Server family.
    pub flavor: Flavor,
    /// Server version, major, minor, patch.
    pub version: (u32, u32, u32),
    /// The database (MySQL) or the schema (PostgreSQL) that unqualified names mean.
    pub default_schema: String,
    /// The mapped tables, sorted by name; a table's index is its [`TableId`].
    pub tables: Vec<TableSchema>,
    /// Collations of the mapped columns and of literals, by name.
    pub collations: std::collections::BTreeMap<String, crate::value::Collation>,
    /// Session settings.
    pub session: SessionSettings,
    /// Where several sources make one catalogue (see `schema/several.rs`), each by its name; empty with one source.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub sources: std::collections::BTreeMap<String, SourceSemantics>,
}

impl SourceCatalog {
    /// Finds a mapped table by name; an absent schema means the default one. Case follows `lower_case_table_names`; names of PostgreSQL are
    /// given as the server folds them (see [`Flavor::folded`]) and compared exactly.
    #[must_use]
    pub fn table(&self, schema: Option<&str>, name: &str) -> Option<(TableId, &TableSchema)> {
        if !self.sources.is_empty() {
            return self.only_one_named(schema, name);
        }
        let schema = schema.unwrap_or(&self.default_schema);
        let folded = self.session.lower_case_table_names != 0;
        let same = |left: &str, right: &str| if folded { left.eq_ignore_ascii_case(right) } else { left == right };
        let index = self.tables.iter().position(|table| same(&table.name.schema, schema) && same(&table.name.name, name))?;
        Some((TableId(u32::try_from(index).ok()?), self.tables.get(index)?))
    }
}

/// A column type of a target table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TargetType {
    /// boolean
    Boolean,
    /// smallint
    SmallInt,
    /// integer
    Integer,
    /// bigint
    BigInt,
    /// numeric(precision, scale), or unbounded numeric
    Numeric(Option<(u16, u16)>),
    /// real
    Real,
    /// double precision
    Double,
    /// text
    Text,
    /// varchar(n), n in characters
    Varchar(u32),
    /// character(n), n in characters; values are padded with blanks
    Char(u32),
    /// bytea
    Bytea,
    /// date
    Date,
    /// timestamp(fraction) without time zone
    Timestamp(u8),
    /// interval, for MySQL's TIME, which is a duration beyond 24 hours
    Interval,
    /// time(fraction) without time zone
    Time(u8),
    /// json, keeping its text
    Json,
    /// jsonb
    Jsonb,
    /// timestamp(fraction) with time zone; values are in UTC
    TimestampTz(u8),
    /// uuid
    Uuid,
    /// Any other type of PostgreSQL, by its name with its modifier: arrays, enums, `inet`, ranges. Values are its text.
    Native(String),
    /// A type of a MySQL or MariaDB target; the others are PostgreSQL's.
    MySql(MySqlType),
}

/// One column of a target table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub target_type: TargetType,
    /// Whether NULL may occur.
    pub nullable: bool,
    /// Its description; becomes the column comment. Empty if none.
    pub description: String,
}

/// A target table as a mapping declares it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetTable {
    /// Schema; `None`: the connection's own.
    pub schema: Option<String>,
    /// Name.
    pub name: String,
    /// Columns in the order of the SELECT.
    pub columns: Vec<TargetColumn>,
    /// Indexes into `columns` that make the key.
    pub key: Vec<usize>,
    /// Further indexes, as indexes into `columns`.
    pub indexes: Vec<Vec<usize>>,
    /// Its description; becomes the table comment. Empty if none.
    pub description: String,
}
