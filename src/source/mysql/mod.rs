//! MySQL and MariaDB.

mod alter;
pub mod charset;
mod charset_tables;
mod control;
mod ddl;
pub mod decode;
mod group;
mod statement;
pub mod stream;
mod tokens;
mod transaction;
pub mod zone;

#[cfg(test)]
mod live_tests;
