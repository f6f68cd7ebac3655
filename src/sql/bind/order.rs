//! Orders must decide: where ORDER BY chooses a row (LIMIT 1) or a sequence (GROUP_CONCAT), ties would make the answer depend on
//! the server's mood. Accepted are orders that end in a key of every table that multiplies rows, and orders whose ties cannot be
//! seen in the result because the result's own bytes are what is ordered by.

use super::dependency::Determined;
use super::{Binder, Bound, tree};
use crate::schema::DataType;
use crate::sql::functions::Function;
use crate::sql::query::{AggregateFunction, Expr, ExprKind, Numbering, NumberingFunction, OrderItem, Relation, Select, Span};
use crate::value::KeyKind;

impl Binder<'_> {
    /// Checks LIMIT and every GROUP_CONCAT of a SELECT.
    pub(super) fn check_orders(&mut self, select: &Select) -> Bound<()> {
        for aggregate in &select.aggregates {
            let name = match &aggregate.function {
                AggregateFunction::GroupConcat { .. } => "GROUP_CONCAT",
                AggregateFunction::JsonArray { .. } => "JSON_ARRAYAGG",
                AggregateFunction::Postgres(collected) if collected.is_ordered() => "this list",
                _ => continue,
            };
            let keys: Vec<&Expr> = select.group_by.iter().flatten().collect();
            if aggregate.distinct {
                self.check_distinct(&aggregate.arguments, &aggregate.rules, &aggregate.span)?;
            }
            self.check_order(select, &keys, &aggregate.order_by, &aggregate.arguments, &aggregate.span, name)?;
        }
        for numbering in &select.numberings {
            self.check_numbering(select, numbering)?;
        }
        if select.limit.is_some() && select.group_by.as_ref().is_none_or(|keys| !keys.is_empty()) {
            let shown: &[Expr] = &select.outputs;
            let span = select.span.clone();
            self.check_order(select, &[], &select.order_by, shown, &span, "LIMIT 1")?;
        }
        Ok(())
    }

    /// MariaDB takes a condition on an object made of a missing row's columns for one that no missing row fulfils.
    pub(super) fn check_documents(&mut self, select: &Select) -> Bound<()> {
        let context = self.context;
        let conditions = select.filter.iter().chain(select.from.iter().filter_map(|item| item.on.as_ref()));
        let found = conditions.filter_map(makes_document).next().map(|expr| expr.span.clone());
        let has_missing = select.from.iter().any(|item| item.join == crate::sql::query::JoinKind::Left);
        match found {
            Some(span) if context.is_mariadb() && has_missing => Err(self.refuse(
                span,
                "JSON_OBJECT or JSON_ARRAY in a condition beside a LEFT JOIN, which MariaDB may take for an inner one",
                "compare the columns themselves",
            )),
            _ => Ok(()),
        }
    }

    /// ROW_NUMBER gives equal rows different numbers: its order must leave no ties. Ranks give them the same.
    fn check_numbering(&mut self, select: &Select, numbering: &Numbering) -> Bound<()> {
        if numbering.function != NumberingFunction::RowNumber {
            return Ok(());
        }
        let order = || numbering.order_by.iter().map(|item| &item.expr);
        let seeds: Vec<&Expr> = numbering.partition_by.iter().chain(order()).collect();
        let known = self.determined(select, &seeds);
        let total = match &select.group_by {
            // One row per group: what tells the groups apart must be known.
            Some(groups) => groups.iter().all(|group| known.has(group) || seeds.iter().any(|seed| tree::same(seed, group))),
            None => select.from.iter().all(|item| known.has_row(item.alias)),
        };
        if total {
            return Ok(());
        }
        let place = numbering.order_by.last().map_or_else(|| numbering.span.clone(), |last| last.expr.span.clone());
        let help = match &select.group_by {
            Some(_) => "append the group expressions to ORDER BY".to_owned(),
            None => self.key_to_append(select, &known, numbering.order_by.is_empty()),
        };
        let what = if numbering.keeps_first { "DISTINCT ON" } else { "ROW_NUMBER" };
        Err(self.refuse(place, format!("{what} has no total order: with ties the result could be any"), help))
    }

    fn check_order(
        &mut self,
        select: &Select,
        constant: &[&Expr],
        order: &[OrderItem],
        shown: &[Expr],
        span: &Span,
        what: &str,
    ) -> Bound<()> {
        let seeds: Vec<&Expr> = constant.iter().copied().chain(order.iter().map(|item| &item.expr)).collect();
        let known = self.determined(select, &seeds);
        let rows_known = select.from.iter().all(|item| known.has_row(item.alias));
        let bytes_known = shown.iter().all(|expr| ties_cannot_be_seen(expr, order, &known));
        if rows_known || bytes_known {
            return Ok(());
        }
        let place = order.last().map_or_else(|| span.clone(), |last| last.expr.span.clone());
        let help = self.key_to_append(select, &known, order.is_empty());
        Err(self.refuse(place, format!("{what} has no total order: with ties the result could be any"), help))
    }

    /// DISTINCT keeps one of several equal values; which one must not matter.
    fn check_distinct(&mut self, arguments: &[Expr], rules: &[KeyKind], span: &Span) -> Bound<()> {
        let exact = arguments.iter().zip(rules).all(|(argument, rule)| equal_means_same_bytes(argument, rule));
        if exact && arguments.len() == rules.len() {
            return Ok(());
        }
        Err(self.refuse(
            span.clone(),
            "DISTINCT keeps any one of the values that this collation calls equal",
            "group the values in a derived table by a key, or compare them by a binary collation (COLLATE utf8mb4_bin)",
        ))
    }

    /// Names the key columns whose order would be total.
    fn key_to_append(&self, select: &Select, known: &Determined, empty: bool) -> String {
        let missing = select.from.iter().filter(|item| !known.has_row(item.alias)).map(|item| {
            let alias = self.aliases.get(item.alias.0).map_or("", |alias| alias.name.as_str());
            let Relation::Table(table) = item.relation else { return Err(alias) };
            let schema = self.catalog.tables.get(table.0 as usize).ok_or(alias)?;
            let key = schema.identity().ok_or(alias)?;
            let columns = key.columns.iter().filter(|column| !known.has_column((item.alias, **column)));
            Ok(columns
                .filter_map(|column| schema.columns.get(*column))
                .map(|column| format!("{alias}.{}", column.name))
                .collect::<Vec<_>>())
        });
        match missing.collect::<Result<Vec<Vec<String>>, &str>>() {
            Ok(columns) => {
                let list = columns.concat().join(", ");
                if empty { format!("add ORDER BY {list}") } else { format!("append {list} to ORDER BY") }
            }
            Err(alias) => format!("{alias} has no key to order by; order by the concatenated values under a binary collation"),
        }
    }
}

