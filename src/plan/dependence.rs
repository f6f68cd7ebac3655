//! Functional dependence inside one SELECT: which relations have at most one row, and which columns one value, once some columns are
//! known.
//!
//! Proofs stand on declared primary and unique keys and on equalities with columns and constants. A column can be *known* up to its own
//! equality ('a' and 'A' under a case-insensitive collation); a relation that is *fixed* is known byte by byte.

use std::collections::BTreeSet;

use crate::plan::expr::{
    Equality, bare_column, children, conjuncts, equality, free_aliases, is_constant, is_plain, same, select_exprs, subquery,
    with_alias,
};
use crate::plan::indexes::{Indexed, Term};
use crate::plan::input::Fact;
use crate::plan::kinds::{adopted, agree, is_by_bytes, own_kind, pinned};
use crate::plan::scopes::{Scopes, pinnable, pool_of};
use crate::schema::DataType;
use crate::sql::query::{AliasId, Expr, ExprKind, FromItem, JoinKind, NumberingFunction, Relation, Select};
use crate::value::{KeyKind, Value};

/// What is determined inside one SELECT. Everything that is not introduced by it counts as determined from the start.
pub(crate) struct Dependence<'a, 'b> {
    scopes: &'a Scopes<'b>,
    select: &'a Select,
    pool: Vec<&'a Expr>,
    /// Relations with at most one row.
    pub(crate) fixed: BTreeSet<AliasId>,
    /// Columns with one value, up to their own equality.
    pub(crate) known: BTreeSet<(AliasId, usize)>,
}

impl<'a, 'b> Dependence<'a, 'b> {
    /// Nothing known yet about a SELECT; `pushed` are further conditions on its rows.
    pub(crate) fn new(scopes: &'a Scopes<'b>, select: &'a Select, pushed: &'a [Expr]) -> Self {
        let pool = pool_of(select).into_iter().chain(pushed).collect();
        Self { scopes, select, pool, fixed: BTreeSet::new(), known: BTreeSet::new() }
    }

    /// Draws every conclusion.
    pub(crate) fn settle(&mut self) {
        loop {
            let before = (self.fixed.len(), self.known.len());
            self.spread_known();
            for item in &self.select.from {
                if !self.fixed.contains(&item.alias) && self.becomes_fixed(item) {
                    self.fixed.insert(item.alias);
                }
            }
            if before == (self.fixed.len(), self.known.len()) {
                return;
            }
        }
    }

    /// The relations that are not fixed.
    pub(crate) fn open(&self) -> Vec<AliasId> {
        self.select.from.iter().map(|item| item.alias).filter(|alias| !self.fixed.contains(alias)).collect()
    }

    /// Whether an alias is determined row by row: fixed, or not introduced here.
    pub(crate) fn is_fixed(&self, alias: AliasId) -> bool {
        self.fixed.contains(&alias) || !self.select.from.iter().any(|item| item.alias == alias)
    }

    /// Whether a column has one value, up to its own equality.
    pub(crate) fn is_known(&self, alias: AliasId, column: usize) -> bool {
        self.is_fixed(alias) || self.known.contains(&(alias, column))
    }

    /// Whether an expression has one value, exactly.
    pub(crate) fn is_exact(&self, expr: &Expr) -> bool {
        free_aliases(expr).into_iter().all(|alias| self.is_fixed(alias))
    }

    fn is_determined(&self, expr: &Expr, rule: &KeyKind) -> bool {
        let as_column = || {
            if let Some((alias, column)) = bare_column(expr) {
                let own = own_kind(&expr.data_type, self.scopes.catalog)?;
                return Some(self.is_known(alias, column) && agree(rule, &own));
            }
            // Of text from another source, one value by bytes is one value by every rule.
            let (alias, column, own) = adopted(expr)?;
            let own = own_kind(own, self.scopes.catalog)?;
            let is_as_fine = if matches!(rule, KeyKind::Text(_)) { is_by_bytes(&own) } else { agree(rule, &own) };
            Some(is_as_fine && self.is_known(alias, column))
        };
        self.is_exact(expr) || as_column().unwrap_or(false)
    }

    fn spread_known(&mut self) {
        let pairs: Vec<(AliasId, usize)> = self
            .pool
            .iter()
            .filter_map(|conjunct| equality(conjunct))
            .flatten()
            .filter_map(|direction| {
                let column = pinned(direction.left, direction.rule, self.scopes.catalog)?;
                self.is_determined(direction.right, direction.rule).then_some(column)
            })
            .collect();
        self.known.extend(pairs);
    }

