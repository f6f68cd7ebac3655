//! The dialect of PostgreSQL: types, implicit casts, operators, functions and aggregates, with the values of the server.
//!
//! The binder asks this module wherever a mapping's source is PostgreSQL. Types are resolved by the server's own rules (literals are `unknown`
//! until something asks for a type), every conversion is written out as a call, and every operator and function is a row of a table with its
//! signature: what the server has and we do not carry is a row too, so that it is refused by name.

pub mod aggregate;
mod array;
pub mod array_calls;
pub mod compare;
mod convert;
mod digest;
mod input;
mod json;
mod json_edits;
mod json_paths;
mod json_routines;
pub mod kind;
mod like;
mod number_pattern;
mod numbers;
mod output;
mod overlaps;
mod parts;
mod pattern;
pub mod ranges;
mod refusal;
pub mod regular;
pub mod routine;
mod texts;
mod times;
pub mod typing;
mod zone;

pub use refusal::{REFUSED, refused_function};

use routine::Routine;

/// The tables of operators and functions, by subject.
pub fn subjects() -> [(&'static str, Vec<&'static Routine>); 8] {
    [
        ("Numbers", numbers::TABLES.into_iter().flatten().collect()),
        ("Text and bytes", texts::ROWS.iter().chain(texts::VARIADIC).collect()),
        ("Patterns", like::ROWS.iter().collect()),
        ("Regular expressions", regular::ROWS.iter().collect()),
        ("Dates, times and intervals", times::ROWS.iter().chain(overlaps::ROWS).collect()),
        (
            "JSON",
            json_routines::ROWS.iter().chain(json_edits::ROWS).chain(json_paths::ROWS).chain(json_routines::VARIADIC).collect(),
        ),
        ("Ranges", ranges::ROWS.iter().collect()),
        ("Arrays", array::ROWS.iter().chain(array_calls::ROWS).collect()),
    ]
}

/// Every operator and function with a fixed number of arguments.
pub fn routines() -> impl Iterator<Item = &'static Routine> {
    let tables = numbers::TABLES.into_iter().chain([
        texts::ROWS,
        times::ROWS,
        overlaps::ROWS,
        json_routines::ROWS,
        json_edits::ROWS,
        json_paths::ROWS,
        array::ROWS,
        array_calls::ROWS,
        like::ROWS,
        regular::ROWS,
    ]);
    tables.flatten()
}

/// Every function that takes any number of arguments behind those of its row.
pub fn variadic_routines() -> impl Iterator<Item = &'static Routine> {
    [texts::VARIADIC, json_routines::VARIADIC].into_iter().flatten()
}
