//! Runs a SELECT for what is bound: nested probes along the planned access, then grouping, DISTINCT, ORDER BY and LIMIT.
//!
//! In: a branch, the key of its anchor. Out: output rows, equal to what the source's SELECT gives for the anchor's rows.
//! Relations are bound one by one in a flat environment; a subquery gets a copy of it.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::derive::accumulated::{read_first, read_shown};
use crate::derive::group::{finish_groups, pick_distinct, pick_first};
use crate::derive::number::number_rows;
use crate::derive::reader::Reader;
use crate::derive::stored::{Stored, probe_key};
use crate::error::{Class, Error, Result};
use crate::plan::{AccessPath, AccessStep, BranchPlan, Regrouped, SelectAccess};
use crate::sql::evaluate::{Scope, evaluate, is_true};
use crate::sql::query::{AliasId, FromItem, JoinKind, Relation, Select};
use crate::value::{Row, Value};

static NULL: Value = Value::Null;

/// So many rows are looked at first where one is enough.
const FIRST_ROWS: usize = 4;

/// What an alias is bound to.
#[derive(Clone)]
pub(crate) enum Binding {
    /// Nothing yet.
    Unbound,
    /// The NULL row of an outer join.
    Null,
    /// A stored row.
    Stored(Arc<Stored>),
    /// A row of a derived table.
    Derived(Arc<Row>),
}

/// The rows of a relation that may match.
enum Candidates {
    /// Stored rows.
    Stored(Arc<[Arc<Stored>]>),
    /// One stored row, or none.
    One(Option<Arc<Stored>>),
    /// Rows of a derived table.
    Derived(Vec<Row>),
}

impl Candidates {
    /// The row at a place, and how often it counts; a row of a derived table is given away.
    fn at(&mut self, place: usize) -> Option<(Binding, u64)> {
        let stored = match self {
            Self::Stored(rows) => rows.get(place)?,
            Self::One(row) => row.as_ref().filter(|_| place == 0)?,
            Self::Derived(rows) => return Some((Binding::Derived(Arc::new(std::mem::take(rows.get_mut(place)?))), 1)),
        };
        Some((Binding::Stored(Arc::clone(stored)), stored.count))
    }
}

/// Bindings by alias.
pub(crate) type Environment = Vec<Binding>;

/// Derives one anchor.
pub(crate) struct Execution<'a> {
    /// Reads stored rows.
    pub(crate) reader: &'a Reader<'a>,
    /// The branch.
    pub(crate) branch: &'a BranchPlan,
    /// The key of the anchor; its rows are read where a relation asks for them.
    pub(crate) anchor: &'a [u8],
    /// The combinations of rows that FROM and WHERE of the outermost SELECT let through, if they were found before.
    pub(crate) known: Option<&'a [Environment]>,
}

/// What to do with one combination of rows; breaking ends the SELECT.
pub(crate) type Visit<'v> = &'v mut dyn FnMut(&Environment) -> Result<ControlFlow<()>>;

impl<'a> Execution<'a> {
    /// All output rows of the branch for the anchor.
    pub(crate) fn run(&self) -> Result<Vec<Row>> {
        let empty = vec![Binding::Unbound; self.branch.branch.aliases.len()];
        self.select(&self.branch.branch.select, empty)
    }

    /// The rows of a SELECT whose outer aliases are bound.
    pub(crate) fn select(&self, select: &Select, outer: Environment) -> Result<Vec<Row>> {
        let ordered = match (select.numberings.is_empty(), &select.group_by) {
            (false, _) => number_rows(self, select, outer)?,
            (true, Some(_)) => finish_groups(self, select, outer)?,
            (true, None) => self.plain(select, outer)?,
        };
        let access = self.access(select);
        let ordered = match (select.distinct, access) {
            (true, Some(access)) => pick_distinct(select, ordered, &access.distinct_kinds)?,
            _ => ordered,
        };
        pick_first(select, ordered)
    }

    /// The same. What is bound is copied only where that is needed.
    pub(crate) fn select_in(&self, select: &Select, outer: &Environment) -> Result<Vec<Row>> {
        match self.rows_kept_up(select, outer)? {
            Some(rows) => Ok(rows),
            None => self.select(select, outer.clone()),
        }
    }

