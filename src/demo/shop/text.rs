//! SQL text: quoted values and multi-row inserts. Expects a session without NO_BACKSLASH_ESCAPES.

use std::fmt::Write as _;

/// `value` as a quoted literal.
pub(super) fn quote(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    quote_into(&mut text, value);
    text
}

/// `value` as a quoted literal, or NULL.
pub(super) fn quote_or_null(value: Option<&str>) -> String {
    value.map_or_else(|| "NULL".into(), quote)
}

/// An amount of hundredths as a decimal literal: `-1205` is `-12.05`.
pub(super) fn money(hundredths: i64) -> String {
    let sign = if hundredths < 0 { "-" } else { "" };
    let amount = hundredths.unsigned_abs();
    format!("{sign}{}.{:02}", amount / 100, amount % 100)
}

fn quote_into(text: &mut String, value: &str) {
    text.push('\'');
    for character in value.chars() {
        if matches!(character, '\'' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('\'');
}

/// One multi-row `INSERT`, grown row by row. A row is begun by [`Insert::row`] and filled in column order.
#[derive(Debug)]
pub(super) struct Insert {
    pub table: &'static str,
    pub rows: u64,
    text: String,
    fresh: bool,
}

impl Insert {
    /// An empty insert into all columns of `table`.
    pub fn into(table: &'static str) -> Self {
        Self { table, rows: 0, text: String::new(), fresh: true }
    }

    /// Begins the next row.
    pub fn row(&mut self) -> &mut Self {
        self.text.push_str(if self.rows == 0 { "(" } else { "),(" });
        self.rows += 1;
        self.fresh = true;
        self
    }

    fn column(&mut self) -> &mut String {
        if !std::mem::take(&mut self.fresh) {
            self.text.push(',');
        }
        &mut self.text
    }

    /// A text column.
    pub fn text(&mut self, value: &str) -> &mut Self {
        quote_into(self.column(), value);
        self
    }

    /// A text column that may be NULL.
    pub fn text_or_null(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text(value),
            None => self.null(),
        }
    }

    /// A whole number.
    pub fn number(&mut self, value: impl Into<i64>) -> &mut Self {
        let _ = write!(self.column(), "{}", value.into()); // writing to a String cannot fail
        self
    }

    /// A whole number that may be NULL.
    pub fn number_or_null(&mut self, value: Option<i64>) -> &mut Self {
        match value {
            Some(value) => self.number(value),
            None => self.null(),
        }
    }

    /// An amount of hundredths.
    pub fn money(&mut self, hundredths: i64) -> &mut Self {
        let literal = money(hundredths);
        self.column().push_str(&literal);
        self
    }

    /// NULL.
    pub fn null(&mut self) -> &mut Self {
        self.column().push_str("NULL");
        self
    }

    /// The statement; `None` without rows.
    pub fn statement(&self) -> Option<String> {
        (self.rows > 0).then(|| format!("INSERT INTO {} VALUES {})", self.table, self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_and_rows_are_joined() {
        let mut insert = Insert::into("t");
        assert_eq!(insert.statement(), None);
        insert.row().text("a'b\\").number(-3).money(-1205);
        insert.row().null().number_or_null(None).money(7);
        assert_eq!(insert.statement().unwrap(), "INSERT INTO t VALUES ('a\\'b\\\\',-3,-12.05),(NULL,NULL,0.07)");
    }
}
