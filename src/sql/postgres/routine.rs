//! Which operator or function a call means, and how its value comes about.
//!
//! A [`Routine`] is one row of PostgreSQL's `pg_proc` or `pg_operator` with its computation. [`choose`] finds the row that the server would
//! find (chapter 10 of its manual, `func_select_candidate`), provided that all rows of a name are in the tables: those that are not carried
//! are there too, without a computation, so that they are refused by name instead of being taken for their neighbours.

use jiff::tz::TimeZone;

use super::kind::{Category, Kind};
use crate::error::Result;
use crate::schema::DataType;
use crate::sql::functions::no_value;
use crate::sql::query::{Expr, ExprKind};
use crate::sql::types::Refusal;
use crate::value::Value;

/// Why a computation has no value: the server's own error, lower case, without a value in it.
pub type Fault = &'static str;

/// The computation of a routine.
pub type Compute = fn(&Arguments<'_>) -> Result<Value, Fault>;

/// One operator or function with one list of argument types.
pub struct Routine {
    /// Name as in a SELECT, lower case; operators by their sign, casts as `::`.
    pub name: &'static str,
    /// The kinds of its arguments.
    pub arguments: &'static [Kind],
    /// The kind of its result.
    pub result: Kind,
    /// Whether NULL in an argument makes the result NULL without a computation.
    pub strict: bool,
    /// How it is computed; `None`: it exists but is not carried.
    pub compute: Option<Compute>,
}

impl std::fmt::Debug for Routine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{:?}", self.name, self.arguments)
    }
}

impl PartialEq for Routine {
    /// By name and signature: there is one of each.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.arguments == other.arguments
    }
}

/// A routine with the settings that its result depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Which.
    pub routine: &'static Routine,
    /// The session's time zone, where the routine asks for it; else UTC.
    pub zone: TimeZone,
    /// Whether only ASCII letters have a case (`LC_CTYPE` C or POSIX).
    pub ascii_case: bool,
    /// How the elements of its arrays compare, where they do.
    pub elements: Option<std::sync::Arc<super::array_calls::ElementRule>>,
    /// The regular expression of a routine that takes one.
    pub pattern: Option<std::sync::Arc<super::regular::Compiled>>,
}

/// What a computation sees.
#[derive(Debug)]
pub struct Arguments<'a> {
    /// The values.
    pub values: &'a [Value],
    /// Their types.
    pub types: Vec<&'a DataType>,
    /// The type of the result.
    pub result: &'a DataType,
    /// The call.
    pub call: &'a Call,
}

impl Arguments<'_> {
    /// The n-th value; NULL if there is none.
    #[must_use]
    pub fn get(&self, index: usize) -> &Value {
        self.values.get(index).unwrap_or(&Value::Null)
    }

    /// The n-th value as text.
    ///
    /// # Errors
    /// If it is no text.
    pub fn text(&self, index: usize) -> Result<&str, Fault> {
        match self.get(index) {
            Value::Text(text) => Ok(text),
            _ => Err(WRONG),
        }
    }

    /// The n-th value as an integer.
    ///
    /// # Errors
    /// If it is no integer.
    pub fn int(&self, index: usize) -> Result<i64, Fault> {
        match self.get(index) {
            Value::Int(number) => Ok(*number),
            _ => Err(WRONG),
        }
    }

    /// The n-th value as a double.
    ///
    /// # Errors
    /// If it is no float.
    pub fn double(&self, index: usize) -> Result<f64, Fault> {
        match self.get(index) {
            Value::Double(number) => Ok(*number),
            Value::Float(number) => Ok(f64::from(*number)),
            _ => Err(WRONG),
        }
    }
}

/// A value of another kind than was bound.
pub const WRONG: Fault = "a value of another type than it was bound to was met";

impl Call {
    /// The value of the call.
    ///
    /// # Errors
    /// [`crate::error::Class::Person`] where the server would raise an error, naming the place in the SELECT.
    pub fn evaluate(&self, expr: &Expr, values: &[Value]) -> Result<Value> {
        if self.routine.strict && values.iter().any(Value::is_null) {
            return Ok(Value::Null);
        }
        let types = match &expr.kind {
            ExprKind::Call { arguments, .. } => arguments.iter().map(|argument| &argument.data_type).collect(),
            _ => Vec::new(),
        };
        let arguments = Arguments { values, types, result: &expr.data_type, call: self };
        match self.routine.compute {
            Some(compute) => compute(&arguments).map_err(|fault| no_value(expr, fault)),
            None => Err(no_value(expr, "a routine that is not carried was bound")),
        }
    }
}

