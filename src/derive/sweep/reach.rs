//! Reach: how many rows the jobs of sweeps still lead to, counted some at a time.
//!
//! Told only where the next step of every job is its last and finds the anchors themselves, as it is for a code that the rows of a target
//! table name. What lies behind further steps is not known before those are taken.

use super::{EVERY, JOBS_PER_SLICE, Job, fingerprint};
use crate::derive::emit::Part;
use crate::derive::found::KeyPage;
use crate::derive::keys::Keys;
use crate::derive::step::parts;
use crate::derive::view::View;
use crate::derive::{Arrangements, Space};
use crate::error::Result;
use crate::plan::{Anchor, IndexId, NodeId, Plan};

/// A count in the making.
#[derive(Debug)]
pub struct Reach {
    left: Vec<Entries>,
    count: u64,
}

/// What an index has under a key, from a place on.
#[derive(Debug)]
struct Entries {
    index: IndexId,
    key: Vec<u8>,
    after: Option<Vec<u8>>,
}

impl Reach {
    /// What the jobs of some target tables have before them; `None` if that cannot be counted.
    ///
    /// # Errors
    /// The store failed, or the plan does not have one of the tables.
    pub fn of(plan: &Plan, store: &dyn Arrangements, nodes: &[NodeId]) -> Result<Option<Self>> {
        let (mut left, mut is_known) = (Vec::new(), true);
        for node in nodes {
            let parts = parts(plan, *node)?;
            store.scan(Space::Sweep(*node), &[], None, &mut |key, value| {
                match entries(plan, &parts, key, value)? {
                    Some(entries) => left.push(entries),
                    None => is_known = false,
                }
                is_known &= left.len() < JOBS_PER_SLICE;
                Ok(is_known)
            })?;
        }
        Ok(is_known.then_some(Self { left, count: 0 }))
    }

    /// Counts about so many more entries; the count once it is whole.
    ///
    /// # Errors
    /// The store failed.
    pub fn go_on(&mut self, plan: &Plan, store: &dyn Arrangements, entries_max: usize) -> Result<Option<u64>> {
        let view = View::new(plan, store);
        let mut left = entries_max.max(1);
        while left > 0
            && let Some(entries) = self.left.pop()
        {
            let mut found = Keys::default();
            let page = KeyPage { index: entries.index, key: &entries.key, after: entries.after.as_deref(), count_max: left };
            let after = view.take_page(&page, &mut found)?;
            self.count += found.len() as u64;
            left = left.saturating_sub(found.len().max(1));
            if after.is_some() {
                self.left.push(Entries { after, ..entries });
            }
        }
        Ok(self.left.is_empty().then_some(self.count))
    }
}

/// What a job has before it, if each of it is an anchor.
fn entries(plan: &Plan, parts: &[Part<'_>], key: &[u8], value: &[u8]) -> Result<Option<Entries>> {
    let Some(job) = Job::decode(key).filter(|job| job.walk != EVERY) else { return Ok(None) };
    let Some(part) = parts.get(usize::from(job.branch)) else { return Ok(None) };
    let Some((_, walk)) = part.branch.walks.get(usize::from(job.walk)) else { return Ok(None) };
    let hops = walk.hops.get(usize::from(job.hop)..).unwrap_or_default();
    let ([hop], Anchor::Row { .. }) = (hops, &part.branch.anchor) else { return Ok(None) };
    let Some((made_by, cursor)) = value.split_first_chunk::<8>() else { return Ok(None) };
    if fingerprint(plan, walk)? != *made_by {
        return Ok(None);
    }
    let after = Some(cursor).filter(|cursor| !cursor.is_empty()).map(<[u8]>::to_vec);
    Ok(Some(Entries { index: hop.index, key: job.probe, after }))
}
