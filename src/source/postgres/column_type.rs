//! Column types as the catalogue tells them, domains already resolved to what they are made of.

use crate::schema::DataType;

/// A type with its modifier, as `pg_type` and `format_type` describe it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct NativeType {
    /// `typname` where it stands in `pg_catalog`, else empty.
    pub(super) builtin: String,
    /// `typtype`: `b`ase, `e`num, `r`ange, `m`ultirange, `c`omposite, `p`seudo.
    pub(super) kind: String,
    /// The modifier; -1 without.
    pub(super) modifier: i32,
    /// Its name without the modifier.
    pub(super) name: String,
    /// Its name with the modifier.
    pub(super) declared: String,
    /// The name of its collation; empty if it has none.
    pub(super) collation: String,
    /// The labels of an enum, in order.
    pub(super) labels: Vec<String>,
    /// The element type of an array.
    pub(super) element: Option<Box<NativeType>>,
}

/// What the engine makes of a type.
pub(super) fn of(native: &NativeType) -> DataType {
    if let Some(element) = &native.element {
        return match of(element) {
            DataType::Unsupported { .. } => DataType::Unsupported { native: native.declared.clone() },
            element => DataType::Array { element: Box::new(element) },
        };
    }
    let carried = || DataType::Native { name: native.name.clone(), declared: native.declared.clone() };
    match (native.kind.as_str(), native.builtin.as_str()) {
        ("e", _) => DataType::NamedEnum { name: native.name.clone(), labels: native.labels.clone() },
        ("r" | "m" | "c", _) => carried(),
        ("b", builtin) => base(builtin, native).unwrap_or_else(carried),
        _ => DataType::Unsupported { native: native.declared.clone() },
    }
}

/// A base type with a form of its own; `None` for those that are carried as their text.
fn base(builtin: &str, native: &NativeType) -> Option<DataType> {
    let modifier = u32::try_from(native.modifier).ok();
    let fraction = modifier.and_then(|digits| u8::try_from(digits).ok()).map_or(6, |digits| digits.min(6));
    let integer = |bits| DataType::Integer { bits, unsigned: false };
    Some(match builtin {
        "bool" => DataType::Boolean,
        "int2" => integer(16),
        "int4" => integer(32),
        "int8" => integer(64),
        "numeric" => numeric(native.modifier),
        "float4" => DataType::Float,
        "float8" => DataType::Double,
        "text" => text(native, None, false),
        "varchar" => text(native, modifier.and_then(|modifier| modifier.checked_sub(4)), false),
        "bpchar" => text(native, Some(modifier.and_then(|modifier| modifier.checked_sub(4))?), true),
        "bytea" => DataType::Bytes { length: None, fixed: false },
        "date" => DataType::Date,
        "timestamp" => DataType::DateTime { fraction },
        "timestamptz" => DataType::TimestampTz { fraction },
        "time" => DataType::TimeOfDay { fraction },
        "interval" => DataType::Interval,
        "uuid" => DataType::Uuid,
        "json" => DataType::Json,
        "jsonb" => DataType::Jsonb,
        // Their text names objects of the catalogue, which may be renamed without a trace in the log.
        other if other.starts_with("reg") => DataType::Unsupported { native: native.declared.clone() },
        _ => return None,
    })
}

fn text(native: &NativeType, length: Option<u32>, fixed: bool) -> DataType {
    DataType::Text { length, fixed, charset: "UTF8".to_owned(), collation: native.collation.clone() }
}

/// The modifier of numeric is 4 more than precision and scale, the scale with a sign in 11 bits (PostgreSQL 15 and later).
fn numeric(modifier: i32) -> DataType {
    let Some(packed) = modifier.checked_sub(4).filter(|packed| *packed >= 0) else { return DataType::Numeric };
    let precision = u16::try_from((packed >> 16) & 0xffff).unwrap_or_default();
    let scale = ((packed & 0x7ff) ^ 1024) - 1024;
    match u16::try_from(scale) {
        Ok(scale) if scale <= precision => DataType::Decimal { precision, scale, unsigned: false },
        _ => DataType::Numeric,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native(builtin: &str, modifier: i32) -> NativeType {
        NativeType { builtin: builtin.into(), kind: "b".into(), modifier, name: builtin.into(), ..NativeType::default() }
    }

    #[test]
    fn modifiers_are_taken_apart() {
        let modifier = |precision: i32, scale: i32| ((precision << 16) | (scale & 0x7ff)) + 4;
        assert_eq!(of(&native("numeric", -1)), DataType::Numeric);
        let decimal = DataType::Decimal { precision: 10, scale: 2, unsigned: false };
        assert_eq!(of(&native("numeric", modifier(10, 2))), decimal);
        assert_eq!(of(&native("numeric", modifier(10, -2))), DataType::Numeric);
        assert_eq!(of(&native("numeric", modifier(2, 5))), DataType::Numeric);
        assert_eq!(of(&native("timestamp", 3)), DataType::DateTime { fraction: 3 });
        assert!(matches!(of(&native("varchar", 24)), DataType::Text { length: Some(20), fixed: false, .. }));
        assert!(matches!(of(&native("bpchar", 9)), DataType::Text { length: Some(5), fixed: true, .. }));
    }

    #[test]
    fn what_has_no_form_of_its_own_is_carried_as_text_and_names_of_objects_are_not() {
        assert!(matches!(of(&native("inet", -1)), DataType::Native { .. }));
        assert!(matches!(of(&native("regclass", -1)), DataType::Unsupported { .. }));
        let array = NativeType { element: Some(Box::new(native("regtype", -1))), ..native("_regtype", -1) };
        assert!(matches!(of(&array), DataType::Unsupported { .. }));
        let pseudo = NativeType { kind: "p".into(), ..native("record", -1) };
        assert!(matches!(of(&pseudo), DataType::Unsupported { .. }));
    }
}
