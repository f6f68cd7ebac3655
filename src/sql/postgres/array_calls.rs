//! Calls over arrays whose meaning depends on the element type: constructors, subscripts, ANY and ALL, and the functions that compare elements.
//!
//! An array is held as the text that the server prints. Its elements are read and printed as values of the element type, and compared by
//! the rule of that type, which the call carries.

use std::sync::Arc;

use super::array::{read, write};
use super::compare;
use super::kind::Kind::{self, Any, Array, Bool, Element, Int4};
use super::routine::{Arguments, Compute, Fault, Routine, WRONG};
use super::{convert, output, typing};
use crate::schema::{DataType, SourceCatalog};
use crate::sql::functions::Function;
use crate::sql::query::{CompareOperator, Expr, ExprKind, Span};
use crate::sql::types::{Refusal, node};
use crate::value::{KeyKind, Value};

const fn loose(name: &'static str, arguments: &'static [Kind], result: Kind, compute: Compute) -> Routine {
    Routine { name, arguments, result, strict: false, compute: Some(compute) }
}

const fn strict(name: &'static str, arguments: &'static [Kind], result: Kind, compute: Compute) -> Routine {
    Routine { name, arguments, result, strict: true, compute: Some(compute) }
}

/// The rows that [`call`] types.
pub static ROWS: &[Routine] =
    &[
        loose("array_append", &[Array, Element], Array, |a| appended(a, 0, 1, false)),
        loose("array_prepend", &[Element, Array], Array, |a| appended(a, 1, 0, true)),
        loose("array_cat", &[Array, Array], Array, joined),
        loose("||", &[Array, Array], Array, joined),
        loose("||", &[Array, Element], Array, |a| appended(a, 0, 1, false)),
        loose("||", &[Element, Array], Array, |a| appended(a, 1, 0, true)),
        loose("array_remove", &[Array, Element], Array, removed),
        loose("array_position", &[Array, Element], Int4, |a| position(a, 1)),
        loose("array_position", &[Array, Element, Int4], Int4, |a| {
            if a.get(2).is_null() { Err(START) } else { position(a, a.int(2)?) }
        }),
        strict("@>", &[Array, Array], Bool, |a| contained(a, 1, 0)),
        strict("<@", &[Array, Array], Bool, |a| contained(a, 0, 1)),
        strict("&&", &[Array, Array], Bool, |a| {
            let (left, right) = (elements(a, 0)?, elements(a, 1)?);
            let meets = |one: &Value| any(&right, |other| equal(a, one, other));
            any(&left, meets).map(Value::Bool)
        }),
    ];

static ANY: Routine = loose("= any", &[Any, Array], Bool, |a| quantified(a, false));
static ALL: Routine = loose("= all", &[Any, Array], Bool, |a| quantified(a, true));
static SUBSCRIPT: Routine = strict("[]", &[Array, Int4], Element, |a| {
    let index = usize::try_from(a.int(1)?).ok().and_then(|index| index.checked_sub(1));
    Ok(index
        .and_then(|index| elements(a, 0).map(|elements| elements.get(index).cloned()).transpose())
        .transpose()?
        .unwrap_or(Value::Null))
});
static CONSTRUCTOR: Routine = loose("array[]", &[Any], Array, |a| {
    let printed = a.values.iter().zip(&a.types).map(|(value, data_type)| printed(a, value, data_type));
    Ok(Value::text(write(&printed.collect::<Result<Vec<_>, _>>()?)))
});

const START: Fault = "initial position must not be null";

/// How the elements of a call compare.
#[derive(Debug, Clone, PartialEq)]
pub struct ElementRule {
    kind: KeyKind,
    operator: CompareOperator,
}

impl ElementRule {
    /// Equality and order by a rule.
    pub(super) fn equality(kind: KeyKind) -> Self {
        Self { kind, operator: CompareOperator::Equal }
    }

