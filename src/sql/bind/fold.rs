//! Several relations on one side of an outer join become one derived table: `a LEFT JOIN (b JOIN c ON ..) ON ..`, and what stands left of
//! a RIGHT JOIN. Their columns are reached through it from then on.

use super::scope::{Frame, Visible};
use super::{Binder, Bound};
use crate::schema::DataType;
use crate::sql::query::{AliasDefinition, AliasId, Expr, ExprKind, FromItem, JoinKind, Relation, Select, Span};

/// A column that moved into a fold.
struct Moved {
    from: AliasId,
    to: AliasId,
    /// Where the columns of `from` start among the outputs.
    base: usize,
}

impl Binder<'_> {
    /// Puts relations into a derived table that shows all of their columns, and redirects the conditions in `ons` to it.
    pub(super) fn fold(&mut self, items: Vec<FromItem>, ons: &mut [&mut Expr], span: &Span) -> Bound<FromItem> {
        let alias = AliasId(self.aliases.len());
        let name = items.iter().filter_map(|item| self.aliases.get(item.alias.0)).map(|one| one.name.as_str());
        let name = name.collect::<Vec<_>>().join(", ");
        self.aliases.push(AliasDefinition { name: format!("({name})"), table: None, span: span.clone() });
        let mut outputs: Vec<Expr> = Vec::new();
        let mut moved = Vec::new();
        for item in &items {
            moved.push(Moved { from: item.alias, to: alias, base: outputs.len() });
            for (column, (data_type, nullable)) in self.shown_by(item).into_iter().enumerate() {
                let nullable = nullable || item.join == JoinKind::Left;
                outputs.push(Expr {
                    kind: ExprKind::Column { alias: item.alias, column },
                    data_type,
                    nullable,
                    span: span.clone(),
                });
            }
        }
        redirect_visible(self.frame()?, &moved);
        for on in ons {
            redirect(on, &moved);
        }
        let select = Select { from: items, outputs, ..Select::empty(span.clone()) };
        Ok(FromItem { alias, relation: Relation::Derived(vec![select]), join: JoinKind::Inner, on: None })
    }

    fn shown_by(&self, item: &FromItem) -> Vec<(DataType, bool)> {
        match &item.relation {
            Relation::Table(table) => {
                let columns = self.catalog.tables.get(table.0 as usize).map(|table| table.columns.as_slice());
                columns.unwrap_or_default().iter().map(|column| (column.data_type.clone(), column.nullable)).collect()
            }
            Relation::Derived(arms) => {
                let first = arms.first().map(|arm| arm.outputs.as_slice()).unwrap_or_default();
                let nullable =
                    |column: usize| arms.iter().any(|arm| arm.outputs.get(column).is_some_and(|output| output.nullable));
                first.iter().enumerate().map(|(column, output)| (output.data_type.clone(), nullable(column))).collect()
            }
        }
    }
}

fn redirect_visible(frame: &mut Frame, moved: &[Moved]) {
    for visible in &mut frame.visible {
        let (alias, column) = visible.reference(0);
        if let Some(one) = moved.iter().find(|one| one.from == alias) {
            visible.through = Some((one.to, one.base + column));
        }
    }
}

fn redirect(expr: &mut Expr, moved: &[Moved]) {
    crate::sql::rewrite::rewrite(expr, &mut |node| {
        if let ExprKind::Column { alias, column } = &mut node.kind
            && let Some(one) = moved.iter().find(|one| one.from == *alias)
        {
            (*alias, *column) = (one.to, one.base + *column);
        }
    });
}

impl Visible {
    /// The alias and column by which expressions refer to a column of this relation.
    pub(super) fn reference(&self, column: usize) -> (AliasId, usize) {
        match self.through {
            Some((alias, base)) => (alias, base + column),
            None => (self.alias, column),
        }
    }

    /// Whether expressions refer to this relation by `alias`.
    pub(super) fn is_referred_by(&self, alias: AliasId) -> bool {
        self.reference(0).0 == alias
    }
}
