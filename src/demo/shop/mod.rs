//! The legacy home-shopping ERP: its tables, a seeded data set of any size, and a writer that keeps the shop alive.
//!
//! The schema and the mapping are the files under `examples/homeshop/`, built into the program so that the demo needs no
//! checkout. The same options always produce the same rows.

mod generate;
mod load;
mod names;
mod schema;
#[cfg(test)]
mod tests;
mod text;
mod writer;

pub use load::{LoadProgress, LoadReport, ShopOptions, load, load_with_progress};
pub use schema::{ORDER_SERVICE_MAPPING, SCHEMA};
pub use writer::{Writer, WriterCounters, WriterCounts};

/// Why the shop could not be loaded or written to.
#[derive(Debug, thiserror::Error)]
pub enum ShopError {
    /// The url is not one of a MySQL database, or names none.
    #[error("shop url: {0}")]
    Url(String),
    /// The server refused, or went away for longer than we wait.
    #[error("{attempted}: {cause}")]
    Database {
        /// What was attempted, on which table.
        attempted: String,
        /// The driver's error.
        cause: mysql_async::Error,
    },
    /// The shop holds no orders to work on.
    #[error("database {0} holds no shop; load one first")]
    Empty(String),
}

impl ShopError {
    fn database(attempted: impl Into<String>, cause: mysql_async::Error) -> Self {
        Self::Database { attempted: attempted.into(), cause }
    }
}

/// The session the old application runs in: zero dates allowed, Korean time, backslash escapes as our quoting needs them.
const SESSION: &str = "SET SESSION sql_mode = '', time_zone = '+09:00'";
