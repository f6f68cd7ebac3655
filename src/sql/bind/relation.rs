//! What makes rows for a FROM out of further SELECTs: derived tables, CTEs and set operations.
//!
//! A CTE is bound anew at each of its uses, so that it means the same as the derived table with its text: what it computes follows from
//! the rows alone.

use std::rc::Rc;

use sqlparser::ast::{self, Query, SetExpr, TableAliasColumnDef, With};

use super::query_body::Ending;
use super::scope::{Clause, VisibleColumn};
use super::select::Purpose;
use super::typing::collected;
use super::{Binder, Bound, BoundSelect, Reported, tree};
use crate::schema::{DataType, Flavor};
use crate::sql::query::{
    Aggregate, AggregateFunction, AliasDefinition, AliasId, Diagnostic, Expr, ExprKind, FromItem, JoinKind, Relation, Select,
    Span,
};
use crate::sql::types;

/// A CTE in scope. Its own SELECT sees those before it.
#[derive(Debug, Clone)]
pub(super) struct Cte {
    name: String,
    columns: Vec<TableAliasColumnDef>,
    query: Rc<Query>,
}

/// The SELECTs behind a derived table or a subquery, with agreeing column types, and the names of their outputs.
pub(super) struct Arms {
    pub(super) selects: Vec<Select>,
    pub(super) names: Vec<Option<(String, Span)>>,
}

/// A derived table as it is named in FROM.
pub(super) struct Naming<'n> {
    pub(super) name: String,
    pub(super) columns: &'n [TableAliasColumnDef],
    pub(super) span: Span,
}

