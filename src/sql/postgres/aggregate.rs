//! The aggregates of PostgreSQL, with its result types.
//!
//! `count`, `min` and `max` are those of every dialect; the others collect the rows of a group here and compute at its end, so that the result
//! does not depend on the order in which rows come. Sums of floats do depend on it and are refused.

use std::cmp::Ordering;

use super::kind::Kind;
use super::routine::{Call, Fault, WRONG};
use super::{array, compare, json, json_routines, numbers, typing};
use crate::error::{Class, Error, Result};
use crate::schema::{DataType, SourceCatalog};
use crate::sql::ordering::order;
use crate::sql::query::{Aggregate, AggregateFunction, Direction, Expr, OrderItem, Span};
use crate::sql::types::Refusal;
use crate::value::key::encode_key;
use crate::value::{Decimal, Value};

/// An aggregate that is computed from its collected rows.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each variant is the aggregate of its name")]
pub enum Collected {
    Sum,
    Average,
    BoolAnd,
    BoolOr,
    BitAnd,
    BitOr,
    BitXor,
    StringAgg,
    ArrayAgg { call: Box<Call>, filtered: bool },
    JsonAgg { binary: bool, call: Box<Call>, filtered: bool },
    JsonObject { binary: bool, call: Box<Call>, filtered: bool },
}

impl Collected {
    /// Whether the result shows the order of the rows.
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        matches!(self, Self::StringAgg | Self::ArrayAgg { .. } | Self::JsonAgg { .. } | Self::JsonObject { binary: false, .. })
    }

    /// Whether rows with NULL count.
    fn takes_nulls(&self) -> bool {
        matches!(self, Self::ArrayAgg { .. } | Self::JsonAgg { .. } | Self::JsonObject { .. })
    }

    /// Whether the last argument is the condition of FILTER: what collects NULLs cannot take NULL for a row that is left out.
    fn is_filtered(&self) -> bool {
        matches!(
            self,
            Self::ArrayAgg { filtered: true, .. }
                | Self::JsonAgg { filtered: true, .. }
                | Self::JsonObject { filtered: true, .. }
        )
    }
}

/// Whether `name` (lower case) is an aggregate of the server.
#[must_use]
pub fn is_aggregate(name: &str) -> bool {
    const NAMES: [&str; 33] = [
        "count",
        "sum",
        "avg",
        "min",
        "max",
        "bool_and",
        "bool_or",
        "every",
        "bit_and",
        "bit_or",
        "bit_xor",
        "string_agg",
        "array_agg",
        "json_agg",
        "jsonb_agg",
        "json_object_agg",
        "jsonb_object_agg",
        "xmlagg",
        "stddev",
        "stddev_pop",
        "stddev_samp",
        "variance",
        "var_pop",
        "var_samp",
        "corr",
        "covar_pop",
        "covar_samp",
        "regr_slope",
        "mode",
        "percentile_cont",
        "percentile_disc",
        "range_agg",
        "any_value",
    ];
    NAMES.contains(&name)
}

/// An aggregate call as bound.
pub struct Written {
    /// Name in lower case.
    pub name: String,
    /// DISTINCT.
    pub distinct: bool,
    /// Arguments; none for `count(*)`.
    pub arguments: Vec<Expr>,
    /// ORDER BY, and which way each element goes.
    pub order_by: Vec<(Expr, Direction)>,
    /// FILTER, of aggregates that collect NULLs.
    pub filter: Option<Expr>,
    /// Where it stands.
    pub span: Span,
}

/// Whether an aggregate collects NULLs, so that FILTER stays a condition of its own.
#[must_use]
pub fn collects_nulls(name: &str) -> bool {
    matches!(name, "array_agg" | "json_agg" | "jsonb_agg" | "json_object_agg" | "jsonb_object_agg")
}

