//! Places in a source's log, and how far each source has come.
//!
//! A [`Position`] carries the identity of the history it belongs to. Positions have a partial order only: [`Position::compare`]
//! answers `None` where two positions cannot be proven to lie on one history.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A place in a MySQL or MariaDB binlog: everything before it is contained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BinlogPosition {
    /// The server's identity: `server_uuid` on MySQL, `server_id` with the data directory's uid where MariaDB has one.
    pub server: String,
    /// Binlog file name, e.g. `binlog.000042`.
    pub file: String,
    /// Byte offset after the last contained event. 64 bit although events carry 32.
    pub offset: u64,
    /// Executed GTIDs up to here, as the server prints them (`uuid:1-24,..` on MySQL, `0-1-25,..` on MariaDB); empty without GTID.
    pub gtid: String,
    /// Where reading must start for this position to be resumed, if that is earlier: file and offset of the oldest prepared (XA)
    /// transaction that is not yet committed or rolled back here. Its rows are not contained, and only the log holds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepared_from: Option<(String, u64)>,
    /// Columns that statements up to here have appended to mapped tables since their schema was recorded. Without full row metadata only
    /// those statements tell an appended column from a changed table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub appended: Vec<AppendedColumns>,
}

/// Columns appended to one mapped table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendedColumns {
    /// The database.
    pub schema: String,
    /// The table.
    pub table: String,
    /// How many.
    pub columns: usize,
}

/// A place in one source's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// MySQL or MariaDB.
    Binlog(BinlogPosition),
}

impl BinlogPosition {
    /// The number at the end of the file name; files of one server are ordered by it.
    #[must_use]
    pub fn file_number(&self) -> Option<u64> {
        self.file.rsplit_once('.').and_then(|(_, digits)| digits.parse().ok())
    }
}

impl Position {
    /// Which of two positions contains the other; `None` if they are not on one proven history.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        let (Self::Binlog(left), Self::Binlog(right)) = (self, other);
        if left.server != right.server {
            return None;
        }
        let files = left.file_number()?.cmp(&right.file_number()?);
        Some(files.then(left.offset.cmp(&right.offset)))
    }

    /// Whether everything up to `other` is contained in `self`.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        matches!(self.compare(other), Some(Ordering::Equal | Ordering::Greater))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Binlog(position) = self;
        write!(f, "{}:{}", position.file, position.offset)?;
        if !position.gtid.is_empty() {
            write!(f, " (gtid {})", position.gtid)?;
        }
        Ok(())
    }
}

/// Per source, the position up to which everything is contained.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frontier(pub BTreeMap<String, Position>);
