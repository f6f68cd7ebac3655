//! Everything with real servers, through the compiled program.
//!
//! The oracle is the source running the mapping's own SELECT: it is right by definition, and the target is compared with it row for
//! row as typed values, by code that shares nothing with the program. A server that is not installed makes a test skip
//! loudly, or fail where `STRANGLER_REQUIRE_DB=1` says that it must be there. No test asserts a duration.

// What a test does not expect is a failure: helpers may panic as tests do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

mod club;
mod crm;
mod examples;
mod from_postgres;
mod kill;
mod large;
mod many;
mod oltp;
mod pairs;
mod prefix;
mod scenarios;
mod shop;
mod story;
mod two_sources;
mod types;
mod workload;
