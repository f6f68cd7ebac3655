//! `derive` alone against recomputation from scratch: random batches over a small schema, every query shape, every batch compared.
//!
//! The oracle ([`oracle`]) shares nothing with the engine but expression evaluation: it joins whole tables in written order.

mod chosen;
mod contradictions;
mod facts;
mod group_shapes;
mod groups;
mod language;
mod oracle;
mod random;
mod shapes;
mod store;
mod sweeps;
mod world;
