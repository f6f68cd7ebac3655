//! Prepared (XA) transactions: held from PREPARE to their own end.

use super::Assembler;
use crate::error::{Class, Error, Result};
use crate::source::mysql::decode::event::{RawEvent, XaPrepare, Xid};
use crate::source::mysql::decode::reader::malformed;
use crate::source::mysql::group::{Group, Held, Rows};

impl Assembler {
    /// PREPARE ends the transaction for now, or for good if it has one phase.
    pub(super) fn prepare(&mut self, prepare: XaPrepare, event: &RawEvent<'_>) -> Result<()> {
        if prepare.one_phase {
            return self.commit(event);
        }
        let Some(mut group) = self.group.take() else {
            return Err(malformed("a prepare stands outside a transaction"));
        };
        if group.xid.as_ref().is_some_and(|xid| *xid != prepare.xid) {
            return Err(malformed("a prepare names another xid than its transaction"));
        }
        let (from, altered) = (group.start.clone(), self.altered.clone());
        let held = Held { from, altered, rows: group.take_rows()? };
        self.held.insert(prepare.xid, held);
        self.emit(&group, Rows::default(), event);
        Ok(())
    }

    /// XA COMMIT or XA ROLLBACK of a prepared transaction.
    pub(super) fn complete(&mut self, xid: &Xid, commits: bool, event: &RawEvent<'_>) -> Result<()> {
        let group = self.group.take().unwrap_or_else(|| Group::new(self.place.clone(), None, false));
        let held = self.held.remove(xid);
        if held.is_none() && commits && !self.is_contained() {
            return Err(Error::new(
                Class::Person,
                "an XA transaction commits that was prepared before the stream began: its rows are not known",
            )
            .with_hint("reset the mappings of this source and load them again"));
        }
        let rows = held.filter(|_| commits).map_or_else(Rows::default, |held| held.rows);
        self.emit(&group, rows, event);
        Ok(())
    }
}
