//! The bound form of a mapping's SELECT: names resolved, types known, semantics chosen.
//!
//! A [`Query`] is a list of UNION ALL branches. Every table, at any nesting depth, has an [`AliasId`] that is unique within its
//! branch, so that one flat environment (alias -> row) serves the whole branch, and a correlated reference is an ordinary column
//! reference. Comparison rules (integer, decimal, collation, ...) are chosen by the binder and stored in the node, so that
//! evaluation, index keys and walks cannot disagree.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::schema::{DataType, TableId};
use crate::sql::functions::Function;
use crate::value::{KeyKind, Value};

/// A table or derived table in a branch; unique over all nesting levels of the branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AliasId(pub usize);

/// Byte range in the mapping's SQL text.
pub type Span = Range<usize>;

/// One mapping SELECT.
#[derive(Debug, Clone)]
pub struct Query {
    /// UNION ALL branches; at least one. All have as many outputs as `columns`.
    pub branches: Vec<Branch>,
    /// Output columns: names from the first branch, types unified over the branches.
    pub columns: Vec<OutputColumn>,
}

/// One branch with the aliases that occur anywhere in it.
#[derive(Debug, Clone)]
pub struct Branch {
    /// The SELECT.
    pub select: Select,
    /// Per [`AliasId`], what it is.
    pub aliases: Vec<AliasDefinition>,
}

/// What an alias stands for.
#[derive(Debug, Clone)]
pub struct AliasDefinition {
    /// As written, or the table's name; for messages and pictures.
    pub name: String,
    /// The base table, or `None` for a derived table.
    pub table: Option<TableId>,
    /// Where it is introduced.
    pub span: Span,
}

/// An output column.
#[derive(Debug, Clone)]
pub struct OutputColumn {
    /// Its name.
    pub name: String,
    /// Its type after unification.
    pub data_type: DataType,
    /// Whether NULL may occur.
    pub nullable: bool,
    /// Where the first branch writes it.
    pub span: Span,
}

/// A SELECT at any depth: main, derived table or subquery.
#[derive(Debug, Clone)]
pub struct Select {
    /// Relations in written order, joined left-deep. Empty for `SELECT 1`.
    pub from: Vec<FromItem>,
    /// WHERE.
    pub filter: Option<Expr>,
    /// GROUP BY; `Some(vec![])` is one group over all rows (aggregates without GROUP BY); `None`: not grouped.
    pub group_by: Option<Vec<Expr>>,
    /// Aggregates that `outputs` and `having` refer to by [`ExprKind::Aggregate`].
    pub aggregates: Vec<Aggregate>,
    /// HAVING.
    pub having: Option<Expr>,
    /// Numberings of its rows (of its groups, where it is grouped) that `outputs` refer to by [`ExprKind::RowNumber`].
    pub numberings: Vec<Numbering>,
    /// Output expressions. For a branch of the query, already converted to the query's column types.
    pub outputs: Vec<Expr>,
    /// SELECT DISTINCT.
    pub distinct: bool,
    /// ORDER BY of a subquery with LIMIT; empty elsewhere (order does not matter to a mapping).
    pub order_by: Vec<OrderItem>,
    /// LIMIT of a subquery.
    pub limit: Option<u64>,
    /// Where the SELECT stands.
    pub span: Span,
}

impl Select {
    /// A SELECT of nothing from nothing.
    #[must_use]
    pub fn empty(span: Span) -> Self {
        Self {
            from: Vec::new(),
            filter: None,
            group_by: None,
            aggregates: Vec::new(),
            having: None,
            numberings: Vec::new(),
            outputs: Vec::new(),
            distinct: false,
            order_by: Vec::new(),
            limit: None,
            span,
        }
    }
}

/// One relation of FROM.
#[derive(Debug, Clone)]
pub struct FromItem {
    /// Its alias.
    pub alias: AliasId,
    /// What it is.
    pub relation: Relation,
    /// How it joins what stands left of it; the first relation is `Inner`.
    pub join: JoinKind,
    /// ON, with USING expanded; `None` for the first relation and for comma and CROSS joins.
    pub on: Option<Expr>,
}

/// A base table or a derived table.
#[derive(Debug, Clone)]
pub enum Relation {
    /// A mapped legacy table.
    Table(TableId),
    /// `(SELECT ..) alias`: the rows of one or more SELECTs with the same column types, UNION ALL; columns of the alias are their
    /// outputs. A LATERAL one refers to aliases that stand left of it.
    Derived(Vec<Select>),
}

/// How a relation joins. RIGHT joins are mirrored by the binder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinKind {
    /// INNER, CROSS and comma.
    Inner,
    /// LEFT: without a match the alias is NULL in every column.
    Left,
}

/// An expression with its type.
#[derive(Debug, Clone)]
pub struct Expr {
    /// What it computes.
    pub kind: ExprKind,
    /// Its result type.
    pub data_type: DataType,
    /// Whether NULL may occur.
    pub nullable: bool,
    /// Where it stands.
    pub span: Span,
}

