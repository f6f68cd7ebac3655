//! The bytes of the binlog, event by event, without I/O: what goes in are event bodies as the server sent them (checksum cut off),
//! what comes out are events, table definitions and changes of mapped rows.
//!
//! In reading order: [`reader`] (a checked cursor), [`event`] (which event is this), [`gtid`], [`gtid_set`], [`table_map`] (what the
//! event's table looks like, compared with the layout), [`rows`] (row images), [`value`] (one column of one row), and the formats
//! [`decimal`], [`temporal`], [`jsonb`], [`compressed`].

pub mod compressed;
pub mod decimal;
pub mod event;
pub mod gtid;
pub mod gtid_set;
pub mod jsonb;
pub mod metadata;
pub mod reader;
pub mod rows;
pub mod table_map;
pub mod temporal;
pub mod value;
pub mod wire;
