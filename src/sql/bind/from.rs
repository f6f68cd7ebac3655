//! FROM: tables, derived tables and joins become a left-deep list.
//!
//! RIGHT joins are mirrored and parenthesised joins flattened where that keeps the meaning; several relations on the optional side of an
//! outer join are folded into a derived table. Every field of the syntax tree is named here, so that a clause the parser learns tomorrow cannot be dropped in silence.

use sqlparser::ast::{self, Join, JoinConstraint, JoinOperator, TableAlias, TableFactor, TableWithJoins};

use super::scope::{Clause, ColumnName, Frame, Merged, Visible, VisibleColumn, same_column};
use super::{Binder, Bound, tree};
use crate::sql::query::{AliasDefinition, AliasId, CompareOperator, Expr, ExprKind, FromItem, JoinKind, Relation, Span};

/// How a join keeps rows without a partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Inner,
    Left,
    Right,
}

impl Binder<'_> {
    /// Binds the whole FROM into the frame at hand.
    pub(super) fn from(&mut self, from: &[TableWithJoins]) -> Bound<Vec<FromItem>> {
        let mut items = Vec::new();
        for tree in from {
            items.extend(self.join_tree(tree)?);
        }
        self.frame()?.visible_from = 0;
        Ok(items)
    }

    /// Binds one element of the comma list, or the inside of parentheses. Its ON conditions see nothing outside of it.
    fn join_tree(&mut self, tree: &TableWithJoins) -> Bound<Vec<FromItem>> {
        let TableWithJoins { relation, joins } = tree;
        let outer = self.frame()?.visible_from;
        let start = self.frame()?.visible.len();
        let mut items = self.factor(relation)?;
        for join in joins {
            let middle = self.frame()?.visible.len();
            let right = self.factor(&join.relation)?;
            self.frame()?.visible_from = start;
            items = self.join(items, right, join, middle)?;
        }
        self.frame()?.visible_from = outer;
        Ok(items)
    }

    fn factor(&mut self, factor: &TableFactor) -> Bound<Vec<FromItem>> {
        match factor {
            TableFactor::Table { .. } => Ok(vec![self.table(factor)?]),
            TableFactor::Derived { lateral, subquery, alias, sample } => {
                let span = self.tokens.parenthesised(&self.range(&**subquery));
                let Some(alias) = alias else {
                    return Err(self.refuse(span, "a derived table needs an alias", "write (SELECT ..) AS name"));
                };
                if sample.is_some() {
                    return Err(self.refuse(span, "samples are not supported", "select the rows by a condition instead"));
                }
                Ok(vec![self.derived(subquery, alias, *lateral, &span)?])
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                if let Some(alias) = alias {
                    let span = self.range(alias);
                    return Err(self.refuse(span, "a join in parentheses cannot have an alias", "remove the alias"));
                }
                self.join_tree(table_with_joins)
            }
            TableFactor::TableFunction { .. }
            | TableFactor::Function { .. }
            | TableFactor::UNNEST { .. }
            | TableFactor::JsonTable { .. }
            | TableFactor::OpenJsonTable { .. }
            | TableFactor::Pivot { .. }
            | TableFactor::Unpivot { .. }
            | TableFactor::UnpivotExpr { .. }
            | TableFactor::MatchRecognize { .. }
            | TableFactor::XmlTable { .. }
            | TableFactor::SemanticView { .. } => {
                let span = self.range(factor);
                Err(self.refuse(
                    span,
                    "only tables and derived tables can stand in FROM",
                    "join a legacy table or (SELECT ..) instead",
                ))
            }
        }
    }

    fn table(&mut self, factor: &TableFactor) -> Bound<FromItem> {
        let TableFactor::Table {
            name,
            alias,
            args,
            with_hints,
            version,
            with_ordinality,
            partitions,
            json_path,
            sample,
            index_hints,
        } = factor
        else {
            return Err(self.broken("a relation that is no table"));
        };
        let span = self.range(name);
        if !index_hints.is_empty() {
            return Err(self.refuse(span, "index hints are not kept: they do not change the rows", "remove the hint"));
        }
        if !partitions.is_empty() {
            return Err(self.refuse(span, "PARTITION (..) depends on how the table is stored", "write the condition into WHERE"));
        }
        let plain = args.is_none() && with_hints.is_empty() && version.is_none() && !with_ordinality && json_path.is_none();
        if !plain || sample.is_some() {
            return Err(self.refuse(
                span,
                "only the table's name and an alias are understood here",
                "remove what follows the name",
            ));
        }
        let (schema, table) = self.table_name(name)?;
        if schema.is_none() {
            let named = alias.as_ref().map(|alias| Ok((self.table_alias(alias)?, self.range(alias)))).transpose()?;
            if let Some(bound) = self.cte(&table, named, span.clone()) {
                return bound;
            }
        }
        let Some((id, definition)) = self.catalog.table(schema.as_deref(), &table) else {
            return Err(self.unknown_table(schema.as_deref(), &table, span));
        };
        let columns = definition
            .columns
            .iter()
            .map(|column| VisibleColumn {
                name: column.name.clone(),
                data_type: column.data_type.clone(),
                nullable: column.nullable,
            })
            .collect();
        // Among several sources a column may be written with what stands before its table here.
        let schema = if self.catalog.sources.is_empty() { Some(definition.name.schema.clone()) } else { schema };
        let (shown, alias_span) = match alias {
            Some(alias) => (self.table_alias(alias)?, self.range(alias)),
            None => (definition.name.name.clone(), span),
        };
        let alias = self.introduce(shown, Some(id), schema, columns, alias_span)?;
        Ok(FromItem { alias, relation: Relation::Table(id), join: JoinKind::Inner, on: None })
    }

    /// Schema and name of a table as written.
    fn table_name(&mut self, name: &ast::ObjectName) -> Bound<(Option<String>, String)> {
        let parts: Option<Vec<&ast::Ident>> = name.0.iter().map(ast::ObjectNamePart::as_ident).collect();
        match parts.as_deref() {
            Some([table]) => Ok((None, table.value.clone())),
            Some([schema, table]) => Ok((Some(schema.value.clone()), table.value.clone())),
            Some([source, schema, table]) if !self.catalog.sources.is_empty() => {
                Ok((Some(format!("{}.{}", source.value, schema.value)), table.value.clone()))
            }
            _ => {
                let span = self.range(name);
                Err(self.refuse(span, "a table is named as table or schema.table", "shorten the name"))
            }
        }
    }

    fn table_alias(&mut self, alias: &TableAlias) -> Bound<String> {
        let TableAlias { explicit: _, name, columns, at } = alias;
        if !columns.is_empty() || at.is_some() {
            let span = self.range(alias);
            return Err(self.refuse(
                span,
                "a list of column names after an alias is not supported",
                "name the columns with AS inside the SELECT",
            ));
        }
        Ok(name.value.clone())
    }

    /// A relation of the frame at hand, visible under its name from now on.
    pub(super) fn introduce(
        &mut self,
        name: String,
        table: Option<crate::schema::TableId>,
        schema: Option<String>,
        columns: Vec<VisibleColumn>,
        span: Span,
    ) -> Bound<AliasId> {
        let clash =
            |frame: &Frame| frame.visible.iter().any(|other| self.same_table_name(&other.name, &name) && other.schema == schema);
        if self.frames.last().is_some_and(clash) {
            return Err(self.refuse(
                span,
                format!("{name} is already the name of another table here"),
                "give each of them its own alias",
            ));
        }
        let alias = AliasId(self.aliases.len());
        self.aliases.push(AliasDefinition { name: name.clone(), table, span });
        self.frame()?.visible.push(Visible { alias, name, schema, columns, null_supplied: false, through: None });
        Ok(alias)
    }

    /// Joins `right` (visible from `middle` on) to `left`.
    fn join(&mut self, left: Vec<FromItem>, right: Vec<FromItem>, join: &Join, middle: usize) -> Bound<Vec<FromItem>> {
        let Join { relation, global, join_operator } = join;
        let span = self.range(relation);
        if *global {
            return Err(self.refuse(span, "GLOBAL joins are not supported", "remove GLOBAL"));
        }
        let (side, constraint) = self.join_side(join_operator, &span)?;
        let on = self.constraint(constraint, side, middle, &span)?;
        match side {
            Side::Inner => self.join_inner(left, right, on, &span),
            Side::Left => self.join_outer(left, right, on, &span),
            Side::Right => self.join_outer(right, left, on, &span),
        }
    }

    fn join_side<'j>(&mut self, operator: &'j JoinOperator, span: &Span) -> Bound<(Side, &'j JoinConstraint)> {
        match operator {
            JoinOperator::Join(on) | JoinOperator::Inner(on) | JoinOperator::CrossJoin(on) | JoinOperator::StraightJoin(on) => {
                Ok((Side::Inner, on))
            }
            JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => Ok((Side::Left, on)),
            JoinOperator::Right(on) | JoinOperator::RightOuter(on) => Ok((Side::Right, on)),
            JoinOperator::FullOuter(_)
            | JoinOperator::Semi(_)
            | JoinOperator::LeftSemi(_)
            | JoinOperator::RightSemi(_)
            | JoinOperator::Anti(_)
            | JoinOperator::LeftAnti(_)
            | JoinOperator::RightAnti(_)
            | JoinOperator::CrossApply
            | JoinOperator::OuterApply
            | JoinOperator::AsOf { .. }
            | JoinOperator::ArrayJoin
            | JoinOperator::LeftArrayJoin
            | JoinOperator::InnerArrayJoin => {
                Err(self.refuse(span.clone(), "only INNER, CROSS, LEFT and RIGHT joins are supported", "write one of these"))
            }
        }
    }

    fn constraint(&mut self, constraint: &JoinConstraint, side: Side, middle: usize, span: &Span) -> Bound<Option<Expr>> {
        match constraint {
            JoinConstraint::On(expr) => {
                self.frame()?.clause = Clause::On;
                self.condition(expr).map(Some)
            }
            JoinConstraint::Using(names) => self.using(names, side, middle),
            JoinConstraint::Natural => Err(self.refuse(
                span.clone(),
                "NATURAL joins change their meaning when a column is added",
                "write ON with the columns to compare",
            )),
            JoinConstraint::None if side == Side::Inner => Ok(None),
            JoinConstraint::None => {
                Err(self.refuse(span.clone(), "an outer join needs ON", "write ON with the columns to compare"))
            }
        }
    }

    fn using(&mut self, names: &[ast::ObjectName], side: Side, middle: usize) -> Bound<Option<Expr>> {
        let mut conditions = Vec::new();
        for name in names {
            let span = self.range(name);
            let Some([ast::ObjectNamePart::Identifier(column)]) = Some(name.0.as_slice()) else {
                return Err(self.refuse(span, "USING takes bare column names", "write ON with the columns to compare"));
            };
            self.frame()?.clause = Clause::On;
            let hidden = self.split_visible(middle)?;
            let left = self.column(ColumnName { schema: None, table: None, column }, &span);
            self.restore_visible(hidden)?;
            let left = left?;
            let start = std::mem::replace(&mut self.frame()?.visible_from, middle);
            let right = self.column_here(column, &span);
            self.frame()?.visible_from = start;
            let right = right?;
            self.merge(&column.value, side, &left, &right)?;
            conditions.push(self.compare(CompareOperator::Equal, left, right, span)?);
        }
        Ok(self.all_of(conditions))
    }

    /// A column of the relation just joined, without looking at merged names.
    fn column_here(&mut self, column: &ast::Ident, span: &Span) -> Bound<Expr> {
        let merged = std::mem::take(&mut self.frame()?.merged);
        let found = self.column(ColumnName { schema: None, table: None, column }, span);
        self.frame()?.merged = merged;
        found
    }

    fn split_visible(&mut self, middle: usize) -> Bound<Vec<Visible>> {
        let frame = self.frame()?;
        let middle = middle.min(frame.visible.len());
        Ok(frame.visible.split_off(middle))
    }

    fn restore_visible(&mut self, hidden: Vec<Visible>) -> Bound<()> {
        self.frame()?.visible.extend(hidden);
        Ok(())
    }

    fn merge(&mut self, name: &str, side: Side, left: &Expr, right: &Expr) -> Bound<()> {
        let (ExprKind::Column { alias: left, column: left_column }, ExprKind::Column { alias: right, column: right_column }) =
            (&left.kind, &right.kind)
        else {
            return Err(self.broken("USING over something that is no column"));
        };
        let frame = self.frame()?;
        // Names are looked up by the relations as written, also those that were folded into one.
        let written = |alias: AliasId, column: usize| {
            let by = frame
                .visible
                .iter()
                .find(|visible| (0..visible.columns.len()).any(|candidate| visible.reference(candidate) == (alias, column)));
            by.map_or((alias, column), |visible| (visible.alias, column - visible.reference(0).1.min(column)))
        };
        let (left, right) = (written(*left, *left_column), written(*right, *right_column));
        let column = if side == Side::Right { right } else { left };
        let mut members = vec![left.0, right.0];
        if let Some(earlier) = frame.merged.iter().find(|merged| same_column(&merged.name, name)) {
            members.extend(&earlier.members);
        }
        frame.merged.retain(|merged| !same_column(&merged.name, name));
        frame.merged.push(Merged { name: name.to_owned(), members, column });
        Ok(())
    }

    /// Attaches each condition of an inner join to the first relation of `right` at which everything it reads is there.
    fn join_inner(
        &mut self,
        mut left: Vec<FromItem>,
        mut right: Vec<FromItem>,
        mut on: Option<Expr>,
        span: &Span,
    ) -> Bound<Vec<FromItem>> {
        let reads: Vec<_> = on.iter().flat_map(tree::columns).map(|(alias, _)| alias).collect();
        if right.iter().any(|item| item.join == JoinKind::Left && reads.contains(&item.alias)) {
            // The condition is asked after the outer join inside the parentheses.
            let mut item = self.fold(right, &mut on.iter_mut().collect::<Vec<_>>(), span)?;
            item.on = on;
            left.push(item);
            return Ok(left);
        }
        let mut per_item: Vec<Vec<Expr>> = right.iter_mut().map(|item| item.on.take().into_iter().collect()).collect();
        for conjunct in on.iter().flat_map(tree::conjuncts) {
            let reads = tree::columns(conjunct);
            let last = right.iter().rposition(|item| reads.iter().any(|(alias, _)| *alias == item.alias)).unwrap_or(0);
            if let Some(conditions) = per_item.get_mut(last) {
                conditions.push(conjunct.clone());
            }
        }
        for (item, conditions) in right.iter_mut().zip(per_item) {
            item.on = self.all_of(conditions);
        }
        left.extend(right);
        Ok(left)
    }

    /// `kept LEFT JOIN supplied`.
    fn join_outer(
        &mut self,
        mut kept: Vec<FromItem>,
        supplied: Vec<FromItem>,
        mut on: Option<Expr>,
        span: &Span,
    ) -> Bound<Vec<FromItem>> {
        let mut item = match <[FromItem; 1]>::try_from(supplied) {
            Ok([item]) => item,
            Err(several) => self.fold(several, &mut on.iter_mut().collect::<Vec<_>>(), span)?,
        };
        let alias = item.alias;
        for visible in &mut self.frame()?.visible {
            visible.null_supplied |= visible.is_referred_by(alias);
        }
        item.join = JoinKind::Left;
        item.on = on;
        kept.push(item);
        Ok(kept)
    }
}
