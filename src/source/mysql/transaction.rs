//! Events become whole transactions: a state machine without I/O.
//!
//! Goes in: the events of one server's log in order, from a position on. Comes out: [`SourceEvent`]s. A transaction leaves only when
//! its commit was read; its position is that after the commit. Prepared (XA) transactions are held by their xid until they commit
//! or roll back, and positions meanwhile say from where the log must be read to hold them again. Every event type that is not
//! known is an error with its position; so is every statement that changes rows without logging them.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::columns::Altered;
use super::control::{self, Control};
use super::ddl::{self, MappedTables, Verdict};
use super::decode::event::{self, FLAG_ARTIFICIAL, FLAG_IGNORABLE, Query, RawEvent, XaPrepare, Xid, kind};
use super::decode::gtid::Head;
use super::decode::gtid_set::GtidSet;
use super::decode::reader::malformed;
use super::decode::rows::{RowsEvent, RowsForm};
use super::decode::table_map::{TableMap, TablePlan};
use super::decode::{compressed, gtid};
use super::group::{Group, Held, LogPlace, Rows};
use super::zone::SessionZone;
use crate::change::{Change, Operation, SchemaChange, SourceEvent, Transaction};
use crate::error::{Class, Error, Result};
use crate::position::{BinlogPosition, Position};
use crate::schema::{SourceCatalog, TableId};
use crate::source::Layouts;
use crate::source::spill::SpillOptions;

/// What the assembler must know about the source.
#[derive(Debug, Clone)]
pub struct AssemblerSettings {
    /// The session zone of TIMESTAMP values.
    pub zone: SessionZone,
    /// The mapped tables.
    pub layouts: Layouts,
    /// The bound of one transaction, in bytes of memory.
    pub transaction_bytes_max: usize,
    /// Where larger ones go; `None`: they stop the stream.
    pub spill: Option<SpillOptions>,
}

/// What a rows event's table number means.
#[derive(Debug)]
enum Table {
    Unmapped,
    Mapped { plan: Arc<TablePlan>, body: Box<[u8]> },
}

/// Reads events, gives transactions.
#[derive(Debug)]
pub struct Assembler {
    settings: AssemblerSettings,
    mapped: MappedTables,
    server: String,
    place: LogPlace,
    gtids: GtidSet,
    /// Everything up to here was given before: it is read again only for its prepared transactions.
    contained: Option<LogPlace>,
    tables: HashMap<u64, Table>,
    altered: Altered,
    stopped: BTreeSet<TableId>,
    group: Option<Group>,
    held: BTreeMap<Xid, Held>,
    ready: VecDeque<SourceEvent>,
    advanced: bool,
    has_fine_clock: bool,
}

impl Assembler {
    /// An assembler whose next event is the one that `position` (of this server) starts reading at.
    ///
    /// # Errors
    /// The position's GTID set is malformed.
    pub fn new(settings: AssemblerSettings, catalog: &SourceCatalog, position: &BinlogPosition) -> Result<Self> {
        let end = LogPlace::new(&position.file, position.offset);
        let (place, contained) = match &position.prepared_from {
            Some((file, offset)) => (LogPlace::new(file, *offset), Some(end)),
            None => (end, None),
        };
        let altered = Altered::recorded(position, &settings.layouts);
        Ok(Self {
            mapped: MappedTables::new(&settings.layouts, catalog),
            settings,
            server: position.server.clone(),
            place,
            gtids: GtidSet::parse(&position.gtid)?,
            contained,
            tables: HashMap::new(),
            altered,
            stopped: BTreeSet::new(),
            group: None,
            held: BTreeMap::new(),
            ready: VecDeque::new(),
            advanced: false,
            has_fine_clock: false,
        })
    }

    /// The place after the last event.
    #[must_use]
    pub fn place(&self) -> &LogPlace {
        &self.place
    }

    /// The next finished event, if there is one.
    pub fn pop(&mut self) -> Option<SourceEvent> {
        let event = self.ready.pop_front();
        if event.is_some() {
            self.advanced &= !self.ready.is_empty();
        }
        event
    }

    /// Whether the log says in microseconds when the last transaction was committed.
    #[must_use]
    pub fn has_fine_clock(&self) -> bool {
        self.has_fine_clock
    }

    /// Whether the position has moved past what was given, without anything to give.
    #[must_use]
    pub fn has_advanced(&self) -> bool {
        self.advanced
    }

    /// A heartbeat at the current position; `None` inside a transaction, or while reading what was given before.
    pub fn heartbeat(&mut self) -> Option<SourceEvent> {
        if self.group.is_some() || self.is_contained() {
            return None;
        }
        self.advanced = false;
        Some(SourceEvent::Heartbeat { position: self.position() })
    }

