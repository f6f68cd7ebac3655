//! Guards the grouping of operators. sqlparser's order of precedence is not the server's in every place, so operators are only
//! accepted next to each other where both agree; elsewhere the mapping must write parentheses.

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};

use super::{Binder, Bound};

/// How tightly an operator binds, loosest first, and those that bind differently in the two grammars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    Or,
    And,
    Not,
    Comparison,
    Sum,
    Product,
    Sign,
    Operand,
    /// Bit operators, XOR, `||`: never next to another operator without parentheses.
    Apart,
}

fn strength(expr: &Expr) -> Strength {
    match expr {
        Expr::BinaryOp { op, .. } => binary_strength(op),
        Expr::UnaryOp { op: UnaryOperator::Not, .. } => Strength::Not,
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, .. } => Strength::Sign,
        Expr::UnaryOp { .. } | Expr::Collate { .. } => Strength::Apart,
        Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsNotTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsNotFalse(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotUnknown(_)
        | Expr::InList { .. }
        | Expr::InSubquery { .. }
        | Expr::Between { .. }
        | Expr::Like { .. }
        | Expr::RLike { .. } => Strength::Comparison,
        _ => Strength::Operand,
    }
}

/// Whether an expression is one operand, which no operator next to it can pull apart.
pub(super) fn is_operand(expr: &Expr) -> bool {
    strength(expr) == Strength::Operand
}

fn binary_strength(operator: &BinaryOperator) -> Strength {
    match operator {
        BinaryOperator::Arrow | BinaryOperator::LongArrow => Strength::Operand,
        BinaryOperator::Or => Strength::Or,
        BinaryOperator::And => Strength::And,
        BinaryOperator::Eq
        | BinaryOperator::NotEq
        | BinaryOperator::Lt
        | BinaryOperator::LtEq
        | BinaryOperator::Gt
        | BinaryOperator::GtEq
        | BinaryOperator::Spaceship => Strength::Comparison,
        BinaryOperator::Plus | BinaryOperator::Minus => Strength::Sum,
        BinaryOperator::Multiply | BinaryOperator::Divide | BinaryOperator::Modulo | BinaryOperator::MyIntegerDivide => {
            Strength::Product
        }
        _ => Strength::Apart,
    }
}

impl Binder<'_> {
    /// Refuses operands of `parent` that the server might group in another way.
    pub(super) fn check_grouping(&mut self, parent: &Expr) -> Bound<()> {
        let own = strength(parent);
        // sqlparser's order of precedence for PostgreSQL is the server's.
        if own == Strength::Operand || self.is_postgres() {
            return Ok(());
        }
        for (index, operand) in operands(parent).into_iter().enumerate() {
            if index == 0 && is_concatenation(parent) && is_concatenation(operand) {
                continue;
            }
            let inner = strength(operand);
            let agreed = match own {
                Strength::Or | Strength::And => inner >= own && inner != Strength::Apart,
                Strength::Not => inner >= Strength::Not && inner != Strength::Apart,
                Strength::Comparison => inner > Strength::Comparison && inner != Strength::Apart,
                Strength::Sum | Strength::Product if index == 0 => inner >= own && inner != Strength::Apart,
                Strength::Sum | Strength::Product => inner > own && inner != Strength::Apart,
                Strength::Sign | Strength::Apart | Strength::Operand => inner == Strength::Operand,
            };
            if !agreed {
                let span = self.span(operand);
                return Err(self.refuse(
                    span,
                    "how these operators group is not the same for every reader",
                    "put this operand in parentheses, grouped as you mean it",
                ));
            }
        }
        Ok(())
    }
}

fn is_concatenation(expr: &Expr) -> bool {
    matches!(expr, Expr::BinaryOp { op: BinaryOperator::StringConcat, .. })
}

fn operands(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::BinaryOp { left, op: _, right } => vec![left, right],
        Expr::UnaryOp { expr, op: _ }
        | Expr::Collate { expr, .. }
        | Expr::IsNull(expr)
        | Expr::IsNotNull(expr)
        | Expr::IsTrue(expr)
        | Expr::IsNotTrue(expr)
        | Expr::IsFalse(expr)
        | Expr::IsNotFalse(expr)
        | Expr::IsUnknown(expr)
        | Expr::IsNotUnknown(expr)
        | Expr::InList { expr, .. }
        | Expr::InSubquery { expr, .. } => vec![expr],
        Expr::Between { expr, negated: _, low, high } => vec![expr, low, high],
        Expr::Like { expr, pattern, .. } | Expr::RLike { expr, pattern, .. } => vec![expr, pattern],
        _ => Vec::new(),
    }
}
