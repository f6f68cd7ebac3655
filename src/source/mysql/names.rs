//! Identifiers and string literals in statements for the legacy server: one quoting function each.
//!
//! In: any catalogue name or text. Out: SQL that means exactly that, whatever `sql_mode` is.

use crate::schema::TableName;

/// A quoted identifier; right under ANSI_QUOTES too.
#[must_use]
pub fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A quoted, schema-qualified table.
#[must_use]
pub fn table(name: &TableName) -> String {
    format!("{}.{}", identifier(&name.schema), identifier(&name.name))
}

/// A text literal, spelled in hexadecimal unless it is plain: no escape rule of any `sql_mode` can change it.
#[must_use]
pub fn literal(text: &str) -> String {
    if text.chars().all(|c| c.is_ascii_alphanumeric() || " _,:+-/.%@$".contains(c)) {
        return format!("'{text}'");
    }
    format!("_utf8mb4 x'{}'", hex(text.as_bytes()))
}

/// Upper-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _infallible = write!(text, "{byte:02X}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f79_hostile_names_stay_names() {
        assert_eq!(identifier("a`b"), "`a``b`");
        assert_eq!(literal("it's"), "_utf8mb4 x'69742773'");
        assert_eq!(literal("Asia/Seoul"), "'Asia/Seoul'");
        assert_eq!(literal("한"), "_utf8mb4 x'ED959C'");
    }
}
