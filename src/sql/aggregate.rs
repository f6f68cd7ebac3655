//! Aggregates: COUNT, SUM, AVG, MIN, MAX, BIT_AND, BIT_OR, BIT_XOR, GROUP_CONCAT and JSON aggregates, with the source's result types and exact values.
//!
//! An [`Accumulator`] takes the rows of one group in any order; its result does not depend on that order. Where the source's
//! own answer would depend on it (equal strings of different letters, a GROUP_CONCAT without a total order), there is no value.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::error::{Class, Error, Result};
use crate::schema::DataType;
use crate::sql::functions::{coerce, json_text, makes_json, member_value, quoted_json};
use crate::sql::ordering::order;
use crate::sql::query::{Aggregate, AggregateFunction, Expr, ExprKind, OrderItem, Span};
use crate::sql::types::{
    BIGINT, BIGINT_UNSIGNED, NumericClass, Refusal, TypeContext, aggregate_text, alike, decimal_type, is_text, is_unsettled,
    numeric, settle, to_integer, to_text, type_name,
};
use crate::value::key::encode_key;
use crate::value::{Decimal, Key, Value};

/// Types an aggregate call; `name` in upper case, no arguments for `COUNT(*)`.
///
/// # Errors
/// For unknown aggregates and arguments whose result is not carried exactly.
pub fn resolve(
    name: &str,
    distinct: bool,
    arguments: Vec<Expr>,
    order_by: Vec<(Expr, bool)>,
    separator: Option<String>,
    span: Span,
    context: &TypeContext<'_>,
) -> Result<Aggregate, Refusal> {
    if matches!(name, "JSON_ARRAYAGG" | "JSON_OBJECTAGG") {
        return json(name, distinct, arguments, order_by, span, context);
    }
    if name == "GROUP_CONCAT" {
        return group_concat(distinct, arguments, order_by, separator, span, context);
    }
    let takes = if name == "COUNT" { arguments.len() <= 1 || distinct } else { arguments.len() == 1 };
    if !takes || !order_by.is_empty() || separator.is_some() {
        return Err(Refusal::new(format!("{name} takes one argument"), ""));
    }
    let (function, data_type, arguments) = match name {
        "COUNT" => (AggregateFunction::Count, BIGINT, arguments),
        "SUM" | "AVG" => {
            let data_type = number_type(name, &arguments, context)?;
            (if name == "SUM" { AggregateFunction::Sum } else { AggregateFunction::Avg }, data_type, arguments)
        }
        "MIN" | "MAX" => {
            let arguments = arguments.into_iter().map(|argument| comparable(argument, context)).collect::<Result<Vec<_>, _>>()?;
            // MySQL keeps the type of a column.
            let keeps_year = !context.is_mariadb()
                && arguments.first().is_some_and(|argument| matches!(argument.kind, ExprKind::Column { .. }));
            let data_type = match arguments.first().map(|argument| &argument.data_type) {
                // The least YEAR is a number: the source prints 0 and not 0000.
                Some(DataType::Year) if !keeps_year => DataType::Integer { bits: 16, unsigned: true },
                Some(data_type) => data_type.clone(),
                None => DataType::Null,
            };
            (if name == "MIN" { AggregateFunction::Min } else { AggregateFunction::Max }, data_type, arguments)
        }
        "BIT_AND" | "BIT_OR" | "BIT_XOR" if !distinct => {
            let arguments = arguments.into_iter().map(|argument| bits(name, argument)).collect::<Result<Vec<_>, _>>()?;
            let function = match name {
                "BIT_AND" => AggregateFunction::BitAnd,
                "BIT_OR" => AggregateFunction::BitOr,
                _ => AggregateFunction::BitXor,
            };
            (function, BIGINT_UNSIGNED, arguments)
        }
        _ => {
            return Err(Refusal::new(
                format!("the aggregate {name} is not carried"),
                "use COUNT, SUM, AVG, MIN, MAX, BIT_AND, BIT_OR, BIT_XOR or GROUP_CONCAT",
            ));
        }
    };
    let rules = if distinct || matches!(function, AggregateFunction::Min | AggregateFunction::Max) {
        rules_of(&arguments, context)?
    } else {
        Vec::new()
    };
    Ok(Aggregate { function, distinct, arguments, rules, order_by: Vec::new(), data_type, span })
}

