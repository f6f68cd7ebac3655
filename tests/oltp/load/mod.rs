//! Two public loads on either family of servers, their mappings and what must hold of them: for the tests of `oltp`, and for
//! `cargo bench --bench soak`, which include this folder both. Nothing here needs the engine.
//!
//! - [`sysbench`]: the published `oltp_read_write` tables and transaction of sysbench, written by sessions of our own.
//! - [`tpcc`]: the nine tables and five transactions of TPC-C, scaled down.
//! - [`invariants`]: what every committed state fulfils, asked of the target in one snapshot.

pub mod invariants;
pub mod mappings;
pub mod session;
pub mod sysbench;
pub mod tpcc;
pub mod writers;

/// What went wrong, in words.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
