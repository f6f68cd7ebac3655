//! How two rows order by a list of ORDER BY elements, NULLs where the element says.

use std::cmp::Ordering;

use super::query::OrderItem;
use crate::error::Result;
use crate::value::Value;

/// How two rows order by their values for each element; equal where no element tells them apart.
///
/// # Errors
/// [`crate::error::Class::Bug`] if a value is not of its element's kind.
pub fn order(by: &[OrderItem], left: &[Value], right: &[Value]) -> Result<Ordering> {
    for ((item, left), right) in by.iter().zip(left).zip(right) {
        let order = match item.rule.compare(left, right)? {
            Some(order) if item.descending => order.reverse(),
            Some(order) => order,
            None if item.nulls_first => right.is_null().cmp(&left.is_null()),
            None => left.is_null().cmp(&right.is_null()),
        };
        if order != Ordering::Equal {
            return Ok(order);
        }
    }
    Ok(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::DataType;
    use crate::sql::query::{Expr, ExprKind};
    use crate::value::KeyKind;

    fn sorted(descending: bool, nulls_first: bool) -> Vec<Value> {
        let integer = DataType::Integer { bits: 32, unsigned: false };
        let expr = Expr { kind: ExprKind::Literal(Value::Null), data_type: integer, nullable: true, span: 0..0 };
        let item = OrderItem { expr, rule: KeyKind::Integer, descending, nulls_first };
        let mut values = vec![Value::Int(2), Value::Null, Value::Int(1)];
        values.sort_by(|left, right| {
            order(std::slice::from_ref(&item), std::slice::from_ref(left), std::slice::from_ref(right)).unwrap()
        });
        values
    }

    #[test]
    fn nulls_stand_where_the_element_says_whichever_way_it_goes() {
        let (one, two, null) = (Value::Int(1), Value::Int(2), Value::Null);
        assert_eq!(sorted(false, true), [null.clone(), one.clone(), two.clone()]);
        assert_eq!(sorted(false, false), [one.clone(), two.clone(), null.clone()]);
        assert_eq!(sorted(true, true), [null.clone(), two.clone(), one.clone()]);
        assert_eq!(sorted(true, false), [two, one, null]);
    }
}
