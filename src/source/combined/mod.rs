//! Several legacy databases as one source, each by its name; a single one is passed through as it is.
//!
//! Tables, collations and positions of several members carry the member's name ([`SourceCatalog::combined`], [`Position::Several`]). A member
//! is asked and told what concerns it alone, under its own names. Every event of the common stream moves one component of the position, so
//! every position is a prefix of each member's history.

mod stream;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::try_join_all;
use tokio::sync::watch;

use super::database::Database;
use super::limits::{Limits, Load};
use super::retention::Retention;
use super::{HeldLog, Layouts, Leftover, PlannedAccess, ReadBounds, Source, TableSize};
use crate::change::{Chunk, KeyRange};
use crate::error::{Class, Error, Result};
use crate::finding::Finding;
use crate::position::Position;
use crate::schema::{DataType, SessionSettings, SourceCatalog, TableLayout, TableName};
use crate::value::{Row, Value};

pub use stream::CombinedStream;

/// One or several sources.
pub struct Combined<S> {
    members: BTreeMap<String, Arc<S>>,
    /// The member whose next transaction comes before everything else, and where it ends.
    first: Mutex<Option<Position>>,
}

impl<S> Combined<S> {
    /// The members by name; at least one.
    #[must_use]
    pub fn new(members: BTreeMap<String, Arc<S>>) -> Self {
        Self { members, first: Mutex::default() }
    }

    /// The members by name.
    #[must_use]
    pub fn members(&self) -> &BTreeMap<String, Arc<S>> {
        &self.members
    }

    /// The only member, if there is one.
    fn lone(&self) -> Option<&Arc<S>> {
        if self.members.len() == 1 { self.members.values().next() } else { None }
    }

    fn member(&self, name: &str) -> Result<&Arc<S>> {
        self.members.get(name).ok_or_else(|| Error::bug(format!("a table belongs to source {name}, which is not read")))
    }

    /// The member that has a table, and the layout as that member knows it.
    fn owner<'l>(&self, layout: &'l TableLayout) -> Result<(&'l str, &Arc<S>, TableLayout)> {
        let (name, layout) = layout.apart().ok_or_else(|| Error::bug(format!("table {} names no source", layout.name)))?;
        Ok((name, self.member(name)?, layout))
    }

    /// The layouts of one member's tables as that member knows them; their ids stay.
    fn layouts_of(member: &str, layouts: &Layouts) -> Layouts {
        layouts.iter().filter_map(TableLayout::apart).filter(|(of, _)| *of == member).map(|(_, layout)| layout).collect()
    }

    fn one_at_a_time(what: &str) -> Error {
        Error::bug(format!("{what} was asked of several sources at once"))
    }
}

impl Combined<Database> {
    /// Fixes the session settings of every member to those of a stored catalogue. To be called before anything else.
    pub fn record(&self, stored: &SourceCatalog) {
        for (name, member) in &self.members {
            if let Some(stored) = stored.of_source(name) {
                member.record(&stored);
            }
        }
    }
}

/// An error with the source that it came from.
fn from_source(name: &str, error: Error) -> Error {
    error.context(format!("source {name}"))
}

impl<S: Source> Source for Combined<S> {
    type Stream = CombinedStream<S>;

    async fn catalog(&self, tables: &[TableName]) -> Result<SourceCatalog> {
        if let Some(member) = self.lone() {
            return member.catalog(tables).await;
        }
        let asked = self.members.iter().map(|(name, member)| async move {
            let of_it = |table: &TableName| table.apart().filter(|(of, _)| of == name).map(|(_, table)| table);
            let tables: Vec<TableName> = tables.iter().filter_map(of_it).collect();
            Ok::<_, Error>((name.clone(), member.catalog(&tables).await?))
        });
        let catalogs: BTreeMap<String, SourceCatalog> = try_join_all(asked).await?.into_iter().collect();
        SourceCatalog::combined(&catalogs).ok_or_else(|| Error::bug("no source is read"))
    }