/// The 64 bits of a number; binary strings have bits of their own.
fn bits(name: &str, argument: Expr) -> Result<Expr, Refusal> {
    match argument.data_type {
        DataType::Bytes { .. } | DataType::Text { .. } => Err(Refusal::new(
            format!("{name} of {}", type_name(&argument.data_type)),
            "convert the argument with CAST(.. AS UNSIGNED)",
        )),
        _ => to_integer(argument),
    }
}

/// JSON_ARRAYAGG needs an order, which MariaDB alone takes; JSON_OBJECTAGG orders by its keys on MySQL alone.
fn json(
    name: &str,
    distinct: bool,
    arguments: Vec<Expr>,
    order_by: Vec<(Expr, bool)>,
    span: Span,
    context: &TypeContext<'_>,
) -> Result<Aggregate, Refusal> {
    let is_array = name == "JSON_ARRAYAGG";
    if is_array != context.is_mariadb() {
        return Err(Refusal::new(
            format!("the order of {name} is that in which the source happens to read the rows"),
            "write GROUP_CONCAT with ORDER BY, or map the rows to their own table",
        ));
    }
    if distinct || arguments.len() != if is_array { 1 } else { 2 } {
        return Err(Refusal::new(format!("this form of {name} is not carried"), ""));
    }
    let mut arguments = arguments;
    let Some(value) = arguments.pop() else { return Err(Refusal::new(format!("{name} takes a value"), "")) };
    let embedded = makes_json(&value);
    let value = member_value(value, context)?;
    let collation = context.catalog.session.collation_connection.clone();
    let charset = crate::sql::types::charset_of(&collation).to_owned();
    let (function, arguments, data_type) = match arguments.pop() {
        None => {
            let bytes_max = context.catalog.session.group_concat_max_len;
            let data_type = DataType::Text { length: None, fixed: false, charset, collation };
            (AggregateFunction::JsonArray { embedded, bytes_max }, vec![value], data_type)
        }
        Some(key) => {
            let key = to_text(key, context)?;
            if matches!(key.data_type, DataType::Bytes { .. }) {
                return Err(Refusal::new("JSON_OBJECTAGG with a binary key", "use HEX"));
            }
            (AggregateFunction::JsonObject { embedded }, vec![key, value], DataType::Json)
        }
    };
    let order_by = order_items(order_by, context)?;
    Ok(Aggregate { function, distinct, arguments, rules: Vec::new(), order_by, data_type, span })
}

fn order_items(order_by: Vec<(Expr, bool)>, context: &TypeContext<'_>) -> Result<Vec<OrderItem>, Refusal> {
    let mut items = Vec::with_capacity(order_by.len());
    for (expr, descending) in order_by {
        let (mut operands, rule) = alike(vec![comparable(expr, context)?], context)?;
        let Some(expr) = operands.pop() else { continue };
        items.push(OrderItem { expr, rule, descending, nulls_first: !descending });
    }
    Ok(items)
}

fn rules_of(arguments: &[Expr], context: &TypeContext<'_>) -> Result<Vec<crate::value::KeyKind>, Refusal> {
    let mut rules = Vec::with_capacity(arguments.len());
    for argument in arguments {
        rules.push(alike(vec![argument.clone()], context)?.1);
    }
    Ok(rules)
}

fn comparable(argument: Expr, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    match &argument.data_type {
        data_type if is_text(data_type) => to_text(argument, context),
        DataType::Decimal { .. } => Ok(settle(argument)),
        _ => Ok(argument),
    }
}

/// SUM has 22 more digits than its argument, AVG `div_precision_increment` more after the point.
fn number_type(name: &str, arguments: &[Expr], context: &TypeContext<'_>) -> Result<DataType, Refusal> {
    let Some(argument) = arguments.first() else { return Err(Refusal::new(format!("{name} takes one argument"), "")) };
    let own = match numeric(argument) {
        Some(own) if own.class != NumericClass::Double => own,
        _ => {
            return Err(Refusal::new(
                format!("{name} of {} depends on the order of the rows", type_name(&argument.data_type)),
                "convert the argument with CAST(.. AS DECIMAL(p,s))",
            ));
        }
    };
    if is_unsettled(argument) {
        return Err(Refusal::new(
            format!("{name} of a quotient depends on how the source groups"),
            "round each quotient with CAST(.. AS DECIMAL(p,s))",
        ));
    }
    if name == "SUM" {
        return Ok(decimal_type(own.precision + 22, own.scale, false));
    }
    let increment = u16::try_from(context.catalog.session.div_precision_increment.min(30)).unwrap_or(30);
    if own.scale + increment > 30 {
        return Err(Refusal::new("an average with more than 30 digits after the point", "cast the argument to a smaller scale"));
    }
    Ok(decimal_type(own.precision + increment, own.scale + increment, false))
}