    /// The rows of a SELECT over groups that are kept up, without a copy of what is around it. `None`: another SELECT, or only its rows
    /// tell them.
    fn rows_kept_up(&self, select: &Select, outer: &Environment) -> Result<Option<Vec<Row>>> {
        let is_plain = select.numberings.is_empty() && !select.distinct && select.limit.is_none();
        let access = self.access(select).filter(|_| is_plain && select.group_by.is_some());
        let Some(Regrouped::KeptUp(used)) = access.and_then(|access| access.regrouped.as_ref()) else { return Ok(None) };
        let Some(groups) = read_shown(self, select, used, outer)? else { return Ok(None) };
        let mut rows = Vec::with_capacity(groups.len());
        for (own, aggregates) in &groups {
            let frame = Frame { aggregates, own: Some((used.alias, &**own)), ..Frame::over(self, outer) };
            if select.having.as_ref().map_or(Ok(true), |having| is_true(having, &frame))? {
                rows.push(frame.shown(select)?.1);
            }
        }
        Ok(Some(rows))
    }

    /// Whether the conditions of a SELECT that need none of its relations are true.
    pub(crate) fn guards_hold(&self, select: &Select, outer: &Environment) -> Result<bool> {
        self.access(select).map_or(Ok(true), |access| self.all_true(&access.guards, outer))
    }

