//! The functions and operators that mappings may use, with the source's result types and values.
//!
//! [`resolve`] turns a name and typed arguments into a typed call, with the server's implicit conversions written out. [`call`]
//! computes a call from values. Session settings that change a result are kept in the [`Function`], so that a stored plan means
//! what it meant when it was made. Unknown names and unreproduced forms are refused.

mod addresses;
pub mod adopted;
mod arithmetic;
mod bits;
pub mod case_map;
#[rustfmt::skip] // one line holds several runs
mod case_tables;
mod choice;
mod clock;
pub mod coerce;
mod complete_dates;
mod date_arithmetic;
mod date_format;
mod date_parts;
mod date_resolve;
mod decimals;
mod doubles;
mod encodings;
mod json;
mod numerals;
mod packed_dates;
mod pattern;
pub mod published;
mod regexp;
mod search;
mod spelling;
mod str_to_date;
pub mod temporal_text;
mod text;
mod text_resolve;
mod units;

pub use date_parts::Part;
pub use date_resolve::{date_add, extract, timestamp_diff};
pub use search::like_matches;

pub use clock::Clock;
pub use doubles::DoubleFunction;
pub use encodings::Encoding;
pub use json::{JsonCall, JsonFunction};
pub use numerals::Numeral;
pub use packed_dates::Packing;
pub use regexp::RegexpCall;
pub use spelling::Spelling;
pub use units::Unit;

pub(crate) use arithmetic::quotient;
pub(crate) use clock::text_to_time;
pub(crate) use json::{json_text, makes_json, member_value, quoted_json};
pub(crate) use packed_dates::{integral_digits as date_digits, to_number as date_to_number};

use crate::error::{Class, Error, Result};
use crate::sql::query::{Expr, ExprKind, Span};
use crate::sql::types::{Refusal, Repertoire, TypeContext};
use crate::value::{Collation, KeyKind, Value};

/// How the session reads and makes odd dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TemporalRules {
    /// MariaDB cuts fractions of a second where MySQL rounds them.
    pub mariadb: bool,
    /// `NO_ZERO_DATE`.
    pub no_zero_date: bool,
    /// `NO_ZERO_IN_DATE`.
    pub no_zero_in_date: bool,
}

impl TemporalRules {
    /// The same rules without the checks of zero dates, for conversions that keep a value as it is.
    #[must_use]
    pub fn lenient(self) -> Self {
        Self { no_zero_date: false, no_zero_in_date: false, ..self }
    }
}

/// A function or an operator, with the settings its result depends on.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    missing_docs,
    reason = "each variant is the SQL function or operator of its name; fields are the session settings it was resolved under"
)]
pub enum Function {
    // numbers
    Add,
    Subtract,
    Multiply,
    Divide { increment: u16 },
    IntegerDivide { least: bool },
    Remainder { signs_zero: bool },
    Negate,
    Absolute,
    Sign,
    Round { truncate: bool },
    Ceiling,
    Floor,
    BitAnd,
    BitOr,
    BitXor,
    BitNot,
    ShiftLeft,
    ShiftRight,
    // choice
    Coalesce,
    NullIf { rule: KeyKind },
    Greatest { rule: KeyKind },
    Least { rule: KeyKind },
    Field { rule: KeyKind },
    Element,
    // strings
    Concat,
    ConcatSeparated,
    Left,
    Right,
    Substring,
    SubstringIndex,
    Trim { leading: bool, trailing: bool },
    Upper { map: case_map::CaseMap },
    Lower { map: case_map::CaseMap },
    Length { charset: text::ByteWidth },
    CharacterLength,
    Replace,
    PadLeft,
    PadRight,
    Repeat,
    Reverse,
    Insert,
    Locate { collation: Collation, by_bytes: bool },
    FindInSet { collation: Collation },
    StringCompare { collation: Collation },
    Ascii,
    Hex,
    Unhex,
    Like { escape: Option<char>, collation: Collation },
    Collate,
    CastText { length: Option<u32> },
    // dates
    ToDate(TemporalRules),
    StopIncomplete,
    ToDateTime { fraction: u8, rules: TemporalRules },
    ToTime { fraction: u8, rules: TemporalRules },
    TextToDate(TemporalRules),
    TextToDateTime { fraction: u8, rules: TemporalRules },
    DatePart(Part),
    DateFormat(TemporalRules),
    StrToDate(TemporalRules),
    AddInterval { unit: Unit, subtract: bool },
    DateDifference,
    TimestampDifference { unit: Unit },
    LastDay,
    MakeDate,
    FromDays,
    UnixTimestamp { offset_s: i32 },
    FromUnixTime { offset_s: i32 },
    Clock(Clock),
    Packing(Packing),
    // floating point, notations, spellings
    Double(DoubleFunction),
    Numeral(Numeral),
    Encoding(Encoding),
    Spelling(Spelling),
    Json(JsonCall),
    Regexp(RegexpCall),
    CastBytes { length: u32, by_characters: bool },
    BytesToText,
    // a column of another source
    Adopted(Box<adopted::Adopted>),
    // PostgreSQL
    Postgres(Box<crate::sql::postgres::routine::Call>),
    PostgresExtreme { rule: KeyKind, greatest: bool },
}

