//! Tables of other sources in the SQL of one: what a mapping over several sources sees.
//!
//! The SELECTs of such a mapping are in the SQL of one source, its *dialect*. Its own tables are as they are. A column of another source takes
//! part if the dialect has a type whose values are held in the same form ([`adopted_type`]); any other is refused where it is named. Text takes the
//! declared collation: the SELECT means what it would mean over a copy of the table whose text columns have that collation. A value that the
//! dialect's type cannot hold (NaN, infinity, a zero date) stops the mapping by name when it is met ([`Function::Adopted`]).
//!
//! Such a column is bound under its type in the dialect, and afterwards wrapped ([`View::adopt`]), so that whoever reasons about keys and stored
//! rows sees the column's own type and equality behind the wrap.

use std::collections::BTreeMap;

use crate::schema::{Column, DataType, Flavor, SourceCatalog, TableId, TableSchema};
use crate::sql::functions::Function;
use crate::sql::functions::adopted::Adopted;
use crate::sql::query::{AliasDefinition, Branch, Expr, ExprKind, Query};
use crate::sql::rewrite::{rewrite, rewrite_select};
use crate::value::Collation;

/// A catalogue as one mapping sees it.
#[derive(Debug, Clone)]
pub struct View {
    /// What its SELECTs are bound to.
    pub bound: SourceCatalog,
    /// What it is planned over: columns of other sources have their own types.
    pub planned: SourceCatalog,
    adopted: BTreeMap<(TableId, usize), Adoption>,
}

/// A column that is not taken as it is.
#[derive(Debug, Clone)]
struct Adoption {
    /// Its own type.
    own: DataType,
    /// Its type in the dialect.
    seen: DataType,
    function: Function,
}

/// Why a mapping cannot see the sources so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownCollation {
    /// The collations that the dialect's source was asked for and that could be declared.
    pub known: Vec<String>,
}

impl View {
    /// The catalogue of one source.
    #[must_use]
    pub fn of_one(catalog: SourceCatalog) -> Self {
        Self { planned: catalog.clone(), bound: catalog, adopted: BTreeMap::new() }
    }

    /// A combined catalogue as a mapping over `sources` sees it, in the SQL of `dialect`, which is one of them. `collation` is what text of the
    /// others is compared by; without one their text cannot be used. `None` if a source is not in the catalogue.
    ///
    /// # Errors
    /// The collation is not known from the dialect's source.
    pub fn of_several(
        catalog: &SourceCatalog,
        sources: &[String],
        dialect: &str,
        collation: Option<&str>,
    ) -> Option<Result<Self, UnknownCollation>> {
        let own = catalog.seen_from(dialect)?;
        let declared = match collation.map(|name| declared(&own, name)).transpose() {
            Ok(declared) => declared,
            Err(unknown) => return Some(Err(unknown)),
        };
        let mut view = Self::of_one(own);
        view.bound.sources = catalog.sources.iter().filter(|(name, _)| sources.contains(name)).map(cloned).collect();
        let qualified = catalog.collations.iter().filter(|(name, _)| !name.starts_with(&format!("{dialect}:"))).map(cloned);
        view.planned.collations.extend(qualified);
        for named in declared.iter() {
            for seen in [&mut view.bound, &mut view.planned] {
                seen.collations.entry(named.name().to_owned()).or_insert_with(|| named.clone());
            }
        }
        for (place, table) in catalog.tables.iter().enumerate() {
            let source = table.name.apart().map(|(source, _)| source.to_owned()).unwrap_or_default();
            let (Ok(id), Some(semantics)) = (u32::try_from(place).map(TableId), catalog.sources.get(&source)) else { continue };
            if !sources.contains(&source) {
                continue;
            }
            let has_same_zone = semantics.session.time_zone == view.bound.session.time_zone;
            let pair = Pair { from: semantics.flavor, to: view.bound.flavor, has_same_zone, declared: declared.as_ref() };
            if source == dialect {
                view.own_table(place, table);
            } else {
                view.foreign_table(id, table, &pair);
            }
        }
        Some(Ok(view))
    }

    /// A table of the dialect's source under its qualified name.
    fn own_table(&mut self, place: usize, table: &TableSchema) {
        for catalog in [&mut self.bound, &mut self.planned] {
            if let Some(seen) = catalog.tables.get_mut(place) {
                seen.name = table.name.clone();
            }
        }
    }

