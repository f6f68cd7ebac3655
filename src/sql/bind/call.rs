//! Function calls in the generic form `NAME(arguments)`, and aggregates with their inner clauses.

use sqlparser::ast::{
    self, DuplicateTreatment, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList,
    FunctionArguments, OrderByExpr,
};

use super::scope::Clause;
use super::{Binder, Bound, refusal};
use crate::sql::query::{Expr, Span};

/// The inside of the parentheses of a call, as written.
pub(super) struct Arguments<'f> {
    pub(super) distinct: bool,
    /// Positional arguments; `None` stands for `*`.
    pub(super) list: Vec<Option<&'f ast::Expr>>,
    pub(super) order_by: &'f [OrderByExpr],
    pub(super) separator: Option<&'f ast::ValueWithSpan>,
}

impl Binder<'_> {
    pub(super) fn function(&mut self, function: &Function, span: Span) -> Bound<Expr> {
        if self.is_postgres() {
            return self.postgres_function(function, span);
        }
        let Function { name, uses_odbc_syntax, parameters, args, within_group, filter, null_treatment, over } = function;
        let [ast::ObjectNamePart::Identifier(ident)] = name.0.as_slice() else {
            return Err(self.refuse(
                span,
                "stored functions are not supported",
                "write the expression that the function computes",
            ));
        };
        let upper = ident.value.to_uppercase();
        if let Some(over) = over {
            return self.window_function(&upper, function, over, span);
        }
        if let Some((message, help)) = refusal::function(&upper) {
            return Err(self.refuse(span, message, help));
        }
        let foreign = *uses_odbc_syntax || *parameters != FunctionArguments::None || !within_group.is_empty();
        if foreign || filter.is_some() || null_treatment.is_some() {
            return Err(self.refuse(span, format!("this form of {upper} is not MySQL's"), "write NAME(arguments)"));
        }
        if let Some((message, help)) = refusal::aggregate(&upper) {
            return Err(self.refuse(span, message, help));
        }
        let arguments = self.arguments(&upper, args, &span)?;
        if super::aggregation::is_aggregate(&upper) {
            return self.aggregate(&upper, arguments, span);
        }
        self.scalar_function(&upper, arguments, span)
    }

    pub(super) fn arguments<'f>(&mut self, name: &str, arguments: &'f FunctionArguments, span: &Span) -> Bound<Arguments<'f>> {
        let FunctionArguments::List(FunctionArgumentList { duplicate_treatment, args, clauses }) = arguments else {
            return Err(self.refuse(
                span.clone(),
                format!("{name} is called in a form that is not supported"),
                "write NAME(arguments)",
            ));
        };
        let mut list = Vec::new();
        for argument in args {
            list.push(match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => None,
                FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(_) | FunctionArgExpr::WildcardWithOptions(_))
                | FunctionArg::Named { .. }
                | FunctionArg::ExprNamed { .. } => {
                    return Err(self.refuse(
                        span.clone(),
                        format!("an argument of {name} is not supported"),
                        "write plain arguments",
                    ));
                }
            });
        }
        let mut bound = Arguments {
            distinct: *duplicate_treatment == Some(DuplicateTreatment::Distinct),
            list,
            order_by: &[],
            separator: None,
        };
        for clause in clauses {
            match clause {
                FunctionArgumentClause::OrderBy(items) => bound.order_by = items,
                FunctionArgumentClause::Separator(separator) => bound.separator = Some(separator),
                FunctionArgumentClause::IgnoreOrRespectNulls(_)
                | FunctionArgumentClause::Where(_)
                | FunctionArgumentClause::Limit(_)
                | FunctionArgumentClause::OnOverflow(_)
                | FunctionArgumentClause::Having(_)
                | FunctionArgumentClause::JsonNullClause(_)
                | FunctionArgumentClause::JsonReturningClause(_) => {
                    return Err(self.refuse(
                        span.clone(),
                        format!("a clause inside {name} is not supported"),
                        "write DISTINCT, ORDER BY and SEPARATOR only",
                    ));
                }
            }
        }
        Ok(bound)
    }

    fn scalar_function(&mut self, name: &str, arguments: Arguments<'_>, span: Span) -> Bound<Expr> {
        let Arguments { distinct, list, order_by, separator } = arguments;
        let plain: Option<Vec<&ast::Expr>> = list.into_iter().collect();
        let Some(plain) = plain.filter(|_| !distinct && order_by.is_empty() && separator.is_none()) else {
            return Err(self.refuse(
                span,
                format!("{name} takes plain arguments"),
                "DISTINCT, ORDER BY and * belong to aggregates",
            ));
        };
        if let Some(bound) = self.unit_function(name, &plain, &span) {
            return bound;
        }
        let name = match name {
            "MID" | "SUBSTR" => "SUBSTRING",
            "POSITION" => "LOCATE",
            "TRIM" => "TRIM_BOTH",
            "LTRIM" => "TRIM_LEADING",
            "RTRIM" => "TRIM_TRAILING",
            other => other,
        };
        if name == "NVL2" && matches!(self.frame()?.clause, Clause::Where | Clause::On) {
            return Err(self.refuse(
                span,
                "NVL2 in a condition, which MariaDB takes for NULL where its argument is a column of a missing row",
                "write CASE WHEN .. IS NULL THEN .. ELSE .. END",
            ));
        }
        let mut bound = self.exprs(plain)?;
        if matches!(name, "TRIM_BOTH" | "TRIM_LEADING" | "TRIM_TRAILING") && bound.len() == 1 {
            bound.push(self.blank(&span));
        }
        self.resolve(name, bound, span)
    }
}