impl Function {
    /// Whether the result has exactly its type's scale, whatever its arguments carry.
    #[must_use]
    pub fn rounds(&self) -> bool {
        matches!(self, Self::Round { .. } | Self::Ceiling | Self::Floor | Self::IntegerDivide { .. })
    }

    /// Whether MariaDB takes the made-up text for one of any letters.
    #[must_use]
    pub fn is_of_any_letters(&self) -> bool {
        matches!(
            self,
            Self::Numeral(Numeral::Convert | Numeral::Format { .. } | Numeral::NumberToAddress)
                | Self::Encoding(Encoding::Md5 | Encoding::Sha1 | Encoding::Sha2)
        )
    }

    /// Whether it makes something of a NULL, and the optimizer of its server believes that it makes NULL of it.
    #[must_use]
    pub fn is_taken_for_null(&self, mariadb: bool) -> bool {
        match self {
            Self::Field { .. } | Self::Element | Self::Spelling(Spelling::MakeSet) | Self::Numeral(Numeral::IntervalIndex) => {
                true
            }
            Self::Spelling(Spelling::Quote) => !mariadb,
            Self::Spelling(Spelling::Characters) | Self::Encoding(Encoding::IsIpv4 | Encoding::IsIpv6) => mariadb,
            Self::Json(call) => mariadb && call.takes_null(),
            _ => false,
        }
    }

    /// How strongly a string result's collation is meant, where that does not follow from the arguments.
    #[must_use]
    pub fn collation_strength(&self) -> Option<(u8, Repertoire)> {
        use crate::sql::types::strength;
        match self {
            Self::Collate => Some(strength::COLLATE),
            Self::CastText { .. } => Some(strength::CAST),
            Self::Hex | Self::DateFormat(_) | Self::DatePart(_) | Self::Numeral(_) | Self::Encoding(_) | Self::Clock(_) => {
                Some(strength::MADE_UP)
            }
            Self::BytesToText => Some(strength::CAST),
            Self::Json(call) if call.is_coercible() => Some((strength::MADE_UP.0, Repertoire::Full)),
            _ => None,
        }
    }
}

/// Types a call of the function or operator `name` (upper case; operators are `+ - * / DIV % NEG & | ^ ~ << >>`).
///
/// TRIM's forms are `TRIM_BOTH`, `TRIM_LEADING`, `TRIM_TRAILING` with the arguments (string, characters). Functions with a unit
/// are [`date_add`], [`timestamp_diff`] and [`extract`].
///
/// # Errors
/// For unknown names, wrong numbers of arguments and forms that are not carried exactly.
pub fn resolve(name: &str, arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    if json::NAMES.contains(&name) {
        return json::resolve(name, arguments, span, context);
    }
    for argument in &arguments {
        let is_list = matches!(&argument.kind, ExprKind::Call { function: Function::Spelling(Spelling::ExportSet), .. });
        if is_list && !context.is_mariadb() {
            return Err(Refusal::new(
                format!("{name} of EXPORT_SET, whose result MySQL writes over others"),
                "give EXPORT_SET a column of its own",
            ));
        }
        crate::sql::types::refuse_open_quotient(argument, context)?;
        if matches!(argument.data_type, crate::schema::DataType::Json | crate::schema::DataType::Unsupported { .. }) {
            return Err(Refusal::new(
                format!("{name} is applied to {}", crate::sql::types::type_name(&argument.data_type)),
                "map the column as it is, or leave it out",
            ));
        }
    }
    match name {
        "+" | "-" | "*" | "/" | "DIV" | "%" | "MOD" | "NEG" => arithmetic::resolve(name, arguments, span, context),
        "ABS" | "SIGN" | "ROUND" | "TRUNCATE" | "CEIL" | "CEILING" | "FLOOR" => decimals::resolve(name, arguments, span, context),
        "&" | "|" | "^" | "~" | "<<" | ">>" => bits::resolve(name, arguments, span),
        "IF" | "IFNULL" | "NVL" | "NVL2" | "NULLIF" | "COALESCE" | "ISNULL" | "GREATEST" | "LEAST" | "FIELD" | "ELT" => {
            choice::resolve(name, arguments, span, context)
        }
        _ if regexp::NAMES.contains(&name) => regexp::resolve(name, arguments, span, context),
        _ if numerals::NAMES.contains(&name) => numerals::resolve(name, arguments, span, context),
        _ if encodings::NAMES.contains(&name) => encodings::resolve(name, arguments, span, context),
        _ if spelling::NAMES.contains(&name) => spelling::resolve(name, arguments, span, context),
        _ if clock::NAMES.contains(&name) => clock::resolve(name, arguments, span, context),
        _ if doubles::NAMES.contains(&name) => doubles::resolve(name, arguments, span, context),
        _ => match text_resolve::resolve(name, arguments, span.clone(), context)? {
            Ok(expr) => Ok(expr),
            Err(arguments) => date_resolve::resolve(name, arguments, span, context),
        },
    }
}