/// Types an aggregate call.
///
/// # Errors
/// Aggregates and argument types that are not carried exactly.
pub fn resolve(written: Written, catalog: &SourceCatalog) -> Result<Aggregate, Refusal> {
    let Written { name, distinct, arguments, order_by, filter, span } = written;
    let mut arguments = arguments.into_iter().map(|argument| typing::settle(argument, catalog)).collect::<Result<Vec<_>, _>>()?;
    if let ("string_agg", Some(first)) = (name.as_str(), arguments.first_mut())
        && let (Kind::Bpchar, Some(text)) = (Kind::of(&first.data_type), Kind::Text.data_type(catalog))
    {
        *first = typing::coerce(first.clone(), &collated(text, &first.data_type), catalog)?;
    }
    let kinds: Vec<Kind> = arguments.iter().map(|argument| Kind::of(&argument.data_type)).collect();
    let (function, data_type) = chosen(&name, &kinds, &arguments, filter.is_some(), catalog)?;
    let ordered = matches!(function, AggregateFunction::Min | AggregateFunction::Max);
    let shows_order = matches!(&function, AggregateFunction::Postgres(collected) if collected.is_ordered());
    if !shows_order && !order_by.is_empty() {
        return Err(Refusal::new(format!("ORDER BY means nothing inside {name}"), "remove it"));
    }
    let mut items = Vec::with_capacity(order_by.len());
    for (expr, Direction { descending, nulls_first }) in order_by {
        let (expr, rule) = compare::own_rule(expr, true, catalog)?;
        items.push(OrderItem { expr, rule, descending, nulls_first });
    }
    let mut rules = Vec::new();
    if distinct || ordered {
        for argument in &arguments {
            rules.push(compare::own_rule(argument.clone(), ordered || (shows_order && items.is_empty()), catalog)?.1);
        }
    }
    if distinct && shows_order && items.is_empty() {
        // The server sorts in order to find duplicates, and shows that order.
        if let (Some(first), Some(rule)) = (arguments.first(), rules.first()) {
            items.push(OrderItem { expr: first.clone(), rule: rule.clone(), descending: false, nulls_first: false });
        }
    }
    arguments.extend(filter);
    Ok(Aggregate { function, distinct, arguments, rules, order_by: items, data_type, span })
}

