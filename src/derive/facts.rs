//! Declared facts are watched: no key of a fact's index may have two rows.
//!
//! A fact is asked of the state at the end of an epoch: what one transaction breaks and another of the same epoch mends was never
//! derived from.

use crate::derive::Space;
use crate::derive::net::{Net, RowChange};
use crate::derive::stored::{Stored, decode_base, index, index_key, table};
use crate::derive::view::{Reader, View};
use crate::error::{Class, Error, Result};
use crate::plan::{FactPlan, MappingId};
use crate::value::Value;

/// So many rows that break a fact are named.
const NAMED_MAX: usize = 6;

/// Asks whether the facts hold for every row that an epoch changed.
///
/// # Errors
/// [`Class::Person`], naming the fact and the rows that break it.
pub(crate) fn check(view: &View<'_>, net: &Net) -> Result<()> {
    let reader = Reader::new(view);
    for fact in &view.plan.facts {
        let index = index(view.plan, fact.index)?;
        for RowChange { new, .. } in net.get(&index.table).into_iter().flat_map(|changes| changes.values()) {
            if let Some(stored) = new
                && let Some(key) = index_key(index, &stored.row)?
            {
                check_key(&reader, fact, key)?;
            }
        }
    }
    Ok(())
}

/// Asks whether the facts of a mapping, or of all mappings, hold for every stored row.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_all(view: &View<'_>, mapping: Option<MappingId>) -> Result<()> {
    let facts = view.plan.facts.iter().filter(|fact| mapping.is_none_or(|mapping| fact.mapping == mapping));
    for fact in facts {
        let reader = Reader::new(view);
        let index = index(view.plan, fact.index)?;
        let plan = table(view.plan, index.table)?;
        let mut failure = None;
        view.stored().scan(Space::Base(index.table), &[], None, &mut |key, bytes| {
            let stored = decode_base(plan, key.to_vec(), bytes)?;
            if let Some(key) = index_key(index, &stored.row)? {
                failure = check_key(&reader, fact, key).err();
            }
            Ok(failure.is_none())
        })?;
        if let Some(failure) = failure {
            return Err(failure);
        }
    }
    Ok(())
}

fn check_key(reader: &Reader<'_>, fact: &FactPlan, key: Vec<u8>) -> Result<()> {
    let rows = reader.probe(fact.index, key)?;
    let count: u64 = rows.iter().map(|row| row.count).sum();
    if count < 2 {
        return Ok(());
    }
    let index = index(reader.view.plan, fact.index)?;
    let identity = table(reader.view.plan, index.table)?.layout.identity.as_deref();
    let named: Vec<String> = rows.iter().take(NAMED_MAX).filter_map(|row| Some(name(row, identity?))).collect();
    let more = if rows.len() > named.len() && !named.is_empty() { " and others" } else { "" };
    let named = if named.is_empty() { String::new() } else { format!(": {}{more}", named.join(", ")) };
    Err(Error::new(
        Class::Person,
        format!("the data breaks the fact \"{fact}\" of the mapping: {count} rows have the same values{named}"),
    )
    .with_hint("correct the rows on the source and start again, or take the fact out of the mapping"))
}

/// A row by its primary key, which is what a person needs to find it.
fn name(row: &Stored, identity: &[usize]) -> String {
    let part = |column: &usize| match row.row.get(*column) {
        Some(Value::Int(number)) => number.to_string(),
        Some(Value::UInt(number)) => number.to_string(),
        Some(Value::Text(text)) => format!("'{text}'"),
        Some(Value::Decimal(number)) => number.to_string(),
        Some(Value::Date(date)) => date.to_string(),
        _ => "?".to_owned(),
    };
    format!("({})", identity.iter().map(part).collect::<Vec<_>>().join(", "))
}
