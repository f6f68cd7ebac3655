//! Values as literals in SELECTs of a mapping: they compare as a value of their column would.
//!
//! Text and everything that travels as text stays untyped, so that the server reads it as what it stands beside.

use super::decode::value::to_text;
use super::names;
use crate::error::{Error, Result};
use crate::value::Value;

/// The literal of a value.
///
/// # Errors
/// `Bug` for a value that PostgreSQL does not have.
pub(super) fn of(value: &Value) -> Result<String> {
    if value.is_null() {
        return Ok("NULL".to_owned());
    }
    let text = to_text(value, None).ok_or_else(|| Error::bug(format!("a {} has no literal in PostgreSQL", value.type_name())))?;
    Ok(match value {
        Value::Int(_) | Value::UInt(_) | Value::Decimal(_) => format!("({text})"),
        _ => names::literal(&text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Date;

    #[test]
    fn f79_hostile_text_stays_text() {
        assert_eq!(of(&Value::text(r"\' OR 1=1 -- ")).unwrap(), r"'\'' OR 1=1 -- '");
        assert_eq!(of(&Value::Int(-5)).unwrap(), "(-5)");
        assert_eq!(of(&Value::Date(Date { year: 2024, month: 2, day: 29 })).unwrap(), "'2024-02-29'");
        assert!(of(&Value::Date(Date::ZERO)).is_err());
    }
}
