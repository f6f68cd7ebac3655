//! `ROW_NUMBER() OVER (PARTITION BY .. ORDER BY ..)` and its relatives, and DISTINCT ON: rows numbered within partitions.

use sqlparser::ast::{self, WindowSpec, WindowType};

use super::scope::Clause;
use super::typing::collected;
use super::{Binder, Bound, refusal, tree};
use crate::schema::{DataType, Flavor};
use crate::sql::query::{Expr, ExprKind, Numbering, NumberingFunction, OrderItem, Span};

impl Binder<'_> {
    /// A call of a numbering window function; `name` in upper case.
    pub(super) fn window_function(&mut self, name: &str, call: &ast::Function, over: &WindowType, span: Span) -> Bound<Expr> {
        let function = match name {
            "ROW_NUMBER" => NumberingFunction::RowNumber,
            "RANK" => NumberingFunction::Rank,
            "DENSE_RANK" => NumberingFunction::DenseRank,
            _ => {
                let message = format!("{name} as a window function is not supported");
                return Err(self.refuse(span, message, refusal::WINDOW_HELP));
            }
        };
        let WindowType::WindowSpec(WindowSpec { window_name: None, partition_by, order_by, window_frame }) = over else {
            return Err(self.refuse(span, "a named window is not supported", "write the window inside of OVER (..)"));
        };
        if window_frame.is_some() {
            return Err(self.refuse(span, format!("{name} takes no frame"), "remove ROWS or RANGE"));
        }
        let plain = matches!(&call.args, ast::FunctionArguments::List(list) if list.args.is_empty() && list.clauses.is_empty());
        if !plain || call.filter.is_some() || call.null_treatment.is_some() || !call.within_group.is_empty() {
            return Err(self.refuse(span, format!("{name} takes no arguments"), format!("write {name}() OVER (..)")));
        }
        let frame = self.frame()?;
        if frame.in_aggregate || frame.clause != Clause::Outputs || frame.in_numbering {
            return Err(self.refuse(
                span,
                format!("{name} cannot stand here: rows are numbered last"),
                "number the rows in a derived table, and use the number outside of it",
            ));
        }
        frame.in_numbering = true;
        let bound = self.partition_and_order(partition_by, order_by);
        self.frame()?.in_numbering = false;
        let (partition_by, order_by) = bound?;
        let numbering = Numbering { function, partition_by, order_by, keeps_first: false, span: span.clone() };
        let frame = self.frame()?;
        let index = frame.numberings.len();
        frame.numberings.push(numbering);
        let unsigned = self.catalog.flavor == Flavor::MySql;
        let data_type = DataType::Integer { bits: 64, unsigned };
        Ok(Expr { kind: ExprKind::RowNumber(index), data_type, nullable: false, span })
    }

    fn partition_and_order(
        &mut self,
        partition_by: &[ast::Expr],
        order_by: &[ast::OrderByExpr],
    ) -> Bound<(Vec<Expr>, Vec<OrderItem>)> {
        let partition = partition_by.iter().map(|expr| {
            let bound = self.expr(expr)?;
            if tree::has_subquery(&bound) {
                return Err(self.refuse(
                    bound.span,
                    "a subquery cannot part rows here",
                    "join the table and part the rows by its column",
                ));
            }
            Ok(bound)
        });
        let partition = collected(partition.collect())?;
        let order = order_by.iter().map(|item| self.order_item(item)).collect();
        Ok((partition, collected(order)?))
    }

    /// An expression of DISTINCT ON, whose numbers mean outputs and not themselves.
    fn first_of(&mut self, expr: &ast::Expr) -> Bound<Expr> {
        if matches!(expr, ast::Expr::Value(ast::ValueWithSpan { value: ast::Value::Number(..), span: _ })) {
            let span = self.span(expr);
            return Err(self.refuse(span, "DISTINCT ON a column number is not supported", "write the expression"));
        }
        let bound = self.expr(expr)?;
        self.settled(bound)
    }

    /// DISTINCT ON: the first row of each partition; ORDER BY has to begin with the same expressions.
    pub(super) fn distinct_on(&mut self, on: &[ast::Expr], order_by: &[OrderItem], span: &Span) -> Bound<Numbering> {
        self.frame()?.clause = Clause::OrderBy;
        let partition_by = on.iter().map(|expr| self.first_of(expr)).collect();
        let partition_by = collected(partition_by)?;
        for item in order_by.iter().take(partition_by.len()) {
            if !partition_by.iter().any(|part| tree::same(part, &item.expr)) {
                return Err(self.refuse(
                    item.expr.span.clone(),
                    "ORDER BY has to begin with the expressions of DISTINCT ON",
                    "put them first",
                ));
            }
        }
        let order_by = order_by.iter().skip(partition_by.len()).cloned().collect();
        let function = NumberingFunction::RowNumber;
        Ok(Numbering { function, partition_by, order_by, keeps_first: true, span: span.clone() })
    }
}
