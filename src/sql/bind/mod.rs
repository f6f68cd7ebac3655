//! A parsed SELECT is bound to the source's catalogue: every name resolved, every type known, every comparison rule chosen.
//!
//! In: the syntax tree, its tokens and the catalogue. Out: a [`Query`], or every finding with its place in the text. Whatever
//! is not fully understood is a finding; nothing is dropped in silence. Which functions and conversions exist and how they are
//! typed is decided by `types`, `functions` and `aggregate`; which shapes can be derived incrementally is decided by `plan`.

mod aggregation;
mod call;
mod conversion;
mod dependency;
mod expression;
mod from;
mod grouping;
mod literal;
mod logic;
mod order;
mod place;
mod precedence;
mod query_body;
mod refusal;
mod scope;
mod select;
mod subquery;
#[cfg(test)]
mod tests;
mod tree;
mod typing;

use super::parse::{Modes, Parsed, Tokens};
use super::query::{AliasDefinition, Branch, Diagnostic, Expr, OutputColumn, Query, Select, Span};
use super::types::TypeContext;
use crate::schema::SourceCatalog;
use scope::Frame;

/// The finding is already in the binder's list.
#[derive(Debug, Clone, Copy)]
struct Reported;

/// A bound thing, or a finding that was reported.
type Bound<T> = Result<T, Reported>;

/// The state of binding one statement.
struct Binder<'a> {
    catalog: &'a SourceCatalog,
    context: TypeContext<'a>,
    tokens: &'a Tokens<'a>,
    modes: Modes,
    /// Aliases of the branch at hand.
    aliases: Vec<AliasDefinition>,
    /// One frame per SELECT around the expression at hand, innermost last.
    frames: Vec<Frame>,
    findings: Vec<Diagnostic>,
}

/// One branch as bound, with the names of its outputs.
struct BoundBranch {
    branch: Branch,
    names: Vec<Option<(String, Span)>>,
}

/// Binds a parsed statement.
///
/// # Errors
/// All findings, in the order of the text.
pub(super) fn bind(parsed: &Parsed<'_>, modes: Modes, catalog: &SourceCatalog) -> Result<Query, Vec<Diagnostic>> {
    if let Some(mode) = foreign_mode(&catalog.session.sql_mode) {
        let finding = Diagnostic::new(parsed.tokens.first(), format!("sql_mode {mode} gives SQL another meaning"));
        return Err(vec![finding.with_help("set session: sql_mode without it in the project file")]);
    }
    let context = TypeContext { catalog };
    let mut binder =
        Binder { catalog, context, tokens: &parsed.tokens, modes, aliases: Vec::new(), frames: Vec::new(), findings: Vec::new() };
    let bound = binder.statement(&parsed.query);
    let mut findings = binder.findings;
    match bound {
        Ok(query) if findings.is_empty() => Ok(query),
        _ => {
            findings.sort_by_key(|finding| (finding.span.start, finding.span.end));
            findings.dedup();
            Err(findings)
        }
    }
}

/// A mode under which functions and strings mean something else.
fn foreign_mode(sql_mode: &str) -> Option<&str> {
    sql_mode.split(',').map(str::trim).find(|mode| matches!(*mode, "ORACLE" | "EMPTY_STRING_IS_NULL"))
}

impl Binder<'_> {
    fn statement(&mut self, query: &sqlparser::ast::Query) -> Bound<Query> {
        let mut branches = Vec::new();
        let mut failed = false;
        for select in self.union_branches(query)? {
            match self.branch(select, branches.is_empty()) {
                Ok(branch) => branches.push(branch),
                Err(Reported) => failed = true,
            }
        }
        if failed {
            return Err(Reported);
        }
        self.unite(branches)
    }

    fn branch(&mut self, select: &sqlparser::ast::Select, first: bool) -> Bound<BoundBranch> {
        self.aliases.clear();
        let purpose = if first { select::Purpose::Table } else { select::Purpose::LaterBranch };
        let bound = self.select(select, purpose, false, &query_body::Ending::default())?;
        let aliases = std::mem::take(&mut self.aliases);
        Ok(BoundBranch { branch: Branch { select: bound.select, aliases }, names: bound.names })
    }

    /// Gives all branches the same column types and takes the names of the first.
    fn unite(&mut self, branches: Vec<BoundBranch>) -> Bound<Query> {
        let Some(first) = branches.first() else { return Err(self.broken("a statement without a branch")) };
        let width = first.branch.select.outputs.len();
        let names = first.names.clone();
        for branch in branches.iter().skip(1) {
            let found = branch.branch.select.outputs.len();
            if found != width {
                let span = branch.branch.select.span.clone();
                return Err(self.report(
                    Diagnostic::new(span, format!("this SELECT has {found} columns, the first has {width}"))
                        .with_help("give every SELECT of the UNION ALL the same number of columns"),
                ));
            }
        }
        let mut branches: Vec<Branch> = branches.into_iter().map(|branch| branch.branch).collect();
        let mut columns = Vec::with_capacity(width);
        for index in 0..width {
            let outputs: Vec<Expr> = branches.iter().filter_map(|branch| branch.select.outputs.get(index).cloned()).collect();
            let nullable = outputs.iter().any(|output| output.nullable);
            let span = outputs.first().map_or(0..0, |output| output.span.clone());
            let (converted, data_type) = if branches.len() == 1 {
                let data_type = outputs.first().map_or(crate::schema::DataType::Null, |output| output.data_type.clone());
                (outputs.into_iter().map(super::types::settle).collect(), data_type)
            } else {
                self.unify_columns(outputs, &span)?
            };
            for (branch, output) in branches.iter_mut().zip(converted) {
                if let Some(slot) = branch.select.outputs.get_mut(index) {
                    *slot = output;
                }
            }
            let name = names.get(index).cloned().flatten().map_or_else(String::new, |(name, _)| name);
            columns.push(OutputColumn { name, data_type, nullable, span });
        }
        Ok(Query { branches, columns })
    }

    /// Adds a finding.
    fn report(&mut self, finding: Diagnostic) -> Reported {
        self.findings.push(finding);
        Reported
    }

    /// Refuses something at `span` with what to do instead.
    fn refuse(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) -> Reported {
        self.report(Diagnostic::new(span, message).with_help(help))
    }

    /// A state that the parser should have made impossible.
    fn broken(&mut self, what: &str) -> Reported {
        let span = self.tokens.whole();
        self.report(Diagnostic::new(span, format!("strangler cannot make sense of this statement: {what}")))
    }

    fn frame(&mut self) -> Bound<&mut Frame> {
        if self.frames.is_empty() {
            return Err(self.broken("an expression outside of a SELECT"));
        }
        self.frames.last_mut().ok_or(Reported)
    }
}

/// A SELECT as bound, with the names of its outputs.
struct BoundSelect {
    select: Select,
    names: Vec<Option<(String, Span)>>,
}