    /// Reads one event of the log. Gives the inner events of a transaction payload to `inner` as (type, size), because the
    /// transport delivers them once more.
    ///
    /// # Errors
    /// The event stops the stream; the message names its type and where it ends.
    pub fn feed(&mut self, event: &RawEvent<'_>, inner: &mut VecDeque<(u8, u32)>) -> Result<()> {
        let start = self.place.clone();
        self.advance(event).and_then(|()| self.dispatch(event, &start, inner)).map_err(|error| {
            error.context(format!(
                "stopped at binlog event type 0x{:02x} that ends at {}:{}",
                event.kind, self.place.file, self.place.offset
            ))
        })
    }

    /// Events carry 32 bits of their end; files may be longer.
    fn advance(&mut self, event: &RawEvent<'_>) -> Result<()> {
        const WRAP: u64 = 1 << 32;
        let informs = !matches!(event.kind, kind::HEARTBEAT | kind::HEARTBEAT_V2 | kind::ROTATE);
        if event.log_pos == 0 || event.flags & FLAG_ARTIFICIAL != 0 || !informs {
            return Ok(());
        }
        let before = self.place.offset;
        let mut after = (before & !(WRAP - 1)) | u64::from(event.log_pos);
        if after < before && before - after > WRAP / 2 {
            after += WRAP;
        }
        if after < before {
            // The description of a file is sent again wherever reading starts.
            return if event.kind == kind::FORMAT_DESCRIPTION { Ok(()) } else { Err(malformed("its position goes back")) };
        }
        self.place.offset = after;
        Ok(())
    }

    // size: one table of event types
    fn dispatch(&mut self, event: &RawEvent<'_>, start: &LogPlace, inner: &mut VecDeque<(u8, u32)>) -> Result<()> {
        if let Some(form) = RowsForm::of(event.kind) {
            return self.rows(RowsEvent::read(form, event.body)?);
        }
        match event.kind {
            kind::TABLE_MAP => self.table_map(event.body),
            kind::QUERY => self.query(Query::read(event.body, false, self.bytes_max())?, event, start),
            kind::QUERY_COMPRESSED => self.query(Query::read(event.body, true, self.bytes_max())?, event, start),
            kind::XID => self.commit(event),
            kind::GTID => self.begin(start, Head::mysql(event.body, false)?),
            kind::ANONYMOUS_GTID => self.begin(start, Head::mysql(event.body, true)?),
            kind::GTID_TAGGED => self.begin(start, Head::tagged(event.body)?),
            kind::XA_PREPARE => self.prepare(XaPrepare::read(event.body)?, event),
            kind::TRANSACTION_PAYLOAD => self.payload(event, start, inner),
            kind::ROTATE => self.rotate(event),
            kind::FORMAT_DESCRIPTION => {
                // A server that stopped in the middle of a transaction starts a new file without it.
                if event.log_pos != 0 && event.flags & FLAG_ARTIFICIAL == 0 {
                    self.group = None;
                }
                Ok(())
            }
            kind::PREVIOUS_GTIDS => self.previous_gtids(event.body),
            kind::INCIDENT => Err(Error::new(Class::Person, "the server logged an incident: its log may lack changes")
                .with_hint("reset the mappings of this source and load them again")),
            kind::PARTIAL_UPDATE_ROWS => Err(Error::new(Class::Person, "an update logged only a part of a JSON column")
                .with_hint(
                    "set binlog_row_value_options='' globally and in every session, then reset the mapping and load it again",
                )),
            kind::BEGIN_LOAD_QUERY | kind::EXECUTE_LOAD_QUERY | kind::APPEND_BLOCK | kind::DELETE_FILE => Err(by_statement()),
            kind::STOP
            | kind::INTVAR
            | kind::RAND
            | kind::USER_VAR
            | kind::HEARTBEAT
            | kind::HEARTBEAT_V2
            | kind::IGNORABLE
            | kind::ROWS_QUERY
            | kind::TRANSACTION_CONTEXT
            | kind::VIEW_CHANGE
            | kind::ANNOTATE_ROWS
            | kind::BINLOG_CHECKPOINT
            | kind::MARIADB_GTID_LIST
            | kind::START_ENCRYPTION => Ok(()),
            _ if event.flags & FLAG_IGNORABLE != 0 => Ok(()),
            _ => Err(malformed("its type is unknown")),
        }
    }

    /// MariaDB's GTID event needs the server id of the header, which bodies do not carry.
    ///
    /// # Errors
    /// As [`Assembler::feed`].
    pub fn feed_mariadb_gtid(&mut self, event: &RawEvent<'_>, server: u32) -> Result<()> {
        let start = self.place.clone();
        self.advance(event)?;
        self.begin(&start, Head::mariadb(event.body, server)?)
    }

    fn bytes_max(&self) -> usize {
        self.settings.transaction_bytes_max
    }