// size: one arm per aggregate
fn chosen(
    name: &str,
    kinds: &[Kind],
    arguments: &[Expr],
    filtered: bool,
    catalog: &SourceCatalog,
) -> Result<(AggregateFunction, DataType), Refusal> {
    use AggregateFunction as F;
    let integer = |bits| DataType::Integer { bits, unsigned: false };
    let first = || arguments.first().map_or(DataType::Null, |argument| argument.data_type.clone());
    let collected = |which, data_type| Ok((F::Postgres(which), data_type));
    let call = || typing::conversion(catalog).map(Box::new);
    match (name, kinds) {
        ("count", []) | ("count", [_]) => Ok((F::Count, integer(64))),
        ("sum", [Kind::Int2 | Kind::Int4]) => collected(Collected::Sum, integer(64)),
        ("sum", [Kind::Int8 | Kind::Numeric]) => collected(Collected::Sum, DataType::Numeric),
        ("sum", [Kind::Interval]) => collected(Collected::Sum, DataType::Interval),
        ("avg", [Kind::Int2 | Kind::Int4 | Kind::Int8 | Kind::Numeric]) => collected(Collected::Average, DataType::Numeric),
        ("sum" | "avg", [Kind::Float4 | Kind::Float8]) => Err(Refusal::new(
            format!("{name} of {} depends on the order of the rows", kinds.first().map_or("", |kind| kind.name())),
            "write the argument as x::numeric",
        )),
        ("min" | "max", [kind]) if has_extremes(*kind) => {
            let plain =
                if *kind == Kind::Text { Kind::Text.data_type(catalog).map(|text| collated(text, &first())) } else { None };
            Ok((if name == "min" { F::Min } else { F::Max }, plain.unwrap_or_else(first)))
        }
        ("bool_and" | "every", [Kind::Bool]) => collected(Collected::BoolAnd, DataType::Boolean),
        ("bool_or", [Kind::Bool]) => collected(Collected::BoolOr, DataType::Boolean),
        ("bit_and", [Kind::Int2 | Kind::Int4 | Kind::Int8]) => collected(Collected::BitAnd, first()),
        ("bit_or", [Kind::Int2 | Kind::Int4 | Kind::Int8]) => collected(Collected::BitOr, first()),
        ("bit_xor", [Kind::Int2 | Kind::Int4 | Kind::Int8]) => collected(Collected::BitXor, first()),
        ("string_agg", [Kind::Text, Kind::Text]) => {
            let text = Kind::Text.data_type(catalog).map_or(DataType::Null, |text| collated(text, &first()));
            collected(Collected::StringAgg, text)
        }
        ("array_agg", [kind]) if !matches!(kind, Kind::Array | Kind::TextArray) => collected(
            Collected::ArrayAgg { call: call()?, filtered },
            DataType::Array { element: Box::new(without_length(first())) },
        ),
        ("json_agg", [_]) => collected(Collected::JsonAgg { binary: false, call: call()?, filtered }, DataType::Json),
        ("jsonb_agg", [_]) => collected(Collected::JsonAgg { binary: true, call: call()?, filtered }, DataType::Jsonb),
        ("json_object_agg", [key, _]) if is_json_key(*key) => {
            collected(Collected::JsonObject { binary: false, call: call()?, filtered }, DataType::Json)
        }
        ("jsonb_object_agg", [key, _]) if is_json_key(*key) => {
            collected(Collected::JsonObject { binary: true, call: call()?, filtered }, DataType::Jsonb)
        }
        _ => {
            let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
            Err(Refusal::new(
                format!("the aggregate {name}({}) is not carried", names.join(", ")),
                "carry sums, counts, extremes and lists, and compute the rest in the service",
            ))
        }
    }
}

fn is_json_key(kind: Kind) -> bool {
    !matches!(kind, Kind::Array | Kind::TextArray | Kind::Json | Kind::Jsonb | Kind::Native)
}

/// An array has no length of its elements.
fn without_length(data_type: DataType) -> DataType {
    match data_type {
        DataType::Text { fixed: false, charset, collation, .. } => {
            DataType::Text { length: None, fixed: false, charset, collation }
        }
        other => other,
    }
}

fn collated(text: DataType, like: &DataType) -> DataType {
    match (text, like) {
        (DataType::Text { length, fixed, charset, .. }, DataType::Text { collation, .. }) => {
            DataType::Text { length, fixed, charset, collation: collation.clone() }
        }
        (text, _) => text,
    }
}

fn has_extremes(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Int2
            | Kind::Int4
            | Kind::Int8
            | Kind::Numeric
            | Kind::Float4
            | Kind::Float8
            | Kind::Text
            | Kind::Bpchar
            | Kind::Date
            | Kind::Timestamp
            | Kind::TimestampTz
            | Kind::Time
            | Kind::Interval
    )
}

/// The rows of one group.
#[derive(Debug, Default)]
pub struct Rows {
    rows: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    order: Vec<Value>,
    arguments: Vec<Value>,
}

impl Rows {
    /// Adds one row.
    pub fn add(&mut self, collected: &Collected, arguments: Vec<Value>, order: Vec<Value>) {
        let mut arguments = arguments;
        if collected.is_filtered() && arguments.pop() != Some(Value::Bool(true)) {
            return;
        }
        let missing = if *collected == Collected::StringAgg {
            arguments.first().is_none_or(Value::is_null)
        } else {
            arguments.iter().any(Value::is_null)
        };
        if !missing || collected.takes_nulls() {
            self.rows.push(Line { order, arguments });
        }
    }