impl Binder<'_> {
    /// Runs `then` with the CTEs of a WITH clause in scope.
    pub(super) fn in_scope_of<T>(&mut self, with: Option<&With>, then: impl FnOnce(&mut Self) -> Bound<T>) -> Bound<T> {
        let outer = self.ctes.len();
        let declared = with.map_or(Ok(()), |with| self.declare(with));
        let result = declared.and_then(|()| then(self));
        self.ctes.truncate(outer);
        result
    }

    fn declare(&mut self, with: &With) -> Bound<()> {
        let With { with_token, recursive, cte_tables } = with;
        if *recursive {
            let place = self.range(&with_token.0);
            return Err(self.refuse(
                place,
                "recursion is not supported: one row could change any number of levels",
                "join the table to itself as many times as there are levels; without a CTE that reads itself, remove RECURSIVE",
            ));
        }
        let first = self.ctes.len();
        for cte in cte_tables {
            let ast::Cte { alias, query, from, materialized: _, closing_paren_token: _ } = cte;
            let place = self.tokens.range(alias.name.span);
            if from.is_some() || alias.at.is_some() {
                return Err(self.refuse(place, "this form of WITH is not supported", "write WITH name AS (SELECT ..)"));
            }
            let name = alias.name.value.clone();
            if self.ctes.iter().skip(first).any(|other| self.same_table_name(&other.name, &name)) {
                return Err(self.refuse(place, format!("{name} is defined twice"), "give each CTE its own name"));
            }
            self.ctes.push(Cte { name, columns: alias.columns.clone(), query: Rc::new((**query).clone()) });
        }
        Ok(())
    }

    /// Binds a use of a CTE, if `table` is one.
    pub(super) fn cte(&mut self, table: &str, alias: Option<(String, Span)>, span: Span) -> Option<Bound<FromItem>> {
        let index = self.ctes.iter().rposition(|cte| self.same_table_name(&cte.name, table))?;
        let cte = self.ctes.get(index)?.clone();
        let later = self.ctes.split_off(index);
        let (name, span) = alias.unwrap_or((cte.name.clone(), span));
        let bound = self.relation(&cte.query, &Naming { name, columns: &cte.columns, span }, false);
        self.ctes.extend(later);
        Some(bound)
    }

    /// `(SELECT ..) alias` of FROM.
    pub(super) fn derived(&mut self, query: &Query, alias: &ast::TableAlias, lateral: bool, span: &Span) -> Bound<FromItem> {
        let ast::TableAlias { explicit: _, name, columns, at } = alias;
        let alias_span = self.range(alias);
        if at.is_some() || (!columns.is_empty() && self.catalog.flavor == Flavor::MariaDb) {
            return Err(self.refuse(
                alias_span,
                "a list of column names after an alias is not supported",
                "name the columns with AS inside the SELECT",
            ));
        }
        if lateral && !self.knows_lateral() {
            return Err(self.refuse(
                span.clone(),
                "the source does not know LATERAL",
                "write a correlated subquery, or number the rows: ROW_NUMBER() OVER (PARTITION BY .. ORDER BY ..) in a derived table",
            ));
        }
        self.relation(query, &Naming { name: name.value.clone(), columns, span: alias_span }, lateral)
    }

    fn knows_lateral(&self) -> bool {
        match self.catalog.flavor {
            Flavor::MariaDb => false,
            Flavor::MySql => self.catalog.version >= (8, 0, 14),
            Flavor::PostgreSql => true,
        }
    }

    fn relation(&mut self, query: &Query, naming: &Naming<'_>, lateral: bool) -> Bound<FromItem> {
        // LATERAL sees everything that stands left of it, whichever join it belongs to.
        let clause = std::mem::replace(&mut self.frame()?.clause, Clause::Where);
        let bound = self.arms(query, Purpose::Derived, !lateral);
        self.frame()?.clause = clause;
        let mut bound = bound?;
        if let [select] = bound.selects.as_mut_slice() {
            self.settle_outputs(select)?;
            let Select { outputs, aggregates, .. } = select;
            outputs.iter_mut().for_each(|output| year_of_table(aggregates, output));
        }
        if let Some(limited) = bound.selects.iter().find(|select| select.limit.is_some() && !reads_outside(select)) {
            return Err(self.refuse(
                limited.span.clone(),
                "LIMIT picks among the rows of whole tables: every change would read them all",
                "number the rows instead: ROW_NUMBER() OVER (PARTITION BY key ORDER BY ..) AS n, and n = 1 outside",
            ));
        }
        let names = self.column_names(&bound, naming)?;
        let columns = types_of(&bound.selects)
            .zip(names)
            .map(|((data_type, nullable), name)| VisibleColumn { name, data_type, nullable })
            .collect();
        let alias = self.introduce(naming.name.clone(), None, None, columns, naming.span.clone())?;
        Ok(FromItem { alias, relation: Relation::Derived(bound.selects), join: JoinKind::Inner, on: None })
    }

    fn column_names(&mut self, bound: &Arms, naming: &Naming<'_>) -> Bound<Vec<String>> {
        if naming.columns.is_empty() {
            let names = bound.names.iter().map(|name| name.as_ref().map_or_else(String::new, |(name, _)| name.clone()));
            return Ok(names.collect());
        }
        if naming.columns.len() != bound.names.len() {
            let (named, found) = (naming.columns.len(), bound.names.len());
            let message = format!("{} names {named} columns, and its SELECT has {found}", naming.name);
            return Err(self.refuse(naming.span.clone(), message, "name each column once"));
        }
        Ok(naming.columns.iter().map(|column| column.name.value.clone()).collect())
    }

    /// An output rounded to its type, as MySQL and MariaDB do; PostgreSQL's numbers are what they are, and may be no numbers (NaN).
    fn rounded(&self, output: Expr) -> Expr {
        if self.is_postgres() { output } else { types::settle(output) }
    }

    /// The outputs of a derived table that is stored are rounded to their types; one that the server may merge into the SELECT around
    /// it keeps more digits or not, as the plan goes.
    fn settle_outputs(&mut self, select: &mut Select) -> Bound<()> {
        if self.is_postgres() {
            return Ok(());
        }
        let stored = select.group_by.is_some() || select.distinct || select.limit.is_some() || !select.numberings.is_empty();
        if stored {
            select.outputs = std::mem::take(&mut select.outputs).into_iter().map(types::settle).collect();
            return Ok(());
        }
        let open: Vec<Span> =
            select.outputs.iter().filter(|output| types::is_unsettled(output)).map(|output| output.span.clone()).collect();
        let mut result = Ok(());
        for span in open {
            result = Err(self.refuse(
                span,
                "a derived table shows a quotient, and the source rounds it in some plans and not in others",
                "round it with CAST(.. AS DECIMAL(p,s))",
            ));
        }
        result
    }

    /// Binds a query that is not the statement itself: one SELECT, or several with UNION between them.
    pub(super) fn arms(&mut self, query: &Query, purpose: Purpose, closed: bool) -> Bound<Arms> {
        self.in_scope_of(query.with.as_ref(), |binder| binder.arms_in_scope(query, purpose, closed))
    }

    fn arms_in_scope(&mut self, query: &Query, purpose: Purpose, closed: bool) -> Bound<Arms> {
        let body = self.body(query, purpose)?;
        let ended = query.order_by.is_some() || query.limit_clause.is_some();
        match body {
            SetExpr::Select(select) => {
                let limit = query.limit_clause.as_ref().map(|clause| self.limit(clause, query, purpose)).transpose()?.flatten();
                let order_by = query.order_by.as_ref().map_or(Ok(&[][..]), |order_by| self.order_list(order_by, query))?;
                let BoundSelect { select, names } = self.select(select, purpose, closed, &Ending { order_by, limit })?;
                Ok(Arms { selects: vec![select], names })
            }
            SetExpr::Query(inner) if !ended => self.arms(inner, purpose, closed),
            _ if ended => {
                let tail = self.range(body).end..self.tokens.whole().end;
                let place = self.clause(&tail, if query.order_by.is_some() { "ORDER" } else { "LIMIT" });
                Err(self.refuse(
                    place,
                    "ORDER BY and LIMIT over a UNION are not supported",
                    "put the UNION into a derived table and order its rows: SELECT .. FROM (.. UNION ALL ..) u ORDER BY ..",
                ))
            }
            _ => self.united_arms(body, purpose, closed),
        }
    }

    fn united_arms(&mut self, body: &SetExpr, purpose: Purpose, closed: bool) -> Bound<Arms> {
        let parts = self.flatten(body)?;
        let bound = parts.selects.iter().enumerate().map(|(number, select)| {
            let purpose = if number == 0 { purpose } else { purpose.later() };
            self.select(select, purpose, closed, &Ending::default())
        });
        let bound = collected(bound.collect())?;
        let names = bound.first().map(|bound| bound.names.clone()).unwrap_or_default();
        let mut selects: Vec<Select> = bound.into_iter().map(|bound| bound.select).collect();
        self.unify_selects(&mut selects.iter_mut().collect::<Vec<_>>())?;
        let rest = selects.split_off(parts.set_of_first);
        let mut arms: Vec<Select> = Vec::new();
        if !selects.is_empty() {
            arms.push(self.set_of(selects));
        }
        arms.extend(rest);
        Ok(Arms { selects: arms, names })
    }

    /// One SELECT over several: the rows of all, equal ones once if `distinct`.
    fn over(&mut self, arms: Vec<Select>, distinct: bool) -> Select {
        let start = arms.first().map_or(0, |first| first.span.start);
        let span = start..arms.last().map_or(start, |last| last.span.end);
        let alias = AliasId(self.aliases.len());
        self.aliases.push(AliasDefinition { name: "union".to_owned(), table: None, span: span.clone() });
        let places = arms.first().map(|first| first.outputs.iter().map(|output| output.span.clone()).collect::<Vec<_>>());
        let outputs = types_of(&arms).zip(places.unwrap_or_default()).enumerate();
        let outputs = outputs
            .map(|(column, ((data_type, nullable), span))| Expr {
                kind: ExprKind::Column { alias, column },
                data_type,
                nullable,
                span,
            })
            .collect();
        let from = vec![FromItem { alias, relation: Relation::Derived(arms), join: JoinKind::Inner, on: None }];
        Select { from, outputs, distinct, ..Select::empty(span) }
    }

    /// The rows of several SELECTs, equal ones once.
    pub(super) fn set_of(&mut self, arms: Vec<Select>) -> Select {
        self.over(arms, true)
    }

    /// Binds a subquery of an expression as one SELECT.
    pub(super) fn subselect(&mut self, query: &Query, purpose: Purpose) -> Bound<Select> {
        let mut selects = self.arms(query, purpose, false)?.selects;
        match (selects.pop(), selects.is_empty()) {
            (Some(only), true) => Ok(only),
            (Some(last), false) => {
                selects.push(last);
                Ok(self.over(selects, false))
            }
            (None, _) => Err(self.broken("a subquery without a SELECT")),
        }
    }

    /// Gives SELECTs that stand under each other the same column types. Returns, per column, the type and whether NULL may occur.
    pub(super) fn unify_selects(&mut self, selects: &mut [&mut Select]) -> Bound<Vec<(DataType, bool)>> {
        let Some(width) = selects.first().map(|first| first.outputs.len()) else {
            return Err(self.broken("a statement without a branch"));
        };
        if let Some(select) = selects.iter().skip(1).find(|select| select.outputs.len() != width) {
            let found = select.outputs.len();
            return Err(self.report(
                Diagnostic::new(select.span.clone(), format!("this SELECT has {found} columns, the first has {width}"))
                    .with_help("give every SELECT of the UNION ALL the same number of columns"),
            ));
        }
        let mut columns = Vec::with_capacity(width);
        for index in 0..width {
            let outputs: Vec<Expr> = selects.iter().filter_map(|select| select.outputs.get(index).cloned()).collect();
            let nullable = outputs.iter().any(|output| output.nullable);
            let span = outputs.first().map_or(0..0, |output| output.span.clone());
            let (converted, data_type) = if selects.len() == 1 {
                let settled = outputs.into_iter().map(|output| self.settled(self.rounded(output))).collect();
                let settled = super::typing::collected(settled)?;
                let data_type = settled.first().map_or(DataType::Null, |output| output.data_type.clone());
                (settled, data_type)
            } else {
                self.unify_columns(outputs, &span)?
            };
            for (select, output) in selects.iter_mut().zip(converted) {
                if let Some(slot) = select.outputs.get_mut(index) {
                    *slot = output;
                }
            }
            columns.push((data_type, nullable));
        }
        Ok(columns)
    }

    /// A name that no relation of the frame may have twice, made visible with its columns.
    pub(super) fn unknown_table(&mut self, schema: Option<&str>, table: &str, span: Span) -> Reported {
        if !self.catalog.sources.is_empty() {
            return self.unknown_among_sources(schema, table, span);
        }
        let tables = self.catalog.tables.iter().map(|table| table.name.name.as_str());
        let names = tables.chain(self.ctes.iter().map(|cte| cte.name.as_str()));
        let help = match crate::sql::diagnostic::nearest(table, names) {
            Some(near) => format!("did you mean {near}?"),
            None => "check the name, and whether the database user may read the table".to_owned(),
        };
        self.refuse(span, format!("the source has no table {table}"), help)
    }

    fn unknown_among_sources(&mut self, schema: Option<&str>, table: &str, span: Span) -> Reported {
        let sources: Vec<&str> = self.catalog.sources.keys().map(String::as_str).collect();
        let listed = sources.join(", ");
        let several: Vec<String> = self.catalog.named(schema, table).map(|(_, found)| found.name.to_string()).collect();
        if !several.is_empty() {
            let message = format!("{table} may mean {}", several.join(" or "));
            return self.refuse(span, message, "write the source before the name: source.table");
        }
        let source = schema.map(|schema| schema.split_once('.').map_or(schema, |(source, _)| source));
        match source {
            Some(source) if !sources.contains(&source) => {
                self.refuse(span, format!("the mapping reads no source {source}"), format!("its `sources` are: {listed}"))
            }
            Some(source) => self.refuse(
                span,
                format!("source {source} has no table {table}"),
                "check the name, and whether the database user may read the table; a schema is written source.schema.table",
            ),
            None => self.refuse(
                span,
                format!("none of the sources {listed} has a table {table}"),
                "check the name, and whether the database user may read the table",
            ),
        }
    }
}

