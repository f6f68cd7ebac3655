//! Rows of MySQL and MariaDB targets that would be too large: their longest columns become longtext and longblob, which lie beside the row.
//!
//! Two bounds: the columns of a table share 65,535 bytes at their greatest lengths, and what InnoDB keeps in a row (all of a value of up to
//! 255 bytes, 40 bytes of a longer one) fits half a page. Keys, indexed columns and declared types stay as they are. Source of both: the
//! MySQL manual, "Limits on Table Column Count and Row Size", and InnoDB's check at CREATE TABLE.

use crate::plan::input::PlanFinding;
use crate::schema::{LongSize, MySqlType, TargetColumn, TargetType};

/// What all columns share, less than the bitmap of NULLs and the server's own bytes take.
const ROW_BYTES_MAX: u32 = 65_535 - 512;
/// Half a page of 16 KiB, less than the record's own bytes take.
const INLINE_BYTES_MAX: u32 = 8_126 - 256;
/// Longer values lie beside the row, this much of them in it.
const WHOLE_BYTES_MAX: u32 = 255;
const PART_BYTES: u32 = 40;

/// What one column takes of both bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Share {
    row_bytes: u32,
    inline_bytes: u32,
}

fn share(target_type: &TargetType) -> Share {
    let TargetType::MySql(own) = target_type else { return Share::default() };
    match own {
        MySqlType::Text { .. } | MySqlType::Blob(_) | MySqlType::Json => Share { row_bytes: 12, inline_bytes: PART_BYTES },
        other => {
            let bytes = other.index_bytes().unwrap_or(12).saturating_add(2);
            Share { row_bytes: bytes, inline_bytes: if bytes > WHOLE_BYTES_MAX + 2 { PART_BYTES } else { bytes } }
        }
    }
}

fn whole(columns: &[TargetColumn]) -> Share {
    columns.iter().map(|column| share(&column.target_type)).fold(Share::default(), |sum, one| Share {
        row_bytes: sum.row_bytes.saturating_add(one.row_bytes),
        inline_bytes: sum.inline_bytes.saturating_add(one.inline_bytes),
    })
}

/// Makes long columns longer until the rest fits. `stays`: whether a column's type is not ours to change.
///
/// # Errors
/// What must stay is too much already.
pub(crate) fn fit(columns: &mut [TargetColumn], stays: impl Fn(usize) -> bool) -> Result<(), PlanFinding> {
    loop {
        let sum = whole(columns);
        let (too_long, too_many) = (sum.row_bytes > ROW_BYTES_MAX, sum.inline_bytes > INLINE_BYTES_MAX);
        if !too_long && !too_many {
            return Ok(());
        }
        let gain = |column: &TargetColumn| {
            let share = share(&column.target_type);
            let gain = if too_long { share.row_bytes } else { share.inline_bytes.saturating_sub(PART_BYTES) };
            longer(&column.target_type).filter(|_| gain > 12).map(|_| gain)
        };
        let movable = columns.iter().enumerate().filter(|(index, _)| !stays(*index));
        // The first of equal ones, so that the same table comes of the same mapping.
        let widest = movable.filter_map(|(index, column)| Some((gain(column)?, std::cmp::Reverse(index)))).max();
        let Some(column) = widest.and_then(|(_, std::cmp::Reverse(index))| columns.get_mut(index)) else {
            let (bytes, limit) = if too_long { (sum.row_bytes, ROW_BYTES_MAX) } else { (sum.inline_bytes, INLINE_BYTES_MAX) };
            let message = format!("a row may have {bytes} bytes beside its long texts, the target takes {limit}");
            return Err(PlanFinding::declared(message, "declare columns.type: longtext for long columns, or split the table"));
        };
        // Only what has a longer type has a gain.
        let Some(longer) = longer(&column.target_type) else { return Ok(()) };
        column.target_type = TargetType::MySql(longer);
    }
}

/// The type of the same kind without a bound.
fn longer(target_type: &TargetType) -> Option<MySqlType> {
    let TargetType::MySql(own) = target_type else { return None };
    match own {
        MySqlType::Char { collation, .. } | MySqlType::Varchar { collation, .. } => {
            Some(MySqlType::Text { size: LongSize::Long, collation: collation.clone() })
        }
        MySqlType::Binary(_) | MySqlType::VarBinary(_) => Some(MySqlType::Blob(LongSize::Long)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varchar(length: u32) -> TargetColumn {
        let own = MySqlType::Varchar { length, collation: "utf8mb4_bin".into() };
        TargetColumn { name: "c".into(), target_type: TargetType::MySql(own), nullable: true, description: String::new() }
    }

    fn texts(columns: &[TargetColumn]) -> Vec<bool> {
        let is_text = |column: &TargetColumn| matches!(column.target_type, TargetType::MySql(MySqlType::Text { .. }));
        columns.iter().map(is_text).collect()
    }

    #[test]
    fn the_longest_columns_give_way_and_no_more_than_needed() {
        let mut columns = [varchar(20), varchar(8_000), varchar(12_000), varchar(9_000)];
        fit(&mut columns, |_| false).unwrap();
        assert_eq!(texts(&columns), [false, false, true, true]);
        let mut small = [varchar(20), varchar(16_000)];
        fit(&mut small, |_| false).unwrap();
        assert_eq!(texts(&small), [false, false]);
    }

    #[test]
    fn keys_and_declared_types_stay() {
        let mut columns = [varchar(8_000), varchar(12_000), varchar(4_000)];
        fit(&mut columns, |index| index == 1).unwrap();
        assert_eq!(texts(&columns), [true, false, false]);
        let mut columns = [varchar(16_000), varchar(16_000)];
        assert!(fit(&mut columns, |_| true).unwrap_err().message.contains("128004 bytes"));
    }

    #[test]
    fn many_short_columns_are_too_much_for_a_page() {
        let mut columns: Vec<TargetColumn> = (0..60).map(|_| varchar(60)).collect();
        fit(&mut columns, |_| false).unwrap();
        assert!(texts(&columns).iter().filter(|text| **text).count() < 50);
        assert!(whole(&columns).inline_bytes <= INLINE_BYTES_MAX);
    }
}