    fn is_contained(&self) -> bool {
        self.contained.as_ref().is_some_and(|contained| self.place <= *contained)
    }

    fn position(&self) -> Position {
        let prepared = self.held.values().min_by_key(|held| &held.from);
        Position::Binlog(BinlogPosition {
            server: self.server.clone(),
            file: self.place.file.clone(),
            offset: self.place.offset,
            gtid: self.gtids.to_string(),
            prepared_from: prepared.map(|held| (held.from.file.clone(), held.from.offset)),
            altered: prepared.map_or(&self.altered, |held| &held.altered).to_record(&self.settings.layouts),
        })
    }

    fn begin(&mut self, start: &LogPlace, head: Head) -> Result<()> {
        if self.group.is_some() {
            return Err(malformed("a transaction starts inside another"));
        }
        // MariaDB has no BEGIN: the head itself opens everything that is not a single statement.
        let explicit = matches!(head.gtid, gtid::Gtid::MariaDb { .. }) && !head.standalone;
        let mut group = Group::new(start.clone(), Some(head), explicit);
        group.xid = group.head.as_ref().and_then(|head| head.prepares.clone());
        self.group = Some(group);
        Ok(())
    }

    fn rotate(&mut self, event: &RawEvent<'_>) -> Result<()> {
        let (offset, file) = event::rotate(event.body)?;
        let place = LogPlace::new(file, offset);
        if place != self.place {
            self.place = place;
            self.tables.clear();
            self.advanced |= self.group.is_none();
        }
        Ok(())
    }

    fn previous_gtids(&mut self, body: &[u8]) -> Result<()> {
        // Everything in earlier files is contained here: what this stream did not read of them lay before its start. A start taken
        // while transactions were being committed does not know their ids; here they come in.
        self.gtids.add_previous(body)
    }

    fn payload(&mut self, event: &RawEvent<'_>, start: &LogPlace, inner: &mut VecDeque<(u8, u32)>) -> Result<()> {
        let bytes = compressed::payload(event.body, self.bytes_max())?;
        for inner_event in compressed::events(&bytes) {
            let mut inner_event = inner_event?;
            if inner_event.kind == kind::TRANSACTION_PAYLOAD {
                return Err(malformed("a transaction payload holds another"));
            }
            inner.push_back((inner_event.kind, inner_event.size));
            inner_event.log_pos = 0;
            self.dispatch(&inner_event, start, &mut VecDeque::new())?;
        }
        Ok(())
    }