/// The least YEAR of a group is a number, which becomes a YEAR again where it is a column of a derived table.
fn year_of_table(aggregates: &[Aggregate], output: &mut Expr) {
    let ExprKind::Aggregate(index) = output.kind else { return };
    let aggregate = aggregates.get(index);
    let is_extreme = |aggregate: &&Aggregate| matches!(aggregate.function, AggregateFunction::Min | AggregateFunction::Max);
    let argument = aggregate.filter(is_extreme).and_then(|aggregate| aggregate.arguments.first());
    if argument.is_some_and(|argument| argument.data_type == DataType::Year && matches!(argument.kind, ExprKind::Column { .. })) {
        output.data_type = DataType::Year;
    }
}

/// Per column of SELECTs with agreeing types: the type, and whether NULL may occur.
fn types_of(selects: &[Select]) -> impl Iterator<Item = (DataType, bool)> {
    let first = selects.first().map(|first| first.outputs.as_slice()).unwrap_or_default();
    first.iter().enumerate().map(|(column, output)| {
        let nullable = selects.iter().any(|select| select.outputs.get(column).is_some_and(|output| output.nullable));
        (output.data_type.clone(), nullable)
    })
}

/// Whether a SELECT reads columns of relations that it does not introduce.
fn reads_outside(select: &Select) -> bool {
    let mut own = Vec::new();
    introduced(select, &mut own);
    let read = tree::select_expressions(select).into_iter().flat_map(tree::columns);
    read.into_iter().any(|(alias, _)| !own.contains(&alias))
}

fn introduced(select: &Select, own: &mut Vec<AliasId>) {
    for item in &select.from {
        own.push(item.alias);
        if let Relation::Derived(arms) = &item.relation {
            arms.iter().for_each(|arm| introduced(arm, own));
        }
    }
    for expr in tree::select_expressions(select) {
        tree::visit(expr, &mut |node| {
            if let ExprKind::ScalarSubquery(inner) | ExprKind::Exists(inner) = &node.kind {
                introduced(inner, own);
            }
        });
    }
}
