//! Which cluster's history a position belongs to, and whether the slot still holds everything behind it.
//!
//! In: a recorded position. Out: nothing, or a refusal with its reason. A slot is never made or moved to make a resume possible. After a
//! promotion the position must lie before the point where the new timeline began.

use super::connect::{Lease, OnExceed, PostgresSourceOptions, SlotLimit, cell};
use super::names::literal;
use super::replication::client::{Client, Identified};
use crate::error::{Class, Error, Result};
use crate::position::{Lsn, Position, WalPosition};
use crate::source::HeldLog;

/// The remedy of every lost place.
const REMEDY: &str = "the changes in between are gone from the log: take a new snapshot with `strangler run --rebuild`";

/// The recorded position is of another kind of server.
pub(super) fn no_wal_position() -> Error {
    Error::new(Class::Person, "the recorded position is not one of a PostgreSQL server")
        .with_hint("the source was another kind of database: use another state folder, or run `strangler run --rebuild`")
}

/// A replication slot as the server lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Slot {
    /// `plugin`.
    pub(super) plugin: String,
    /// `database`.
    pub(super) database: String,
    /// The process that reads it, if any.
    pub(super) active_pid: String,
    /// What it has confirmed.
    pub(super) confirmed: Option<Lsn>,
    /// `reserved`, `extended`, `unreserved` or `lost`.
    pub(super) status: String,
    /// How many more bytes may be written before it is lost; `None` without a limit.
    pub(super) safe_bytes: Option<i64>,
    /// Bytes of log that it holds.
    pub(super) held_bytes: u64,
    /// Bytes of log that it has not confirmed.
    pub(super) unconfirmed_bytes: u64,
    /// Why it was invalidated; empty if it was not, or the server does not say.
    pub(super) invalidated: String,
}

/// Reads a slot.
///
/// # Errors
/// Errors of the server.
pub(super) async fn slot(lease: &Lease, name: &str) -> Result<Option<Slot>> {
    let sql = format!(
        "SELECT plugin, database, active_pid, confirmed_flush_lsn, wal_status, safe_wal_size, \
         CASE WHEN pg_is_in_recovery() THEN 0 ELSE greatest(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0) END, \
         coalesce(to_json(s) ->> 'invalidation_reason', ''), \
         CASE WHEN pg_is_in_recovery() THEN 0 ELSE greatest(pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn), 0) END \
         FROM pg_replication_slots s WHERE slot_name = {}",
        literal(name)
    );
    let rows = lease.rows("read the replication slot", &sql).await?;
    Ok(rows.first().map(|row| Slot {
        plugin: cell(row, 0).to_owned(),
        database: cell(row, 1).to_owned(),
        active_pid: cell(row, 2).to_owned(),
        confirmed: Lsn::parse(cell(row, 3)),
        status: cell(row, 4).to_owned(),
        safe_bytes: cell(row, 5).parse().ok(),
        held_bytes: cell(row, 6).parse().unwrap_or(0),
        invalidated: cell(row, 7).to_owned(),
        unconfirmed_bytes: cell(row, 8).parse().unwrap_or(0),
    }))
}

impl Slot {
    /// Refuses a slot that is not ours to read, or no longer holds what it should.
    ///
    /// # Errors
    /// `Person` with the reason.
    pub(super) fn usable(&self, name: &str, database: &str) -> Result<()> {
        if self.plugin != "pgoutput" || self.database != database {
            let message = format!("replication slot {name} is another one's: plugin {}, database {}", self.plugin, self.database);
            return Err(Error::new(Class::Person, message).with_hint("give the source another `slot` in the project file"));
        }
        if self.status == "lost" || !self.invalidated.is_empty() {
            let reason = if self.invalidated.is_empty() { "its log was removed" } else { self.invalidated.as_str() };
            let message = format!("replication slot {name} was invalidated by the server ({reason}): it no longer holds the log");
            return Err(Error::new(Class::Person, message).with_hint(REMEDY));
        }
        Ok(())
    }

    /// What a person should know before the legacy disk is full or the slot is lost: from half of what it may hold on.
    pub(super) fn warning(&self, limit: Option<SlotLimit>) -> Option<String> {
        let left = self.safe_bytes.map(|safe| u64::try_from(safe).unwrap_or(0));
        if self.status == "lost" || !self.invalidated.is_empty() {
            let reason = if self.invalidated.is_empty() { "its log was removed" } else { self.invalidated.as_str() };
            return Some(format!("the server has given the slot up ({reason}): only a new snapshot helps"));
        }
        if self.status == "unreserved" {
            return Some("the server removes the slot's log at its next checkpoint: max_slot_wal_keep_size is passed".to_owned());
        }
        if left.is_some_and(|left| left < self.held_bytes) {
            return Some("the slot has used half of what max_slot_wal_keep_size lets it hold".to_owned());
        }
        let limit = limit.filter(|limit| self.held_bytes > limit.bytes_max / 2)?;
        let then = match limit.on_exceed {
            OnExceed::Drop => "the slot is dropped",
            OnExceed::Stop => "the engine stops",
        };
        Some(format!("the slot has used half of its slot_limit of {} bytes; beyond it {then}", limit.bytes_max))
    }

    /// How it stands, for the status.
    pub(super) fn held_log(&self, options: &PostgresSourceOptions) -> HeldLog {
        HeldLog {
            source: options.name.clone(),
            slot: options.slot.clone(),
            wal_status: self.status.clone(),
            held_bytes: self.held_bytes,
            unconfirmed_bytes: self.unconfirmed_bytes,
            safe_bytes: self.safe_bytes,
            limit_bytes: options.slot_limit.map(|limit| limit.bytes_max),
            warning: self.warning(options.slot_limit),
        }
    }
}