    /// The group's result.
    ///
    /// # Errors
    /// [`Class::Person`] where the server raises an error, or its answer would depend on the order of the rows.
    pub fn finish(mut self, collected: &Collected, aggregate: &Aggregate) -> Result<Value> {
        if aggregate.distinct {
            self.drop_repeated(aggregate)?;
        }
        if collected.is_ordered() {
            self.sort(aggregate)?;
        }
        if self.rows.is_empty() {
            return Ok(Value::Null);
        }
        self.compute(collected, aggregate).map_err(|fault| no_value(aggregate, fault))
    }

    fn drop_repeated(&mut self, aggregate: &Aggregate) -> Result<()> {
        let mut seen: std::collections::BTreeMap<Vec<u8>, Vec<Value>> = std::collections::BTreeMap::new();
        let mut kept = Vec::new();
        for line in std::mem::take(&mut self.rows) {
            let key = encode_key(&aggregate.rules, &line.arguments)?;
            match seen.get(&key) {
                None => {
                    seen.insert(key, line.arguments.clone());
                    kept.push(line);
                }
                Some(known) if *known != line.arguments => {
                    return Err(no_value(aggregate, "equal values that are written differently meet in DISTINCT"));
                }
                Some(_) => {}
            }
        }
        self.rows = kept;
        Ok(())
    }

    fn sort(&mut self, aggregate: &Aggregate) -> Result<()> {
        let mut failure = None;
        let mut has_tie = false;
        self.rows.sort_by(|left, right| match order(&aggregate.order_by, &left.order, &right.order) {
            Ok(Ordering::Equal) => {
                has_tie |= left.arguments != right.arguments;
                Ordering::Equal
            }
            Ok(order) => order,
            Err(error) => {
                failure = Some(error);
                Ordering::Equal
            }
        });
        match failure {
            Some(error) => Err(error),
            None if has_tie => Err(no_value(aggregate, "rows whose order is not determined meet")),
            None => Ok(()),
        }
    }

    fn compute(&self, collected: &Collected, aggregate: &Aggregate) -> Result<Value, Fault> {
        let values = || self.rows.iter().filter_map(|line| line.arguments.first());
        let truth = |value: &Value| matches!(value, Value::Bool(true));
        let whole = |value: &Value| if let Value::Int(number) = value { Ok(*number) } else { Err(WRONG) };
        Ok(match collected {
            Collected::Sum => sum(values(), &aggregate.data_type)?,
            Collected::Average => average(values(), Decimal::from_u64(self.rows.len() as u64))?,
            Collected::BoolAnd => Value::Bool(values().all(truth)),
            Collected::BoolOr => Value::Bool(values().any(truth)),
            Collected::BitAnd => Value::Int(values().map(whole).try_fold(-1, |bits, number| number.map(|number| bits & number))?),
            Collected::BitOr => Value::Int(values().map(whole).try_fold(0, |bits, number| number.map(|number| bits | number))?),
            Collected::BitXor => Value::Int(values().map(whole).try_fold(0, |bits, number| number.map(|number| bits ^ number))?),
            Collected::StringAgg => self.joined()?,
            Collected::ArrayAgg { call, .. } => {
                let element = aggregate.arguments.first().map(|argument| &argument.data_type).ok_or(WRONG)?;
                let printed = values()
                    .map(|value| if value.is_null() { Ok(None) } else { super::output::text(value, element, call).map(Some) });
                Value::text(array::write(&printed.collect::<Result<Vec<_>, Fault>>()?))
            }
            Collected::JsonAgg { binary, call, .. } => {
                let element = aggregate.arguments.first().map(|argument| &argument.data_type).ok_or(WRONG)?;
                let printed =
                    values().map(|value| json_routines::of_value(value, element, call)).collect::<Result<Vec<_>, Fault>>()?;
                let text = format!("[{}]", printed.join(", "));
                Value::text(if *binary { json::canonical(&text)? } else { text })
            }
            Collected::JsonObject { binary, call, .. } => Value::text(self.object(*binary, aggregate, call)?),
        })
    }

