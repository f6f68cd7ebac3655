//! Column types of MySQL and MariaDB targets.
//!
//! The type decides the one form in which a value of the column is written, read back and compared. Text types carry their collation,
//! because the key of a target table must tell apart whatever the source tells apart.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which server family a target is: it decides how types are spelled and which of them there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// PostgreSQL.
    #[default]
    PostgreSql,
    /// Oracle MySQL and Percona Server.
    MySql,
    /// MariaDB.
    MariaDb,
}

impl TargetKind {
    /// The collation by which two texts are equal only if they are the same characters, trailing spaces included. `None` for PostgreSQL, whose
    /// default does so already.
    #[must_use]
    pub fn exact_collation(self) -> Option<&'static str> {
        match self {
            Self::PostgreSql => None,
            Self::MySql => Some("utf8mb4_0900_bin"),
            Self::MariaDb => Some("utf8mb4_nopad_bin"),
        }
    }

    /// Its name, for messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PostgreSql => "PostgreSQL",
            Self::MySql => "MySQL",
            Self::MariaDb => "MariaDB",
        }
    }
}

/// A column type of a MySQL or MariaDB table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MySqlType {
    /// tinyint(1), 0 or 1.
    Boolean,
    /// tinyint to bigint.
    Integer {
        /// 8, 16, 24, 32 or 64.
        bits: u8,
        /// UNSIGNED.
        unsigned: bool,
    },
    /// decimal(precision, scale).
    Decimal {
        /// Total digits, up to 65.
        precision: u16,
        /// Digits after the point, up to 30.
        scale: u16,
    },
    /// float
    Float,
    /// double
    Double,
    /// char(length): values end in no space.
    Char {
        /// Characters.
        length: u32,
        /// A collation of utf8mb4.
        collation: String,
    },
    /// varchar(length)
    Varchar {
        /// Characters.
        length: u32,
        /// A collation of utf8mb4.
        collation: String,
    },
    /// tinytext to longtext.
    Text {
        /// Which of the four.
        size: LongSize,
        /// A collation of utf8mb4.
        collation: String,
    },
    /// enum(..): one of these labels, as they are spelled. Only where it is declared.
    Enum {
        /// The labels in their order.
        labels: Vec<String>,
        /// A collation of utf8mb4.
        collation: String,
    },
    /// set(..): some of these labels, in their order and with commas between. Only where it is declared.
    Set {
        /// The labels in their order.
        labels: Vec<String>,
        /// A collation of utf8mb4.
        collation: String,
    },
    /// binary(length): values have exactly this length.
    Binary(u32),
    /// varbinary(length)
    VarBinary(u32),
    /// tinyblob to longblob.
    Blob(LongSize),
    /// bit(length)
    Bit(u8),
    /// date
    Date,
    /// datetime(fraction)
    DateTime(u8),
    /// time(fraction), a duration of up to 838 hours either way.
    Time(u8),
    /// year
    Year,
    /// json, in the server's own form.
    Json,
}

/// The four sizes of TEXT and BLOB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LongSize {
    /// Up to 255 bytes.
    Tiny,
    /// Up to 64 KiB.
    Plain,
    /// Up to 16 MiB.
    Medium,
    /// Up to 4 GiB.
    Long,
}

impl LongSize {
    /// The most bytes of a value.
    #[must_use]
    pub fn bytes_max(self) -> u64 {
        match self {
            Self::Tiny => 0xFF,
            Self::Plain => 0xFFFF,
            Self::Medium => 0xFF_FFFF,
            Self::Long => 0xFFFF_FFFF,
        }
    }

    /// What stands before `text` or `blob`.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Plain => "",
            Self::Medium => "medium",
            Self::Long => "long",
        }
    }
}

impl MySqlType {
    /// The type as the catalogue names it, without display widths: charset and collation stand elsewhere.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Boolean => "tinyint(1)".into(),
            Self::Integer { bits, unsigned } => {
                let name = match bits {
                    0..=8 => "tinyint",
                    9..=16 => "smallint",
                    17..=24 => "mediumint",
                    25..=32 => "int",
                    _ => "bigint",
                };
                if *unsigned { format!("{name} unsigned") } else { name.into() }
            }
            Self::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
            Self::Float => "float".into(),
            Self::Double => "double".into(),
            Self::Char { length, .. } => format!("char({length})"),
            Self::Varchar { length, .. } => format!("varchar({length})"),
            Self::Text { size, .. } => format!("{}text", size.prefix()),
            Self::Enum { labels, .. } => format!("enum({})", listed(labels)),
            Self::Set { labels, .. } => format!("set({})", listed(labels)),
            Self::Binary(length) => format!("binary({length})"),
            Self::VarBinary(length) => format!("varbinary({length})"),
            Self::Blob(size) => format!("{}blob", size.prefix()),
            Self::Bit(length) => format!("bit({length})"),
            Self::Date => "date".into(),
            Self::DateTime(0) => "datetime".into(),
            Self::DateTime(fraction) => format!("datetime({fraction})"),
            Self::Time(0) => "time".into(),
            Self::Time(fraction) => format!("time({fraction})"),
            Self::Year => "year".into(),
            Self::Json => "json".into(),
        }
    }

    /// The collation of a text type.
    #[must_use]
    pub fn collation(&self) -> Option<&str> {
        match self {
            Self::Char { collation, .. }
            | Self::Varchar { collation, .. }
            | Self::Text { collation, .. }
            | Self::Enum { collation, .. }
            | Self::Set { collation, .. } => Some(collation),
            _ => None,
        }
    }

    /// The most bytes of a value in an index; `None` if it cannot be indexed whole.
    #[must_use]
    pub fn index_bytes(&self) -> Option<u32> {
        match self {
            Self::Text { .. } | Self::Blob(_) | Self::Json => None,
            Self::Char { length, .. } | Self::Varchar { length, .. } => Some(length.saturating_mul(4)),
            Self::Binary(length) | Self::VarBinary(length) => Some(*length),
            Self::Decimal { .. } => Some(30),
            _ => Some(8),
        }
    }
}

/// Labels as the catalogue prints them; none of them holds a quote.
fn listed(labels: &[String]) -> String {
    labels.iter().map(|label| format!("'{label}'")).collect::<Vec<_>>().join(",")
}

/// As `CREATE TABLE` spells it.
impl fmt::Display for MySqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())?;
        match self.collation() {
            Some(collation) => write!(f, " CHARACTER SET utf8mb4 COLLATE {collation}"),
            None => Ok(()),
        }
    }
}
