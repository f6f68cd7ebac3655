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
mod fold;
mod from;
mod grouping;
mod literal;
mod logic;
mod numbering;
mod order;
mod place;
mod postgres;
mod precedence;
mod query_body;
mod refusal;
mod relation;
mod scope;
mod select;
mod subquery;
#[cfg(test)]
mod tests;
mod tree;
mod typing;

use super::parse::{Modes, Parsed, Tokens};
use super::query::{AliasDefinition, Branch, Diagnostic, OutputColumn, Query, Select, Span};
use super::types::TypeContext;
use crate::schema::SourceCatalog;
use relation::Cte;
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
    /// CTEs in scope, outermost first.
    ctes: Vec<Cte>,
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
    let mut binder = Binder {
        catalog,
        context,
        tokens: &parsed.tokens,
        modes,
        aliases: Vec::new(),
        frames: Vec::new(),
        ctes: Vec::new(),
        findings: Vec::new(),
    };
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
        self.in_scope_of(query.with.as_ref(), |binder| binder.branches(query))
    }

    fn branches(&mut self, query: &sqlparser::ast::Query) -> Bound<Query> {
        if let sqlparser::ast::SetExpr::Select(select) = &*query.body {
            let body = self.body(query, select::Purpose::Table)?;
            let order_by = query.order_by.as_ref().map_or(Ok(&[][..]), |order_by| self.order_list(order_by, query))?;
            debug_assert!(std::ptr::eq(body, &*query.body));
            let branch = self.branch(&[select], select::Purpose::Table, order_by)?;
            return self.unite(vec![branch]);
        }
        let body = self.body(query, select::Purpose::Table)?;
        let parts = self.flatten(body)?;
        let (set, rest) = parts.selects.split_at(parts.set_of_first.min(parts.selects.len()));
        let sets = if set.is_empty() { None } else { Some(set) };
        let mut branches = Vec::new();
        let mut failed = false;
        for selects in sets.into_iter().chain(rest.chunks(1)) {
            let purpose = if branches.is_empty() { select::Purpose::Table } else { select::Purpose::LaterBranch };
            match self.branch(selects, purpose, &[]) {
                Ok(branch) => branches.push(branch),
                Err(Reported) => failed = true,
            }
        }
        if failed {
            return Err(Reported);
        }
        self.unite(branches)
    }

    /// Binds one SELECT, or several with UNION between them, as one branch.
    fn branch(
        &mut self,
        selects: &[&sqlparser::ast::Select],
        purpose: select::Purpose,
        order_by: &[sqlparser::ast::OrderByExpr],
    ) -> Bound<BoundBranch> {
        self.aliases.clear();
        let bound = selects.iter().enumerate().map(|(number, select)| {
            let purpose = if number == 0 { purpose } else { purpose.later() };
            self.select(select, purpose, false, &query_body::Ending { order_by, limit: None })
        });
        let bound = typing::collected(bound.collect())?;
        let names = bound.first().map(|bound| bound.names.clone()).unwrap_or_default();
        let mut selects: Vec<Select> = bound.into_iter().map(|bound| bound.select).collect();
        let select = match (selects.pop(), selects.is_empty()) {
            (Some(only), true) => only,
            (last, _) => {
                selects.extend(last);
                self.unify_selects(&mut selects.iter_mut().collect::<Vec<_>>())?;
                self.set_of(selects)
            }
        };
        let aliases = std::mem::take(&mut self.aliases);
        Ok(BoundBranch { branch: Branch { select, aliases }, names })
    }

    /// Gives all branches the same column types and takes the names of the first.
    fn unite(&mut self, branches: Vec<BoundBranch>) -> Bound<Query> {
        let names = branches.first().map(|first| first.names.clone()).unwrap_or_default();
        let mut branches: Vec<Branch> = branches.into_iter().map(|branch| branch.branch).collect();
        let types = self.unify_selects(&mut branches.iter_mut().map(|branch| &mut branch.select).collect::<Vec<_>>())?;
        let spans = branches.first().map(|first| first.select.outputs.iter().map(|output| output.span.clone()));
        let spans: Vec<Span> = spans.into_iter().flatten().collect();
        let columns = types.into_iter().zip(names).zip(spans).map(|(((data_type, nullable), name), span)| {
            let name = name.map_or_else(String::new, |(name, _)| name);
            OutputColumn { name, data_type, nullable, span }
        });
        let columns = columns.collect();
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

    /// Whether the statement is in MySQL's or MariaDB's SQL.
    fn is_mysql(&self) -> bool {
        matches!(self.catalog.flavor, crate::schema::Flavor::MySql | crate::schema::Flavor::MariaDb)
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