    fn table_map(&mut self, body: &[u8]) -> Result<()> {
        let map = TableMap::read(body)?;
        if let Some(Table::Mapped { body: known, plan }) = self.tables.get(&map.id)
            && **known == *body
            && !self.stopped.contains(&plan.table)
        {
            return Ok(());
        }
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| malformed("a table's name is not UTF-8"));
        let found = self.mapped.find(text(map.schema)?, text(map.name)?).filter(|table| !self.stopped.contains(&table.id));
        let table = match found {
            None => Table::Unmapped,
            Some(found) => {
                let layout = self.settings.layouts.iter().find(|layout| layout.id == found.id);
                let layout = layout.ok_or_else(|| Error::bug("a mapped table has no layout"))?;
                let (plan, names) = map
                    .plan(layout, self.altered.columns(found), &self.settings.zone)
                    .map_err(|error| error.context(format!("cannot read table {}", layout.name)))?;
                names.into_iter().for_each(|names| self.altered.learn(found, names));
                Table::Mapped { plan: Arc::new(plan), body: body.into() }
            }
        };
        self.tables.insert(map.id, table);
        Ok(())
    }

    fn rows(&mut self, rows: RowsEvent<'_>) -> Result<()> {
        if rows.is_dummy() {
            return Ok(());
        }
        let bytes_max = self.bytes_max();
        let Some(group) = &mut self.group else {
            return Err(malformed("rows stand outside a transaction"));
        };
        let plan = match self.tables.get(&rows.table) {
            Some(Table::Unmapped) => return Ok(()),
            Some(Table::Mapped { plan, .. }) => Arc::clone(plan),
            None => return Err(malformed("rows belong to a table that was not announced")),
        };
        let mut changes = Vec::new();
        let bytes = rows.decode(&plan, bytes_max, &mut changes)?;
        group.extend(changes, plan.transactional, bytes);
        if let Some(spill) = self.settings.spill.as_ref().filter(|spill| group.bytes > spill.after_bytes.min(bytes_max)) {
            return group.spill(spill);
        }
        if group.bytes > bytes_max {
            return Err(Error::new(
                Class::Person,
                format!("a transaction is larger than transaction_bytes_max ({bytes_max} bytes)"),
            )
            .with_hint("give `limits: { transaction_bytes_max: 1GiB }` (or more) for this source in the project file"));
        }
        Ok(())
    }

    fn query(&mut self, query: Query<'_>, event: &RawEvent<'_>, start: &LogPlace) -> Result<()> {
        let statement = super::statement::text(&query)?;
        let schema = std::str::from_utf8(query.schema).map_err(|_| malformed("a database's name is not UTF-8"))?;
        match control::read(&statement)? {
            Some(control) => self.control(control, event, start),
            None => {
                let verdict = ddl::classify(&statement, schema, &self.mapped);
                self.definition(verdict)?;
                match &self.group {
                    Some(group) if group.explicit => Ok(()),
                    _ => self.commit(event),
                }
            }
        }
    }

    fn control(&mut self, control: Control, event: &RawEvent<'_>, start: &LogPlace) -> Result<()> {
        match control {
            Control::Nothing => {}
            Control::Begin => self.explicit(start).explicit = true,
            Control::XaStart(xid) => {
                let group = self.explicit(start);
                group.explicit = true;
                group.xid = Some(xid);
            }
            Control::Commit => return self.commit(event),
            Control::Rollback => {
                if let Some(group) = &mut self.group {
                    group.rollback();
                }
                return self.commit(event);
            }
            Control::Savepoint(name) => self.explicit(start).savepoint(name),
            Control::RollbackTo(name) => {
                if !self.explicit(start).rollback_to(&name) {
                    return Err(malformed("a rollback goes to an unknown savepoint"));
                }
            }
            Control::XaCommit(xid) => return self.complete(&xid, true, event),
            Control::XaRollback(xid) => return self.complete(&xid, false, event),
        }
        Ok(())
    }

    /// The open transaction; opened here where the log has no GTID events.
    fn explicit(&mut self, start: &LogPlace) -> &mut Group {
        self.group.get_or_insert_with(|| Group::new(start.clone(), None, true))
    }

    fn definition(&mut self, verdict: Verdict) -> Result<()> {
        match verdict {
            Verdict::Passes => {}
            Verdict::Rows => return Err(by_statement()),
            Verdict::Edits(table, edits) => {
                let table = self.mapped.get(table).ok_or_else(|| Error::bug("an altered table is not mapped"))?;
                self.altered.edit(table, &edits);
                self.tables.clear();
            }
            Verdict::Truncates(table) => {
                let stopped = self.stopped.contains(&table);
                let place = self.place.clone();
                if !stopped {
                    self.explicit_or_statement(place).extend([Change { table, operation: Operation::Truncate }], false, 0);
                }
            }
            Verdict::Changes { tables, description } => {
                let place = self.place.clone();
                let (position, contained) = (self.position(), self.is_contained());
                let ids = tables.iter().filter_map(|name| self.mapped.find(&name.schema, &name.name)).map(|table| table.id);
                self.stopped.extend(ids.collect::<Vec<_>>());
                self.tables.clear();
                if !contained {
                    self.explicit_or_statement(place).schema_changes.push(SchemaChange { position, tables, description });
                }
            }
        }
        Ok(())
    }

    fn explicit_or_statement(&mut self, place: LogPlace) -> &mut Group {
        self.group.get_or_insert_with(|| Group::new(place, None, false))
    }

    /// The open transaction ends at `event` and counts.
    fn commit(&mut self, event: &RawEvent<'_>) -> Result<()> {
        let Some(mut group) = self.group.take() else {
            self.advanced = true;
            return Ok(());
        };
        let rows = group.take_rows()?;
        self.emit(&group, rows, event);
        Ok(())
    }

    /// Gives `rows` as committed by `event`, which ends `group`.
    fn emit(&mut self, group: &Group, rows: Rows, event: &RawEvent<'_>) {
        if let Some(head) = &group.head {
            self.gtids.add(&head.gtid);
        }
        if self.is_contained() {
            return;
        }
        self.advanced = true;
        let position = self.position();
        let Rows { spilled, changes, bytes } = rows;
        if !changes.is_empty() || spilled.is_some() {
            let committed = group.head.as_ref().and_then(|head| head.committed_at_us);
            self.has_fine_clock = committed.is_some();
            let committed_at_us = committed.unwrap_or_else(|| i64::from(event.timestamp) * 1_000_000);
            self.ready.push_back(SourceEvent::Transaction(Transaction {
                position: position.clone(),
                id: None,
                committed_at_us,
                spilled,
                changes,
                bytes,
            }));
        }
        for change in &group.schema_changes {
            self.ready.push_back(SourceEvent::SchemaChange(SchemaChange { position: position.clone(), ..change.clone() }));
        }
    }
}

fn by_statement() -> Error {
    Error::new(Class::Person, "a statement changed rows without logging them (statement format)").with_hint(
        "set binlog_format=ROW globally and in every session, then reset the mappings of this source and load them again",
    )
}

mod prepared;
#[cfg(test)]
mod tests;
