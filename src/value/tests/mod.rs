//! What the encodings and the arithmetic promise, as examples named after the trap and as properties.

mod collation;
mod decimal;
mod key;
mod row;
mod strategies;
mod temporal;
