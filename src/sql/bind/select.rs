//! One SELECT: its clauses in the order in which names become visible.

use sqlparser::ast::{self, GroupByExpr, SelectFlavor, SelectItem};

use super::query_body::Ending;
use super::scope::{Clause, Frame, Item, same_column};
use super::typing::collected;
use super::{Binder, Bound, BoundSelect, tree};
use crate::sql::query::{Expr, Select, Span};
use crate::sql::types;

/// What a SELECT is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The first SELECT of a statement: names the target's columns.
    Table,
    /// A later SELECT of a UNION ALL.
    LaterBranch,
    /// A derived table.
    Derived,
    /// A scalar subquery, or the subquery of IN.
    Scalar,
    /// The subquery of EXISTS: its outputs do not matter.
    Exists,
}

impl Purpose {
    fn names_outputs(self) -> bool {
        matches!(self, Self::Table | Self::Derived)
    }

    /// The purpose of a SELECT that stands under one with this purpose.
    pub(super) fn later(self) -> Self {
        if self.names_outputs() { Self::LaterBranch } else { self }
    }

    /// Whether ORDER BY can choose rows, with DISTINCT ON.
    pub(super) fn may_choose(self) -> bool {
        self != Self::Exists
    }
}

/// An output as bound, with its name.
type Output = (Expr, Option<(String, Span)>);

