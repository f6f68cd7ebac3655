//! Declared facts are watched: no key of a fact's index may have two rows.
//!
//! A fact is asked of the state at the end of an epoch: what one transaction breaks and another of the same epoch mends was never
//! derived from.

use crate::derive::net::{Net, RowChange};
use crate::derive::reader::Reader;
use crate::derive::stored::{Stored, decode_base, index, index_key, table};
use crate::derive::view::View;
use crate::derive::{Arrangements, BrokenKey, Duty, Failure, Space, duty_of};
use crate::error::{Class, Error, Result};
use crate::plan::{FactPlan, MappingId, Plan};
use crate::value::Value;

/// So many rows that break a fact are named.
const NAMED_MAX: usize = 6;

/// What [`check`] found: mappings that derive and must not, and keys of mappings that only mark.
pub(crate) type Found = (Vec<Failure>, Vec<BrokenKey>);

/// Asks whether the facts hold for every row that an epoch changed.
///
/// # Errors
/// The store failed.
pub(crate) fn check(view: &View<'_>, net: &Net, duties: &[Duty]) -> Result<Found> {
    let reader = Reader::new(view);
    let mut breaks = Breaks::default();
    let mut waiting = Vec::new();
    for (number, fact) in view.plan.facts.iter().enumerate() {
        let duty = duty_of(duties, fact.mapping);
        if duty == Duty::Rest {
            continue;
        }
        let index = index(view.plan, fact.index)?;
        for RowChange { new, .. } in net.get(&index.table).into_iter().flat_map(|changes| changes.values()) {
            if let Some(stored) = new
                && let Some(key) = index_key(index, &stored.row)?
                && let Some(error) = broken_by(&reader, fact, &key)?
            {
                let key = BrokenKey { mapping: fact.mapping, fact: number, key };
                match duty {
                    Duty::Derive => breaks.add(key, error),
                    Duty::Mark | Duty::Rest => waiting.push(key),
                }
            }
        }
    }
    Ok((breaks.0, waiting))
}

/// Asks whether the facts of the mappings that `concerns` names hold for every stored row; of each fact the first break.
///
/// # Errors
/// The store failed.
pub(crate) fn check_all(view: &View<'_>, concerns: &dyn Fn(MappingId) -> bool) -> Result<Vec<Failure>> {
    let mut breaks = Breaks::default();
    for (number, fact) in view.plan.facts.iter().enumerate().filter(|(_, fact)| concerns(fact.mapping)) {
        let reader = Reader::new(view);
        let index = index(view.plan, fact.index)?;
        let plan = table(view.plan, index.table)?;
        let mut found = None;
        view.stored().scan(Space::Base(index.table), &[], None, &mut |key, bytes| {
            let stored = decode_base(plan, key.to_vec(), bytes)?;
            if let Some(key) = index_key(index, &stored.row)? {
                found = broken_by(&reader, fact, &key)?.map(|error| (key, error));
            }
            Ok(found.is_none())
        })?;
        if let Some((key, error)) = found {
            breaks.add(BrokenKey { mapping: fact.mapping, fact: number, key }, error);
        }
    }
    Ok(breaks.0)
}

/// Whether no two rows have a key any more that broke a fact.
///
/// # Errors
/// The store failed.
pub fn holds(plan: &Plan, store: &dyn Arrangements, broken: &BrokenKey) -> Result<bool> {
    let view = View::new(plan, store);
    let Some(fact) = plan.facts.get(broken.fact) else { return Ok(true) };
    Ok(broken_by(&Reader::new(&view), fact, &broken.key)?.is_none())
}

/// One failure per mapping, with the first error and all keys.
#[derive(Default)]
struct Breaks(Vec<Failure>);

impl Breaks {
    fn add(&mut self, key: BrokenKey, error: Error) {
        match self.0.iter_mut().find(|failure| failure.mapping == key.mapping) {
            Some(failure) => failure.broken.push(key),
            None => self.0.push(Failure { mapping: key.mapping, error, broken: vec![key] }),
        }
    }
}

/// What to say if several rows have a key of a fact.
fn broken_by(reader: &Reader<'_>, fact: &FactPlan, key: &[u8]) -> Result<Option<Error>> {
    let rows = reader.probe(fact.index, key.to_vec())?;
    let count: u64 = rows.iter().map(|row| row.count).sum();
    if count < 2 {
        return Ok(None);
    }
    let index = index(reader.view.plan, fact.index)?;
    let identity = table(reader.view.plan, index.table)?.layout.identity.as_deref();
    let named: Vec<String> = rows.iter().take(NAMED_MAX).filter_map(|row| Some(name(row, identity?))).collect();
    let more = if rows.len() > named.len() && !named.is_empty() { " and others" } else { "" };
    let named = if named.is_empty() { String::new() } else { format!(": {}{more}", named.join(", ")) };
    let message = format!("the data breaks the fact \"{fact}\" of the mapping: {count} rows have the same values{named}");
    let hint = "correct the rows on the source and start again, or take the fact out of the mapping";
    Ok(Some(Error::new(Class::Person, message).with_hint(hint)))
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
