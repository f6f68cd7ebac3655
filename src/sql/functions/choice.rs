//! Functions that choose one of their arguments: IF, IFNULL, COALESCE, NULLIF, GREATEST, LEAST, FIELD, ELT.

use std::cmp::Ordering;

use crate::error::Result;
use crate::schema::DataType;
use crate::sql::functions::{Function, arity, coerce, mismatch, no_value, take};
use crate::sql::query::{Expr, ExprKind, Span};
use crate::sql::types::{
    BOOLEAN, Refusal, TypeContext, alike, constant, is_temporal, is_text, node, numeric, text_length, to_integer, to_text, truth,
    unify,
};
use crate::value::{KeyKind, Value};

pub(super) fn resolve(name: &str, arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    match name {
        "IF" => {
            let [condition, yes, no] = take(name, arguments)?;
            choose(truth(condition, context)?, yes, no, span, context)
        }
        "NVL2" => {
            let [value, present, absent] = take(name, arguments)?;
            let test = node(ExprKind::IsNull(Box::new(value)), BOOLEAN, false, span.clone());
            choose(test, absent, present, span, context)
        }
        "IFNULL" | "NVL" => coalesce(take::<2>(name, arguments)?.to_vec(), span, context),
        "COALESCE" => {
            arity(name, &arguments, 1..=usize::MAX)?;
            coalesce(arguments, span, context)
        }
        "NULLIF" => {
            let [value, other] = take(name, arguments)?;
            null_if(value, other, span, context)
        }
        "ISNULL" => {
            let [value] = take(name, arguments)?;
            Ok(node(ExprKind::IsNull(Box::new(value)), BOOLEAN, false, span))
        }
        "ELT" => element(arguments, span, context),
        "FIELD" => {
            arity(name, &arguments, 2..=usize::MAX)?;
            let collation = |expr: &Expr| is_text(&expr.data_type).then(|| crate::sql::types::traits(expr, context).collation);
            // MySQL compares a constant that is looked for by its own collation.
            let counts = |(place, expr): &(usize, &Expr)| constant(expr).is_none() || (*place == 0 && !context.is_mariadb());
            let mut collations = arguments.iter().enumerate().filter(counts).filter_map(|(_, expr)| collation(expr));
            if collations.next().is_some_and(|first| collations.any(|other| other != first)) {
                return Err(Refusal::new(
                    "FIELD over strings of several collations, which servers compare differently",
                    "give them one collation with COLLATE",
                ));
            }
            let (arguments, rule) = alike(arguments, context)?;
            let kind = ExprKind::Call { function: Function::Field { rule }, arguments };
            Ok(node(kind, BOOLEAN, false, span))
        }
        _ => extreme(name, arguments, span, context),
    }
}

fn choose(condition: Expr, yes: Expr, no: Expr, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    crate::sql::types::refuse_computed_null(&[&yes, &no], context)?;
    // A bare NULL does not take part in the type of IF.
    let (results, data_type) = match (&yes.data_type, &no.data_type) {
        (DataType::Null, DataType::Null) => unify(vec![yes, no], context)?,
        (DataType::Null, _) => {
            let (other, data_type) = unify(vec![no], context)?;
            (std::iter::once(yes).chain(other).collect(), data_type)
        }
        (_, DataType::Null) => {
            let (other, data_type) = unify(vec![yes], context)?;
            (other.into_iter().chain([no]).collect(), data_type)
        }
        _ => unify(vec![yes, no], context)?,
    };
    let nullable = results.iter().any(|result: &Expr| result.nullable);
    let mut results = results.into_iter();
    let (Some(yes), Some(no)) = (results.next(), results.next()) else {
        return Err(Refusal::new("IF takes three arguments", ""));
    };
    let kind = ExprKind::Case { branches: vec![(condition, yes)], otherwise: Some(Box::new(no)) };
    Ok(node(kind, data_type, nullable, span))
}

fn coalesce(arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let (arguments, data_type) = unify(arguments, context)?;
    let nullable = arguments.iter().all(|argument| argument.nullable);
    Ok(node(ExprKind::Call { function: Function::Coalesce, arguments }, data_type, nullable, span))
}

fn null_if(value: Expr, other: Expr, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let is_turned = |value: &Value| !matches!(value, Value::Null | Value::Int(_) | Value::UInt(_) | Value::Text(_));
    if !context.is_mariadb() && constant(&value).is_some_and(is_turned) && constant(&other).is_none() {
        return Err(Refusal::new(
            "NULLIF of a constant, of which MySQL makes a value of the column that it is compared with",
            "write CASE WHEN .. = .. THEN NULL ELSE .. END",
        ));
    }
    let (result, data_type) = match &value.data_type {
        data_type if is_text(data_type) => {
            let text = to_text(value.clone(), context)?;
            let traits = crate::sql::types::traits(&text, context);
            let length = text_length(&text);
            (text, DataType::Text { length, fixed: false, charset: traits.charset, collation: traits.collation })
        }
        _ => {
            let result = crate::sql::types::chosen_date(value.clone(), context)?;
            let data_type = result.data_type.clone();
            (result, data_type)
        }
    };
    let (operands, rule) = alike(vec![value, other], context)?;
    let mut arguments = vec![result];
    arguments.extend(operands);
    Ok(node(ExprKind::Call { function: Function::NullIf { rule }, arguments }, data_type, true, span))
}