    /// How two values order, neither of which is NULL.
    pub(super) fn order(&self, left: &Value, right: &Value) -> Result<std::cmp::Ordering, Fault> {
        self.kind.compare(left, right).ok().flatten().ok_or(WRONG)
    }
}

/// Whether [`call`] types a routine.
#[must_use]
pub fn is_typed_here(routine: &Routine) -> bool {
    ROWS.contains(routine)
}

/// A call of one of [`ROWS`].
///
/// # Errors
/// Elements of different types, and types whose equality is not carried where elements are compared.
pub fn call(routine: &'static Routine, arguments: Vec<Expr>, span: Span, catalog: &SourceCatalog) -> Result<Expr, Refusal> {
    let array = arguments.iter().find_map(|argument| match &argument.data_type {
        DataType::Array { element } => Some((**element).clone()),
        _ => None,
    });
    let Some(element) = array.map(plain) else {
        return Err(Refusal::new(
            format!("{} needs an argument that is known to be an array", routine.name),
            "cast it, e.g. x::text[]",
        ));
    };
    let array = DataType::Array { element: Box::new(element.clone()) };
    let arguments = arguments.into_iter().zip(routine.arguments).map(|(argument, wanted)| {
        let kind = Kind::of(&argument.data_type);
        match (wanted, &argument.data_type) {
            (Array, DataType::Array { element: own }) if plain((**own).clone()) == element => Ok(argument),
            (Array, DataType::Array { .. }) => Err(Refusal::new("arrays of different types meet here", "cast one of them")),
            (Array, _) => typing::coerce(argument, &array, catalog),
            (Int4, _) => typing::coerce(argument, &DataType::Integer { bits: 32, unsigned: false }, catalog),
            _ if kind == Kind::Unknown || kind.becomes(Kind::of(&element)) => typing::coerce(argument, &element, catalog),
            _ => Err(Refusal::new(
                format!("{} is no element of an array of {}", kind.name(), Kind::of(&element).name()),
                "cast it, or the array",
            )),
        }
    });
    let arguments = arguments.collect::<Result<Vec<_>, _>>()?;
    let compares = !matches!(routine.name, "array_append" | "array_prepend" | "array_cat" | "||");
    let rule = match compares {
        true => Some(own_rule(&element, catalog)?),
        false => None,
    };
    let data_type = match routine.result {
        Array => array,
        other => other.data_type(catalog).unwrap_or(DataType::Null),
    };
    let nullable = matches!(routine.name, "array_position") || arguments.iter().any(|argument| argument.nullable);
    made(routine, arguments, rule, data_type, nullable, span, catalog)
}

fn made(
    routine: &'static Routine,
    arguments: Vec<Expr>,
    rule: Option<ElementRule>,
    data_type: DataType,
    nullable: bool,
    span: Span,
    catalog: &SourceCatalog,
) -> Result<Expr, Refusal> {
    let mut call = typing::conversion(catalog)?;
    call.routine = routine;
    call.elements = rule.map(Arc::new);
    Ok(node(ExprKind::Call { function: Function::Postgres(Box::new(call)), arguments }, data_type, nullable, span))
}

/// An element type has no length.
fn plain(data_type: DataType) -> DataType {
    match data_type {
        DataType::Text { fixed: false, charset, collation, .. } => {
            DataType::Text { length: None, fixed: false, charset, collation }
        }
        DataType::Decimal { .. } => DataType::Numeric,
        other => other,
    }
}

fn sample(element: &DataType) -> Expr {
    Expr { kind: ExprKind::Literal(Value::Null), data_type: element.clone(), nullable: true, span: 0..0 }
}

fn own_rule(element: &DataType, catalog: &SourceCatalog) -> Result<ElementRule, Refusal> {
    let (compared, kind) = compare::own_rule(sample(element), false, catalog)?;
    if !matches!(compared.kind, ExprKind::Literal(_)) {
        return Err(Refusal::new("elements of this type are not compared exactly", "compare the elements in the service"));
    }
    Ok(ElementRule::equality(kind))
}

