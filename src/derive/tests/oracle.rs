//! Recomputation from scratch: every SELECT by nested loops over whole tables, left to right, as the standard defines it.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::plan::output::convert;
use crate::plan::{NodePlan, Policies};
use crate::schema::{DataType, SourceCatalog, TableId};
use crate::sql::aggregate::Accumulator;
use crate::sql::evaluate::{Scope, evaluate, is_true};
use crate::sql::query::{AliasId, JoinKind, Numbering, NumberingFunction, OrderItem, Query, Relation, Select};
use crate::value::key::encode_key;
use crate::value::{KeyKind, Row, Value, row};

/// Whole legacy tables, rows in catalogue order.
pub(super) type Tables = BTreeMap<TableId, Vec<Row>>;

type Bindings = BTreeMap<AliasId, Option<Row>>;

pub(super) struct Oracle<'a> {
    pub(super) catalog: &'a SourceCatalog,
    pub(super) tables: &'a Tables,
}

struct Here<'a> {
    oracle: &'a Oracle<'a>,
    bindings: &'a Bindings,
    aggregates: &'a [Value],
    numbers: &'a [u64],
}

static NULL: Value = Value::Null;

impl Scope for Here<'_> {
    fn column(&self, alias: AliasId, column: usize) -> Result<&Value> {
        Ok(self.bindings[&alias].as_ref().map_or(&NULL, |row| &row[column]))
    }
    fn aggregate(&self, index: usize) -> Result<&Value> {
        Ok(&self.aggregates[index])
    }
    fn row_number(&self, index: usize) -> Result<u64> {
        Ok(self.numbers[index])
    }
    fn scalar_subquery(&self, select: &Select) -> Result<Value> {
        let rows = self.oracle.select(select, self.bindings)?;
        assert!(rows.len() <= 1, "the oracle's subquery has {} rows", rows.len());
        Ok(rows.first().map_or(Value::Null, |row| row[0].clone()))
    }
    fn exists(&self, select: &Select) -> Result<bool> {
        Ok(!self.oracle.select(select, self.bindings)?.is_empty())
    }
}