fn element(mut arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    arity("ELT", &arguments, 2..=usize::MAX)?;
    let index = to_integer(arguments.remove(0))?;
    let texts = arguments.into_iter().map(|argument| to_text(argument, context)).collect::<Result<Vec<_>, _>>()?;
    let (texts, data_type) = unify(texts, context)?;
    let mut arguments = vec![index];
    arguments.extend(texts);
    Ok(node(ExprKind::Call { function: Function::Element, arguments }, data_type, true, span))
}

fn extreme(name: &str, arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    arity(name, &arguments, 2..=usize::MAX)?;
    let every =
        |test: &dyn Fn(&Expr) -> bool| arguments.iter().all(|argument| argument.data_type == DataType::Null || test(argument));
    let alike_types = every(&|argument| numeric(argument).is_some())
        || every(&|argument| is_text(&argument.data_type))
        || every(&|argument| is_temporal(&argument.data_type));
    if !alike_types {
        return Err(Refusal::new(format!("{name} mixes numbers, strings or dates"), "bring the arguments to one type with CAST"));
    }
    let nullable = arguments.iter().any(|argument| argument.nullable);
    let is_number = |argument: &Expr| argument.data_type != DataType::Null && numeric(argument).is_some();
    let is_null = |argument: &Expr| argument.data_type == DataType::Null;
    if context.is_mariadb() && arguments.iter().any(is_null) && arguments.iter().any(is_number) {
        return Err(super::arithmetic::null_operand(name));
    }
    let (arguments, data_type) = unify(arguments, context)?;
    let (arguments, rule) = alike(arguments, context)?;
    let function = if name == "GREATEST" { Function::Greatest { rule } } else { Function::Least { rule } };
    Ok(node(ExprKind::Call { function, arguments }, data_type, nullable, span))
}

pub(super) fn call(function: &Function, expr: &Expr, values: &[Value]) -> Result<Value> {
    match function {
        Function::Coalesce => Ok(values.iter().find(|value| !value.is_null()).cloned().unwrap_or(Value::Null)),
        Function::NullIf { rule } => {
            let [result, left, right] = values else { return Err(mismatch("NULLIF")) };
            let same = rule.compare(left, right)? == Some(Ordering::Equal);
            Ok(if same { Value::Null } else { result.clone() })
        }
        Function::Field { rule } => field(rule, values),
        Function::Element => {
            let Some((index, texts)) = values.split_first() else { return Err(mismatch("ELT")) };
            if index.is_null() {
                return Ok(Value::Null);
            }
            // The source keeps the lower 32 bits.
            let place = usize::try_from(coerce::integer(index)?.rem_euclid(1 << 32) - 1).ok();
            Ok(place.and_then(|place| texts.get(place)).cloned().unwrap_or(Value::Null))
        }
        Function::Greatest { rule } => best(rule, expr, values, Ordering::Greater),
        Function::Least { rule } => best(rule, expr, values, Ordering::Less),
        _ => Err(mismatch("a choice")),
    }
}

fn field(rule: &KeyKind, values: &[Value]) -> Result<Value> {
    let Some((wanted, list)) = values.split_first() else { return Err(mismatch("FIELD")) };
    for (place, candidate) in (1_i64..).zip(list) {
        if rule.compare(wanted, candidate)? == Some(Ordering::Equal) {
            return Ok(Value::Int(place));
        }
    }
    Ok(Value::Int(0))
}

fn best(rule: &KeyKind, expr: &Expr, values: &[Value], wanted: Ordering) -> Result<Value> {
    let mut values = values.iter();
    let Some(mut best) = values.next() else { return Err(mismatch("GREATEST")) };
    let mut level: Option<&Value> = None;
    for value in values {
        match rule.compare(value, best)? {
            Some(Ordering::Equal) if matches!(rule, KeyKind::Text(_)) && value != best => level = Some(value),
            Some(order) if order == wanted => (best, level) = (value, None),
            _ => {}
        }
    }
    match level {
        Some(_) => Err(no_value(expr, "two strings that are equal, of which servers choose either,")),
        None => Ok(best.clone()),
    }
}

/// The greatest or least of the values that are not NULL, as PostgreSQL chooses it.
pub(super) fn extreme_present(rule: &KeyKind, greatest: bool, values: &[Value]) -> Result<Value> {
    let mut best = &Value::Null;
    for value in values {
        match rule.compare(value, best)? {
            None if !value.is_null() => best = value,
            Some(order) if order == if greatest { Ordering::Greater } else { Ordering::Less } => best = value,
            _ => {}
        }
    }
    Ok(best.clone())
}