/// Whether rows that tie in `order` give the same bytes for `expr`.
fn ties_cannot_be_seen(expr: &Expr, order: &[OrderItem], known: &Determined) -> bool {
    let shown = unprinted(expr);
    let orders = |item: &OrderItem| {
        let by = unprinted(&item.expr);
        equal_means_same_bytes(by, &item.rule) && tree::same(by, shown)
    };
    known.has_exactly(expr) || order.iter().any(orders)
}

/// The number or date behind its conversion to text, which loses nothing; other expressions as they are.
fn unprinted(expr: &Expr) -> &Expr {
    let ExprKind::Cast(inner) = &expr.kind else { return expr };
    let printed = matches!(expr.data_type, DataType::Text { .. });
    let exact = matches!(
        inner.data_type,
        DataType::Integer { .. }
            | DataType::Decimal { .. }
            | DataType::Year
            | DataType::Date
            | DataType::DateTime { .. }
            | DataType::Timestamp { .. }
            | DataType::Time { .. }
    );
    if printed && exact { inner } else { expr }
}

/// Whether values that `rule` calls equal have the same bytes.
fn equal_means_same_bytes(expr: &Expr, rule: &KeyKind) -> bool {
    if !std::ptr::eq(unprinted(expr), expr) {
        return true;
    }
    match (rule, &expr.data_type) {
        (KeyKind::Integer | KeyKind::Bytes | KeyKind::Date | KeyKind::DateTime | KeyKind::Time, _) => true,
        (KeyKind::Decimal, DataType::Decimal { .. } | DataType::Integer { .. }) => true,
        // A _bin collation that pads still calls 'a' and 'a ' equal; CHAR columns have no trailing blanks.
        (KeyKind::Text(collation), data_type) => {
            let stripped = matches!(data_type, DataType::Text { fixed: true, .. } | DataType::Enum { .. });
            let by_bytes = collation.name().ends_with("_bin") || collation.postgres_behaviour().is_some();
            by_bytes && (!collation.pads() || stripped)
        }
        (KeyKind::Decimal | KeyKind::Double | KeyKind::Interval, _) => false,
    }
}

/// The JSON_OBJECT or JSON_ARRAY in an expression.
fn makes_document(expr: &Expr) -> Option<&Expr> {
    let is_document = matches!(
        &expr.kind,
        ExprKind::Call { function: Function::Json(call), .. }
            if call.takes_null()
    );
    if is_document { Some(expr) } else { tree::children(expr).into_iter().find_map(makes_document) }
}