    async fn preflight(&self, catalog: &SourceCatalog) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        for (name, member) in &self.members {
            if let Some(own) = catalog.of_source(name) {
                findings.extend(member.preflight(&own).await?);
            }
        }
        Ok(findings)
    }

    async fn start_position(&self, layouts: &Layouts) -> Result<Position> {
        if let Some(member) = self.lone() {
            return member.start_position(layouts).await;
        }
        let mut parts = BTreeMap::new();
        for (name, member) in &self.members {
            parts.insert(name.clone(), member.start_position(&Self::layouts_of(name, layouts)).await?);
        }
        Ok(Position::Several(parts))
    }

    async fn current_position(&self) -> Result<Position> {
        if let Some(member) = self.lone() {
            return member.current_position().await;
        }
        let asked = self
            .members
            .iter()
            .map(|(name, member)| async move { Ok::<_, Error>((name.clone(), member.current_position().await?)) });
        Ok(Position::Several(try_join_all(asked).await?.into_iter().collect()))
    }

    async fn load(&self, source: &str, limits: &Limits) -> Result<Load> {
        let member = self.member(source)?;
        member.load(source, limits).await.map_err(|error| if self.lone().is_some() { error } else { from_source(source, error) })
    }

    async fn ranges_behind(
        &self,
        layout: &TableLayout,
        behind: Option<&Row>,
        rows_max: u32,
        count_max: usize,
    ) -> Result<Vec<KeyRange>> {
        if let Some(member) = self.lone() {
            return member.ranges_behind(layout, behind, rows_max, count_max).await;
        }
        let (_, member, layout) = self.owner(layout)?;
        member.ranges_behind(&layout, behind, rows_max, count_max).await
    }

    async fn size(&self, layout: &TableLayout) -> Result<TableSize> {
        if let Some(member) = self.lone() {
            return member.size(layout).await;
        }
        let (_, member, layout) = self.owner(layout)?;
        member.size(&layout).await
    }

    async fn read_chunk(&self, layout: &TableLayout, index: u32, range: &KeyRange, bounds: ReadBounds) -> Result<Chunk> {
        if let Some(member) = self.lone() {
            return member.read_chunk(layout, index, range, bounds).await;
        }
        let (name, member, layout) = self.owner(layout)?;
        let chunk = member.read_chunk(&layout, index, range, bounds).await?;
        let high = Position::of_one(name, chunk.high);
        Ok(Chunk { high, ..chunk })
    }

    async fn open_stream(
        &self,
        catalog: &SourceCatalog,
        layouts: Layouts,
        position: &Position,
        durable: watch::Receiver<Position>,
    ) -> Result<Self::Stream> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(member) = self.lone() {
            return Ok(CombinedStream::lone(member.open_stream(catalog, layouts, position, durable).await?));
        }
        let mut parts = Vec::new();
        for (name, source) in &self.members {
            let position = position.part(name).cloned().ok_or_else(|| {
                Error::new(Class::Person, format!("the state says nothing of source {name}"))
                    .with_hint("run `strangler run --rebuild`: a new snapshot, and the difference applied to every target")
            })?;
            let catalog = catalog.of_source(name).ok_or_else(|| Error::bug(format!("the catalogue has no source {name}")))?;
            let layouts = Self::layouts_of(name, &layouts);
            parts.push(stream::Member { name: name.clone(), source: Arc::clone(source), catalog, layouts, position });
        }
        Ok(CombinedStream::several(parts, durable, first))
    }

    fn resume_within(&self, transaction: &Position) {
        *self.first.lock().unwrap_or_else(PoisonError::into_inner) = Some(transaction.clone());
    }

    async fn widen(&self, layouts: &Layouts, added: &[TableName]) -> Result<()> {
        if let Some(member) = self.lone() {
            return member.widen(layouts, added).await;
        }
        for (name, member) in &self.members {
            let own = added.iter().filter_map(TableName::apart).filter(|(of, _)| of == name).map(|(_, table)| table);
            let own: Vec<TableName> = own.collect();
            if !own.is_empty() {
                member.widen(&Self::layouts_of(name, layouts), &own).await?;
            }
        }
        Ok(())
    }

    async fn retention(&self) -> Result<Vec<Retention>> {
        let mut found = Vec::new();
        for member in self.members.values() {
            found.extend(member.retention().await?);
        }
        Ok(found)
    }

    async fn held_logs(&self) -> Result<Vec<HeldLog>> {
        let mut found = Vec::new();
        for member in self.members.values() {
            found.extend(member.held_logs().await?);
        }
        Ok(found)
    }

    async fn leftovers(&self) -> Result<Vec<Leftover>> {
        let mut found = Vec::new();
        for member in self.members.values() {
            found.extend(member.leftovers().await?);
        }
        Ok(found)
    }

    async fn forget(&self) -> Result<()> {
        for member in self.members.values() {
            member.forget().await?;
        }
        Ok(())
    }

    async fn select(
        &self,
        sql: &str,
        parameters: &[Value],
        types: &[DataType],
        visit: &mut (dyn FnMut(Row) -> Result<()> + Send),
    ) -> Result<()> {
        match self.lone() {
            Some(member) => member.select(sql, parameters, types, visit).await,
            None => Err(Self::one_at_a_time("a SELECT")),
        }
    }

    fn literal(&self, value: &Value, session: &SessionSettings) -> Result<String> {
        self.lone().map_or_else(|| Err(Self::one_at_a_time("a literal")), |member| member.literal(value, session))
    }

    fn identifier(&self, name: &str) -> String {
        self.lone().map_or_else(|| name.to_owned(), |member| member.identifier(name))
    }

    fn chunk_statement(&self, layout: &TableLayout) -> Result<String> {
        if let Some(member) = self.lone() {
            return member.chunk_statement(layout);
        }
        let (_, member, layout) = self.owner(layout)?;
        member.chunk_statement(&layout)
    }

    async fn explain(&self, sql: &str) -> Result<Vec<PlannedAccess>> {
        match self.lone() {
            Some(member) => member.explain(sql).await,
            None => Err(Self::one_at_a_time("a plan")),
        }
    }
}