/// The routine that the server would choose for arguments of these kinds.
///
/// # Errors
/// If there is none, several fit equally, or the chosen one is not carried.
pub fn choose(
    name: &str,
    candidates: &[&'static Routine],
    arguments: &[Kind],
    is_operator: bool,
) -> Result<&'static Routine, Refusal> {
    let written = || {
        let names: Vec<&str> = arguments.iter().map(|kind| kind.name()).collect();
        if is_operator {
            format!("{} {name} {}", names.first().unwrap_or(&""), names.get(1).unwrap_or(&""))
        } else {
            format!("{name}({})", names.join(", "))
        }
    };
    let same_arity: Vec<&'static Routine> =
        candidates.iter().copied().filter(|routine| routine.arguments.len() == arguments.len()).collect();
    let found = exact(&same_arity, arguments, is_operator).map_or_else(|| best(&same_arity, arguments), Some);
    match found {
        Some(routine) if routine.compute.is_some() => Ok(routine),
        Some(_) => Err(Refusal::new(
            format!("{} is not carried exactly", written()),
            "compute it in the service, or map the columns themselves",
        )),
        None if same_arity.iter().any(|routine| fits(routine, arguments)) => {
            Err(Refusal::new(format!("{} is ambiguous", written()), "cast the arguments to the types that you mean"))
        }
        None if candidates.is_empty() => Err(Refusal::new(
            format!("the {} {name} is not supported", if is_operator { "operator" } else { "function" }),
            "compute it in the service, or map the columns themselves",
        )),
        None => Err(Refusal::new(format!("there is no {}", written()), "cast the arguments to types that it takes")),
    }
}

fn fits(routine: &Routine, arguments: &[Kind]) -> bool {
    routine.arguments.iter().zip(arguments).all(|(wanted, given)| matches(*given, *wanted))
}

fn matches(given: Kind, wanted: Kind) -> bool {
    match wanted {
        Kind::Element => !matches!(given, Kind::Array | Kind::TextArray),
        _ => given.becomes(wanted),
    }
}

/// A pseudo-type is never the same as the type that stands for it.
fn same(given: Kind, wanted: Kind) -> bool {
    given == wanted
}

fn exact(candidates: &[&'static Routine], arguments: &[Kind], is_operator: bool) -> Option<&'static Routine> {
    // An operator with one literal: the literal is first assumed to be of the other side's type.
    let assumed: Vec<Kind> = match arguments {
        [Kind::Unknown, right] if is_operator => vec![*right, *right],
        [left, Kind::Unknown] if is_operator => vec![*left, *left],
        other => other.to_vec(),
    };
    let fits = |routine: &&&'static Routine| routine.arguments.iter().zip(&assumed).all(|(wanted, given)| wanted == given);
    candidates.iter().find(fits).copied()
}

fn best(candidates: &[&'static Routine], arguments: &[Kind]) -> Option<&'static Routine> {
    let left: Vec<&'static Routine> = candidates.iter().copied().filter(|routine| fits(routine, arguments)).collect();
    let known = |index: usize, given: Kind| (given != Kind::Unknown).then_some(index);
    let left = most(left, |routine| {
        let pairs = routine.arguments.iter().zip(arguments).enumerate();
        pairs.filter(|(index, (wanted, given))| known(*index, **given).is_some() && same(**given, **wanted)).count()
    });
    let left = most(left, |routine| {
        let pairs = routine.arguments.iter().zip(arguments);
        let counts = |(wanted, given): &(&Kind, &Kind)| {
            **given != Kind::Unknown
                && (same(**given, **wanted) || (wanted.is_preferred() && wanted.category() == given.category()))
        };
        pairs.filter(counts).count()
    });
    if let [only] = left.as_slice() {
        return Some(only);
    }
    let left = by_literals(left, arguments);
    if let [only] = left.as_slice() {
        return Some(only);
    }
    // All known arguments are of one type: the literals may be of it too.
    let mut kinds = arguments.iter().filter(|kind| **kind != Kind::Unknown);
    let first = kinds.next()?;
    if kinds.all(|kind| kind == first) {
        let all: Vec<Kind> = arguments.iter().map(|_| *first).collect();
        let mut fitting = left.iter().filter(|routine| fits(routine, &all));
        return match (fitting.next(), fitting.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        };
    }
    None
}

/// Narrows by the category that literals have: strings where some candidate takes one, else the only category there is; then by preference.
fn by_literals(candidates: Vec<&'static Routine>, arguments: &[Kind]) -> Vec<&'static Routine> {
    let mut left = candidates;
    for (index, _) in arguments.iter().enumerate().filter(|(_, kind)| **kind == Kind::Unknown) {
        let category = |routine: &&'static Routine| routine.arguments.get(index).map(|kind| kind.category());
        let Some(first) = left.first().and_then(category) else { return left };
        let wanted = if left.iter().any(|routine| category(routine) == Some(Category::String)) {
            Category::String
        } else if left.iter().all(|routine| category(routine) == Some(first)) {
            first
        } else {
            return left;
        };
        let same: Vec<&'static Routine> = left.iter().copied().filter(|routine| category(routine) == Some(wanted)).collect();
        let preferred = |routine: &&'static Routine| routine.arguments.get(index).is_some_and(|kind| kind.is_preferred());
        left = if same.iter().any(preferred) { same.into_iter().filter(|routine| preferred(routine)).collect() } else { same };
    }
    left
}

fn most(candidates: Vec<&'static Routine>, score: impl Fn(&Routine) -> usize) -> Vec<&'static Routine> {
    let highest = candidates.iter().map(|routine| score(routine)).max().unwrap_or(0);
    candidates.into_iter().filter(|routine| score(routine) == highest).collect()
}
