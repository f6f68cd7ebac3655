//! Calls by name: what COALESCE and its kin mean, aggregates with FILTER, and the functions of the tables.

use sqlparser::ast::{self, Function, FunctionArguments};

use super::super::call::Arguments;
use super::super::scope::Clause;
use super::super::typing::collected;
use super::super::{Binder, Bound};
use crate::schema::DataType;
use crate::sql::functions;
use crate::sql::postgres::aggregate::{self, Written};
use crate::sql::postgres::{compare, refused_function, typing};
use crate::sql::query::{AggregateFunction, CompareOperator, Expr, ExprKind, Span};
use crate::value::Value;

impl Binder<'_> {
    /// A call in the dialect of PostgreSQL.
    pub(in super::super) fn postgres_function(&mut self, function: &Function, span: Span) -> Bound<Expr> {
        let Function { name, uses_odbc_syntax, parameters, args, within_group, filter, null_treatment, over } = function;
        let parts: Vec<&str> = name.0.iter().filter_map(|part| part.as_ident()).map(|ident| ident.value.as_str()).collect();
        let name = match parts.as_slice() {
            [name] | ["pg_catalog", name] if parts.len() == name_length(function) => (*name).to_owned(),
            _ => {
                return Err(self.refuse(
                    span,
                    "functions of a schema are not supported",
                    "write the expression that the function computes",
                ));
            }
        };
        if let Some(over) = over {
            return self.window_function(&name.to_ascii_uppercase(), function, over, span);
        }
        if let Some((message, help)) = refused_function(&name) {
            return Err(self.refuse(span, message, help));
        }
        let foreign =
            *uses_odbc_syntax || *parameters != FunctionArguments::None || !within_group.is_empty() || null_treatment.is_some();
        if foreign {
            return Err(self.refuse(span, format!("this form of {name} is not supported"), "write name(arguments)"));
        }
        let arguments = self.arguments(&name, args, &span)?;
        if aggregate::is_aggregate(&name) {
            return self.postgres_aggregate(&name, arguments, filter.as_deref(), span);
        }
        if filter.is_some() {
            return Err(self.refuse(span, format!("FILTER belongs to aggregates, and {name} is none"), "write CASE WHEN"));
        }
        let Arguments { distinct, list, order_by, separator } = arguments;
        let plain: Option<Vec<&ast::Expr>> = list.into_iter().collect();
        let Some(plain) = plain.filter(|_| !distinct && order_by.is_empty() && separator.is_none()) else {
            return Err(self.refuse(
                span,
                format!("{name} takes plain arguments"),
                "DISTINCT, ORDER BY and * belong to aggregates",
            ));
        };
        let bound = self.exprs(plain)?;
        match name.as_str() {
            "coalesce" => self.coalesce(bound, span),
            "nullif" => self.null_if(bound, span),
            "greatest" | "least" => {
                let chosen = compare::extreme(name == "greatest", bound, span.clone(), self.catalog);
                self.typed(chosen, &span)
            }
            _ => self.call(&name, bound, span),
        }
    }

    fn coalesce(&mut self, arguments: Vec<Expr>, span: Span) -> Bound<Expr> {
        if arguments.is_empty() {
            return Err(self.refuse(span, "COALESCE takes at least one argument", "add the arguments"));
        }
        let nullable = arguments.iter().all(|argument| argument.nullable);
        let (arguments, data_type) = self.unify(arguments, &span)?;
        let kind = ExprKind::Call { function: functions::Function::Coalesce, arguments };
        Ok(Expr { kind, data_type, nullable, span })
    }

    /// `NULLIF(a, b)` is NULL where a = b, else a with its own type.
    fn null_if(&mut self, arguments: Vec<Expr>, span: Span) -> Bound<Expr> {
        let [value, other]: [Expr; 2] = match arguments.try_into() {
            Ok(pair) => pair,
            Err(_) => return Err(self.refuse(span, "NULLIF takes two arguments", "write NULLIF(a, b)")),
        };
        let value = compare::null_if_value(value, &other, self.catalog);
        let value = self.typed(value, &span)?;
        let same = self.compare(CompareOperator::Equal, value.clone(), other, span.clone())?;
        let data_type = value.data_type.clone();
        let null =
            Expr { kind: ExprKind::Literal(Value::Null), data_type: data_type.clone(), nullable: true, span: span.clone() };
        let kind = ExprKind::Case { branches: vec![(same, null)], otherwise: Some(Box::new(value)) };
        Ok(Expr { kind, data_type, nullable: true, span })
    }

    fn postgres_aggregate(
        &mut self,
        name: &str,
        arguments: Arguments<'_>,
        filter: Option<&ast::Expr>,
        span: Span,
    ) -> Bound<Expr> {
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
        let written = self.postgres_aggregate_call(name, arguments, filter, &span);
        self.frame()?.in_aggregate = false;
        let resolved = aggregate::resolve(written?, self.catalog);
        let aggregate = self.typed(resolved, &span)?;
        // Only count has a value for a group without values.
        let nullable = aggregate.function != AggregateFunction::Count;
        let data_type = aggregate.data_type.clone();
        let frame = self.frame()?;
        let index = frame.aggregates.len();
        frame.aggregates.push(aggregate);
        Ok(Expr { kind: ExprKind::Aggregate(index), data_type, nullable, span })
    }

    fn postgres_aggregate_call(
        &mut self,
        name: &str,
        arguments: Arguments<'_>,
        filter: Option<&ast::Expr>,
        span: &Span,
    ) -> Bound<Written> {
        let Arguments { distinct, list, order_by, separator } = arguments;
        let star = list.iter().any(Option::is_none);
        if separator.is_some() || (star && (name != "count" || list.len() != 1 || distinct)) {
            return Err(self.refuse(
                span.clone(),
                format!("this form of {name} is not PostgreSQL's"),
                "write name(arguments ORDER BY ..)",
            ));
        }
        let plain: Vec<&ast::Expr> = list.into_iter().flatten().collect();
        let mut arguments = self.exprs(plain)?;
        let order_by = order_by.iter().map(|item| {
            let (expr, direction) = self.order_parts(item)?;
            Ok((self.expr(expr)?, direction))
        });
        let order_by = collected(order_by.collect())?;
        let mut kept = None;
        if let Some(filter) = filter
            && aggregate::collects_nulls(name)
        {
            kept = Some(self.condition(filter)?);
        } else if let Some(filter) = filter {
            let condition = self.condition(filter)?;
            if arguments.is_empty() {
                let one = typing::literal_number("1", span.clone());
                arguments.push(self.typed(one, span)?);
            }
            // What the filter leaves out is NULL, which these aggregates leave out too.
            if let Some(first) = arguments.first_mut() {
                let kept = self.settled(first.clone())?;
                let data_type: DataType = kept.data_type.clone();
                let kind = ExprKind::Case { branches: vec![(condition, kept)], otherwise: None };
                *first = Expr { kind, data_type, nullable: true, span: span.clone() };
            }
        }
        Ok(Written { name: name.to_owned(), distinct, arguments, order_by, filter: kept, span: span.clone() })
    }
}

fn name_length(function: &Function) -> usize {
    function.name.0.len()
}