/// `value operator ANY (array)` and `.. ALL (array)`.
///
/// # Errors
/// The array is none, or its elements would have to be converted.
pub fn quantify(
    operator: CompareOperator,
    value: Expr,
    array: Expr,
    all: bool,
    span: Span,
    catalog: &SourceCatalog,
) -> Result<Expr, Refusal> {
    let array = match Kind::of(&array.data_type) {
        Kind::Unknown => {
            let value = typing::settle(value.clone(), catalog)?;
            typing::coerce(array, &DataType::Array { element: Box::new(plain(value.data_type)) }, catalog)?
        }
        _ => array,
    };
    let DataType::Array { element } = &array.data_type else {
        return Err(Refusal::new("ANY and ALL take an array", "write x = ANY (ARRAY[1, 2]) or x IN (1, 2)"));
    };
    let compared = compare::compare(operator, value, sample(element), span.clone(), catalog)?;
    let ExprKind::Compare { rule, left, right, .. } = compared.kind else {
        return Err(Refusal::new("these values cannot be compared", "cast one of them"));
    };
    if !matches!(right.kind, ExprKind::Literal(_)) {
        return Err(Refusal::new("the elements would have to be converted", "cast the value to the type of the elements"));
    }
    let rule = ElementRule { kind: rule, operator };
    let routine = if all { &ALL } else { &ANY };
    // A NULL among the elements may decide.
    made(routine, vec![*left, array], Some(rule), DataType::Boolean, true, span, catalog)
}

/// `array[index]`.
///
/// # Errors
/// What is taken apart is no array.
pub fn subscript(array: Expr, index: Expr, span: Span, catalog: &SourceCatalog) -> Result<Expr, Refusal> {
    let DataType::Array { element } = array.data_type.clone() else {
        return Err(Refusal::new("a subscript belongs to an array", "write -> for JSON"));
    };
    let index = typing::coerce(index, &DataType::Integer { bits: 32, unsigned: false }, catalog)?;
    if Kind::of(&index.data_type) != Int4 {
        return Err(Refusal::new("a subscript is an integer", "cast it"));
    }
    made(&SUBSCRIPT, vec![array, index], None, *element, true, span, catalog)
}

/// `ARRAY[a, b, ..]`.
///
/// # Errors
/// Elements without a common type, arrays of arrays, and an empty list.
pub fn constructor(elements: Vec<Expr>, span: Span, catalog: &SourceCatalog) -> Result<Expr, Refusal> {
    if elements.is_empty() {
        return Err(Refusal::new("an empty ARRAY[] has no type", "write '{}'::type[]"));
    }
    let (elements, data_type) = typing::unify(elements, catalog)?;
    if matches!(Kind::of(&data_type), Array | Kind::TextArray | Kind::Native) {
        return Err(Refusal::new("an array of these elements is not carried", "map the columns themselves"));
    }
    let array = DataType::Array { element: Box::new(plain(data_type)) };
    made(&CONSTRUCTOR, elements, None, array, false, span, catalog)
}

fn printed(a: &Arguments<'_>, value: &Value, data_type: &DataType) -> Result<Option<String>, Fault> {
    if value.is_null() { Ok(None) } else { output::text(value, data_type, a.call).map(Some) }
}

/// The elements of an argument as values.
fn elements(a: &Arguments<'_>, index: usize) -> Result<Vec<Value>, Fault> {
    let Some(DataType::Array { element }) = a.types.get(index) else { return Err(WRONG) };
    let text = DataType::Text { length: None, fixed: false, charset: "UTF8".into(), collation: String::new() };
    let value = |found: Option<String>| match found {
        None => Ok(Value::Null),
        Some(found) => match &**element {
            DataType::Native { .. } | DataType::NamedEnum { .. } => Ok(Value::text(found)),
            element => convert::convert(&Value::text(found), &text, element, a.call),
        },
    };
    read(a.text(index)?)?.elements.into_iter().map(value).collect()
}

