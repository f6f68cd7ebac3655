//! Regular expressions on the subset that PCRE2 (MariaDB), ICU (MySQL) and the engine here match alike: REGEXP, RLIKE, REGEXP_LIKE,
//! REGEXP_INSTR, REGEXP_SUBSTR, REGEXP_REPLACE with constant patterns.
//!
//! The subset: literals, `.`, classes, `^`, `$`, greedy and lazy quantifiers, groups, alternation, `\d \w \s \b` and their negations.
//! Where engines read a subject differently (line ends under `.` and `$`, letters of scripts whose classes are defined differently),
//! the call has no value.

use std::sync::Arc;

use regex::Regex;

use crate::error::Result;
use crate::schema::DataType;
use crate::sql::functions::pattern::{self, Pattern};
use crate::sql::functions::text_resolve::{character_text, text_node};
use crate::sql::functions::{Function, coerce, mismatch, no_value, take};
use crate::sql::query::{Expr, ExprKind, Span};
use crate::sql::types::{BOOLEAN, Refusal, TypeContext, aggregate_text, constant, node, text_length};
use crate::value::Value;

/// What is done with the pattern: the variants are the functions of their names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Use {
    Like,
    Position,
    /// `empty`: what is not found is an empty string (MariaDB), not NULL.
    Part {
        empty: bool,
    },
    Replace {
        with: String,
    },
}

/// A compiled pattern and its use.
#[derive(Debug, Clone)]
pub struct RegexpCall {
    what: Use,
    source: Pattern,
    is_caseless: bool,
    compiled: Arc<Regex>,
}

impl PartialEq for RegexpCall {
    fn eq(&self, other: &Self) -> bool {
        (&self.what, &self.source, self.is_caseless) == (&other.what, &other.source, other.is_caseless)
    }
}

/// The names this file types.
pub(super) const NAMES: [&str; 6] = ["REGEXP", "RLIKE", "REGEXP_LIKE", "REGEXP_INSTR", "REGEXP_SUBSTR", "REGEXP_REPLACE"];

pub(super) fn resolve(name: &str, arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    if name == "REGEXP_LIKE" && context.is_mariadb() {
        return Err(Refusal::new("REGEXP_LIKE is not a function of this source", "write a REGEXP b"));
    }
    let mut arguments = arguments;
    let replacement = if name == "REGEXP_REPLACE" && arguments.len() == 3 { arguments.pop() } else { None };
    let [text, pattern] = take(name, arguments).map_err(|_| {
        Refusal::new(
            format!("this form of {name} is not carried"),
            "give it a string and a constant pattern, no position or flags",
        )
    })?;
    let Some(Value::Text(source)) = constant(&pattern) else {
        return Err(Refusal::new("a regular expression that is not a constant", "write it as a string"));
    };
    let source = pattern::parse(source)?;
    if !context.is_mariadb() && (text.data_type == DataType::Null || is_made_of_nothing(&text)) {
        return Err(Refusal::new("a regular expression over a NULL, which MySQL takes for a binary string", "leave it out"));
    }
    let text = character_text(text, context)?;
    let traits = aggregate_text(&[&text, &pattern], context)?;
    if !traits.charset.starts_with("utf8") {
        return Err(Refusal::new(
            format!("a regular expression over {} strings", traits.charset),
            "convert with CONVERT(.. USING utf8mb4)",
        ));
    }
    let is_caseless = !(traits.collation.ends_with("_bin") || traits.collation.ends_with("_cs"));
    if is_caseless && source.has_cased_letter {
        return Err(Refusal::new(
            "a regular expression with letters beyond ASCII that have two cases",
            "compare under a binary collation (COLLATE utf8mb4_bin)",
        ));
    }
    let compiled = regex::RegexBuilder::new(&source.translated).case_insensitive(is_caseless).build();
    let compiled =
        compiled.map_err(|_| Refusal::new("a regular expression that is too large or not valid", "make it smaller"))?;
    let (nullable, length) = (text.nullable, text_length(&text));
    let what = match (name, replacement) {
        ("REGEXP_INSTR", _) => Use::Position,
        ("REGEXP_SUBSTR", _) => Use::Part { empty: context.is_mariadb() },
        ("REGEXP_REPLACE", Some(with)) => Use::Replace { with: replacement_of(&with, context)? },
        ("REGEXP_REPLACE", None) => return Err(Refusal::new("REGEXP_REPLACE takes a string, a pattern and a replacement", "")),
        _ => Use::Like,
    };
    let call = RegexpCall { what: what.clone(), source, is_caseless, compiled: Arc::new(compiled) };
    let function = Function::Regexp(call);
    if matches!(what, Use::Like | Use::Position) {
        return Ok(node(ExprKind::Call { function, arguments: vec![text] }, BOOLEAN, nullable, span));
    }
    let length = if matches!(what, Use::Replace { .. }) { None } else { length };
    let is_optional = what == Use::Part { empty: false };
    let mut expr = text_node(function, vec![text], length, traits.charset, traits.collation, span);
    expr.nullable |= is_optional;
    Ok(expr)
}

/// Whether a text is computed from NULL alone.
fn is_made_of_nothing(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Literal(Value::Null) => true,
        ExprKind::Cast(inner) => is_made_of_nothing(inner),
        ExprKind::Call { arguments, .. } => arguments.first().is_some_and(is_made_of_nothing),
        _ => false,
    }
}

/// A constant replacement in the notation of the engine here: `\1` on MariaDB and `$1` on MySQL are groups.
fn replacement_of(with: &Expr, context: &TypeContext<'_>) -> Result<String, Refusal> {
    let refuse =
        || Refusal::new("a replacement that is not a constant of letters and groups", "write letters, digits, blanks and groups");
    let (Some(Value::Text(text)), DataType::Text { .. }) = (constant(with), &with.data_type) else { return Err(refuse()) };
    let (group, foreign) = if context.is_mariadb() { ('\\', '$') } else { ('$', '\\') };
    let mut out = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == group {
            let digit = characters.next().filter(|digit| ('1'..='9').contains(digit)).ok_or_else(refuse)?;
            if characters.peek().is_some_and(char::is_ascii_digit) {
                return Err(refuse());
            }
            out.push_str(&format!("${{{digit}}}"));
        } else if character == foreign {
            return Err(refuse());
        } else {
            out.push(character);
        }
    }
    Ok(out)
}

pub(super) fn call(call: &RegexpCall, expr: &Expr, values: &[Value]) -> Result<Value> {
    let [text] = values else { return Err(mismatch("a regular expression")) };
    let text = coerce::text(text)?;
    if let Some(what) = call.source.differs_over(text, call.is_caseless) {
        return Err(no_value(expr, what));
    }
    Ok(match &call.what {
        Use::Like => Value::Int(i64::from(call.compiled.is_match(text))),
        Use::Position => Value::Int(call.compiled.find(text).map_or(0, |found| {
            let before = text.get(..found.start()).unwrap_or("");
            i64::try_from(before.chars().count() + 1).unwrap_or(i64::MAX)
        })),
        Use::Part { empty } => match call.compiled.find(text) {
            Some(found) => Value::text(found.as_str()),
            None if *empty => Value::text(""),
            None => Value::Null,
        },
        Use::Replace { with } => {
            if call.compiled.find_iter(text).any(|found| found.is_empty()) {
                return Err(no_value(expr, "a regular expression replaces an empty match"));
            }
            Value::text(call.compiled.replace_all(text, with.as_str()).into_owned())
        }
    })
}
