//! `strangler` moves a running legacy system's data into new service databases, one domain at a time, and keeps them exactly in step.
//!
//! ```text
//! mappings/*.yaml --mapping--> Mapping --sql--> Query --plan--> Plan                          (once, at start)
//!                                                                |
//! source --Chunk | Transaction--> migrate --> derive::step(Plan, Arrangements) --> WriteBatch --> outbox --> target
//!    ^                                              |  ^                                              |
//!    |                                              v  |                                              |
//!    |                                      state (LSM on local disk)                                 |
//!    +------------------------- Frontier: "durable up to here" -----------------------------------------+
//! ```
//!
//! Data goes left to right; the only thing that comes back is a [`position::Frontier`]. The modules below stand in reading
//! order, and each imports only from those of a smaller layer (`tests/architecture.rs` checks it).

// 1 vocabulary: plain data; no async, no driver, no clap
pub mod change;
pub mod error;
pub mod finding;
pub mod position;
pub mod schema;
pub mod value;
pub mod write;

// 2 core: synchronous, deterministic, no I/O
pub mod derive;
pub mod mapping;
pub mod plan;
pub mod sql;

// 3 edges: all I/O; they speak vocabulary only
pub mod source;
pub mod state;
pub mod target;
pub mod transport;

// 4 flows: the only place where core meets edges
pub mod migrate;
pub mod review;
pub mod verify;

// 5 shell
pub mod cli;
pub mod config;
pub mod demo;
pub mod page;