    fn becomes_fixed(&self, item: &FromItem) -> bool {
        let own: Vec<&Expr> = item.on.iter().flat_map(conjuncts).collect();
        let usable = if item.join == JoinKind::Left { own } else { self.pool.clone() };
        match &item.relation {
            Relation::Table(table) => {
                let Some(indexed) = Indexed::of(self.scopes.catalog, *table) else { return false };
                let terms = self.terms(item.alias, &usable);
                let terms: Vec<&Term> = terms.iter().collect();
                indexed.is_unique(&terms)
                    || self.key_is_known(item.alias, &indexed)
                    || self.is_fixed_by_fact(item.alias, &indexed, &terms, &usable)
            }
            Relation::Derived(arms) => match arms.as_slice() {
                [inner] => self.has_one_row(item.alias, inner, &usable),
                _ => false,
            },
        }
    }

    fn key_is_known(&self, alias: AliasId, indexed: &Indexed<'_>) -> bool {
        let mut keys = indexed.schema.primary_key.iter().chain(&indexed.schema.unique_keys);
        keys.any(|key| {
            !key.columns.is_empty()
                && key.columns.iter().all(|column| {
                    self.known.contains(&(alias, *column))
                        && indexed.schema.columns.get(*column).is_some_and(|column| !column.nullable)
                })
        })
    }

    /// Whether a fact about the table says that what is pinned or known has at most one row.
    fn is_fixed_by_fact(&self, alias: AliasId, indexed: &Indexed<'_>, terms: &[&Term], usable: &[&Expr]) -> bool {
        let asked = |condition: &Expr| {
            let condition = with_alias(condition, alias);
            usable.iter().any(|conjunct| same(conjunct, &condition))
        };
        let by_own = |column: &usize| {
            let known = self.known.contains(&(alias, *column));
            let nullable = indexed.schema.columns.get(*column).is_none_or(|column| column.nullable);
            indexed.pins(&[*column], terms).is_some() || (known && !nullable)
        };
        // Text of another source is unique by the rule that the mapping compares it by, not by its own.
        let written = |value: &Expr| {
            let (value, own) = (with_alias(value, alias), own_kind(&value.data_type, self.scopes.catalog));
            terms.iter().any(|term| same(&term.expr, &value) && own.as_ref().is_some_and(|own| agree(&term.rule, own)))
        };
        let is_pinned = |fact: &Fact| {
            let mut columns = fact.columns.iter().enumerate();
            columns.all(|(place, column)| match fact.written.get(place).filter(|value| adopted(value).is_some()) {
                Some(value) => written(value),
                None => by_own(column),
            })
        };
        let facts = self.scopes.facts.iter().filter(|fact| fact.table == indexed.table);
        facts.into_iter().any(|fact| is_pinned(fact) && fact.filter.iter().flat_map(conjuncts).all(asked))
    }

    /// The columns of a relation that are pinned by their own equality, for messages.
    pub(crate) fn pinned_columns(&self, item: &FromItem) -> Vec<usize> {
        let own: Vec<&Expr> = item.on.iter().flat_map(conjuncts).collect();
        let usable = if item.join == JoinKind::Left { own } else { self.pool.clone() };
        let terms = self.terms(item.alias, &usable);
        let pinned = terms.iter().filter_map(|term| self.pinned_column(&term.expr, &term.rule));
        let known = self.known.iter().filter(|(alias, _)| *alias == item.alias).map(|(_, column)| *column);
        pinned.chain(known).collect::<BTreeSet<usize>>().into_iter().collect()
    }

    /// The equalities that pin expressions over `alias` to something determined.
    fn terms(&self, alias: AliasId, usable: &[&Expr]) -> Vec<Term> {
        let only = BTreeSet::from([alias]);
        let directions: Vec<Equality<'_>> = usable.iter().filter_map(|conjunct| equality(conjunct)).flatten().collect();
        let sides = directions.iter().filter(|direction| is_plain(direction.left) && free_aliases(direction.left) == only);
        let (ready, rest): (Vec<&Equality<'_>>, Vec<&Equality<'_>>) = sides.partition(|direction| {
            !free_aliases(direction.right).contains(&alias) && self.is_determined(direction.right, direction.rule)
        });
        let pinned: BTreeSet<usize> =
            ready.iter().filter_map(|direction| self.pinned_column(direction.left, direction.rule)).collect();
        let by_own_key = rest.into_iter().filter(|direction| self.depends_on_pinned_only(direction.right, alias, &pinned));
        ready
            .iter()
            .copied()
            .chain(by_own_key)
            .map(|direction| Term {
                expr: direction.left.clone(),
                value: direction.right.clone(),
                rule: direction.rule.clone(),
                null_safe: direction.null_safe,
                constant: is_constant(direction.right),
            })
            .collect()
    }

    fn pinned_column(&self, expr: &Expr, rule: &KeyKind) -> Option<usize> {
        pinned(expr, rule, self.scopes.catalog).map(|(_, column)| column)
    }

