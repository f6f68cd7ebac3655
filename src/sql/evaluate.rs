//! Evaluates typed expressions with the source's semantics: three-valued logic, its conversions, its errors.
//!
//! The caller's [`Scope`] supplies column values, aggregates and subqueries; nothing here knows where rows come from. What the
//! source would answer with an error has no value: [`crate::error::Class::Person`], naming the place in the SELECT.

use std::cmp::Ordering;

use crate::error::Result;
use crate::schema::DataType;
use crate::sql::functions::{self, Function, coerce};
use crate::sql::query::{AliasId, CompareOperator, Expr, ExprKind, Select};
use crate::value::{KeyKind, Value};

/// Where an expression's inputs come from.
pub trait Scope {
    /// The value of a column of an alias; [`Value::Null`] where an outer join found no row.
    ///
    /// # Errors
    /// If the alias is not bound or has no such column.
    fn column(&self, alias: AliasId, column: usize) -> Result<&Value>;

    /// The value of the n-th aggregate of the SELECT being evaluated.
    ///
    /// # Errors
    /// If there is none.
    fn aggregate(&self, index: usize) -> Result<&Value>;

    /// The number of the row at hand in the n-th numbering of the SELECT being evaluated.
    ///
    /// # Errors
    /// If there is none.
    fn row_number(&self, index: usize) -> Result<u64> {
        Err(crate::error::Error::bug(format!("row number {index} is not computed")))
    }

    /// The value of a scalar subquery: NULL without a row, an error with two.
    ///
    /// # Errors
    /// If it has more than one row or its evaluation fails.
    fn scalar_subquery(&self, select: &Select) -> Result<Value>;

    /// Whether a subquery has a row.
    ///
    /// # Errors
    /// If its evaluation fails.
    fn exists(&self, select: &Select) -> Result<bool>;
}

/// The value of an expression.
///
/// # Errors
/// Those of the scope, and where the source would raise an error for these values.
pub fn evaluate(expr: &Expr, scope: &dyn Scope) -> Result<Value> {
    match &expr.kind {
        ExprKind::Literal(value) => Ok(value.clone()),
        ExprKind::Column { alias, column } => scope.column(*alias, *column).cloned(),
        ExprKind::Aggregate(index) => scope.aggregate(*index).cloned(),
        ExprKind::RowNumber(index) => {
            let number = scope.row_number(*index)?;
            let is_unsigned = matches!(expr.data_type, DataType::Integer { unsigned: true, .. });
            Ok(if is_unsigned { Value::UInt(number) } else { Value::Int(i64::try_from(number).unwrap_or(i64::MAX)) })
        }
        ExprKind::Call { function, arguments } => call(function, expr, arguments, scope),
        ExprKind::Cast(inner) => coerce::cast(evaluate(inner, scope)?, &inner.data_type, &expr.data_type),
        ExprKind::Case { branches, otherwise } => {
            for (condition, result) in branches {
                if is_true(condition, scope)? {
                    return evaluate(result, scope);
                }
            }
            otherwise.as_deref().map_or(Ok(Value::Null), |result| evaluate(result, scope))
        }
        ExprKind::ScalarSubquery(select) => scope.scalar_subquery(select),
        _ => Ok(truth_value(truth(expr, scope)?, &expr.data_type)),
    }
}

/// Whether an expression is true: neither false nor NULL.
///
/// # Errors
/// As [`evaluate`].
pub fn is_true(expr: &Expr, scope: &dyn Scope) -> Result<bool> {
    Ok(truth(expr, scope)? == Some(true))
}

fn truth_value(truth: Option<bool>, data_type: &DataType) -> Value {
    match (truth, data_type) {
        (None, _) => Value::Null,
        (Some(truth), DataType::Boolean) => Value::Bool(truth),
        (Some(truth), _) => Value::Int(i64::from(truth)),
    }
}

