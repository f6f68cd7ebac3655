//! MySQL and MariaDB.

pub mod charset;
mod charset_tables;
pub mod ddl;
pub mod decode;
pub mod stream;
pub mod transaction;
pub mod zone;