    /// An object of keys and values; in `jsonb` a key that comes twice with different values has none without an order.
    fn object(&self, binary: bool, aggregate: &Aggregate, call: &Call) -> Result<String, Fault> {
        let [key_type, value_type, ..] = aggregate.arguments.as_slice() else { return Err(WRONG) };
        let mut members: Vec<(String, String)> = Vec::new();
        for line in &self.rows {
            let [key, value] = line.arguments.as_slice() else { return Err(WRONG) };
            if key.is_null() {
                return Err("field name must not be null");
            }
            let mut name = String::new();
            json::quote(&super::output::text(key, &key_type.data_type, call)?, &mut name);
            members.push((name, json_routines::of_value(value, &value_type.data_type, call)?));
        }
        if !binary {
            let members: Vec<String> = members.into_iter().map(|(name, value)| format!("{name} : {value}")).collect();
            return Ok(format!("{{ {} }}", members.join(", ")));
        }
        members.sort();
        members.dedup();
        if members.windows(2).any(|pair| matches!(pair, [(one, _), (two, _)] if one == two)) {
            return Err("a key that has two values meets");
        }
        let members: Vec<String> = members.into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
        json::canonical(&format!("{{{}}}", members.join(", ")))
    }

    /// Each value but the first comes behind its own separator.
    fn joined(&self) -> Result<Value, Fault> {
        let mut out = String::new();
        for (index, line) in self.rows.iter().enumerate() {
            let [Value::Text(text), separator] = line.arguments.as_slice() else { return Err(WRONG) };
            if let (true, Value::Text(separator)) = (index > 0, separator) {
                out.push_str(separator);
            }
            out.push_str(text);
        }
        Ok(Value::text(out))
    }
}

fn sum<'v>(values: impl Iterator<Item = &'v Value>, data_type: &DataType) -> Result<Value, Fault> {
    if *data_type == DataType::Interval {
        let mut total = crate::value::Interval::default();
        for value in values {
            let Value::Interval(next) = value else { return Err(WRONG) };
            const RANGE: Fault = "interval out of range";
            total.months = total.months.checked_add(next.months).ok_or(RANGE)?;
            total.days = total.days.checked_add(next.days).ok_or(RANGE)?;
            total.us = total.us.checked_add(next.us).ok_or(RANGE)?;
        }
        return Ok(Value::Interval(total));
    }
    let mut total = Value::Decimal(Decimal::from_i64(0));
    for value in values {
        let number = if let Value::Int(number) = value { Value::Decimal(Decimal::from_i64(*number)) } else { value.clone() };
        total = numbers::add(&total, &number)?;
    }
    match (&total, data_type) {
        (Value::Decimal(number), DataType::Integer { .. }) => number.to_i64().map(Value::Int).ok_or("bigint out of range"),
        _ => Ok(total),
    }
}

fn average<'v>(values: impl Iterator<Item = &'v Value>, count: Decimal) -> Result<Value, Fault> {
    numbers::divide(&sum(values, &DataType::Numeric)?, &Value::Decimal(count))
}

/// The sum or average of `count` numbers whose sums are `numbers`.
///
/// # Errors
/// [`Class::Person`] where the server raises an error, [`Class::Bug`] for any other aggregate.
pub fn of_numbers(collected: &Collected, numbers: &[Value], count: i64, aggregate: &Aggregate) -> Result<Value> {
    let value = match collected {
        Collected::Sum => sum(numbers.iter(), &aggregate.data_type),
        Collected::Average => average(numbers.iter(), Decimal::from_i64(count)),
        _ => return Err(Error::bug("an aggregate other than SUM and AVG was asked for its numbers")),
    };
    value.map_err(|fault| no_value(aggregate, fault))
}

fn no_value(aggregate: &Aggregate, what: &str) -> Error {
    let span = &aggregate.span;
    Error::new(Class::Person, format!("{what} in the aggregate at bytes {}..{} of the mapping's SELECT", span.start, span.end))
}