fn group_concat(
    distinct: bool,
    arguments: Vec<Expr>,
    order_by: Vec<(Expr, bool)>,
    separator: Option<String>,
    span: Span,
    context: &TypeContext<'_>,
) -> Result<Aggregate, Refusal> {
    if arguments.is_empty() {
        return Err(Refusal::new("GROUP_CONCAT takes at least one argument", ""));
    }
    let rules = if distinct { rules_of(&arguments, context)? } else { Vec::new() };
    let arguments = arguments.into_iter().map(|argument| to_text(argument, context)).collect::<Result<Vec<_>, _>>()?;
    let traits = aggregate_text(&arguments.iter().collect::<Vec<_>>(), context)?;
    if traits.charset == "binary" {
        return Err(Refusal::new("GROUP_CONCAT of binary strings", "use HEX"));
    }
    if distinct && arguments.len() > 1 {
        return Err(Refusal::new("GROUP_CONCAT(DISTINCT ..) of several arguments", "CONCAT them into one"));
    }
    let rules = if distinct { rules_of(&arguments, context)? } else { rules };
    let items = order_items(order_by, context)?;
    let function = AggregateFunction::GroupConcat {
        separator: separator.unwrap_or_else(|| ",".to_owned()),
        bytes_max: context.catalog.session.group_concat_max_len,
    };
    let data_type = DataType::Text { length: None, fixed: false, charset: traits.charset, collation: traits.collation };
    Ok(Aggregate { function, distinct, arguments, rules, order_by: items, data_type, span })
}

/// Collects the rows of one group.
#[derive(Debug)]
pub struct Accumulator<'a> {
    aggregate: &'a Aggregate,
    count: i64,
    sum: Option<Decimal>,
    best: Option<Value>,
    is_ambiguous: bool,
    seen: BTreeMap<Key, Vec<Value>>,
    lines: Vec<(Vec<Value>, String)>,
    bits: u64,
    members: BTreeMap<(usize, String), String>,
    collected: crate::sql::postgres::aggregate::Rows,
}

impl<'a> Accumulator<'a> {
    /// An empty group.
    #[must_use]
    pub fn new(aggregate: &'a Aggregate) -> Self {
        Self {
            aggregate,
            count: 0,
            sum: None,
            best: None,
            is_ambiguous: false,
            seen: BTreeMap::new(),
            lines: Vec::new(),
            bits: if aggregate.function == AggregateFunction::BitAnd { u64::MAX } else { 0 },
            members: BTreeMap::new(),
            collected: crate::sql::postgres::aggregate::Rows::default(),
        }
    }

    /// A group whose numbers are added up already: how many they are, and their sum.
    #[must_use]
    pub fn of_numbers(aggregate: &'a Aggregate, count: i64, sum: Option<Decimal>) -> Self {
        Self { count, sum, ..Self::new(aggregate) }
    }