/// Proves that the stream can go on behind `position` on this server.
///
/// # Errors
/// `Person` with what is not proven.
pub(super) async fn prove(client: &mut Client, slot: Option<&Slot>, name: &str, position: &WalPosition) -> Result<Identified> {
    let here = client.identify().await?;
    if here.system != position.system {
        let message =
            format!("the source is another cluster ({}) than the one at {}", here.system, Position::Wal(position.clone()));
        return Err(Error::new(Class::Person, message)
            .with_hint("correct the url; after a restore or a major upgrade run `strangler run --rebuild`"));
    }
    let Some(slot) = slot else { return Err(no_slot(name, &here, position)) };
    slot.usable(name, &position.database)?;
    match slot.confirmed {
        Some(confirmed) if confirmed.0 <= position.lsn => {}
        _ => {
            let message = format!(
                "replication slot {name} begins behind {}: it was made anew or read by another engine",
                Position::Wal(position.clone())
            );
            return Err(Error::new(Class::Person, message).with_hint(REMEDY));
        }
    }
    if here.timeline != position.timeline {
        continues(client, &here, position).await?;
    }
    Ok(here)
}

/// A slot is never made where a stream should go on: it would begin behind what was written meanwhile.
fn no_slot(name: &str, here: &Identified, position: &WalPosition) -> Error {
    let (missing, recorded) = (format!("replication slot {name} does not exist on this server"), position.timeline);
    if here.timeline == recorded {
        return Error::new(Class::Person, missing).with_hint(REMEDY);
    }
    let message = format!("{missing}, which was promoted (timeline {}, was {recorded}): the slot did not follow", here.timeline);
    Error::new(Class::Person, message).with_hint(format!(
        "{REMEDY}; from PostgreSQL 17 on a standby with sync_replication_slots = on keeps the slot over a failover"
    ))
}

/// A later timeline continues ours if it branched off behind our place.
async fn continues(client: &mut Client, here: &Identified, position: &WalPosition) -> Result<()> {
    let refused = || {
        let message = format!(
            "the source is on timeline {} and does not prove to continue {}",
            here.timeline,
            Position::Wal(position.clone())
        );
        Error::new(Class::Person, message).with_hint(REMEDY)
    };
    if here.timeline < position.timeline {
        return Err(refused().with_hint("give the address of the server that was promoted, not of its former primary"));
    }
    let rows = client.command("read the timeline's history", &format!("TIMELINE_HISTORY {}", here.timeline)).await?;
    let history = rows.first().and_then(|row| row.get(1).cloned().flatten()).unwrap_or_default();
    match branched_at(&history, position.timeline) {
        Some(end) if position.lsn <= end.0 => Ok(()),
        Some(end) => {
            let message = format!(
                "the source was promoted at {end} without everything that was read from its former primary, up to {}",
                Position::Wal(position.clone())
            );
            Err(Error::new(Class::Person, message).with_hint(
                "what the standby had not received is lost on the source: take a new snapshot with `strangler run --rebuild`; \
                 synchronized_standby_slots on the primary keeps the stream behind its standbys",
            ))
        }
        None => Err(refused()),
    }
}

/// Where a timeline ended, by the history file of a later one: lines of `timeline<TAB>lsn<TAB>reason`.
fn branched_at(history: &str, timeline: u32) -> Option<Lsn> {
    history.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        (fields.next()?.parse::<u32>().ok()? == timeline).then_some(())?;
        Lsn::parse(fields.next()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f06_a_lost_slot_and_one_of_another_database_are_refused() {
        let slot = Slot { plugin: "pgoutput".into(), database: "d".into(), status: "reserved".into(), ..Slot::default() };
        slot.usable("s", "d").unwrap();
        assert!(slot.usable("s", "other").is_err());
        assert!(Slot { status: "lost".into(), ..slot.clone() }.usable("s", "d").is_err());
        assert!(Slot { invalidated: "wal_removed".into(), ..slot }.usable("s", "d").is_err());
    }

    #[test]
    fn f06_a_slot_warns_from_half_of_what_it_may_hold() {
        let slot =
            |held_bytes, safe_bytes, status: &str| Slot { held_bytes, safe_bytes, status: status.into(), ..Slot::default() };
        let limit = Some(SlotLimit { bytes_max: 100, on_exceed: OnExceed::Drop });
        assert_eq!(slot(50, None, "reserved").warning(limit), None);
        assert!(slot(51, None, "reserved").warning(limit).is_some_and(|warning| warning.contains("is dropped")));
        assert_eq!(slot(51, Some(51), "extended").warning(None), None);
        assert!(slot(51, Some(50), "extended").warning(None).is_some());
        assert!(slot(51, Some(-1), "unreserved").warning(None).is_some_and(|warning| warning.contains("next checkpoint")));
        assert!(slot(0, None, "lost").warning(limit).is_some_and(|warning| warning.contains("new snapshot")));
    }

    #[test]
    fn a_timeline_ends_where_the_next_one_branched_off() {
        let history = "1\t0/3000148\tno recovery target specified\n\n2\t0/5000000\tx\n";
        assert_eq!(branched_at(history, 1), Some(Lsn(0x300_0148)));
        assert_eq!(branched_at(history, 2), Some(Lsn(0x500_0000)));
        assert_eq!(branched_at(history, 3), None);
    }
}
