//! Places in a source's log, and how far each source has come.
//!
//! A [`Position`] carries the identity of the history it belongs to. Positions have a partial order only: [`Position::compare`]
//! answers `None` where two positions cannot be proven to lie on one history.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

mod several;

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
    /// The mapped tables whose columns are no longer those of the recorded schema, as they are where reading starts. Without full row
    /// metadata the log names no columns, and only the statements that were read tell what a row holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub altered: Vec<AlteredTable>,
}

/// The columns of one mapped table at a place of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlteredTable {
    /// The database.
    pub schema: String,
    /// The table.
    pub table: String,
    /// All column names in their order; `None` if a statement was met whose effect on them is not certain.
    pub columns: Option<Vec<String>>,
}

/// A place in a PostgreSQL write-ahead log: every transaction whose commit record ends at or before it is contained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalPosition {
    /// The system identifier that the cluster was made with, and that its replicas share.
    pub system: String,
    /// The timeline: a promotion begins a new one.
    pub timeline: u32,
    /// The database: a slot decodes one.
    pub database: String,
    /// The byte position in the log.
    pub lsn: u64,
}

/// A byte position in a write-ahead log, as PostgreSQL prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lsn(pub u64);

/// A place in one source's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// MySQL or MariaDB.
    Binlog(BinlogPosition),
    /// PostgreSQL.
    Wal(WalPosition),
    /// Several sources that one engine reads: per source, a place in its log. One that is absent is at its beginning.
    Several(BTreeMap<String, Position>),
}

impl BinlogPosition {
    /// The number at the end of the file name; files of one server are ordered by it.
    #[must_use]
    pub fn file_number(&self) -> Option<u64> {
        self.file.rsplit_once('.').and_then(|(_, digits)| digits.parse().ok())
    }
}

impl WalPosition {
    /// Whether both lie on one timeline of one cluster, in one database.
    fn is_beside(&self, other: &Self) -> bool {
        (&self.system, self.timeline, &self.database) == (&other.system, other.timeline, &other.database)
    }
}

impl Lsn {
    /// Reads `16/B374D848`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (high, low) = text.split_once('/')?;
        let half = |digits: &str| u32::from_str_radix(digits, 16).ok().map(u64::from);
        Some(Self(half(high)? << 32 | half(low)?))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

impl Position {
    /// Which of two positions contains the other; `None` if they are not on one proven history.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Binlog(left), Self::Binlog(right)) if left.server == right.server => {
                let files = left.file_number()?.cmp(&right.file_number()?);
                Some(files.then(left.offset.cmp(&right.offset)))
            }
            (Self::Wal(left), Self::Wal(right)) if left.is_beside(right) => Some(left.lsn.cmp(&right.lsn)),
            (Self::Several(left), Self::Several(right)) => several::compare(left, right),
            _ => None,
        }
    }

    /// Whether everything up to `other` is contained in `self`.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        matches!(self.compare(other), Some(Ordering::Equal | Ordering::Greater))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Binlog(position) => {
                write!(f, "{}:{}", position.file, position.offset)?;
                if !position.gtid.is_empty() {
                    write!(f, " (gtid {})", position.gtid)?;
                }
                Ok(())
            }
            Self::Wal(position) => write!(f, "{} (timeline {})", Lsn(position.lsn), position.timeline),
            Self::Several(parts) => {
                for (place, (source, position)) in parts.iter().enumerate() {
                    write!(f, "{}{source} {position}", if place == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
        }
    }
}

/// Per source, the position up to which everything is contained.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frontier(pub BTreeMap<String, Position>);

#[cfg(test)]
mod tests {
    use super::*;

    fn wal(system: &str, timeline: u32, lsn: u64) -> Position {
        Position::Wal(WalPosition { system: system.into(), timeline, database: "d".into(), lsn })
    }

    #[test]
    fn f04_f11_positions_of_another_cluster_or_timeline_are_not_compared() {
        assert_eq!(wal("1", 1, 5).compare(&wal("1", 1, 7)), Some(Ordering::Less));
        assert_eq!(wal("1", 1, 5).compare(&wal("2", 1, 7)), None);
        assert_eq!(wal("1", 1, 5).compare(&wal("1", 2, 7)), None);
        assert!(wal("1", 1, 7).contains(&wal("1", 1, 7)));
    }

    #[test]
    fn log_positions_are_printed_and_read_as_the_server_does() {
        for text in ["0/0", "16/B374D848", "FFFFFFFF/FFFFFFFF"] {
            assert_eq!(Lsn::parse(text).map(|lsn| lsn.to_string()).as_deref(), Some(text));
        }
        for wrong in ["", "16", "16/", "x/1", "1/100000000"] {
            assert_eq!(Lsn::parse(wrong), None, "{wrong}");
        }
        assert_eq!(wal("1", 3, 0x16_B374_D848).to_string(), "16/B374D848 (timeline 3)");
    }
}