    /// Adds one row: the values of the aggregate's arguments and of its ORDER BY.
    ///
    /// # Errors
    /// [`Class::Bug`] if the values are not of the argument types.
    pub fn add(&mut self, arguments: Vec<Value>, order: Vec<Value>) -> Result<()> {
        if let AggregateFunction::Postgres(function) = &self.aggregate.function {
            self.collected.add(function, arguments, order);
            return Ok(());
        }
        let takes_null =
            matches!(self.aggregate.function, AggregateFunction::JsonArray { .. } | AggregateFunction::JsonObject { .. });
        if !takes_null && arguments.iter().any(Value::is_null) {
            return Ok(());
        }
        if self.aggregate.distinct && !self.is_new(&arguments)? {
            return Ok(());
        }
        self.count += 1;
        match &self.aggregate.function {
            AggregateFunction::Count | AggregateFunction::Postgres(_) => Ok(()),
            AggregateFunction::Sum | AggregateFunction::Avg => {
                let Some(value) = arguments.first() else { return Ok(()) };
                let value = coerce::decimal(value)?;
                self.sum = Some(match self.sum.take() {
                    Some(sum) => sum.add(&value),
                    None => value,
                });
                Ok(())
            }
            AggregateFunction::Min => self.keep_best(arguments, Ordering::Less),
            AggregateFunction::Max => self.keep_best(arguments, Ordering::Greater),
            AggregateFunction::BitAnd | AggregateFunction::BitOr | AggregateFunction::BitXor => self.add_bits(&arguments),
            AggregateFunction::JsonArray { embedded, .. } => {
                let Some(value) = arguments.first() else { return Ok(()) };
                self.lines.push((order, json_text(value, *embedded)?));
                Ok(())
            }
            AggregateFunction::JsonObject { embedded } => self.add_member(&arguments, *embedded),
            AggregateFunction::GroupConcat { .. } => {
                let parts: Vec<&str> = arguments.iter().map(coerce::text).collect::<Result<_>>()?;
                self.lines.push((order, parts.concat()));
                Ok(())
            }
        }
    }

    fn add_bits(&mut self, arguments: &[Value]) -> Result<()> {
        let Some(value) = arguments.first() else { return Ok(()) };
        let wide = coerce::integer(value)?.rem_euclid(1 << 64);
        let bits = u64::try_from(wide).map_err(|_| Error::bug("a bit aggregate met more than 64 bits"))?;
        self.bits = match self.aggregate.function {
            AggregateFunction::BitAnd => self.bits & bits,
            AggregateFunction::BitOr => self.bits | bits,
            _ => self.bits ^ bits,
        };
        Ok(())
    }

    /// Keys order by their length in bytes, then by their bytes; of equal keys the source keeps the one it reads last.
    fn add_member(&mut self, arguments: &[Value], embedded: bool) -> Result<()> {
        let [key, value] = arguments else { return Ok(()) };
        if key.is_null() {
            return Err(self.undetermined("a JSON object with a NULL key"));
        }
        let key = coerce::text(key)?.to_owned();
        let text = json_text(value, embedded)?;
        let before = self.members.insert((key.len(), key), text.clone());
        self.is_ambiguous |= before.is_some_and(|before| before != text);
        Ok(())
    }

    fn is_new(&mut self, arguments: &[Value]) -> Result<bool> {
        let key = encode_key(&self.aggregate.rules, arguments)?;
        if let Some(known) = self.seen.get(&key) {
            // A second spelling of the same value: which of them a GROUP_CONCAT shows depends on the order of the rows.
            self.is_ambiguous |= known != arguments;
            return Ok(false);
        }
        self.seen.insert(key, arguments.to_vec());
        Ok(true)
    }

    fn keep_best(&mut self, arguments: Vec<Value>, wanted: Ordering) -> Result<()> {
        let (Some(value), Some(rule)) = (arguments.into_iter().next(), self.aggregate.rules.first()) else { return Ok(()) };
        let Some(best) = &self.best else {
            self.best = Some(value);
            return Ok(());
        };
        match rule.compare(&value, best)? {
            Some(order) if order == wanted => {
                self.best = Some(value);
                self.is_ambiguous = false;
            }
            Some(Ordering::Equal) if value != *best => self.is_ambiguous = true,
            _ => {}
        }
        Ok(())
    }

