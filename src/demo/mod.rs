//! The demonstration: a legacy shop with a life of its own, throw-away servers to run it on, and the story of its migration.
//!
//! Nothing in the engine depends on this module; the `demo` command, the `homeshop` example and the tests do.

pub mod servers;
pub mod shop;
pub mod story;