impl Binder<'_> {
    /// Binds a SELECT in a frame of its own.
    pub(super) fn select(
        &mut self,
        select: &ast::Select,
        purpose: Purpose,
        closed: bool,
        ending: &Ending<'_>,
    ) -> Bound<BoundSelect> {
        self.frames.push(Frame::new(closed));
        let bound = self.select_in_frame(select, purpose, ending);
        self.frames.pop();
        bound
    }

    fn select_in_frame(&mut self, select: &ast::Select, purpose: Purpose, ending: &Ending<'_>) -> Bound<BoundSelect> {
        let span = self.range(select);
        self.check_clauses(select, &span)?;
        let from = self.from(&select.from)?;
        let filter = select.selection.as_ref().map(|filter| {
            self.enter(Clause::Where)?;
            self.condition(filter)
        });
        let outputs = self.outputs(&select.projection, purpose);
        // Bound before the first failure counts, so that all findings are shown at once.
        let (filter, outputs) = (filter.transpose()?, outputs?);
        let group_by = self.group_by(&select.group_by, &span)?;
        let having = select.having.as_ref().map(|having| {
            self.enter(Clause::Having)?;
            self.condition(having)
        });
        let having = having.transpose()?;
        self.enter(Clause::OrderBy)?;
        let order_by = ending.order_by.iter().map(|item| self.order_item(item)).collect();
        let mut order_by = collected(order_by)?;
        if let Some(ast::Distinct::On(on)) = &select.distinct {
            let numbering = self.distinct_on(on, &std::mem::take(&mut order_by), &span)?;
            self.frame()?.numberings.push(numbering);
        }
        let aggregates = std::mem::take(&mut self.frame()?.aggregates);
        let numberings = std::mem::take(&mut self.frame()?.numberings);
        let group_by = group_by.or(if aggregates.is_empty() { None } else { Some(Vec::new()) });
        // Without groups HAVING is a second WHERE that may use the names of outputs.
        let (filter, having) = match group_by {
            Some(_) => (filter, having),
            None => (self.all_of(filter.into_iter().chain(having).collect()), None),
        };
        let (outputs, names) = outputs.into_iter().unzip();
        let distinct = matches!(select.distinct, Some(ast::Distinct::Distinct));
        let limit = ending.limit;
        let select = Select { from, filter, group_by, aggregates, having, numberings, outputs, distinct, order_by, limit, span };
        self.check_grouped(&select)?;
        self.check_orders(&select)?;
        self.check_documents(&select)?;
        Ok(BoundSelect { select, names })
    }

    fn enter(&mut self, clause: Clause) -> Bound<()> {
        self.frame()?.clause = clause;
        Ok(())
    }

    /// Refuses every clause that is not understood.
    fn check_clauses(&mut self, select: &ast::Select, span: &Span) -> Bound<()> {
        let ast::Select {
            select_token: _,
            optimizer_hints,
            distinct,
            select_modifiers,
            top,
            top_before_distinct: _,
            projection: _,
            exclude,
            into,
            from: _,
            lateral_views,
            prewhere,
            selection: _,
            connect_by,
            group_by: _,
            cluster_by,
            distribute_by,
            sort_by,
            having: _,
            named_window,
            qualify,
            window_before_qualify: _,
            value_table_mode,
            flavor,
        } = select;
        let first = self.range(&select.select_token.0);
        if !optimizer_hints.is_empty() || select_modifiers.as_ref().is_some_and(ast::SelectModifiers::is_any_set) {
            return Err(self.refuse(
                first,
                "modifiers after SELECT are not kept: they do not change the rows",
                "remove the word after SELECT",
            ));
        }
        if let Some(into) = into {
            let place = self.range(into);
            return Err(self.refuse(place, "SELECT .. INTO writes, and a mapping only reads", "remove INTO"));
        }
        if !named_window.is_empty() {
            let place = self.clause(span, "WINDOW");
            return Err(self.refuse(place, "window functions are not supported", super::refusal::WINDOW_HELP));
        }
        let foreign = top.is_some()
            || exclude.is_some()
            || !lateral_views.is_empty()
            || prewhere.is_some()
            || !connect_by.is_empty()
            || !cluster_by.is_empty()
            || !distribute_by.is_empty()
            || !sort_by.is_empty()
            || qualify.is_some()
            || value_table_mode.is_some()
            || (matches!(distinct, Some(ast::Distinct::On(_))) && self.is_mysql())
            || *flavor != SelectFlavor::Standard;
        if foreign {
            return Err(self.refuse(
                span.clone(),
                "a clause of this SELECT is not MySQL's",
                "write SELECT .. FROM .. WHERE .. GROUP BY .. HAVING",
            ));
        }
        Ok(())
    }

    fn outputs(&mut self, projection: &[SelectItem], purpose: Purpose) -> Bound<Vec<Output>> {
        self.enter(Clause::Outputs)?;
        if purpose == Purpose::Exists && projection.iter().all(|item| matches!(item, SelectItem::Wildcard(_))) {
            let span = self.frames.last().map_or(0..0, |_| 0..0);
            return Ok(vec![(types::literal_null(span), None)]);
        }
        let bound = projection.iter().map(|item| self.output(item, purpose)).collect();
        let outputs = collected(bound)?;
        if purpose.names_outputs() {
            self.check_unique(&outputs)?;
        }
        let items = outputs
            .iter()
            .filter_map(|(expr, name)| name.as_ref().map(|(name, _)| Item { name: name.clone(), expr: expr.clone() }));
        self.frame()?.items = items.collect();
        Ok(outputs)
    }

    fn output(&mut self, item: &SelectItem, purpose: Purpose) -> Bound<Output> {
        let (expr, alias) = match item {
            SelectItem::UnnamedExpr(expr) => (expr, None),
            SelectItem::ExprWithAlias { expr, alias } => (expr, Some(alias)),
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => {
                let place = self.range(item);
                return Err(self.refuse(
                    place,
                    "* is refused: a column added later would change the mapping",
                    "name the columns",
                ));
            }
            SelectItem::ExprWithAliases { .. } => {
                let place = self.range(item);
                return Err(self.refuse(place, "an expression has one name", "write expression AS name"));
            }
        };
        let bound = self.expr(expr)?;
        let bound = if matches!(purpose, Purpose::Table | Purpose::LaterBranch) { bound } else { self.settled(bound)? };
        let name = match (alias, bare_name(expr)) {
            (Some(alias), _) => Some((alias.value.clone(), self.ident_span(alias))),
            (None, Some(column)) => Some((column.value.clone(), self.ident_span(column))),
            (None, None) if purpose.names_outputs() => {
                return Err(self.refuse(bound.span, "this column has no name", "add AS name"));
            }
            (None, None) => None,
        };
        Ok((bound, name))
    }

    fn ident_span(&self, ident: &ast::Ident) -> Span {
        self.tokens.range(ident.span)
    }

    fn check_unique(&mut self, outputs: &[Output]) -> Bound<()> {
        let mut seen: Vec<&str> = Vec::new();
        let mut result = Ok(());
        for (name, span) in outputs.iter().filter_map(|(_, name)| name.as_ref()) {
            if seen.iter().any(|other| same_column(other, name)) {
                result = Err(self.refuse(
                    span.clone(),
                    format!("the column name {name} occurs twice"),
                    "give each column its own name with AS",
                ));
            }
            seen.push(name);
        }
        result
    }

    /// GROUP BY: output aliases, ordinals and expressions. `None` without the clause.
    fn group_by(&mut self, group_by: &GroupByExpr, span: &Span) -> Bound<Option<Vec<Expr>>> {
        self.enter(Clause::GroupBy)?;
        let (expressions, modifiers) = match group_by {
            GroupByExpr::Expressions(expressions, modifiers) => (expressions, modifiers),
            GroupByExpr::All(_) => {
                let place = self.clause(span, "GROUP");
                return Err(self.refuse(place, "GROUP BY ALL is not MySQL's", "list the expressions"));
            }
        };
        if !modifiers.is_empty() {
            let place = self.clause(span, "GROUP");
            return Err(self.refuse(place, "WITH ROLLUP is not supported", "map the totals to their own table"));
        }
        if expressions.is_empty() {
            return Ok(None);
        }
        let bound = expressions.iter().map(|expr| self.group_expression(expr)).collect();
        let bound = collected(bound)?;
        self.frame()?.group_keys = bound.clone();
        Ok(Some(bound))
    }

    fn group_expression(&mut self, expr: &ast::Expr) -> Bound<Expr> {
        let span = self.span(expr);
        if let ast::Expr::Value(ast::ValueWithSpan { value: ast::Value::Number(digits, _), span: _ }) = expr {
            return self.group_ordinal(digits, span);
        }
        let bound = match expr {
            ast::Expr::Identifier(ident) => self.group_name(ident, span.clone())?,
            other => self.expr(other)?,
        };
        if tree::has_aggregate(&bound) || tree::has_row_number(&bound) {
            return Err(self.refuse(
                span,
                "an aggregate or a row number cannot be a group key",
                "group by a column or an expression over columns",
            ));
        }
        if tree::has_subquery(&bound) {
            return Err(self.refuse(span, "a subquery cannot be a group key here", "join the table and group by its column"));
        }
        if types::is_unsettled(&bound) {
            // Sorting groups by the rounded quotient, while the end of a group is seen by all digits.
            return Err(self.refuse(
                span,
                "a quotient is a group key, and the source rounds it in some plans and not in others",
                "round it with CAST(.. AS DECIMAL(p,s))",
            ));
        }
        Ok(bound)
    }

    fn group_ordinal(&mut self, digits: &str, span: Span) -> Bound<Expr> {
        let index = digits.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let items = &self.frame()?.items;
        let item = index.and_then(|index| items.get(index)).map(|item| item.expr.clone());
        match item {
            Some(expr) if !tree::has_aggregate(&expr) => Ok(Expr { span, ..expr }),
            _ => Err(self.refuse(span, format!("GROUP BY {digits} names no plain output column"), "write the expression")),
        }
    }

    /// A bare name in GROUP BY: a column of FROM first, then an output alias.
    fn group_name(&mut self, ident: &ast::Ident, span: Span) -> Bound<Expr> {
        let known = self.findings.len();
        let column = self.expr(&ast::Expr::Identifier(ident.clone()));
        let local = column.as_ref().is_ok_and(|column| self.is_own(column));
        if local {
            return column;
        }
        match self.item_named(&ident.value) {
            Some(item) => {
                self.findings.truncate(known);
                Ok(Expr { span, ..item })
            }
            None => column,
        }
    }

    /// Whether a column belongs to the SELECT at hand.
    pub(super) fn is_own(&self, expr: &Expr) -> bool {
        let own = |(alias, _): &(_, usize)| {
            self.frames.last().is_some_and(|frame| frame.visible.iter().any(|visible| visible.is_referred_by(*alias)))
        };
        tree::columns(expr).iter().any(own)
    }

    /// The only output with this name.
    fn item_named(&self, name: &str) -> Option<Expr> {
        let frame = self.frames.last()?;
        let mut items = frame.items.iter().filter(|item| same_column(&item.name, name));
        let first = items.next()?;
        items.next().is_none().then(|| first.expr.clone())
    }

    /// In HAVING and ORDER BY a bare name may mean an output.
    pub(super) fn named_output(&mut self, ident: &ast::Ident, span: &Span) -> Bound<Option<Expr>> {
        let frame = self.frame()?;
        if frame.in_aggregate || !matches!(frame.clause, Clause::Having | Clause::OrderBy) {
            return Ok(None);
        }
        let Some(item) = self.item_named(&ident.value) else { return Ok(None) };
        if tree::has_row_number(&item) {
            return Err(self.refuse(
                span.clone(),
                format!("{} numbers rows, and rows are numbered last", ident.value),
                "number the rows in a derived table, and use the number outside of it",
            ));
        }
        let clash = self.frames.last().into_iter().flat_map(|frame| &frame.visible).find(|visible| {
            visible.columns.iter().enumerate().any(|(index, column)| {
                same_column(&column.name, &ident.value)
                    && !matches!(item.kind, crate::sql::query::ExprKind::Column { alias, column } if visible.reference(index) == (alias, column))
            })
        });
        if let Some(visible) = clash {
            let message = format!("{} is the name of an output and of a column of {}", ident.value, visible.name);
            return Err(self.refuse(span.clone(), message, "rename the output, or write the expression"));
        }
        Ok(Some(Expr { span: span.clone(), ..item }))
    }
}

/// The name that an expression has without AS: that of a bare column.
fn bare_name(expr: &ast::Expr) -> Option<&ast::Ident> {
    match expr {
        ast::Expr::Identifier(ident) => Some(ident),
        ast::Expr::CompoundIdentifier(parts) => parts.last(),
        ast::Expr::Nested(inner) => bare_name(inner),
        _ => None,
    }
}
