//! What to say about a key that is not proven: which relation it leaves open, and the `facts:` entry that would close the gap.

use crate::plan::anchor::identity;
use crate::plan::dependence::Dependence;
use crate::plan::expr::{bare_column, children, conjuncts};
use crate::plan::indexes::Indexed;
use crate::plan::input::PlanFinding;
use crate::plan::print;
use crate::plan::proof::{DeclaredKey, injective_core};
use crate::plan::scopes::Scopes;
use crate::schema::TableSchema;
use crate::sql::query::{AliasId, Expr, ExprKind, FromItem, JoinKind, Relation};

/// The finding for a key that leaves relations open.
pub(crate) fn key(scopes: &Scopes<'_>, key: &DeclaredKey<'_>, known: &Dependence<'_, '_>) -> PlanFinding {
    let select = &scopes.branch.select;
    let open = known.open();
    let present = |item: &&FromItem| item.join == JoinKind::Inner && matches!(item.relation, Relation::Table(_));
    let root = select.from.iter().filter(present).find(|item| {
        let mut dependence = Dependence::new(scopes, select, &[]);
        dependence.fixed.insert(item.alias);
        dependence.settle();
        dependence.open().is_empty()
    });
    match root {
        Some(root) => of_root(scopes, key, known, root),
        // What the key determines already is no news; the first relation that it does not is.
        None => match open.first().and_then(|alias| select.from.iter().find(|item| item.alias == *alias)) {
            Some(item) => of_many(scopes, key, known, item),
            None => PlanFinding::at(&select.span, "nothing is derived from this SELECT", "name a table in FROM"),
        },
    }
}

fn of_root(scopes: &Scopes<'_>, key: &DeclaredKey<'_>, known: &Dependence<'_, '_>, root: &FromItem) -> PlanFinding {
    let name = scopes.name(root.alias);
    let key_text = key.names.join(", ");
    let Some(columns) = identity(scopes, root.alias) else {
        return PlanFinding::at(
            &scopes.branch.select.span,
            format!("{name} has no primary or unique key without nullable columns, so the key [{key_text}] cannot be proven"),
            format!(
                "each row of the target comes from one row of {name}; give the legacy table a key, or group by the key columns"
            ),
        );
    };
    let names = column_names(scopes, root.alias, &columns);
    let help = match shown_columns(scopes, key, root.alias, &columns) {
        Some(outputs) => format!("declare key: [{}]", outputs.join(", ")),
        None => {
            let select = names.iter().map(|column| format!("{name}.{column}")).collect::<Vec<_>>().join(", ");
            match fact(scopes, known, root) {
                Some(fact) => {
                    format!("select {select} and declare them as the key; or, if the business guarantees it, declare {fact}")
                }
                None => format!("select {select} and declare them as the key"),
            }
        }
    };
    PlanFinding::declared(
        format!(
            "the key [{key_text}] is not proven: it does not determine {name} ({}), of which every row gives a row of the target",
            names.join(", ")
        ),
        help,
    )
}

fn of_many(scopes: &Scopes<'_>, key: &DeclaredKey<'_>, known: &Dependence<'_, '_>, item: &FromItem) -> PlanFinding {
    let span = scopes.branch.aliases.get(item.alias.0).map(|definition| definition.span.clone()).unwrap_or_default();
    let name = scopes.name(item.alias);
    let fixed = scopes.branch.select.from.iter().find(|other| known.is_fixed(other.alias)).map(|other| scopes.name(other.alias));
    let of = fixed.map_or_else(|| "one row".to_owned(), |other| format!("one row of {other}"));
    let (table, fact) = (scopes.table(item.alias).is_some(), fact(scopes, known, item));
    let join =
        format!("join {name} on all columns of a primary or unique key, put it into an aggregate or a subquery, or GROUP BY");
    let help = match (table, identity(scopes, item.alias), fact) {
        (false, ..) => format!("join {name} on all of its group columns, or add what tells its rows apart to the key"),
        (true, None, None) => join,
        (true, Some(columns), fact) => {
            let key = column_names(scopes, item.alias, &columns).into_iter().map(|column| format!("{name}.{column}"));
            let key = key.collect::<Vec<_>>().join(", ");
            let fact = fact.map(|fact| format!("; or, if the business guarantees that there is one, declare {fact}"));
            format!("{join}; or select {key} and add it to the key{}", fact.unwrap_or_default())
        }
        (true, None, Some(fact)) => format!("{join}; or, if the business guarantees that there is one, declare {fact}"),
    };
    PlanFinding::at(
        &span,
        format!("{of} may join several rows of {name}, and nothing tells them apart in the key [{}]", key.names.join(", ")),
        help,
    )
}

/// The entry of `facts:` that says that there is at most one row for what is pinned already.
fn fact(scopes: &Scopes<'_>, known: &Dependence<'_, '_>, item: &FromItem) -> Option<String> {
    let schema = schema(scopes, item.alias)?;
    let pinned = known.pinned_columns(item);
    // Constants are conditions: they belong into `where`.
    let conditions: Vec<&Expr> =
        scopes.local_conjuncts(item.alias).into_iter().flat_map(conjuncts).filter(|one| is_printable(one)).collect();
    let constant = |column: &usize| {
        conditions
            .iter()
            .any(|condition| children(condition).into_iter().any(|side| bare_column(side) == Some((item.alias, *column))))
    };
    let columns: Vec<usize> = pinned.into_iter().filter(|column| !constant(column)).collect();
    if columns.is_empty() {
        return None;
    }
    let name =
        |_: AliasId, column: usize| schema.columns.get(column).map_or_else(|| "?".to_owned(), |column| column.name.clone());
    let filter: Vec<String> = conditions.iter().map(|condition| print::brief(condition, &name)).collect();
    let filter = if filter.is_empty() { String::new() } else { format!(", where: \"{}\"", filter.join(" AND ")) };
    let columns = column_names(scopes, item.alias, &columns).join(", ");
    Some(format!("facts: [{{ unique: {{ table: {}, columns: [{columns}]{filter} }} }}]", schema.name.name))
}

/// Whether the short form of a condition is its SQL.
fn is_printable(expr: &Expr) -> bool {
    let known = matches!(
        expr.kind,
        ExprKind::Compare { .. }
            | ExprKind::IsNull(_)
            | ExprKind::Not(_)
            | ExprKind::Or(_)
            | ExprKind::Literal(_)
            | ExprKind::Column { .. }
    );
    known && children(expr).into_iter().all(is_printable)
}

fn schema<'a>(scopes: &Scopes<'a>, alias: AliasId) -> Option<&'a TableSchema> {
    scopes.table(alias).and_then(|table| Indexed::of(scopes.catalog, table)).map(|indexed| indexed.schema)
}

fn column_names(scopes: &Scopes<'_>, alias: AliasId, columns: &[usize]) -> Vec<String> {
    let schema = schema(scopes, alias);
    columns.iter().filter_map(|column| schema?.columns.get(*column)).map(|column| column.name.clone()).collect()
}

/// The outputs that show the columns, if all are shown.
fn shown_columns(scopes: &Scopes<'_>, key: &DeclaredKey<'_>, alias: AliasId, columns: &[usize]) -> Option<Vec<String>> {
    let shown = |column: &usize| {
        let mut outputs = scopes.branch.select.outputs.iter().zip(key.outputs);
        outputs.find(|(output, _)| bare_column(injective_core(output)) == Some((alias, *column))).map(|(_, name)| name.clone())
    };
    columns.iter().map(shown).collect()
}