impl Oracle<'_> {
    /// The target table of a query: output key -> row.
    pub(super) fn target(&self, query: &Query, node: &NodePlan) -> Result<BTreeMap<Vec<u8>, Row>> {
        let mut target = BTreeMap::new();
        for branch in &query.branches {
            for output in self.select(&branch.select, &Bindings::new())? {
                let columns = output.into_vec().into_iter().zip(&node.table.columns);
                let row: Row =
                    columns.map(|(value, column)| convert(value, column, &Policies::default())).collect::<Result<_>>()?;
                let key: Vec<Value> = node.table.key.iter().map(|column| row[*column].clone()).collect();
                let mut bytes = Vec::new();
                row::encode(&key, &mut bytes);
                assert!(target.insert(bytes, row).is_none(), "the oracle has two rows of one key");
            }
        }
        Ok(target)
    }

    fn select(&self, select: &Select, outer: &Bindings) -> Result<Vec<Row>> {
        let mut combinations = vec![outer.clone()];
        for item in &select.from {
            let mut joined = Vec::new();
            for combination in combinations {
                let mut rows: Vec<Row> = Vec::new();
                match &item.relation {
                    Relation::Table(id) => rows.clone_from(&self.tables[id]),
                    Relation::Derived(arms) => {
                        for arm in arms {
                            rows.extend(self.select(arm, &combination)?);
                        }
                    }
                }
                let before = joined.len();
                for row in &rows {
                    let mut extended = combination.clone();
                    extended.insert(item.alias, Some(row.clone()));
                    if item.on.as_ref().map_or(Ok(true), |on| is_true(on, &self.here(&extended, &[])))? {
                        joined.push(extended);
                    }
                }
                if joined.len() == before && item.join == JoinKind::Left {
                    let mut extended = combination;
                    extended.insert(item.alias, None);
                    joined.push(extended);
                }
            }
            combinations = joined;
        }
        let mut passed = Vec::new();
        for combination in combinations {
            if select.filter.as_ref().map_or(Ok(true), |filter| is_true(filter, &self.here(&combination, &[])))? {
                passed.push(combination);
            }
        }
        self.finish(select, outer, passed)
    }

    fn here<'h>(&'h self, bindings: &'h Bindings, aggregates: &'h [Value]) -> Here<'h> {
        Here { oracle: self, bindings, aggregates, numbers: &[] }
    }

    fn finish(&self, select: &Select, outer: &Bindings, passed: Vec<Bindings>) -> Result<Vec<Row>> {
        let mut groups: BTreeMap<Vec<u8>, Vec<Bindings>> = BTreeMap::new();
        match &select.group_by {
            None => groups.extend(passed.into_iter().enumerate().map(|(index, one)| (index.to_be_bytes().to_vec(), vec![one]))),
            Some(exprs) => {
                if exprs.is_empty() {
                    groups.insert(vec![], vec![]);
                }
                let kinds: Vec<KeyKind> = exprs.iter().map(|expr| self.kind(&expr.data_type)).collect();
                for one in passed {
                    let values = exprs.iter().map(|expr| evaluate(expr, &self.here(&one, &[]))).collect::<Result<Vec<_>>>()?;
                    groups.entry(encode_key(&kinds, &values)?).or_default().push(one);
                }
            }
        }
        let mut settled: Vec<(Bindings, Vec<Value>)> = Vec::new();
        for members in groups.into_values() {
            let mut aggregates = Vec::new();
            for aggregate in &select.aggregates {
                let mut accumulator = Accumulator::new(aggregate);
                for member in &members {
                    let here = self.here(member, &[]);
                    let arguments = aggregate.arguments.iter().map(|expr| evaluate(expr, &here)).collect::<Result<_>>()?;
                    let order = aggregate.order_by.iter().map(|item| evaluate(&item.expr, &here)).collect::<Result<_>>()?;
                    accumulator.add(arguments, order)?;
                }
                aggregates.push(accumulator.finish()?);
            }
            let member = members.first().unwrap_or(outer);
            if select.having.as_ref().map_or(Ok(true), |having| is_true(having, &self.here(member, &aggregates)))? {
                settled.push((member.clone(), aggregates));
            }
        }
        let mut rows: Vec<(Vec<Value>, Row)> = Vec::new();
        for row in 0..settled.len() {
            let (bindings, aggregates) = &settled[row];
            let numbers: Vec<u64> =
                select.numberings.iter().map(|numbering| self.number(numbering, &settled, row)).collect::<Result<_>>()?;
            if select.numberings.iter().zip(&numbers).any(|(numbering, number)| numbering.keeps_first && *number > 1) {
                continue;
            }
            let here = Here { numbers: &numbers, ..self.here(bindings, aggregates) };
            let order = select.order_by.iter().map(|item| evaluate(&item.expr, &here)).collect::<Result<_>>()?;
            rows.push((order, select.outputs.iter().map(|output| evaluate(output, &here)).collect::<Result<_>>()?));
        }
        if select.distinct {
            let mut seen = std::collections::BTreeSet::new();
            let kinds: Vec<KeyKind> = select.outputs.iter().map(|expr| self.kind(&expr.data_type)).collect();
            rows.retain(|(_, row)| seen.insert(encode_key(&kinds, row).unwrap()));
        }
        self.limit(select, &mut rows)?;
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// A row's number: one more than the rows of its partition before it, or than their different places.
    fn number(&self, numbering: &Numbering, settled: &[(Bindings, Vec<Value>)], row: usize) -> Result<u64> {
        let kinds: Vec<KeyKind> = numbering.partition_by.iter().map(|expr| self.kind(&expr.data_type)).collect();
        let place = |(bindings, aggregates): &(Bindings, Vec<Value>)| -> Result<(Vec<u8>, Vec<Value>)> {
            let here = self.here(bindings, aggregates);
            let parts = numbering.partition_by.iter().map(|expr| evaluate(expr, &here)).collect::<Result<Vec<_>>>()?;
            let by = numbering.order_by.iter().map(|item| evaluate(&item.expr, &here)).collect::<Result<Vec<_>>>()?;
            Ok((encode_key(&kinds, &parts)?, by))
        };
        let (partition, mine) = place(&settled[row])?;
        let mut before: Vec<Vec<Value>> = Vec::new();
        for other in settled {
            let (other, by) = place(other)?;
            if other == partition && ordering(&numbering.order_by, &by, &mine).is_lt() {
                before.push(by);
            }
        }
        if numbering.function == NumberingFunction::DenseRank {
            before.sort_by(|left, right| ordering(&numbering.order_by, left, right));
            before.dedup_by(|left, right| ordering(&numbering.order_by, left, right).is_eq());
        }
        Ok(before.len() as u64 + 1)
    }

    fn limit(&self, select: &Select, rows: &mut Vec<(Vec<Value>, Row)>) -> Result<()> {
        let Some(limit) = select.limit else { return Ok(()) };
        rows.sort_by(|(left, _), (right, _)| ordering(&select.order_by, left, right));
        rows.truncate(limit as usize);
        Ok(())
    }

    fn kind(&self, data_type: &DataType) -> KeyKind {
        match data_type {
            DataType::Integer { .. } => KeyKind::Integer,
            DataType::Decimal { .. } => KeyKind::Decimal,
            DataType::Text { collation, .. } => KeyKind::Text(self.catalog.collations[collation].clone()),
            other => panic!("the oracle does not group {other:?}"),
        }
    }
}

fn ordering(by: &[OrderItem], left: &[Value], right: &[Value]) -> std::cmp::Ordering {
    for ((item, left), right) in by.iter().zip(left).zip(right) {
        let (mut left_key, mut right_key) = (vec![], vec![]);
        item.rule.encode(left, &mut left_key).unwrap();
        item.rule.encode(right, &mut right_key).unwrap();
        let order = match (left.is_null(), right.is_null()) {
            (false, false) if item.descending => right_key.cmp(&left_key),
            (false, false) => left_key.cmp(&right_key),
            (left, right) if item.nulls_first => right.cmp(&left),
            (left, right) => left.cmp(&right),
        };
        if order.is_ne() {
            return order;
        }
    }
    std::cmp::Ordering::Equal
}
