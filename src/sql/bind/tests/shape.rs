//! A bound query as a few lines of text.

use crate::schema::DataType;
use crate::sql::query::{Branch, Expr, ExprKind, JoinKind, Query, Relation, Select};

pub(super) fn query(query: &Query) -> String {
    let mut lines: Vec<String> = query
        .columns
        .iter()
        .map(|column| {
            format!("{}: {}{}", column.name, data_type(&column.data_type), if column.nullable { "" } else { " not null" })
        })
        .collect();
    lines.extend(query.branches.iter().map(|branch| format!("from {}", select(branch, &branch.select))));
    lines.join("\n")
}

fn select(branch: &Branch, select: &Select) -> String {
    let from: Vec<String> = select
        .from
        .iter()
        .map(|item| {
            let join = if item.join == JoinKind::Left { "left " } else { "" };
            let relation = match &item.relation {
                Relation::Table(_) => String::new(),
                Relation::Derived(arms) => {
                    let arms: Vec<String> = arms.iter().map(|arm| self::select(branch, arm)).collect();
                    format!(" = ({})", arms.join(" union all "))
                }
            };
            let on = item.on.as_ref().map_or(String::new(), |on| format!(" on {}", expr(branch, on)));
            format!("{join}{}{relation}{on}", branch.aliases[item.alias.0].name)
        })
        .collect();
    let mut text = if from.is_empty() { "nothing".to_owned() } else { from.join(", ") };
    if let Some(filter) = &select.filter {
        text.push_str(&format!(" where {}", expr(branch, filter)));
    }
    if let Some(group_by) = &select.group_by {
        let keys: Vec<String> = group_by.iter().map(|key| expr(branch, key)).collect();
        text.push_str(&format!(" group by [{}]", keys.join(", ")));
    }
    if let Some(having) = &select.having {
        text.push_str(&format!(" having {}", expr(branch, having)));
    }
    if select.distinct {
        text.push_str(" distinct");
    }
    for numbering in &select.numberings {
        let keys: Vec<String> = numbering.partition_by.iter().map(|key| expr(branch, key)).collect();
        text.push_str(&format!(" {:?} by [{}]", numbering.function, keys.join(", ")));
    }
    text
}

fn expr(branch: &Branch, expression: &Expr) -> String {
    let below = |inner: &Expr| expr(branch, inner);
    let list = |operands: &[Expr], joint: &str| operands.iter().map(below).collect::<Vec<_>>().join(joint);
    match &expression.kind {
        ExprKind::Literal(value) => format!("{value:?}"),
        ExprKind::Column { alias, column } => format!("{}#{column}", branch.aliases[alias.0].name),
        ExprKind::Aggregate(index) => format!("aggregate {index}"),
        ExprKind::RowNumber(index) => format!("number {index}"),
        ExprKind::Compare { operator, rule: _, left, right } => format!("({} {operator:?} {})", below(left), below(right)),
        ExprKind::And(operands) => format!("({})", list(operands, " and ")),
        ExprKind::Or(operands) => format!("({})", list(operands, " or ")),
        ExprKind::Not(operand) => format!("not {}", below(operand)),
        ExprKind::IsNull(operand) => format!("{} is null", below(operand)),
        ExprKind::Case { .. } => "case".to_owned(),
        ExprKind::Call { function: _, arguments } => format!("call({})", list(arguments, ", ")),
        ExprKind::Cast(operand) => format!("cast({})", below(operand)),
        ExprKind::ScalarSubquery(inner) => format!("(from {})", select(branch, inner)),
        ExprKind::Exists(inner) => format!("exists (from {})", select(branch, inner)),
    }
}

fn data_type(data_type: &DataType) -> String {
    match data_type {
        DataType::Integer { bits, unsigned } => format!("int{bits}{}", if *unsigned { " unsigned" } else { "" }),
        DataType::Decimal { precision, scale, .. } => format!("decimal({precision},{scale})"),
        DataType::Text { length: Some(length), .. } => format!("text({length})"),
        DataType::Text { length: None, .. } => "text".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}
