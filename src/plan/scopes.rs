//! The shape of a branch: which SELECT introduces which alias, which conditions hold on every row, and which equalities lead from one
//! stored table to another.
//!
//! A *pool* is the set of conjuncts that hold on every row a SELECT yields: those of WHERE and of inner joins. The ON of a LEFT
//! relation holds only where the relation matched, so it is kept apart and belongs to that relation alone.

use std::collections::BTreeSet;

use crate::plan::expr::{bare_column, children, conjuncts, equality, free_aliases, is_plain, same, select_exprs, subquery};
use crate::plan::input::Fact;
use crate::plan::kinds::{agree, own_kind};
use crate::schema::{SourceCatalog, TableId};
use crate::sql::query::{AliasId, Branch, Expr, FromItem, JoinKind, Relation, Select};
use crate::value::KeyKind;

/// One SELECT of a branch.
pub(crate) struct Scope<'a> {
    /// The SELECT.
    pub(crate) select: &'a Select,
    /// Conjuncts that hold on every row it yields.
    pub(crate) pool: Vec<&'a Expr>,
    /// The derived table it defines; `None` for the branch itself and for subqueries.
    pub(crate) derived: Option<AliasId>,
}

/// Where an alias is introduced.
pub(crate) struct Place<'a> {
    /// Index of its SELECT in [`Scopes::scopes`].
    pub(crate) scope: usize,
    /// Its relation.
    pub(crate) item: &'a FromItem,
}

/// All SELECTs of a branch. The first is the branch itself.
pub(crate) struct Scopes<'a> {
    /// The branch.
    pub(crate) branch: &'a Branch,
    /// The catalogue the branch is bound to.
    pub(crate) catalog: &'a SourceCatalog,
    /// What is declared about the data beyond the schema.
    pub(crate) facts: &'a [Fact],
    /// SELECTs, outermost first.
    pub(crate) scopes: Vec<Scope<'a>>,
    places: Vec<Option<Place<'a>>>,
}

/// One side of an equality, traced to a stored table.
#[derive(Debug, Clone)]
pub(crate) struct Side {
    /// The base-table alias.
    pub(crate) alias: AliasId,
    /// The alias as written; differs where it is a derived table.
    pub(crate) direct: AliasId,
    /// An expression over `alias` alone.
    pub(crate) expr: Expr,
    /// NULL whenever the written alias is NULL-extended.
    pub(crate) strict: bool,
}

/// An equality that holds on every contribution of a row of `from`, and leads to rows of `to`.
#[derive(Debug, Clone)]
pub(crate) struct Edge {
    /// Where a walk comes from.
    pub(crate) from: Side,
    /// Where it leads.
    pub(crate) to: Side,
    /// The rule of the comparison.
    pub(crate) rule: KeyKind,
    /// `<=>`.
    pub(crate) null_safe: bool,
}

impl<'a> Scopes<'a> {
    /// Looks at a branch.
    pub(crate) fn of(branch: &'a Branch, catalog: &'a SourceCatalog, facts: &'a [Fact]) -> Self {
        let places = branch.aliases.iter().map(|_| None).collect();
        let mut scopes = Self { branch, catalog, facts, scopes: Vec::new(), places };
        scopes.enter(&branch.select, None);
        scopes
    }

    fn enter(&mut self, select: &'a Select, derived: Option<AliasId>) {
        // A rewrite of the binder may repeat a subquery; the copy has the same aliases and is read the same way.
        if select.from.first().is_some_and(|item| self.place(item.alias).is_some()) {
            return;
        }
        let scope = self.scopes.len();
        self.scopes.push(Scope { select, pool: pool_of(select), derived });
        for item in &select.from {
            if let Some(place) = self.places.get_mut(item.alias.0) {
                *place = Some(Place { scope, item });
            }
        }
        for item in &select.from {
            if let Relation::Derived(arms) = &item.relation {
                arms.iter().for_each(|arm| self.enter(arm, Some(item.alias)));
            }
        }
        for expr in select_exprs(select) {
            self.enter_subqueries(expr);
        }
    }

