//! Text: numbers, sizes and durations as people read them, and tables that stay aligned under Hangul.

use comfy_table::{CellAlignment, ContentArrangement, Table};

/// `1 finding`, `2 findings`.
#[must_use]
pub fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// `1,234,567`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `12.3 MiB`.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

/// `250 ms`, `4.2 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`.
#[must_use]
pub fn duration_ms(ms: u64) -> String {
    match (ms, ms / 1_000) {
        (0..=999, _) => format!("{ms} ms"),
        (_, 0..=59) => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        (_, seconds @ 60..=3_599) => format!("{} min {} s", seconds / 60, seconds % 60),
        (_, seconds @ 3_600..=86_399) => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        (_, seconds) => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// `250 us`, `4.2 ms`, then as [`duration_ms`].
#[must_use]
pub fn duration_us(us: u64) -> String {
    match us {
        0..=999 => format!("{us} us"),
        1_000..=999_999 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        _ => duration_ms(us / 1_000),
    }
}

/// `42.1 %`; `None` where the whole is not known.
#[must_use]
pub fn percent(part: u64, whole: u64) -> Option<String> {
    (whole > 0).then(|| format!("{:.1} %", (part as f64 / whole as f64 * 100.0).min(100.0)))
}

/// A table without lines: a heading, rows, and which columns hold numbers.
#[must_use]
pub fn table(heading: &[&str], rows: Vec<Vec<String>>, numeric: &[usize]) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(heading.iter().map(|name| name.to_uppercase()).collect::<Vec<_>>());
    for row in rows {
        table.add_row(row);
    }
    for index in 0..heading.len() {
        if let Some(column) = table.column_mut(index) {
            column.set_padding((0, 2));
            if numeric.contains(&index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(counted(1, "row"), "1 row");
        assert_eq!(counted(1_234_567, "row"), "1,234,567 rows");
        assert_eq!(grouped(0), "0");
        assert_eq!(bytes(1_536), "1.5 KiB");
        assert_eq!(bytes(12), "12 B");
        assert_eq!(duration_ms(999), "999 ms");
        assert_eq!(duration_ms(4_250), "4.2 s");
        assert_eq!(duration_ms(200_000), "3 min 20 s");
        assert_eq!(duration_ms(7_500_000), "2 h 5 min");
        assert_eq!(duration_ms(273_600_000), "3 d 4 h");
        assert_eq!(percent(1, 3).as_deref(), Some("33.3 %"));
        assert_eq!(percent(1, 0), None);
    }

    #[test]
    fn columns_stay_aligned_under_hangul() {
        let text = table(&["table", "rows"], vec![vec!["주문".into(), "5".into()], vec!["orders".into(), "1,000".into()]], &[1]);
        assert_eq!(text, "TABLE    ROWS\n주문        5\norders  1,000");
    }
}
