//! Which type an output column has in its target, by the kind of the target.
//!
//! In: a column of the bound query and what the mapping declares of it. Out: its target type, or a finding that says what to declare.

use crate::plan::input::PlanFinding;
use crate::plan::output::mysql::{self, KEY_BYTES_MAX, Place};
use crate::plan::output::{parse_type, target_type};
use crate::schema::{DataType, Flavor, MySqlType, TargetColumn, TargetKind, TargetType};
use crate::sql::query::{ExprKind, OutputColumn, Query};

/// An output column that needs a type.
#[derive(Clone, Copy)]
pub(super) struct Typed<'a> {
    /// Its place in the SELECT.
    pub(super) index: usize,
    /// The column.
    pub(super) output: &'a OutputColumn,
    /// Whether it is part of the target's key.
    pub(super) in_key: bool,
    /// The kind of the target.
    pub(super) kind: TargetKind,
    /// The family of the source.
    pub(super) flavor: Flavor,
}

impl Typed<'_> {
    /// The declared type, else the one that follows from the source's.
    pub(super) fn target_type(self, query: &Query, declared: Option<&str>) -> Result<TargetType, PlanFinding> {
        let unknown = |text: &str| PlanFinding::declared(format!("column {} has the unknown type {text}", self.output.name), "");
        match (self.kind, declared) {
            (TargetKind::PostgreSql, None) => Ok(target_type(&self.output.data_type)),
            (TargetKind::PostgreSql, Some(text)) => parse_type(text).ok_or_else(|| unknown(text)),
            (kind, Some(text)) => {
                let collation = mysql::collation_of(collation(&self.output.data_type), self.place(query));
                let unknown = || PlanFinding { help: format!("write a type of {}", kind.name()), ..unknown(text) };
                mysql::parse_type(text, kind, &collation).map(TargetType::MySql).ok_or_else(unknown)
            }
            (_, None) => {
                let found = mysql::target_type(&self.output.data_type, self.place(query));
                found.map(TargetType::MySql).map_err(|(reason, help)| {
                    PlanFinding::at(&self.output.span, format!("column {} {reason}", self.output.name), help)
                })
            }
        }
    }

    fn place(self, query: &Query) -> Place {
        Place {
            kind: self.kind,
            in_key: self.in_key,
            is_column: self.is_column(query),
            prints_json: self.flavor == Flavor::MySql,
        }
    }

    /// Whether every branch gives a column of a legacy table here, or a constant: what they hold at most is certain.
    fn is_column(self, query: &Query) -> bool {
        query.branches.iter().all(|branch| {
            let expr = branch.select.outputs.get(self.index);
            expr.is_some_and(|expr| match &expr.kind {
                ExprKind::Literal(_) => true,
                ExprKind::Column { alias, .. } => branch.aliases.get(alias.0).is_some_and(|alias| alias.table.is_some()),
                _ => false,
            })
        })
    }
}

/// The source's collation of a text type.
fn collation(data_type: &DataType) -> &str {
    match data_type {
        DataType::Text { collation, .. } | DataType::Enum { collation, .. } | DataType::Set { collation, .. } => collation,
        _ => "",
    }
}

/// Keys and indexes that the target would refuse only when it is too late.
pub(super) fn unusable_keys(
    columns: &[TargetColumn],
    key: &[usize],
    indexes: &[Vec<usize>],
    kind: TargetKind,
) -> Vec<PlanFinding> {
    let mut findings = Vec::new();
    if kind == TargetKind::PostgreSql {
        return findings;
    }
    let keys = std::iter::once(("key", key)).chain(indexes.iter().map(|index| ("indexes", index.as_slice())));
    for (what, members) in keys {
        let mut bytes = 0_u32;
        for column in members.iter().filter_map(|index| columns.get(*index)) {
            if what == "key" && matches!(column.target_type, TargetType::MySql(MySqlType::Char { .. })) {
                let message = format!("key column {} is char, by which not every value is found again", column.name);
                findings.push(PlanFinding::declared(message, "declare columns.type: varchar(n) for it"));
            }
            if what == "key" && matches!(column.target_type, TargetType::MySql(MySqlType::Enum { .. } | MySqlType::Set { .. })) {
                let message = format!("key column {} is ordered by its labels' places, not as text", column.name);
                findings.push(PlanFinding::declared(message, "declare columns.type: varchar(n) for it"));
            }
            match index_bytes(column) {
                Some(size) => bytes = bytes.saturating_add(size),
                None => findings.push(PlanFinding::declared(
                    format!("{what} names column {}, which is too long to be indexed whole", column.name),
                    "declare columns.type: varchar(n) for it",
                )),
            }
        }
        if bytes > KEY_BYTES_MAX {
            findings.push(PlanFinding::declared(
                format!("{what} may have {bytes} bytes, {} indexes {KEY_BYTES_MAX}", kind.name()),
                "declare shorter columns.type",
            ));
        }
    }
    findings
}

fn index_bytes(column: &TargetColumn) -> Option<u32> {
    match &column.target_type {
        TargetType::MySql(own) => MySqlType::index_bytes(own),
        _ => Some(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, own: MySqlType) -> TargetColumn {
        TargetColumn { name: name.into(), target_type: TargetType::MySql(own), nullable: false, description: String::new() }
    }

    #[test]
    fn keys_that_the_server_refuses_are_refused_before_the_load() {
        let exact = || "utf8mb4_0900_bin".to_owned();
        let columns = [
            column("code", MySqlType::Varchar { length: 768, collation: exact() }),
            column("part", MySqlType::Integer { bits: 64, unsigned: false }),
            column("flag", MySqlType::Char { length: 2, collation: exact() }),
            column("memo", MySqlType::Text { size: crate::schema::LongSize::Long, collation: exact() }),
        ];
        let found = |key: &[usize], indexes: &[Vec<usize>]| -> Vec<String> {
            unusable_keys(&columns, key, indexes, TargetKind::MySql).into_iter().map(|finding| finding.message).collect()
        };
        assert!(found(&[0], &[vec![1], vec![2]]).is_empty());
        assert_eq!(found(&[0, 1], &[]), ["key may have 3080 bytes, MySQL indexes 3072"]);
        assert_eq!(found(&[2], &[]), ["key column flag is char, by which not every value is found again"]);
        assert_eq!(found(&[1], &[vec![3]]), ["indexes names column memo, which is too long to be indexed whole"]);
    }
}