fn texts(a: &Arguments<'_>, index: usize) -> Result<Vec<Option<String>>, Fault> {
    if a.get(index).is_null() { Ok(Vec::new()) } else { Ok(read(a.text(index)?)?.elements) }
}

fn appended(a: &Arguments<'_>, array: usize, element: usize, in_front: bool) -> Result<Value, Fault> {
    let mut parts = texts(a, array)?;
    let one = printed(a, a.get(element), a.types.get(element).ok_or(WRONG)?)?;
    parts.insert(if in_front { 0 } else { parts.len() }, one);
    Ok(Value::text(write(&parts)))
}

fn joined(a: &Arguments<'_>) -> Result<Value, Fault> {
    match (a.get(0), a.get(1)) {
        (Value::Null, other) | (other, Value::Null) => Ok(other.clone()),
        _ => Ok(Value::text(write(&[texts(a, 0)?, texts(a, 1)?].concat()))),
    }
}

fn rule<'a>(a: &Arguments<'a>) -> Result<&'a ElementRule, Fault> {
    a.call.elements.as_deref().ok_or(WRONG)
}

/// Whether two elements are equal; NULL is equal to nothing.
fn equal(a: &Arguments<'_>, left: &Value, right: &Value) -> Result<bool, Fault> {
    rule(a)?.kind.compare(left, right).map(|order| order.is_some_and(std::cmp::Ordering::is_eq)).map_err(|_| WRONG)
}

/// Whether two elements are equal or both NULL.
fn same(a: &Arguments<'_>, left: &Value, right: &Value) -> Result<bool, Fault> {
    if left.is_null() || right.is_null() { Ok(left.is_null() && right.is_null()) } else { equal(a, left, right) }
}

fn any(values: &[Value], test: impl Fn(&Value) -> Result<bool, Fault>) -> Result<bool, Fault> {
    for value in values {
        if test(value)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether every element of one array is in the other.
fn contained(a: &Arguments<'_>, inner: usize, outer: usize) -> Result<Value, Fault> {
    let (inner, outer) = (elements(a, inner)?, elements(a, outer)?);
    let missing = any(&inner, |one| any(&outer, |other| equal(a, one, other)).map(|found| !found))?;
    Ok(Value::Bool(!missing))
}

fn removed(a: &Arguments<'_>) -> Result<Value, Fault> {
    if a.get(0).is_null() {
        return Ok(Value::Null);
    }
    let mut kept = Vec::new();
    for (element, text) in elements(a, 0)?.iter().zip(texts(a, 0)?) {
        if !same(a, element, a.get(1))? {
            kept.push(text);
        }
    }
    Ok(Value::text(write(&kept)))
}

fn position(a: &Arguments<'_>, from: i64) -> Result<Value, Fault> {
    if a.get(0).is_null() {
        return Ok(Value::Null);
    }
    for (number, element) in (1_i64..).zip(&elements(a, 0)?) {
        if number >= from && same(a, element, a.get(1))? {
            return Ok(Value::Int(number));
        }
    }
    Ok(Value::Null)
}

fn quantified(a: &Arguments<'_>, all: bool) -> Result<Value, Fault> {
    use CompareOperator as C;
    if a.get(1).is_null() {
        return Ok(Value::Null);
    }
    let ElementRule { kind, operator } = rule(a)?;
    let mut is_open = false;
    for element in elements(a, 1)? {
        let Some(order) = kind.compare(a.get(0), &element).map_err(|_| WRONG)? else {
            is_open = true;
            continue;
        };
        let holds = match operator {
            C::Equal | C::NullSafeEqual => order.is_eq(),
            C::NotEqual => order.is_ne(),
            C::Less => order.is_lt(),
            C::LessOrEqual => order.is_le(),
            C::Greater => order.is_gt(),
            C::GreaterOrEqual => order.is_ge(),
        };
        if holds != all {
            return Ok(Value::Bool(holds));
        }
    }
    Ok(if is_open { Value::Null } else { Value::Bool(all) })
}
