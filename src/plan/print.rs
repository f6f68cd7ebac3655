//! Expressions and SELECTs as text: short for people, exact for fingerprints.
//!
//! The exact form holds every type and rule and no span, so that a reformatted mapping keeps its meaning and any other change loses it.

use crate::sql::query::{AliasId, CompareOperator, Expr, ExprKind, JoinKind, OrderItem, Relation, Select};
use crate::value::{KeyKind, Value};

/// How columns are named.
pub(crate) type Names<'a> = &'a dyn Fn(AliasId, usize) -> String;

/// An expression in a few words, as near to its SQL as the bound form is.
pub(crate) fn brief(expr: &Expr, names: Names<'_>) -> String {
    Printer { names, exact: false }.expr(expr)
}

/// A SELECT with everything that gives it its meaning.
pub(crate) fn exact(select: &Select, names: Names<'_>) -> String {
    Printer { names, exact: true }.select(select)
}

/// An expression with everything that gives it its meaning.
pub(crate) fn exact_expr(expr: &Expr, names: Names<'_>) -> String {
    Printer { names, exact: true }.expr(expr)
}

struct Printer<'a> {
    names: Names<'a>,
    exact: bool,
}

impl Printer<'_> {
    fn expr(&self, expr: &Expr) -> String {
        let text = match &expr.kind {
            ExprKind::Literal(value) if self.exact => format!("{value:?}"),
            ExprKind::Literal(value) => literal(value),
            ExprKind::Column { alias, column } => (self.names)(*alias, *column),
            ExprKind::Aggregate(index) => format!("aggregate {index}"),
            ExprKind::RowNumber(index) => format!("number {index}"),
            ExprKind::Compare { operator, rule, left, right } => {
                let rule = if self.exact { format!(" by {}", kind(rule)) } else { String::new() };
                format!("{} {}{rule} {}", self.expr(left), sign(*operator), self.expr(right))
            }
            ExprKind::And(operands) => self.list(operands, " AND "),
            ExprKind::Or(operands) => format!("({})", self.list(operands, " OR ")),
            ExprKind::Not(operand) => format!("NOT ({})", self.expr(operand)),
            ExprKind::IsNull(operand) => format!("{} IS NULL", self.expr(operand)),
            ExprKind::Case { branches, otherwise } => self.case(branches, otherwise.as_deref()),
            ExprKind::Call { function, arguments } => {
                let name = format!("{function:?}");
                let name = if self.exact { name } else { name.split([' ', '(', '{']).next().unwrap_or_default().to_uppercase() };
                format!("{name}({})", self.list(arguments, ", "))
            }
            ExprKind::Cast(operand) if self.exact => format!("cast({})", self.expr(operand)),
            ExprKind::Cast(operand) => self.expr(operand),
            ExprKind::ScalarSubquery(select) if self.exact => format!("({})", self.select(select)),
            ExprKind::Exists(select) if self.exact => format!("exists ({})", self.select(select)),
            ExprKind::ScalarSubquery(_) => "(SELECT ..)".to_owned(),
            ExprKind::Exists(_) => "EXISTS (SELECT ..)".to_owned(),
        };
        if self.exact { format!("<{text}: {:?}>", expr.data_type) } else { text }
    }

    fn case(&self, branches: &[(Expr, Expr)], otherwise: Option<&Expr>) -> String {
        let mut text = "CASE".to_owned();
        for (condition, result) in branches {
            text.push_str(&format!(" WHEN {} THEN {}", self.expr(condition), self.expr(result)));
        }
        if let Some(result) = otherwise {
            text.push_str(&format!(" ELSE {}", self.expr(result)));
        }
        text + " END"
    }

    fn list(&self, exprs: &[Expr], separator: &str) -> String {
        exprs.iter().map(|expr| self.expr(expr)).collect::<Vec<_>>().join(separator)
    }

    fn order(&self, items: &[OrderItem]) -> Vec<String> {
        let one = |item: &OrderItem| {
            // Where MySQL puts NULLs goes without saying.
            let nulls =
                if item.nulls_first == item.descending { format!(" nulls first={}", item.nulls_first) } else { String::new() };
            format!("{} {} {}{nulls}", self.expr(&item.expr), kind(&item.rule), item.descending)
        };
        items.iter().map(one).collect()
    }

    fn select(&self, select: &Select) -> String {
        let mut text = format!("select distinct={} {}", select.distinct, self.list(&select.outputs, ", "));
        for item in &select.from {
            let join = if item.join == JoinKind::Left { "left" } else { "inner" };
            text.push_str(&format!(" {join} {}", (self.names)(item.alias, usize::MAX)));
            if let Relation::Derived(derived) = &item.relation {
                let arms: Vec<String> = derived.iter().map(|arm| self.select(arm)).collect();
                text.push_str(&format!(" as ({})", arms.join(" union all ")));
            }
            text.extend(item.on.iter().map(|on| format!(" on {}", self.expr(on))));
        }
        text.extend(select.filter.iter().map(|filter| format!(" where {}", self.expr(filter))));
        text.extend(select.group_by.iter().map(|groups| format!(" group by [{}]", self.list(groups, ", "))));
        for aggregate in &select.aggregates {
            let rules: Vec<String> = aggregate.rules.iter().map(kind).collect();
            let order = self.order(&aggregate.order_by);
            text.push_str(&format!(
                " aggregate {:?} distinct={} ({}) {rules:?} order {order:?}: {:?}",
                aggregate.function,
                aggregate.distinct,
                self.list(&aggregate.arguments, ", "),
                aggregate.data_type
            ));
        }
        text.extend(select.having.iter().map(|having| format!(" having {}", self.expr(having))));
        for numbering in &select.numberings {
            text.push_str(&format!(
                " number {:?} first={} by [{}] order {:?}",
                numbering.function,
                numbering.keeps_first,
                self.list(&numbering.partition_by, ", "),
                self.order(&numbering.order_by)
            ));
        }
        text.extend(self.order(&select.order_by).into_iter().map(|item| format!(" order {item}")));
        text.extend(select.limit.iter().map(|limit| format!(" limit {limit}")));
        text
    }
}

/// A key kind by name.
pub(crate) fn kind(kind: &KeyKind) -> String {
    match kind {
        KeyKind::Text(collation) => collation.name().to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Decimal(number) => number.to_string(),
        Value::Text(text) => format!("'{text}'"),
        other => format!("{other:?}"),
    }
}

fn sign(operator: CompareOperator) -> &'static str {
    match operator {
        CompareOperator::Equal => "=",
        CompareOperator::NotEqual => "<>",
        CompareOperator::Less => "<",
        CompareOperator::LessOrEqual => "<=",
        CompareOperator::Greater => ">",
        CompareOperator::GreaterOrEqual => ">=",
        CompareOperator::NullSafeEqual => "<=>",
    }
}