    fn enter_subqueries(&mut self, expr: &'a Expr) {
        if let Some(select) = subquery(expr) {
            self.enter(select, None);
        }
        for child in children(expr) {
            self.enter_subqueries(child);
        }
    }

    /// Where an alias is introduced.
    pub(crate) fn place(&self, alias: AliasId) -> Option<&Place<'a>> {
        self.places.get(alias.0).and_then(Option::as_ref)
    }

    /// The stored table of an alias; `None` for a derived table.
    pub(crate) fn table(&self, alias: AliasId) -> Option<TableId> {
        self.branch.aliases.get(alias.0).and_then(|definition| definition.table)
    }

    /// The name of an alias, for messages.
    pub(crate) fn name(&self, alias: AliasId) -> &str {
        self.branch.aliases.get(alias.0).map_or("?", |definition| definition.name.as_str())
    }

    /// All aliases of stored tables, at any depth.
    pub(crate) fn base_aliases(&self) -> impl Iterator<Item = (AliasId, TableId)> + '_ {
        let aliases = self.branch.aliases.iter().enumerate();
        aliases
            .filter_map(|(index, definition)| Some((AliasId(index), definition.table?)))
            .filter(|(alias, _)| self.place(*alias).is_some())
    }

    /// Whether the alias can be NULL-extended within its own SELECT.
    pub(crate) fn is_left(&self, alias: AliasId) -> bool {
        self.place(alias).is_some_and(|place| place.item.join == JoinKind::Left)
    }

    /// The SELECTs of a derived table; none for a stored one.
    pub(crate) fn derived(&self, alias: AliasId) -> &'a [Select] {
        match self.place(alias).map(|place| &place.item.relation) {
            Some(Relation::Derived(arms)) => arms,
            _ => &[],
        }
    }

    /// The conjuncts that a relation's rows fulfil wherever it is joined: its own ON if it is LEFT, else the pool; none of `None`.
    pub(crate) fn conditions_on(&self, alias: Option<AliasId>) -> Vec<&'a Expr> {
        let Some(place) = alias.and_then(|alias| self.place(alias)) else { return vec![] };
        match (place.item.join, self.scopes.get(place.scope)) {
            (JoinKind::Left, _) => place.item.on.as_ref().map(conjuncts).unwrap_or_default(),
            (JoinKind::Inner, scope) => scope.map(|scope| scope.pool.clone()).unwrap_or_default(),
        }
    }

    /// Conjuncts over `alias` alone that every row of it fulfils in every contribution: its own ON if it is LEFT, else the pool.
    pub(crate) fn local_conjuncts(&self, alias: AliasId) -> Vec<&'a Expr> {
        let only = BTreeSet::from([alias]);
        let own = self.conditions_on(Some(alias));
        own.into_iter().filter(|conjunct| is_plain(conjunct) && free_aliases(conjunct) == only).collect()
    }

    /// Traces one side of an equality to stored tables, one for each SELECT of a derived table; none where it is not an expression over
    /// one stored row.
    fn sides(&self, expr: &Expr, rule: &KeyKind) -> Vec<Side> {
        let free = free_aliases(expr);
        let (Some(direct), None) = (free.first().copied(), free.iter().nth(1)) else { return vec![] };
        if !is_plain(expr) {
            return vec![];
        }
        if self.table(direct).is_some() {
            return vec![Side { alias: direct, direct, expr: expr.clone(), strict: bare_column(expr).is_some() }];
        }
        let Some((_, column)) = bare_column(expr) else { return vec![] };
        let outputs = self.derived(direct).iter().filter_map(|arm| pushable(arm, column, rule, self.catalog));
        let inner = outputs.flat_map(|output| self.sides(output, rule));
        let present = inner.filter(|inner| inner.strict || !self.is_left(inner.direct));
        present.map(|inner| Side { direct, strict: true, ..inner }).collect()
    }

    /// Every equality that a walk may follow, in the direction it may follow it.
    pub(crate) fn edges(&self) -> Vec<Edge> {
        let mut edges = Vec::new();
        for (index, scope) in self.scopes.iter().enumerate() {
            for conjunct in &scope.pool {
                self.edges_of(conjunct, &mut edges, &|from, _| self.introduced_in(from.direct, index), None);
            }
            for item in scope.select.from.iter().filter(|item| item.join == JoinKind::Left) {
                for conjunct in item.on.iter().flat_map(conjuncts) {
                    self.edges_of(
                        conjunct,
                        &mut edges,
                        &|from, to| from.direct == item.alias && to.direct != item.alias,
                        Some(item.alias),
                    );
                }
            }
        }
        edges
    }

    fn edges_of(&self, conjunct: &Expr, edges: &mut Vec<Edge>, allowed: &dyn Fn(&Side, &Side) -> bool, owner: Option<AliasId>) {
        let Some(directions) = equality(conjunct) else { return };
        for direction in directions {
            let (from, to) = (self.sides(direction.left, direction.rule), self.sides(direction.right, direction.rule));
            let pairs = from.iter().flat_map(|from| to.iter().map(move |to| (from.clone(), to.clone())));
            // A NULL-extended row can only fulfil an equality through an expression that makes something of NULL; such an
            // equality does not prove that the row is there.
            let certain =
                |side: &Side| Some(side.direct) == owner || !self.is_left(side.direct) || (side.strict && !direction.null_safe);
            for (from, to) in pairs {
                if from.alias != to.alias && certain(&from) && certain(&to) && allowed(&from, &to) {
                    edges.push(Edge { from, to, rule: direction.rule.clone(), null_safe: direction.null_safe });
                }
            }
        }
    }

    fn introduced_in(&self, alias: AliasId, scope: usize) -> bool {
        self.place(alias).is_some_and(|place| place.scope == scope)
    }
}

