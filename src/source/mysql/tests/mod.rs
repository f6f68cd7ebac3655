//! Tests of the source against real servers, each started by the tests in a temporary folder.

mod collations;
mod preflight;
mod server;
mod snapshots;
mod types;