    /// The group's result.
    ///
    /// # Errors
    /// [`Class::Person`] where the source's result would depend on the order of the rows or is out of range.
    pub fn finish(self) -> Result<Value> {
        match &self.aggregate.function {
            AggregateFunction::Count => Ok(Value::Int(self.count)),
            AggregateFunction::Sum => Ok(self.sum.map_or(Value::Null, Value::Decimal)),
            AggregateFunction::Avg => {
                let Some(sum) = self.sum else { return Ok(Value::Null) };
                let scale = match &self.aggregate.data_type {
                    DataType::Decimal { scale, .. } => *scale,
                    _ => return Err(Error::bug("AVG was bound to another type than DECIMAL")),
                };
                let increment = u32::from(scale.saturating_sub(sum.scale()));
                let quotient = crate::sql::functions::quotient(&sum, &Decimal::from_i64(self.count), increment);
                Ok(quotient.map_or(Value::Null, Value::Decimal))
            }
            AggregateFunction::Min | AggregateFunction::Max => {
                if self.is_ambiguous {
                    return Err(self.undetermined("equal strings that are written differently"));
                }
                Ok(self.best.unwrap_or(Value::Null))
            }
            AggregateFunction::Postgres(function) => self.collected.finish(function, self.aggregate),
            AggregateFunction::BitAnd | AggregateFunction::BitOr | AggregateFunction::BitXor => Ok(Value::UInt(self.bits)),
            AggregateFunction::JsonObject { .. } => self.finish_object(),
            AggregateFunction::JsonArray { bytes_max, .. } => {
                let bytes_max = usize::try_from(*bytes_max).unwrap_or(usize::MAX);
                let undetermined = self.undetermined("a JSON array longer than group_concat_max_len, which the source cuts");
                match self.sorted_lines()? {
                    None => Ok(Value::Null),
                    Some(texts) => {
                        let text = format!("[{}]", texts.join(","));
                        if text.len() > bytes_max { Err(undetermined) } else { Ok(Value::text(text)) }
                    }
                }
            }
            AggregateFunction::GroupConcat { separator, bytes_max } => {
                if self.is_ambiguous {
                    return Err(self.undetermined("equal strings that are written differently"));
                }
                let (separator, bytes_max, aggregate) = (separator.clone(), *bytes_max, self.aggregate);
                match self.sorted_lines()? {
                    None => Ok(Value::Null),
                    Some(texts) => cut(aggregate, texts.join(&separator), bytes_max).map(Value::text),
                }
            }
        }
    }

    fn undetermined(&self, what: &str) -> Error {
        undetermined(self.aggregate, what)
    }

    fn finish_object(self) -> Result<Value> {
        if self.is_ambiguous {
            return Err(self.undetermined("several values of one key of a JSON object"));
        }
        if self.count == 0 {
            return Ok(Value::Null);
        }
        let members: Vec<String> =
            self.members.iter().map(|((_, key), value)| format!("{}: {value}", quoted_json(key))).collect();
        Ok(Value::text(format!("{{{}}}", members.join(", "))))
    }

    /// The lines in the order of ORDER BY; `None` for none.
    fn sorted_lines(mut self) -> Result<Option<Vec<String>>> {
        let mut failure = None;
        let mut has_tie = false;
        let items = &self.aggregate.order_by;
        let mut lines = std::mem::take(&mut self.lines);
        lines.sort_by(|(left, one), (right, two)| match order(items, left, right) {
            Ok(Ordering::Equal) => {
                has_tie |= one != two;
                Ordering::Equal
            }
            Ok(order) => order,
            Err(error) => {
                failure = Some(error);
                Ordering::Equal
            }
        });
        if let Some(error) = failure {
            return Err(error);
        }
        if has_tie {
            return Err(self.undetermined("rows whose order is not determined"));
        }
        let texts: Vec<String> = lines.into_iter().map(|(_, text)| text).collect();
        Ok(if texts.is_empty() { None } else { Some(texts) })
    }
}

fn undetermined(aggregate: &Aggregate, what: &str) -> Error {
    let span = &aggregate.span;
    Error::new(Class::Person, format!("the aggregate at bytes {}..{} of the mapping's SELECT meets {what}", span.start, span.end))
        .with_hint("the source's own answer depends on the order in which it reads the rows: make it a total order")
}

/// Cuts at `group_concat_max_len` bytes, at the end of a whole character, as the source does.
fn cut(aggregate: &Aggregate, mut text: String, bytes_max: u64) -> Result<String> {
    let limit = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    if text.len() <= limit {
        return Ok(text);
    }
    let is_utf8 = matches!(&aggregate.data_type, DataType::Text { charset, .. } if charset.starts_with("utf8"));
    if !is_utf8 {
        return Err(undetermined(aggregate, "a result longer than group_concat_max_len in a charset other than utf8"));
    }
    let end = (0..=limit).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.truncate(end);
    Ok(text)
}