/// Checks how many arguments a call has.
fn arity(name: &str, arguments: &[Expr], allowed: std::ops::RangeInclusive<usize>) -> Result<(), Refusal> {
    if allowed.contains(&arguments.len()) {
        return Ok(());
    }
    let expected = if allowed.start() == allowed.end() {
        allowed.start().to_string()
    } else if *allowed.end() == usize::MAX {
        format!("at least {}", allowed.start())
    } else {
        format!("{} to {}", allowed.start(), allowed.end())
    };
    Err(Refusal::new(format!("{name} takes {expected} arguments, not {}", arguments.len()), ""))
}

/// Takes the arguments of a call whose number was checked.
fn take<const N: usize>(name: &str, arguments: Vec<Expr>) -> Result<[Expr; N], Refusal> {
    let found = arguments.len();
    <[Expr; N]>::try_from(arguments).map_err(|_| Refusal::new(format!("{name} takes {N} arguments, not {found}"), ""))
}

/// Computes a call whose arguments are `values`. [`Function::Coalesce`] and [`Function::NullIf`] are given all their values too.
///
/// # Errors
/// [`Class::Person`] where the source would raise an error for these values, or where its answer is not carried exactly.
pub fn call(function: &Function, expr: &Expr, values: &[Value]) -> Result<Value> {
    use Function as F;
    match function {
        F::Coalesce | F::NullIf { .. } | F::Field { .. } | F::Element => return choice::call(function, expr, values),
        F::ConcatSeparated => return text::concat_separated(values),
        F::Json(json) => return json::call(json, expr, values),
        F::Spelling(kind) => return spelling::call(*kind, expr, values),
        F::Numeral(Numeral::IntervalIndex) => return numerals::call(Numeral::IntervalIndex, expr, values),
        F::Postgres(call) => return call.evaluate(expr, values),
        F::PostgresExtreme { rule, greatest } => return choice::extreme_present(rule, *greatest, values),
        _ => {}
    }
    if values.iter().any(Value::is_null) {
        return Ok(Value::Null);
    }
    match function {
        F::Adopted(adopted) => adopted.call(values.first().unwrap_or(&Value::Null), &expr.data_type),
        F::Add | F::Subtract | F::Multiply | F::Divide { .. } | F::IntegerDivide { .. } | F::Remainder { .. } | F::Negate => {
            arithmetic::call(function, expr, values)
        }
        F::Absolute | F::Sign | F::Round { .. } | F::Ceiling | F::Floor => decimals::call(function, expr, values),
        F::BitAnd | F::BitOr | F::BitXor | F::BitNot | F::ShiftLeft | F::ShiftRight => bits::call(function, values),
        F::Greatest { .. } | F::Least { .. } => choice::call(function, expr, values),
        F::Locate { .. } | F::FindInSet { .. } | F::StringCompare { .. } | F::Like { .. } => search::call(function, expr, values),
        F::ToDate(_)
        | F::StopIncomplete
        | F::ToDateTime { .. }
        | F::ToTime { .. }
        | F::TextToDate(_)
        | F::TextToDateTime { .. } => temporal_text::call(function, expr, values),
        F::DatePart(part) => date_parts::call(*part, expr, values),
        F::Clock(kind) => clock::call(*kind, expr, values),
        F::Packing(packing) => packed_dates::call(*packing, expr, values),
        F::Double(function) => doubles::call(*function, expr, values),
        F::Numeral(kind) => numerals::call(*kind, expr, values),
        F::Encoding(kind) => encodings::call(*kind, expr, values),
        F::Regexp(regexp) => regexp::call(regexp, expr, values),
        F::DateFormat(rules) => date_format::call(*rules, expr, values),
        F::StrToDate(rules) => str_to_date::call(*rules, expr, values),
        F::AddInterval { .. }
        | F::DateDifference
        | F::TimestampDifference { .. }
        | F::LastDay
        | F::MakeDate
        | F::FromDays
        | F::UnixTimestamp { .. }
        | F::FromUnixTime { .. } => date_arithmetic::call(function, expr, values),
        _ => text::call(function, expr, values),
    }
}

/// An evaluation that has no value: the source would raise an error, or its answer is not carried exactly.
pub(crate) fn no_value(expr: &Expr, what: &str) -> Error {
    Error::new(
        Class::Person,
        format!("{what} in the expression at bytes {}..{} of the mapping's SELECT", expr.span.start, expr.span.end),
    )
}

/// A call whose values are not of the types it was resolved for.
pub(crate) fn mismatch(what: &str) -> Error {
    Error::bug(format!("{what} was computed from values of other types than it was bound to"))
}
