//! What relation messages mean: asked of the catalogue where the message alone does not say.
//!
//! A message names its columns' types by number; their names come from the server, once per type. A relation that no mapping names may be
//! a partition of one that a mapping does. A table is what was recorded only if it has its name and its object id: a table that took a
//! mapped table's name has other rows, and one that was renamed is no longer what the mapping means.

use std::collections::HashMap;
use std::sync::Arc;

use super::connect::{Lease, Pool, cell};
use super::decode::message::Relation;
use super::names::literals;
use super::transaction::{Assembler, Known, known};
use super::watch::Revision;
use crate::error::Result;
use crate::schema::TableSchema;
use crate::source::Layouts;

/// Answers what relations are.
pub(super) struct Relations {
    pool: Arc<Pool>,
    lease: Option<Lease>,
    layouts: Layouts,
    types: HashMap<(u32, i32), String>,
    /// Per recorded object id, partitions included, the index of its layout.
    ids: HashMap<u32, usize>,
}

impl Relations {
    /// Over the mapped tables as they were recorded; connects when it is first asked.
    pub(super) fn new(pool: Arc<Pool>, layouts: Layouts, recorded: &[TableSchema]) -> Self {
        let mut ids = HashMap::new();
        for (index, layout) in layouts.iter().enumerate() {
            let Some(table) = recorded.iter().find(|table| table.name == layout.name) else { continue };
            let revision = Revision::of(table);
            let all = revision.files.into_keys().chain([revision.id]).filter_map(|id| id.parse().ok());
            ids.extend(all.map(|id: u32| (id, index)));
        }
        Self { pool, lease: None, layouts, types: HashMap::new(), ids }
    }

    /// What a relation message stands for.
    ///
    /// # Errors
    /// Errors of the server.
    pub(super) async fn known(&mut self, relation: &Relation) -> Result<Known> {
        let layouts = Arc::clone(&self.layouts);
        let mapped =
            |schema: &str, name: &str| layouts.iter().position(|layout| layout.name.schema == schema && layout.name.name == name);
        let (by_id, by_name) = (self.ids.get(&relation.id).copied(), mapped(&relation.schema, &relation.name));
        let root = if by_name.is_some() { None } else { self.root(relation.id).await? };
        let by_root = root.as_ref().and_then(|(schema, name)| mapped(schema, name));
        match (by_id, by_name.or(by_root)) {
            (None, None) => return Ok(Known::Unmapped),
            (Some(table), None) => return self.changed(table, "renames, moves or detaches a part of"),
            (None, Some(table)) if by_name.is_some() => return self.changed(table, "puts another table in the place of"),
            (Some(one), Some(other)) if one != other => return self.changed(one, "renames or moves a part of"),
            (_, Some(_)) => {}
        }
        let types = self.types(relation).await?;
        let root = root.as_ref().map(|(schema, name)| (schema.as_str(), name.as_str()));
        Ok(known(relation, &types, &self.layouts, root))
    }

    fn changed(&self, table: usize, what: &str) -> Result<Known> {
        let name = self.layouts.get(table).map(|layout| layout.name.to_string()).unwrap_or_default();
        Ok(Known::Changed { table, difference: format!("{what} {name}") })
    }

    async fn rows(&mut self, attempt: &str, sql: &str) -> Result<Vec<super::connect::TextRow>> {
        let lease = match self.lease.take() {
            Some(lease) if !lease.client().is_closed() => lease,
            _ => self.pool.own().await?,
        };
        let rows = lease.rows(attempt, sql).await?;
        self.lease = Some(lease);
        Ok(rows)
    }

    /// The mapped table that a relation is a partition of.
    async fn root(&mut self, relation: u32) -> Result<Option<(String, String)>> {
        let sql = format!(
            "SELECT n.nspname, c.relname FROM pg_partition_ancestors({relation}) a JOIN pg_class c ON c.oid = a.relid \
             JOIN pg_namespace n ON n.oid = c.relnamespace"
        );
        let ancestors = self.rows("read the root of a partition", &sql).await?;
        let ancestors = ancestors.iter().map(|row| (cell(row, 0).to_owned(), cell(row, 1).to_owned()));
        let mapped = |(schema, name): &(String, String)| {
            self.layouts.iter().any(|layout| layout.name.schema == *schema && layout.name.name == *name)
        };
        Ok(ancestors.into_iter().find(mapped))
    }

    /// The names of the types of a relation's columns.
    async fn types(&mut self, relation: &Relation) -> Result<Vec<String>> {
        let unknown: Vec<(u32, i32)> = relation
            .columns
            .iter()
            .map(|column| (column.type_id, column.type_modifier))
            .filter(|key| !self.types.contains_key(key))
            .collect();
        if !unknown.is_empty() {
            let values: Vec<String> = unknown.iter().map(|(id, modifier)| format!("({id}::oid, {modifier})")).collect();
            let sql = format!(
                "SELECT v.id, v.modifier, CASE WHEN t.oid IS NULL THEN '' ELSE format_type(v.id, v.modifier) END \
                 FROM (VALUES {}) AS v (id, modifier) LEFT JOIN pg_type t ON t.oid = v.id",
                values.join(", ")
            );
            for row in self.rows("read the names of column types", &sql).await? {
                if let (Ok(id), Ok(modifier)) = (cell(&row, 0).parse(), cell(&row, 1).parse()) {
                    self.types.insert((id, modifier), cell(&row, 2).to_owned());
                }
            }
        }
        let name = |key: (u32, i32)| self.types.get(&key).cloned().unwrap_or_default();
        Ok(relation.columns.iter().map(|column| name((column.type_id, column.type_modifier))).collect())
    }

    /// Tells the assembler the partitions of mapped partitioned tables.
    ///
    /// # Errors
    /// Errors of the server.
    pub(super) async fn partitions(&mut self, assembler: &mut Assembler) -> Result<()> {
        let layouts = Arc::clone(&self.layouts);
        for (index, layout) in layouts.iter().enumerate() {
            let sql = format!(
                "SELECT t.relid::oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, pg_partition_tree(c.oid) t \
                 WHERE (n.nspname, c.relname) = ({}) AND c.relkind = 'p' AND t.isleaf",
                literals([layout.name.schema.as_str(), layout.name.name.as_str()])
            );
            let rows = self.rows("list the partitions of a mapped table", &sql).await?;
            assembler.set_partitions(index, rows.iter().filter_map(|row| cell(row, 0).parse().ok()).collect());
        }
        Ok(())
    }
}