    /// Whether an expression depends on `alias` only through comparisons of pinned columns by their own equality: the latest-row idiom
    /// `h.seq = (SELECT MAX(x.seq) FROM h x WHERE x.ord_no = h.ord_no)` with `h.ord_no` pinned.
    fn depends_on_pinned_only(&self, expr: &Expr, alias: AliasId, pinned: &BTreeSet<usize>) -> bool {
        if let ExprKind::Compare { rule, left, right, .. } = &expr.kind {
            return [left, right].into_iter().all(|side| {
                let compares_pinned = bare_column(side).is_some_and(|(of, column)| of == alias && pinned.contains(&column))
                    && self.pinned_column(side, rule).is_some();
                compares_pinned || self.depends_on_pinned_only(side, alias, pinned)
            });
        }
        if let Some(select) = subquery(expr) {
            let plain = select.from.iter().all(|item| matches!(item.relation, Relation::Table(_)));
            return plain && select_exprs(select).into_iter().all(|inner| self.depends_on_pinned_only(inner, alias, pinned));
        }
        match bare_column(expr) {
            Some((of, _)) => of != alias && self.is_fixed(of),
            None => children(expr).into_iter().all(|child| self.depends_on_pinned_only(child, alias, pinned)),
        }
    }

    /// Whether a derived table has at most one row for what is determined here.
    fn has_one_row(&self, alias: AliasId, inner: &Select, usable: &[&Expr]) -> bool {
        if inner.limit == Some(1) {
            return true;
        }
        let mut pushed: Vec<Expr> = Vec::new();
        let known = self.known.iter().filter(|(of, _)| *of == alias);
        for output in known.filter_map(|(_, column)| inner.outputs.get(*column)) {
            let Some(own) = own_kind(&output.data_type, self.scopes.catalog) else { continue };
            let position = inner.outputs.iter().position(|candidate| std::ptr::eq(candidate, output)).unwrap_or(usize::MAX);
            if let Some(output) = pinnable(inner, position, &own, self.scopes.catalog) {
                pushed.push(pinned_to_constant(output, &own));
            }
        }
        for direction in usable.iter().filter_map(|conjunct| equality(conjunct)).flatten() {
            let Some((of, column)) = bare_column(direction.left) else { continue };
            if of != alias || direction.null_safe || !self.is_determined(direction.right, direction.rule) {
                continue;
            }
            if let Some(output) = pinnable(inner, column, direction.rule, self.scopes.catalog) {
                pushed.push(pinned_to_constant(output, direction.rule));
            }
        }
        if self.is_numbered_one(alias, inner, usable, &pushed) {
            return true;
        }
        match &inner.group_by {
            Some(groups) => groups.iter().all(|group| is_constant(group) || pushed.iter().any(|pin| pins(pin, group))),
            None if inner.distinct
                && inner.outputs.iter().all(|output| is_constant(output) || pushed.iter().any(|pin| pins(pin, output))) =>
            {
                true
            }
            None => {
                let mut dependence = Dependence::new(self.scopes, inner, &pushed);
                dependence.settle();
                !inner.from.is_empty() && dependence.open().is_empty()
            }
        }
    }

    /// Whether the rows of a derived table are numbered, `usable` asks for one number, and all of the partition is pinned.
    fn is_numbered_one(&self, alias: AliasId, inner: &Select, usable: &[&Expr], pushed: &[Expr]) -> bool {
        let asked = |index: usize| {
            let directions = usable.iter().filter_map(|conjunct| equality(conjunct)).flatten();
            let pinned = directions.filter(|direction| self.is_determined(direction.right, direction.rule));
            let columns = pinned.filter_map(|direction| bare_column(direction.left)).chain(self.known.iter().copied());
            let number = |column: usize| inner.outputs.get(column).map(|output| &output.kind);
            columns
                .filter(|(of, _)| *of == alias)
                .any(|(_, column)| matches!(number(column), Some(ExprKind::RowNumber(found)) if *found == index))
        };
        inner.numberings.iter().enumerate().any(|(index, numbering)| {
            numbering.function == NumberingFunction::RowNumber
                && (numbering.keeps_first || asked(index))
                && numbering.partition_by.iter().all(|part| is_constant(part) || pushed.iter().any(|pin| pins(pin, part)))
        })
    }
}

fn pins(pin: &Expr, group: &Expr) -> bool {
    matches!(&pin.kind, ExprKind::Compare { left, .. } if same(left, group))
}

/// `expr = constant`, whichever constant.
fn pinned_to_constant(expr: &Expr, rule: &KeyKind) -> Expr {
    let constant =
        Expr { kind: ExprKind::Literal(Value::Null), data_type: expr.data_type.clone(), nullable: true, span: expr.span.clone() };
    Expr {
        kind: ExprKind::Compare {
            operator: crate::sql::query::CompareOperator::Equal,
            rule: rule.clone(),
            left: Box::new(expr.clone()),
            right: Box::new(constant),
        },
        data_type: DataType::Integer { bits: 64, unsigned: false },
        nullable: true,
        span: expr.span.clone(),
    }
}