    /// The planned access of a SELECT; `None` if it has no FROM.
    pub(crate) fn access(&self, select: &Select) -> Option<&'a SelectAccess> {
        self.branch.access.get(&select.from.first()?.alias)
    }

    fn plain(&self, select: &Select, outer: Environment) -> Result<Vec<(Vec<Value>, Row)>> {
        if let Some(Regrouped::KeptUp(used)) = self.access(select).and_then(|access| access.regrouped.as_ref())
            && let Some(rows) = read_first(self, select, used, &outer)?
        {
            return Ok(rows);
        }
        let mut rows = Vec::new();
        self.combinations(select, outer, &mut |environment| {
            rows.push(Frame::over(self, environment).shown(select)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(rows)
    }

    /// Visits every combination of rows that FROM and WHERE let through, equal rows of a bag as often as there are.
    pub(crate) fn combinations(&self, select: &Select, mut outer: Environment, visit: Visit<'_>) -> Result<()> {
        let Some(access) = self.access(select) else {
            let frame = Frame::over(self, &outer);
            let passes = select.filter.as_ref().map_or(Ok(true), |filter| is_true(filter, &frame))?;
            if !select.from.is_empty() {
                return Err(Error::bug("a SELECT has no planned access"));
            }
            return if passes { visit(&outer).map(|_| ()) } else { Ok(()) };
        };
        if !self.all_true(&access.guards, &outer)? {
            return Ok(());
        }
        match self.known.filter(|_| std::ptr::eq(select, &self.branch.branch.select)) {
            Some(known) => {
                for environment in known {
                    if visit(environment)?.is_break() {
                        break;
                    }
                }
            }
            None => drop(self.bind(select, &access.steps, &mut outer, visit)?),
        }
        Ok(())
    }

    fn bind(
        &self,
        select: &Select,
        steps: &[AccessStep],
        environment: &mut Environment,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>> {
        let Some((step, rest)) = steps.split_first() else { return visit(environment) };
        let Some(item) = select.from.get(step.item) else { return Err(Error::bug("an access step has no relation")) };
        let mut matched = false;
        let mut candidates = self.candidates(item, step, environment)?;
        for place in 0.. {
            let Some((candidate, count)) = candidates.at(place) else { break };
            set(environment, item.alias, candidate);
            if !self.all_true(&step.matches, environment)? {
                continue;
            }
            matched = true;
            if !self.all_true(&step.filters, environment)? {
                continue;
            }
            for _ in 0..count {
                if self.bind(select, rest, environment, visit)?.is_break() {
                    set(environment, item.alias, Binding::Unbound);
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        let mut flow = ControlFlow::Continue(());
        if !matched && item.join == JoinKind::Left {
            set(environment, item.alias, Binding::Null);
            if self.all_true(&step.filters, environment)? {
                flow = self.bind(select, rest, environment, visit)?;
            }
        }
        set(environment, item.alias, Binding::Unbound);
        Ok(flow)
    }

    fn candidates(&self, item: &FromItem, step: &AccessStep, environment: &Environment) -> Result<Candidates> {
        match (&step.path, &item.relation) {
            (AccessPath::Bound, _) => {
                let given = self.branch.anchor.members().find(|(alias, _)| *alias == item.alias);
                match (given, &item.relation) {
                    (Some((_, Some(index))), _) => Ok(Candidates::Stored(self.reader.probe(index, self.anchor.to_vec())?)),
                    (Some((_, None)), Relation::Table(table)) => Ok(Candidates::One(self.reader.row(*table, self.anchor)?)),
                    _ => Err(Error::bug("a relation is planned as an anchor, and is none")),
                }
            }
            (AccessPath::Probe { index, values }, _) => {
                let frame = Frame::over(self, environment);
                match probe_key(self.reader.index(*index)?, values, &frame)? {
                    Some(key) => Ok(Candidates::Stored(self.reader.probe(*index, key)?)),
                    None => Ok(Candidates::One(None)),
                }
            }
            (AccessPath::Derived, Relation::Derived(arms)) => {
                let mut rows = Vec::new();
                for arm in arms {
                    rows.extend(self.select_in(arm, environment)?);
                }
                Ok(Candidates::Derived(rows))
            }
            (AccessPath::Derived, Relation::Table(_)) => Err(Error::bug("a stored table is planned as a derived one")),
        }
    }

    fn all_true(&self, conditions: &[crate::sql::query::Expr], environment: &Environment) -> Result<bool> {
        let frame = Frame::over(self, environment);
        for condition in conditions {
            if !is_true(condition, &frame)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn set(environment: &mut Environment, alias: AliasId, binding: Binding) {
    if let Some(slot) = environment.get_mut(alias.0) {
        *slot = binding;
    }
}

/// Evaluates expressions over one combination of rows and, in a grouped SELECT, its aggregates.
pub(crate) struct Frame<'f, 'a> {
    /// The derivation.
    pub(crate) execution: &'f Execution<'a>,
    /// Bindings.
    pub(crate) environment: &'f Environment,
    /// Aggregates of the group, if there is one.
    pub(crate) aggregates: &'f [Value],
    /// The numbers of the row, per numbering.
    pub(crate) numbers: &'f [u64],
    /// A row of one alias, over the environment.
    pub(crate) own: Option<(AliasId, &'f Row)>,
}

impl<'f, 'a> Frame<'f, 'a> {
    /// A combination of rows alone.
    pub(crate) fn over(execution: &'f Execution<'a>, environment: &'f Environment) -> Self {
        Self { execution, environment, aggregates: &[], numbers: &[], own: None }
    }

    /// What a SELECT shows of it, behind the values it is ordered by.
    pub(crate) fn shown(&self, select: &Select) -> Result<(Vec<Value>, Row)> {
        let order = select.order_by.iter().map(|item| evaluate(&item.expr, self)).collect::<Result<_>>()?;
        let mut row = Vec::with_capacity(select.outputs.len());
        for output in &select.outputs {
            row.push(evaluate(output, self)?);
        }
        Ok((order, row.into_boxed_slice()))
    }

    /// Everything that is bound.
    fn bound(&self) -> Cow<'f, Environment> {
        let Some((alias, row)) = self.own else { return Cow::Borrowed(self.environment) };
        let mut environment = self.environment.clone();
        set(&mut environment, alias, Binding::Derived(Arc::new(row.clone())));
        Cow::Owned(environment)
    }
}

impl Scope for Frame<'_, '_> {
    fn column(&self, alias: AliasId, column: usize) -> Result<&Value> {
        let value = match self.environment.get(alias.0) {
            _ if self.own.is_some_and(|(own, _)| own == alias) => self.own.and_then(|(_, row)| row.get(column)),
            Some(Binding::Null) => Some(&NULL),
            Some(Binding::Stored(stored)) => stored.column(column),
            Some(Binding::Derived(row)) => row.get(column),
            Some(Binding::Unbound) | None => None,
        };
        value.ok_or_else(|| Error::bug(format!("column {column} of alias {} is not bound", alias.0)))
    }

    fn aggregate(&self, index: usize) -> Result<&Value> {
        self.aggregates.get(index).ok_or_else(|| Error::bug(format!("aggregate {index} is not computed")))
    }

    fn row_number(&self, index: usize) -> Result<u64> {
        self.numbers.get(index).copied().ok_or_else(|| Error::bug(format!("row number {index} is not computed")))
    }

    fn scalar_subquery(&self, select: &Select) -> Result<Value> {
        self.execution.once(select, || self.execution.scalar(select, &self.bound()))
    }

    fn exists(&self, select: &Select) -> Result<bool> {
        let found = || Ok(Value::Int(i64::from(self.execution.has_rows(select, &self.bound())?)));
        Ok(self.execution.once(select, found)? == Value::Int(1))
    }
}

impl Execution<'_> {
    /// The answer of a subquery; one that refers to nothing outside of it is asked once.
    fn once(&self, select: &Select, answer: impl FnOnce() -> Result<Value>) -> Result<Value> {
        if !self.access(select).is_some_and(|access| access.standalone) {
            return answer();
        }
        let place = std::ptr::from_ref(select).addr();
        if let Some(known) = self.reader.view.answer(place) {
            return Ok(known);
        }
        let value = answer()?;
        self.reader.view.keep_answer(place, value.clone());
        Ok(value)
    }

    fn scalar(&self, select: &Select, environment: &Environment) -> Result<Value> {
        let mut rows = self.select_in(select, environment)?;
        let last = rows.pop();
        if !rows.is_empty() {
            let place =
                format!("the scalar subquery at bytes {}..{} of the mapping's SELECT", select.span.start, select.span.end);
            return Err(Error::new(
                Class::Person,
                format!("{place} gives more than one row, which is an error on the source too"),
            )
            .with_hint("restrict the subquery to one row, or aggregate it"));
        }
        Ok(last.and_then(|row| row.into_vec().into_iter().next()).unwrap_or(Value::Null))
    }

    /// Whether a SELECT over one relation that an index finds has a row: most often the first one shows it. `None`: another SELECT.
    fn finds_row(&self, select: &Select, environment: &Environment) -> Result<Option<bool>> {
        let (Some(access), [item]) = (self.access(select), select.from.as_slice()) else { return Ok(None) };
        let [step @ AccessStep { path: AccessPath::Probe { index, values }, .. }] = access.steps.as_slice() else {
            return Ok(None);
        };
        if !self.all_true(&access.guards, environment)? {
            return Ok(Some(false));
        }
        let key = probe_key(self.reader.index(*index)?, values, &Frame::over(self, environment))?;
        let Some(key) = key else { return Ok(Some(false)) };
        let mut environment = environment.clone();
        let mut asked_for = FIRST_ROWS;
        loop {
            let rows = self.reader.probe_some(*index, &key, asked_for)?;
            let is_all = rows.len() < asked_for;
            for stored in rows {
                set(&mut environment, item.alias, Binding::Stored(stored));
                if self.all_true(&step.matches, &environment)? && self.all_true(&step.filters, &environment)? {
                    return Ok(Some(true));
                }
            }
            if is_all {
                return Ok(Some(false));
            }
            asked_for = asked_for.saturating_mul(16);
        }
    }

    fn has_rows(&self, select: &Select, environment: &Environment) -> Result<bool> {
        if select.group_by.is_some() || select.limit == Some(0) || select.numberings.iter().any(|one| one.keeps_first) {
            return Ok(!self.select(select, environment.clone())?.is_empty());
        }
        if let Some(found) = self.finds_row(select, environment)? {
            return Ok(found);
        }
        let found = RefCell::new(false);
        self.combinations(select, environment.clone(), &mut |_| {
            found.replace(true);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found.into_inner())
    }
}
