//! A SELECT evaluated from scratch: nested loops over whole tables, left to right, as the standard defines it.
//!
//! In: a bound query and the rows of its tables. Out: its rows. Nothing of `plan`'s access paths and nothing of `derive` takes part, so that a
//! mistake there is not repeated here; scalar expressions and aggregates are those of `sql`. An equality over a stored table is looked up by the
//! key that its own rule encodes, and then asked again like every other condition.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::plan::expr::{conjuncts, free_aliases, has_subquery, visit_select_columns};
use crate::plan::own_kind;
use crate::schema::{SourceCatalog, TableId};
use crate::sql::aggregate::Accumulator;
use crate::sql::evaluate::{Scope, evaluate, is_true};
use crate::sql::ordering::order;
use crate::sql::query::{
    AliasId, CompareOperator, Expr, ExprKind, FromItem, JoinKind, Numbering, NumberingFunction, Query, Relation, Select,
};
use crate::value::key::encode_key;
use crate::value::{KeyKind, Row, Value};

/// The rows of whole legacy tables, each with all columns of the catalogue; those that are not stored are NULL.
pub type Bases = BTreeMap<TableId, Vec<Row>>;

type Shared = Rc<[Value]>;
type Bindings = BTreeMap<AliasId, Option<Shared>>;
/// Rows of a table by the encoded value of one expression.
type Index = HashMap<Vec<u8>, Vec<usize>>;

/// The rows of a query over `bases`; `catalog` is the one that it was bound and planned over.
///
/// # Errors
/// `Person` where the source would raise an error, as a scalar subquery with two rows does.
pub fn rows_of(query: &Query, catalog: &SourceCatalog, bases: Bases) -> Result<Vec<Row>> {
    let tables = bases.into_iter().map(|(id, rows)| (id, rows.into_iter().map(Shared::from).collect())).collect();
    let naive = Naive { catalog, tables, indexes: RefCell::default() };
    let mut rows = Vec::new();
    for branch in &query.branches {
        naive.indexes.borrow_mut().clear();
        rows.extend(naive.select(&branch.select, &Bindings::new())?.into_iter().map(|row| Row::from(&*row)));
    }
    Ok(rows)
}

struct Naive<'a> {
    catalog: &'a SourceCatalog,
    tables: BTreeMap<TableId, Vec<Shared>>,
    /// By alias and the place of the condition among those that its relation is joined by.
    indexes: RefCell<HashMap<(AliasId, usize), Rc<Index>>>,
}

struct Here<'h> {
    naive: &'h Naive<'h>,
    bindings: &'h Bindings,
    aggregates: &'h [Value],
    numbers: &'h [u64],
}

/// A row, or a group by its first row, with its aggregates.
struct Settled {
    bindings: Bindings,
    aggregates: Vec<Value>,
}

static NULL: Value = Value::Null;

impl Scope for Here<'_> {
    fn column(&self, alias: AliasId, column: usize) -> Result<&Value> {
        match self.bindings.get(&alias) {
            Some(Some(row)) => row.get(column).ok_or_else(|| Error::bug("a column that its relation does not have")),
            Some(None) => Ok(&NULL),
            None => Err(Error::bug("a relation that is not joined yet")),
        }
    }

    fn aggregate(&self, index: usize) -> Result<&Value> {
        self.aggregates.get(index).ok_or_else(|| Error::bug("an aggregate that is not computed"))
    }

    fn row_number(&self, index: usize) -> Result<u64> {
        self.numbers.get(index).copied().ok_or_else(|| Error::bug("a row number that is not computed"))
    }

    fn scalar_subquery(&self, select: &Select) -> Result<Value> {
        let rows = self.naive.select(select, self.bindings)?;
        match rows.as_slice() {
            [] => Ok(Value::Null),
            [row] => row.first().cloned().ok_or_else(|| Error::bug("a subquery without a column")),
            _ => Err(Error::new(crate::error::Class::Person, "a scalar subquery of the mapping has more than one row")),
        }
    }

    fn exists(&self, select: &Select) -> Result<bool> {
        Ok(!self.naive.select(select, self.bindings)?.is_empty())
    }
}

