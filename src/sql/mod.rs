//! The mapping's SQL: parsed, bound to the source's catalogue, evaluated with the source's semantics.

pub mod aggregate;
pub mod evaluate;
pub mod functions;
pub mod query;
pub mod types;
