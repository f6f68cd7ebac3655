//! The standing of a mapping that does not run: why, since which position, and what it will take to go on. Durable, by the mapping's
//! name; a mapping without a record runs.

use serde::{Deserialize, Serialize};

use super::meta;
use crate::derive::{Arrangements, Mutation, Space};
use crate::error::Result;
use crate::position::Position;
use crate::schema::{TableLayout, TableName};

/// Why a mapping derives nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The source changed the definition of what it reads: it needs a rebuild.
    Schema,
    /// A row cannot be derived or written.
    Data,
    /// The data breaks a declared fact.
    Fact,
    /// The data breaks a declared fact, perhaps for a moment only: it goes on by itself, or stops.
    FactHeld,
    /// Its target refuses what must be written.
    Target,
    /// Its target is so far behind that the outbox is at its bound; it goes on by itself.
    Behind,
    /// A person asked for it.
    Paused,
    /// Its tables are filled for the first time, or again, while others are live; it goes on by itself.
    Filling,
}

impl Cause {
    /// Whether a person must act before the mapping goes on.
    #[must_use]
    pub fn needs_person(self) -> bool {
        matches!(self, Self::Schema | Self::Data | Self::Fact | Self::Target)
    }

    /// Whether it stays so until a person does something: mends what stopped it, or lets it go on.
    #[must_use]
    pub fn is_at_rest(self) -> bool {
        self.needs_person() || self == Self::Paused
    }

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Schema | Self::Data | Self::Fact | Self::Target => "stopped",
            Self::FactHeld => "held",
            Self::Behind => "behind",
            Self::Paused => "paused",
            Self::Filling => "filling",
        }
    }
}

/// How a mapping that does not run stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Why.
    pub cause: Cause,
    /// The same in words.
    pub reason: String,
    /// What a person can do, if there is something to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Everything up to here was derived for it.
    pub position: Position,
    /// When it happened, microseconds since 1970 by this machine's clock; for display.
    pub since_us: i64,
    /// Which anchors are affected is not known (any more): all count as dirty.
    pub everything: bool,
}

/// What of a legacy table is still decoded after a change of its definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decoded {
    /// Nothing: its mappings have stopped.
    Nothing,
    /// The columns of these names; the mappings that need others have stopped.
    Columns(Vec<String>),
}

fn standing_key(mapping: &str) -> Vec<u8> {
    [b"standing/", mapping.as_bytes()].concat()
}

fn decoded_key(table: &TableName) -> Vec<u8> {
    format!("decoded/{table}").into_bytes()
}

/// The standing of a mapping; `None` if it runs.
///
/// # Errors
/// `Local` if the record is damaged.
pub fn standing(store: &dyn Arrangements, mapping: &str) -> Result<Option<Standing>> {
    meta::record(store, &standing_key(mapping))
}

/// Writes the standing of a mapping.
///
/// # Errors
/// Never in practice (`Bug`).
pub fn put_standing(mapping: &str, standing: Option<&Standing>) -> Result<Mutation> {
    match standing {
        Some(standing) => meta::put(standing_key(mapping), standing),
        None => Ok(Mutation { space: Space::Meta, key: standing_key(mapping), value: None }),
    }
}

/// What of a table is decoded; `None`: everything that is stored.
///
/// # Errors
/// `Local` if the record is damaged.
pub fn decoded(store: &dyn Arrangements, table: &TableName) -> Result<Option<Decoded>> {
    meta::record(store, &decoded_key(table))
}

/// Writes what of a table is decoded.
///
/// # Errors
/// Never in practice (`Bug`).
pub fn put_decoded(table: &TableName, decoded: Option<&Decoded>) -> Result<Mutation> {
    match decoded {
        Some(decoded) => meta::put(decoded_key(table), decoded),
        None => Ok(Mutation { space: Space::Meta, key: decoded_key(table), value: None }),
    }
}

impl Decoded {
    /// The layout with which the log is read now, and per stored column its place in it; `None` if the table is not read.
    #[must_use]
    pub fn layout(&self, stored: &TableLayout) -> Option<(TableLayout, Vec<Option<usize>>)> {
        let Self::Columns(names) = self else { return None };
        let mut places = Vec::with_capacity(stored.columns.len());
        let mut columns = Vec::new();
        for column in &stored.columns {
            let is_kept = names.contains(&column.column.name);
            places.push(is_kept.then_some(columns.len()));
            if is_kept {
                columns.push(column.clone());
            }
        }
        let identity = match &stored.identity {
            None => None,
            Some(identity) => Some(identity.iter().map(|place| places.get(*place).copied().flatten()).collect::<Option<_>>()?),
        };
        Some((TableLayout { columns, identity, ..stored.clone() }, places))
    }
}