    fn foreign_table(&mut self, id: TableId, table: &TableSchema, pair: &Pair<'_>) {
        let place = id.0 as usize;
        let mut bound = table.clone();
        let mut is_recollated = Vec::new();
        for (ordinal, column) in bound.columns.iter_mut().enumerate() {
            let own = column.data_type.clone();
            let (seen, is_wrapped) = match adopted_type(&own, pair) {
                Ok(found) => found,
                Err(why) => (DataType::Unsupported { native: format!("{}, {why},", native(column)) }, false),
            };
            if is_wrapped {
                let is_mysql = pair.to != Flavor::PostgreSql;
                let function =
                    Function::Adopted(Box::new(Adopted { column: format!("{}.{}", table.name, column.name), is_mysql }));
                self.adopted.insert((id, ordinal), Adoption { own, seen: seen.clone(), function });
            }
            is_recollated.push(matches!(seen, DataType::Text { .. }));
            column.data_type = seen;
        }
        // A key over text is one by the column's own equality, which the binder does not see.
        let is_kept = |key: &crate::schema::UniqueKey| {
            key.columns.iter().all(|ordinal| is_recollated.get(*ordinal).is_some_and(|recollated| !recollated))
        };
        bound.primary_key = bound.primary_key.filter(is_kept);
        bound.unique_keys.retain(is_kept);
        for (catalog, seen) in [(&mut self.bound, bound), (&mut self.planned, table.clone())] {
            if let Some(held) = catalog.tables.get_mut(place) {
                *held = seen;
            }
        }
    }

    /// Wraps the columns of other sources in a bound query.
    pub fn adopt(&self, query: &mut Query) {
        for Branch { select, aliases } in &mut query.branches {
            rewrite_select(select, &mut |expr| self.wrap(expr, aliases));
        }
    }

    /// The same in an expression over one table, which has alias 0.
    pub fn adopt_over(&self, table: TableId, expr: &mut Expr) {
        let aliases = [AliasDefinition { name: String::new(), table: Some(table), span: 0..0 }];
        rewrite(expr, &mut |expr| self.wrap(expr, &aliases));
    }

    /// A column as an expression over its table, which has alias 0; as its own source has it where the mapping is over one.
    #[must_use]
    pub fn column(&self, table: TableId, ordinal: usize) -> Option<Expr> {
        let column = self.planned.tables.get(table.0 as usize)?.columns.get(ordinal)?;
        let (data_type, nullable) = (column.data_type.clone(), column.nullable);
        let kind = ExprKind::Column { alias: crate::sql::query::AliasId(0), column: ordinal };
        let mut expr = Expr { kind, data_type, nullable, span: 0..0 };
        self.adopt_over(table, &mut expr);
        Some(expr)
    }

    fn wrap(&self, expr: &mut Expr, aliases: &[AliasDefinition]) {
        let ExprKind::Column { alias, column } = expr.kind else { return };
        let table = aliases.get(alias.0).and_then(|definition| definition.table);
        let Some(adoption) = table.and_then(|table| self.adopted.get(&(table, column))) else { return };
        let own = Expr { data_type: adoption.own.clone(), ..expr.clone() };
        expr.kind = ExprKind::Call { function: adoption.function.clone(), arguments: vec![own] };
        expr.data_type = adoption.seen.clone();
    }
}

fn cloned<K: Clone, V: Clone>((key, value): (&K, &V)) -> (K, V) {
    (key.clone(), value.clone())
}

fn native(column: &Column) -> String {
    if column.native_type.is_empty() { format!("{:?}", column.data_type) } else { column.native_type.clone() }
}

/// The declared collation, as the dialect's source has it.
fn declared(own: &SourceCatalog, name: &str) -> Result<Collation, UnknownCollation> {
    let is_postgres = own.flavor == Flavor::PostgreSql;
    let fits = |collation: &Collation| match collation.postgres_behaviour() {
        Some(behaviour) => behaviour.deterministic,
        // What another source holds may be any character.
        None => collation.charset() == "utf8mb4",
    };
    let by_code_point = match name {
        "utf8mb4_bin" if !is_postgres => Some(Collation::binary(name, "utf8mb4", true)),
        _ => None,
    };
    let found = own.collations.get(name).filter(|collation| fits(collation)).cloned().or(by_code_point);
    found.ok_or_else(|| {
        let known = own.collations.iter().filter(|(_, collation)| fits(collation)).map(|(name, _)| name.clone());
        UnknownCollation { known: known.collect() }
    })
}

