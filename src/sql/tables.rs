//! The tables that a statement names: its relations without the CTEs, each where it is in scope.

use std::ops::ControlFlow;

use sqlparser::ast::{ObjectName, Query, Visit, Visitor};

/// A WITH clause while its query is visited.
struct Scope {
    names: Vec<String>,
    queries: Vec<*const Query>,
    /// So many of its CTEs can be named at this place: a CTE sees those before it.
    visible: usize,
}

#[derive(Default)]
struct Collector {
    scopes: Vec<Scope>,
    tables: Vec<(Option<String>, String)>,
}

/// The tables of a query as (schema if written, table), each once, in the order of the text.
pub(super) fn of(query: &Query) -> Vec<(Option<String>, String)> {
    let mut collector = Collector::default();
    let _: ControlFlow<()> = query.visit(&mut collector);
    collector.tables
}

impl Collector {
    fn is_cte(&self, name: &str) -> bool {
        let mut names = self.scopes.iter().flat_map(|scope| scope.names.iter().take(scope.visible));
        names.any(|cte| cte.to_lowercase() == name.to_lowercase())
    }

    /// The scope and place of a query that is the body of a CTE.
    fn place(&mut self, query: &Query) -> Option<(&mut Scope, usize)> {
        let query: *const Query = query;
        let scope = self.scopes.iter_mut().rev().find(|scope| scope.queries.contains(&query))?;
        let place = scope.queries.iter().position(|other| *other == query)?;
        Some((scope, place))
    }
}

impl Visitor for Collector {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let Some((scope, place)) = self.place(query) {
            scope.visible = place;
        }
        if let Some(with) = &query.with {
            let names = with.cte_tables.iter().map(|cte| cte.alias.name.value.clone()).collect();
            let queries = with.cte_tables.iter().map(|cte| std::ptr::from_ref(&*cte.query)).collect();
            self.scopes.push(Scope { names, queries, visible: 0 });
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if query.with.is_some() {
            self.scopes.pop();
        }
        if let Some((scope, place)) = self.place(query) {
            scope.visible = place + 1;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        let mut parts = name.0.iter().rev().filter_map(|part| part.as_ident()).map(|ident| ident.value.clone());
        if let Some(table) = parts.next() {
            // Of `source.schema.table`, as a mapping over several sources may write it, the schema is what stands before the table.
            let mut qualifiers: Vec<String> = parts.collect();
            qualifiers.reverse();
            let table = (if qualifiers.is_empty() { None } else { Some(qualifiers.join(".")) }, table);
            let is_cte = table.0.is_none() && self.is_cte(&table.1);
            if !is_cte && !self.tables.contains(&table) {
                self.tables.push(table);
            }
        }
        ControlFlow::Continue(())
    }
}