impl Naive<'_> {
    fn here<'h>(&'h self, bindings: &'h Bindings, aggregates: &'h [Value]) -> Here<'h> {
        Here { naive: self, bindings, aggregates, numbers: &[] }
    }

    fn select(&self, select: &Select, outer: &Bindings) -> Result<Vec<Shared>> {
        let mut combinations = vec![outer.clone()];
        for (place, item) in select.from.iter().enumerate() {
            let before: BTreeSet<AliasId> = select.from.iter().take(place).map(|item| item.alias).collect();
            let derived = self.derived_once(item, &before, outer)?;
            let mut joined = Vec::new();
            for combination in combinations {
                let rows = match &derived {
                    Some(rows) => rows.clone(),
                    None => self.candidates(select, item, &combination)?,
                };
                self.join(item, rows, combination, &mut joined)?;
            }
            combinations = joined;
        }
        let mut passed = Vec::new();
        for combination in combinations {
            if self.holds(select.filter.as_ref(), &combination, &[])? {
                passed.push(combination);
            }
        }
        let settled = self.settled(select, outer, passed)?;
        self.outputs(select, &settled)
    }

    fn holds(&self, condition: Option<&Expr>, bindings: &Bindings, aggregates: &[Value]) -> Result<bool> {
        condition.map_or(Ok(true), |condition| is_true(condition, &self.here(bindings, aggregates)))
    }

    fn join(&self, item: &FromItem, rows: Vec<Shared>, combination: Bindings, joined: &mut Vec<Bindings>) -> Result<()> {
        let before = joined.len();
        for row in rows {
            let mut extended = combination.clone();
            extended.insert(item.alias, Some(row));
            if self.holds(item.on.as_ref(), &extended, &[])? {
                joined.push(extended);
            }
        }
        if joined.len() == before && item.join == JoinKind::Left {
            let mut extended = combination;
            extended.insert(item.alias, None);
            joined.push(extended);
        }
        Ok(())
    }

    /// The rows of a derived table that reads nothing of the relations left of it.
    fn derived_once(&self, item: &FromItem, before: &BTreeSet<AliasId>, outer: &Bindings) -> Result<Option<Vec<Shared>>> {
        let Relation::Derived(arms) = &item.relation else { return Ok(None) };
        let mut is_lateral = false;
        for arm in arms {
            visit_select_columns(arm, &mut |alias, _| is_lateral |= before.contains(&alias));
        }
        if is_lateral { Ok(None) } else { self.arms(arms, outer).map(Some) }
    }

    fn arms(&self, arms: &[Select], outer: &Bindings) -> Result<Vec<Shared>> {
        let mut rows = Vec::new();
        for arm in arms {
            rows.extend(self.select(arm, outer)?);
        }
        Ok(rows)
    }

    /// The rows of a relation that may match a combination: all that fulfil one equality with it, or all.
    fn candidates(&self, select: &Select, item: &FromItem, combination: &Bindings) -> Result<Vec<Shared>> {
        let table = match &item.relation {
            Relation::Derived(arms) => return self.arms(arms, combination),
            Relation::Table(id) => id,
        };
        let rows = self.tables.get(table).ok_or_else(|| Error::bug("a table whose rows were not read"))?;
        // WHERE says nothing about whether an outer join finds a row.
        let filter = if item.join == JoinKind::Inner { select.filter.as_ref() } else { None };
        let conditions = item.on.iter().chain(filter).flat_map(conjuncts);
        for (number, condition) in conditions.enumerate() {
            let ExprKind::Compare { operator: CompareOperator::Equal, rule, left, right } = &condition.kind else { continue };
            for (own, other) in [(left, right), (right, left)] {
                let is_bound = free_aliases(other).iter().all(|alias| combination.contains_key(alias));
                if free_aliases(own) != BTreeSet::from([item.alias]) || !is_bound || has_subquery(own) || has_subquery(other) {
                    continue;
                }
                let value = evaluate(other, &self.here(combination, &[]))?;
                if value.is_null() {
                    return Ok(Vec::new());
                }
                let index = self.index((item.alias, number), own, rule, rows)?;
                let mut key = Vec::new();
                rule.encode(&value, &mut key)?;
                let found = index.get(&key).into_iter().flatten();
                return Ok(found.filter_map(|place| rows.get(*place).cloned()).collect());
            }
        }
        Ok(rows.clone())
    }

    fn index(&self, name: (AliasId, usize), own: &Expr, rule: &KeyKind, rows: &[Shared]) -> Result<Rc<Index>> {
        if let Some(index) = self.indexes.borrow().get(&name) {
            return Ok(Rc::clone(index));
        }
        let mut index = Index::new();
        for (place, row) in rows.iter().enumerate() {
            let bindings = Bindings::from([(name.0, Some(Rc::clone(row)))]);
            let value = evaluate(own, &self.here(&bindings, &[]))?;
            if !value.is_null() {
                let mut key = Vec::new();
                rule.encode(&value, &mut key)?;
                index.entry(key).or_default().push(place);
            }
        }
        let index = Rc::new(index);
        self.indexes.borrow_mut().insert(name, Rc::clone(&index));
        Ok(index)
    }

    /// Rows, or groups that HAVING keeps.
    fn settled(&self, select: &Select, outer: &Bindings, passed: Vec<Bindings>) -> Result<Vec<Settled>> {
        let Some(group_by) = &select.group_by else {
            return Ok(passed.into_iter().map(|bindings| Settled { bindings, aggregates: Vec::new() }).collect());
        };
        let mut groups: BTreeMap<Vec<u8>, Vec<Bindings>> = BTreeMap::new();
        if group_by.is_empty() {
            groups.insert(Vec::new(), Vec::new());
        }
        let kinds = self.kinds(group_by.iter())?;
        for one in passed {
            let values = self.values(group_by, &one)?;
            groups.entry(encode_key(&kinds, &values)?).or_default().push(one);
        }
        let mut settled = Vec::new();
        for members in groups.into_values() {
            let mut aggregates = Vec::new();
            for aggregate in &select.aggregates {
                let mut accumulator = Accumulator::new(aggregate);
                for member in &members {
                    let by = aggregate.order_by.iter().map(|item| &item.expr);
                    accumulator.add(self.values(&aggregate.arguments, member)?, self.values(by, member)?)?;
                }
                aggregates.push(accumulator.finish()?);
            }
            let bindings = members.into_iter().next().unwrap_or_else(|| outer.clone());
            if self.holds(select.having.as_ref(), &bindings, &aggregates)? {
                settled.push(Settled { bindings, aggregates });
            }
        }
        Ok(settled)
    }

    fn values<'e>(&self, exprs: impl IntoIterator<Item = &'e Expr>, bindings: &Bindings) -> Result<Vec<Value>> {
        let here = self.here(bindings, &[]);
        exprs.into_iter().map(|expr| evaluate(expr, &here)).collect()
    }

    fn outputs(&self, select: &Select, settled: &[Settled]) -> Result<Vec<Shared>> {
        let mut numbers: Vec<Vec<u64>> = settled.iter().map(|_| Vec::new()).collect();
        for numbering in &select.numberings {
            let found = self.numbered(numbering, settled)?;
            numbers.iter_mut().zip(found).for_each(|(numbers, number)| numbers.push(number));
        }
        let mut rows: Vec<(Vec<Value>, Shared)> = Vec::new();
        for (one, numbers) in settled.iter().zip(&numbers) {
            if select.numberings.iter().zip(numbers).any(|(numbering, number)| numbering.keeps_first && *number > 1) {
                continue;
            }
            let here = Here { numbers, ..self.here(&one.bindings, &one.aggregates) };
            let by = select.order_by.iter().map(|item| evaluate(&item.expr, &here)).collect::<Result<_>>()?;
            let outputs = select.outputs.iter().map(|output| evaluate(output, &here)).collect::<Result<Vec<_>>>()?;
            rows.push((by, outputs.into()));
        }
        if select.distinct {
            let kinds = self.kinds(select.outputs.iter())?;
            let mut seen = BTreeSet::new();
            let mut distinct = Vec::new();
            for row in rows {
                if seen.insert(encode_key(&kinds, &row.1)?) {
                    distinct.push(row);
                }
            }
            rows = distinct;
        }
        if let Some(limit) = select.limit {
            let mut sorted = Vec::new();
            for row in rows {
                insert_sorted(&mut sorted, row, |left, right| order(&select.order_by, &left.0, &right.0))?;
            }
            sorted.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            rows = sorted;
        }
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// Each row's number: one more than the rows of its partition before it, or than their different places.
    fn numbered(&self, numbering: &Numbering, settled: &[Settled]) -> Result<Vec<u64>> {
        let kinds = self.kinds(numbering.partition_by.iter())?;
        let mut places = Vec::new();
        for one in settled {
            let here = self.here(&one.bindings, &one.aggregates);
            let parts = numbering.partition_by.iter().map(|expr| evaluate(expr, &here)).collect::<Result<Vec<_>>>()?;
            let by = numbering.order_by.iter().map(|item| evaluate(&item.expr, &here)).collect::<Result<Vec<_>>>()?;
            places.push((encode_key(&kinds, &parts)?, by));
        }
        let mut numbers = Vec::new();
        for (partition, by) in &places {
            let mut before: Vec<&Vec<Value>> = Vec::new();
            for (other, other_by) in &places {
                if other != partition || !order(&numbering.order_by, other_by, by)?.is_lt() {
                    continue;
                }
                let is_shared = numbering.function == NumberingFunction::DenseRank
                    && before.iter().any(|held| order(&numbering.order_by, held, other_by).is_ok_and(|order| order.is_eq()));
                if !is_shared {
                    before.push(other_by);
                }
            }
            numbers.push(before.len() as u64 + 1);
        }
        Ok(numbers)
    }

    fn kinds<'e>(&self, exprs: impl Iterator<Item = &'e Expr>) -> Result<Vec<KeyKind>> {
        let kind = |expr: &Expr| own_kind(&expr.data_type, self.catalog).ok_or_else(|| Error::bug("a group has no equality"));
        exprs.map(kind).collect()
    }
}

/// Inserts behind everything that is not greater.
fn insert_sorted<T>(sorted: &mut Vec<T>, item: T, compare: impl Fn(&T, &T) -> Result<std::cmp::Ordering>) -> Result<()> {
    let mut place = sorted.len();
    for (index, held) in sorted.iter().enumerate() {
        if compare(held, &item)?.is_gt() {
            place = index;
            break;
        }
    }
    sorted.insert(place, item);
    Ok(())
}