/// From which server to which, and by what text is compared.
struct Pair<'a> {
    from: Flavor,
    to: Flavor,
    has_same_zone: bool,
    declared: Option<&'a Collation>,
}

/// The dialect's type whose values are held in the same form, and whether single values must be looked at.
fn adopted_type(own: &DataType, pair: &Pair<'_>) -> Result<(DataType, bool), &'static str> {
    if let DataType::Text { length, fixed, .. } = own {
        return text(*length, *fixed, pair);
    }
    let is_postgres = |flavor: Flavor| flavor == Flavor::PostgreSql;
    match (is_postgres(pair.from), is_postgres(pair.to)) {
        (true, false) => from_postgres(own),
        (false, true) => to_postgres(own),
        (true, true) => between_postgres(own),
        (false, false) => between_mysql(own, pair.has_same_zone),
    }
    .ok_or("which the dialect of the mapping does not hold in the same form")
}

fn text(length: Option<u32>, fixed: bool, pair: &Pair<'_>) -> Result<(DataType, bool), &'static str> {
    if fixed && pair.from == Flavor::PostgreSql {
        return Err("whose blanks mean something else in the dialect of the mapping");
    }
    let collation = pair.declared.ok_or("for which the mapping file declares no `collation`")?;
    let charset = collation.charset().to_owned();
    // Beyond this MySQL has no VARCHAR.
    let length = length.filter(|length| pair.to == Flavor::PostgreSql || *length <= 16_383);
    Ok((DataType::Text { length, fixed: false, charset, collation: collation.name().to_owned() }, true))
}

fn from_postgres(own: &DataType) -> Option<(DataType, bool)> {
    Some(match own {
        DataType::Integer { .. } | DataType::Bytes { fixed: false, .. } => (own.clone(), false),
        DataType::Boolean => (DataType::Integer { bits: 8, unsigned: false }, true),
        DataType::Decimal { precision, scale, .. } if *precision <= 65 && *scale <= 30 => (own.clone(), true),
        DataType::Double | DataType::Date | DataType::DateTime { .. } => (own.clone(), true),
        _ => return None,
    })
}

fn to_postgres(own: &DataType) -> Option<(DataType, bool)> {
    Some(match own {
        DataType::Integer { bits, unsigned: false } => {
            let bits = match bits {
                8 | 16 => 16,
                24 | 32 => 32,
                bits => *bits,
            };
            (DataType::Integer { bits, unsigned: false }, false)
        }
        DataType::Integer { bits, unsigned: true } if *bits <= 32 => (DataType::Integer { bits: 64, unsigned: false }, true),
        DataType::Decimal { precision, scale, .. } => {
            (DataType::Decimal { precision: *precision, scale: *scale, unsigned: false }, false)
        }
        DataType::Bytes { fixed: false, .. } => (DataType::Bytes { length: None, fixed: false }, false),
        DataType::Double => (DataType::Double, false),
        DataType::Date | DataType::DateTime { .. } => (own.clone(), true),
        _ => return None,
    })
}

fn between_postgres(own: &DataType) -> Option<(DataType, bool)> {
    let is_same = matches!(
        own,
        DataType::Boolean
            | DataType::Integer { .. }
            | DataType::Decimal { .. }
            | DataType::Numeric
            | DataType::Float
            | DataType::Double
            | DataType::Bytes { .. }
            | DataType::Date
            | DataType::DateTime { .. }
            | DataType::TimestampTz { .. }
            | DataType::TimeOfDay { .. }
            | DataType::Interval
            | DataType::Uuid
    );
    is_same.then(|| (own.clone(), false))
}

fn between_mysql(own: &DataType, has_same_zone: bool) -> Option<(DataType, bool)> {
    let is_same = match own {
        DataType::Timestamp { .. } => has_same_zone,
        _ => matches!(
            own,
            DataType::Integer { .. }
                | DataType::Decimal { .. }
                | DataType::Float
                | DataType::Double
                | DataType::Bytes { .. }
                | DataType::Bit { .. }
                | DataType::Date
                | DataType::DateTime { .. }
                | DataType::Time { .. }
                | DataType::Year
        ),
    };
    is_same.then(|| (own.clone(), false))
}