/// The truth of an expression; `None` is NULL.
fn truth(expr: &Expr, scope: &dyn Scope) -> Result<Option<bool>> {
    match &expr.kind {
        ExprKind::Compare { operator, rule, left, right } => {
            with_value(left, scope, |left| with_value(right, scope, |right| compare(*operator, rule, left, right)))
        }
        ExprKind::And(operands) => all(operands, scope),
        ExprKind::Or(operands) => any(operands, scope),
        ExprKind::Not(operand) => Ok(truth(operand, scope)?.map(|truth| !truth)),
        ExprKind::IsNull(operand) => with_value(operand, scope, |value| Ok(Some(value.is_null()))),
        ExprKind::Exists(select) => Ok(Some(scope.exists(select)?)),
        _ => with_value(expr, scope, |value| Ok(truth_of(value))),
    }
}

/// Gives `then` the value of an expression, without a copy where it is a column or a constant.
pub(crate) fn with_value<T>(expr: &Expr, scope: &dyn Scope, then: impl FnOnce(&Value) -> Result<T>) -> Result<T> {
    match &expr.kind {
        ExprKind::Literal(value) => then(value),
        ExprKind::Column { alias, column } => then(scope.column(*alias, *column)?),
        ExprKind::Aggregate(index) => then(scope.aggregate(*index)?),
        _ => then(&evaluate(expr, scope)?),
    }
}

fn truth_of(value: &Value) -> Option<bool> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(truth) => *truth,
        Value::Int(number) => *number != 0,
        Value::UInt(number) => *number != 0,
        Value::Decimal(number) => !number.is_zero(),
        Value::Float(number) => *number != 0.0,
        Value::Double(number) => *number != 0.0,
        Value::Text(text) => coerce::text_to_double(text) != 0.0,
        Value::Bytes(_) | Value::Date(_) | Value::DateTime(_) | Value::Time(_) => true,
        Value::NonFinite(_) | Value::Interval(_) => true,
    })
}

fn all(operands: &[Expr], scope: &dyn Scope) -> Result<Option<bool>> {
    let mut result = Some(true);
    for operand in operands {
        match truth(operand, scope)? {
            Some(false) => return Ok(Some(false)),
            Some(true) => {}
            None => result = None,
        }
    }
    Ok(result)
}

fn any(operands: &[Expr], scope: &dyn Scope) -> Result<Option<bool>> {
    let mut result = Some(false);
    for operand in operands {
        match truth(operand, scope)? {
            Some(true) => return Ok(Some(true)),
            Some(false) => {}
            None => result = None,
        }
    }
    Ok(result)
}

fn compare(operator: CompareOperator, rule: &KeyKind, left: &Value, right: &Value) -> Result<Option<bool>> {
    if operator == CompareOperator::NullSafeEqual {
        let both_null = left.is_null() && right.is_null();
        return Ok(Some(both_null || rule.compare(left, right)? == Some(Ordering::Equal)));
    }
    let Some(order) = rule.compare(left, right)? else { return Ok(None) };
    Ok(Some(match operator {
        CompareOperator::Equal | CompareOperator::NullSafeEqual => order.is_eq(),
        CompareOperator::NotEqual => order.is_ne(),
        CompareOperator::Less => order.is_lt(),
        CompareOperator::LessOrEqual => order.is_le(),
        CompareOperator::Greater => order.is_gt(),
        CompareOperator::GreaterOrEqual => order.is_ge(),
    }))
}

fn call(function: &Function, expr: &Expr, arguments: &[Expr], scope: &dyn Scope) -> Result<Value> {
    if *function == Function::Coalesce {
        // Later arguments may be subqueries: not asked unless needed.
        for argument in arguments {
            let value = evaluate(argument, scope)?;
            if !value.is_null() {
                return Ok(value);
            }
        }
        return Ok(Value::Null);
    }
    let mut values = Vec::with_capacity(arguments.len());
    for argument in arguments {
        values.push(evaluate(argument, scope)?);
    }
    functions::call(function, expr, &values)
}
