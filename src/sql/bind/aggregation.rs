//! Aggregate calls: where they may stand, and to which SELECT they belong.

use sqlparser::ast;

use super::call::Arguments;
use super::scope::Clause;
use super::typing::{AggregateCall, collected};
use super::{Binder, Bound, tree};
use crate::sql::query::{AggregateFunction, Expr, ExprKind, Span};

/// Whether `name` (upper case) is an aggregate that is supported.
pub(super) fn is_aggregate(name: &str) -> bool {
    matches!(
        name,
        "COUNT"
            | "SUM"
            | "AVG"
            | "MIN"
            | "MAX"
            | "GROUP_CONCAT"
            | "BIT_AND"
            | "BIT_OR"
            | "BIT_XOR"
            | "JSON_ARRAYAGG"
            | "JSON_OBJECTAGG"
    )
}

impl Binder<'_> {
    pub(super) fn aggregate(&mut self, name: &str, arguments: Arguments<'_>, span: Span) -> Bound<Expr> {
        let frame = self.frame()?;
        if frame.in_aggregate {
            return Err(self.refuse(span, "an aggregate inside an aggregate", "compute the inner one in a derived table"));
        }
        if matches!(frame.clause, Clause::On | Clause::Where | Clause::GroupBy) {
            return Err(self.refuse(
                span,
                format!("{name} cannot stand here: the groups do not exist yet"),
                "move the condition to HAVING, or write a subquery",
            ));
        }
        frame.in_aggregate = true;
        let call = self.aggregate_call(name, arguments, &span);
        self.frame()?.in_aggregate = false;
        let call = call?;
        self.check_owner(&call, &span)?;
        let aggregate = self.resolve_aggregate(call, span.clone())?;
        // COUNT and the bit aggregates have a value for a group without values.
        let nullable = !matches!(
            aggregate.function,
            AggregateFunction::Count | AggregateFunction::BitAnd | AggregateFunction::BitOr | AggregateFunction::BitXor
        );
        let data_type = aggregate.data_type.clone();
        let frame = self.frame()?;
        let index = frame.aggregates.len();
        frame.aggregates.push(aggregate);
        Ok(Expr { kind: ExprKind::Aggregate(index), data_type, nullable, span })
    }

    fn aggregate_call(&mut self, name: &str, arguments: Arguments<'_>, span: &Span) -> Bound<AggregateCall> {
        let Arguments { distinct, list, order_by, separator } = arguments;
        if !matches!(name, "GROUP_CONCAT" | "JSON_ARRAYAGG") && (!order_by.is_empty() || separator.is_some()) {
            return Err(self.refuse(span.clone(), format!("ORDER BY and SEPARATOR do not belong into {name}"), "remove them"));
        }
        let star = list.iter().any(Option::is_none);
        if star && (name != "COUNT" || list.len() != 1 || distinct) {
            return Err(self.refuse(span.clone(), format!("* cannot be an argument of {name}"), "name a column"));
        }
        let plain: Vec<&ast::Expr> = list.into_iter().flatten().collect();
        let arguments = self.exprs(plain.iter().copied())?;
        let order_by = order_by.iter().map(|item| {
            let (expr, direction) = self.order_parts(item)?;
            let bound = self.expr(expr)?;
            if matches!(bound.data_type, crate::schema::DataType::Enum { .. } | crate::schema::DataType::Set { .. }) {
                return Err(self.refuse(
                    bound.span,
                    "ENUM and SET are ordered by position, not by name",
                    "order by another column",
                ));
            }
            Ok((bound, direction.descending))
        });
        let order_by = collected(order_by.collect())?;
        let separator = match separator {
            Some(separator) => match self.string_literal(separator)? {
                Some(text) => Some(text),
                None => return Err(self.refuse(span.clone(), "SEPARATOR takes a string", "write SEPARATOR ', '")),
            },
            None => None,
        };
        Ok(AggregateCall { name: name.to_owned(), distinct, arguments, order_by, separator })
    }

    /// An aggregate over columns of an outer SELECT alone would belong to that one.
    fn check_owner(&mut self, call: &AggregateCall, span: &Span) -> Bound<()> {
        let operands = || call.arguments.iter().chain(call.order_by.iter().map(|(expr, _)| expr));
        let reads_columns = operands().any(|operand| !tree::columns(operand).is_empty());
        let reads_own = operands().any(|operand| self.is_own(operand));
        if reads_columns && !reads_own {
            return Err(self.refuse(
                span.clone(),
                "this aggregate reads only columns of an outer SELECT and would belong to that one",
                "compute it in the outer SELECT",
            ));
        }
        Ok(())
    }
}