/// What an expression computes. MySQL booleans are integers 0, 1 and NULL.
#[derive(Debug, Clone)]
pub enum ExprKind {
    /// A constant, already of the expression's type.
    Literal(Value),
    /// A column of an alias: ordinal in the legacy table as bound, index into the stored layout after planning; output index for
    /// a derived table.
    Column {
        /// The alias.
        alias: AliasId,
        /// The column.
        column: usize,
    },
    /// The n-th aggregate of the innermost enclosing SELECT.
    Aggregate(usize),
    /// The number of the row at hand in the n-th numbering of the innermost enclosing SELECT.
    RowNumber(usize),
    /// A comparison by a fixed rule.
    Compare {
        /// The operator.
        operator: CompareOperator,
        /// Both sides are converted by it before they are compared.
        rule: KeyKind,
        /// Left side.
        left: Box<Expr>,
        /// Right side.
        right: Box<Expr>,
    },
    /// Three-valued AND of all operands.
    And(Vec<Expr>),
    /// Three-valued OR of all operands.
    Or(Vec<Expr>),
    /// Three-valued NOT.
    Not(Box<Expr>),
    /// IS NULL.
    IsNull(Box<Expr>),
    /// Searched CASE; a simple CASE is rewritten to comparisons.
    Case {
        /// Condition and result pairs.
        branches: Vec<(Expr, Expr)>,
        /// ELSE; NULL if absent.
        otherwise: Option<Box<Expr>>,
    },
    /// A function or an arithmetic operator.
    Call {
        /// Which.
        function: Function,
        /// Its arguments.
        arguments: Vec<Expr>,
    },
    /// A conversion to the expression's own type, as CAST or an implicit conversion of the source does it.
    Cast(Box<Expr>),
    /// `(SELECT one column ..)`: NULL without a row, an error with two.
    ScalarSubquery(Box<Select>),
    /// `EXISTS (SELECT ..)`.
    Exists(Box<Select>),
}

/// `ROW_NUMBER() OVER (PARTITION BY .. ORDER BY ..)` and its relatives, and `DISTINCT ON`: the rows of a partition, in their order.
#[derive(Debug, Clone)]
pub struct Numbering {
    /// How rows that the order does not tell apart are numbered.
    pub function: NumberingFunction,
    /// What rows of one partition have in common; empty: all rows are one partition.
    pub partition_by: Vec<Expr>,
    /// The order within a partition; for [`NumberingFunction::RowNumber`] proven total by the binder.
    pub order_by: Vec<OrderItem>,
    /// Only the first row of each partition is kept: DISTINCT ON.
    pub keeps_first: bool,
    /// Where it stands.
    pub span: Span,
}

/// Window functions that number rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberingFunction {
    /// 1, 2, 3, ..
    RowNumber,
    /// Equal rows share the number of the first of them: 1, 1, 3, ..
    Rank,
    /// Equal rows share a number and none is left out: 1, 1, 2, ..
    DenseRank,
}

/// Comparison operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareOperator {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<=>`: NULL equals NULL.
    NullSafeEqual,
}

/// An aggregate call.
#[derive(Debug, Clone)]
pub struct Aggregate {
    /// Which.
    pub function: AggregateFunction,
    /// DISTINCT.
    pub distinct: bool,
    /// Its arguments; empty for `COUNT(*)`.
    pub arguments: Vec<Expr>,
    /// How values are compared for DISTINCT, MIN and MAX, per argument.
    pub rules: Vec<KeyKind>,
    /// ORDER BY of GROUP_CONCAT; proven or made total by the binder.
    pub order_by: Vec<OrderItem>,
    /// Its result type.
    pub data_type: DataType,
    /// Where it stands.
    pub span: Span,
}

/// Aggregate functions.
#[derive(Debug, Clone, PartialEq)]
pub enum AggregateFunction {
    /// COUNT.
    Count,
    /// SUM of exact numbers.
    Sum,
    /// AVG of exact numbers.
    Avg,
    /// MIN.
    Min,
    /// MAX.
    Max,
    /// BIT_AND: all bits over no row.
    BitAnd,
    /// BIT_OR.
    BitOr,
    /// BIT_XOR.
    BitXor,
    /// JSON_ARRAYAGG in a fixed order, NULLs included (MariaDB).
    JsonArray {
        /// Whether the values are JSON themselves.
        embedded: bool,
        /// `group_concat_max_len` in bytes.
        bytes_max: u64,
    },
    /// JSON_OBJECTAGG of keys and values, its keys in normal order (MySQL).
    JsonObject {
        /// Whether the values are JSON themselves.
        embedded: bool,
    },
    /// GROUP_CONCAT with its separator and the byte limit of the session.
    GroupConcat {
        /// SEPARATOR.
        separator: String,
        /// `group_concat_max_len` in bytes.
        bytes_max: u64,
    },
    /// An aggregate of PostgreSQL that is computed from its collected rows.
    Postgres(crate::sql::postgres::aggregate::Collected),
}

/// One ORDER BY element.
#[derive(Debug, Clone)]
pub struct OrderItem {
    /// By what.
    pub expr: Expr,
    /// How its values compare.
    pub rule: KeyKind,
    /// DESC.
    pub descending: bool,
    /// Whether NULLs stand before all values: in MySQL where the order ascends, in PostgreSQL where it descends or the element says so.
    pub nulls_first: bool,
}

/// Which way an ORDER BY element goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Direction {
    /// DESC.
    pub descending: bool,
    /// Whether NULLs stand before all values.
    pub nulls_first: bool,
}

/// A finding about a mapping's SQL, to be shown with a caret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Byte range in the SQL text.
    pub span: Span,
    /// The finding: lower case, no full stop.
    pub message: String,
    /// A few words under the caret; may be empty.
    pub label: String,
    /// What to do; may be empty.
    pub help: String,
}