/// The conjuncts that hold on every row of a SELECT.
pub(crate) fn pool_of(select: &Select) -> Vec<&Expr> {
    let inner = select.from.iter().filter(|item| item.join == JoinKind::Inner).filter_map(|item| item.on.as_ref());
    inner.chain(&select.filter).flat_map(conjuncts).collect()
}

/// The expression behind an output of a derived table, if pinning the output pins it: for the question how many rows there are at most.
pub(crate) fn pinnable<'a>(select: &'a Select, column: usize, rule: &KeyKind, catalog: &SourceCatalog) -> Option<&'a Expr> {
    let output = select.outputs.get(column)?;
    let own = own_kind(&output.data_type, catalog)?;
    let parted = select.group_by.is_some() || select.distinct || !select.numberings.is_empty();
    (is_plain(output) && (!parted || agree(rule, &own))).then_some(output)
}

/// The expression behind an output of a derived table, if an equality on the output may be asked of every row before grouping:
/// a plain output of an ungrouped SELECT, or a group expression whose grouping is not coarser than the equality.
pub(crate) fn pushable<'a>(select: &'a Select, column: usize, rule: &KeyKind, catalog: &SourceCatalog) -> Option<&'a Expr> {
    let output = select.outputs.get(column)?;
    if select.limit.is_some() || !is_plain(output) {
        return None;
    }
    let own = own_kind(&output.data_type, catalog)?;
    let constant_in_group = match &select.group_by {
        None => !select.distinct || agree(rule, &own),
        Some(groups) => agree(rule, &own) && groups.iter().any(|group| same(group, output)),
    };
    let parts_as_numbered = select
        .numberings
        .iter()
        .all(|numbering| agree(rule, &own) && numbering.partition_by.iter().any(|part| same(part, output)));
    (constant_in_group && parts_as_numbered).then_some(output)
}
