//! Sweeps: what a change of a hot row reaches is derived some anchors at a time, between epochs.
//!
//! A job is a place in a walk: the probe of a hop, and how far the entries under it were visited. What a hop finds on the way to the
//! anchors becomes jobs of the next hop, and those come first, so that there are never more jobs than a slice makes for each hop. A place
//! that is asked for again begins again.
//!
//! Why slices may read the state as it is by then: every anchor whose rows the change concerns is found from the changed row along rows
//! that link them. If the links are still what they were, the job finds the anchor; if one has changed since, that change walked both of
//! its images itself and derived the anchor then, or made a job of it. Either way the anchor is derived once or more behind the change, from
//! a state that has it. Slices of one sweep are apart in time, so only tables whose anchors never share a key are swept
//! ([`crate::plan::NodePlan::anchors_are_apart`]).

mod reach;

use std::collections::{BTreeMap, BTreeSet};

use xxhash_rust::xxh3::xxh3_64;

use crate::derive::duty::attributed;
use crate::derive::emit::Part;
use crate::derive::found::KeyPage;
use crate::derive::keys::Keys;
use crate::derive::load::page;
use crate::derive::reader::Reader;
use crate::derive::step::{Emission, parts, target_tables};
use crate::derive::stored::index;
use crate::derive::view::View;
use crate::derive::walk::{Reached, anchors_of, probes_of};
use crate::derive::{Arrangements, Mutation, Sink, Space, Step};
use crate::error::{Error, Result};
use crate::plan::{Anchor, HotChange, NodeId, Plan, Walk};

pub use reach::Reach;

/// Jobs that are looked at in one slice.
const JOBS_PER_SLICE: usize = 4_096;

/// Stands for the walk of a job over all anchors of a branch.
const EVERY: u16 = u16::MAX;

/// A place in a walk.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Job {
    branch: u16,
    hop: u16,
    /// The place of the walk in the branch, or [`EVERY`].
    walk: u16,
    probe: Vec<u8>,
}

impl Job {
    fn every(branch: u16) -> Self {
        Self { branch, hop: 0, walk: EVERY, probe: Vec::new() }
    }

    /// Later hops have smaller keys, and come first.
    fn key(&self) -> Vec<u8> {
        let mut key = Vec::with_capacity(6 + self.probe.len());
        key.extend_from_slice(&self.branch.to_be_bytes());
        key.extend_from_slice(&(u16::MAX - self.hop).to_be_bytes());
        key.extend_from_slice(&self.walk.to_be_bytes());
        key.extend_from_slice(&self.probe);
        key
    }

    fn decode(key: &[u8]) -> Option<Self> {
        let (branch, rest) = key.split_first_chunk::<2>()?;
        let (hop, rest) = rest.split_first_chunk::<2>()?;
        let (walk, probe) = rest.split_first_chunk::<2>()?;
        let hop = u16::MAX - u16::from_be_bytes(*hop);
        Some(Self { branch: u16::from_be_bytes(*branch), hop, walk: u16::from_be_bytes(*walk), probe: probe.to_vec() })
    }
}

/// What a job's walk was when it was made: one of another plan cannot go on where it was.
fn fingerprint(plan: &Plan, walk: &Walk) -> Result<[u8; 8]> {
    let mut text = String::new();
    for hop in &walk.hops {
        text.push_str(&format!("{hop:?} {:?}", index(plan, hop.index)?));
    }
    Ok(xxh3_64(text.as_bytes()).to_be_bytes())
}

/// The jobs that stand for what a hot change reaches, where the mapping has it deferred; `None`: nothing is deferred.
pub(crate) fn jobs(
    view: &View<'_>,
    part: Part<'_>,
    traced: &Reached,
    is_whole: bool,
    anchors_max: usize,
) -> Result<Option<Vec<Mutation>>> {
    let is_deferred = part.node.policies.hot_change == HotChange::Deferred && part.node.anchors_are_apart(view.plan);
    if !is_deferred || (traced.hot.is_empty() && !is_whole) {
        return Ok(None);
    }
    let put = |job: &Job, walk: [u8; 8]| Mutation { space: Space::Sweep(part.id), key: job.key(), value: Some(walk.to_vec()) };
    if is_whole {
        let (_, next) = page(view, view.stored(), &part, None, anchors_max)?;
        return Ok(next.map(|_| vec![put(&Job::every(part.number), [0; 8])]));
    }
    let mut jobs = Vec::new();
    for (place, start) in &traced.hot {
        let Some((_, walk)) = part.branch.walks.get(*place) else { continue };
        let Some(hop) = walk.hops.first() else { return Err(Error::bug("a walk without hops is hot")) };
        let mut probes = Keys::default();
        probes_of(view, hop, start, &mut probes)?;
        probes.sort();
        let walk_place = u16::try_from(*place).map_err(|_| Error::bug("a branch has too many walks"))?;
        let walk = fingerprint(view.plan, walk)?;
        let job = |probe: &[u8]| Job { branch: part.number, hop: 0, walk: walk_place, probe: probe.to_vec() };
        jobs.extend(probes.iter().map(|probe| put(&job(probe), walk)));
    }
    Ok(Some(jobs))
}

/// How many jobs a node has once `mutations` are durable.
///
/// # Errors
/// The store failed.
pub fn sweeps_after(store: &dyn Arrangements, node: NodeId, mutations: &[Mutation]) -> Result<u32> {
    let space = Space::Sweep(node);
    let mut jobs = BTreeSet::new();
    store.scan(space, &[], None, &mut |key, _| {
        jobs.insert(key.to_vec());
        Ok(true)
    })?;
    for mutation in mutations.iter().filter(|mutation| mutation.space == space) {
        match mutation.value {
            Some(_) => jobs.insert(mutation.key.clone()),
            None => jobs.remove(&mutation.key),
        };
    }
    Ok(u32::try_from(jobs.len()).unwrap_or(u32::MAX))
}

/// What a slice came to.
#[derive(Debug, Default)]
pub struct Swept {
    /// What it changes, the jobs as they are then among it.
    pub step: Step,
    /// How many entries of walks it visited.
    pub entry_count: usize,
}

/// A slice of the sweeps of a target table: visits about `keys_max` entries of their walks and derives the anchors that those lead to.
///
/// # Errors
/// As [`crate::derive::step_in_parts`].
pub fn sweep(
    plan: &Plan,
    store: &dyn Arrangements,
    node: NodeId,
    keys_max: usize,
    part_bytes_max: usize,
    sink: Sink<'_>,
) -> Result<Swept> {
    let view = View::new(plan, store);
    let Some((mapping, table, id)) = target_tables(plan).find(|(_, _, id)| *id == node) else {
        return Err(Error::bug("a table that is swept is in no mapping"));
    };
    let mut slice =
        Slice { view: &view, open: BTreeMap::new(), changed: BTreeMap::new(), anchors: BTreeMap::new(), left: keys_max.max(1) };
    store.scan(Space::Sweep(node), &[], None, &mut |key, value| {
        slice.open.insert(key.to_vec(), value.to_vec());
        Ok(slice.open.len() < JOBS_PER_SLICE)
    })?;
    let parts = parts(plan, node)?;
    while slice.left > 0
        && let Some((key, value)) = slice.open.pop_first()
    {
        slice.advance(&parts, key, &value)?;
    }
    let Slice { changed, anchors, left, .. } = slice;
    let entry_count = keys_max.saturating_sub(left);
    let mut emission = Emission::new(plan, part_bytes_max, sink);
    for (branch, mut anchors) in anchors {
        anchors.sort();
        let Some(part) = parts.get(usize::from(branch)) else { continue };
        if let Err(error) = emission.derive(&view, *part, &anchors, (mapping, table)) {
            let step = Step { failures: vec![attributed(mapping, error)?], ..Step::default() };
            return Ok(Swept { step, entry_count });
        }
    }
    emission.finish_table(id, (mapping, table))?;
    let jobs = changed.into_iter().map(|(key, value)| Mutation { space: Space::Sweep(node), key, value });
    emission.step.mutations.extend(jobs);
    Ok(Swept { step: emission.step, entry_count })
}

/// The jobs at hand in a slice.
struct Slice<'s, 'v> {
    view: &'s View<'v>,
    open: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Jobs that are other than stored; `None`: done.
    changed: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// By branch, what is to be derived.
    anchors: BTreeMap<u16, Keys>,
    /// How many entries may still be visited.
    left: usize,
}

impl Slice<'_, '_> {
    /// Visits entries of one job, all of them if there are few.
    fn advance(&mut self, parts: &[Part<'_>], key: Vec<u8>, value: &[u8]) -> Result<()> {
        let job = Job::decode(&key).ok_or_else(crate::value::record::damaged)?;
        // A branch that is not there any more has no rows.
        let Some(part) = parts.get(usize::from(job.branch)).copied() else {
            self.changed.insert(key, None);
            return Ok(());
        };
        let (walk, cursor) = value.split_first_chunk::<8>().ok_or_else(crate::value::record::damaged)?;
        let after = Some(cursor).filter(|cursor| !cursor.is_empty());
        if job.walk == EVERY {
            let (anchors, next) = page(self.view, self.view.stored(), &part, after, self.left)?;
            return self.visited(key, *walk, next, anchors.len(), &[(job.branch, anchors)]);
        }
        let of_plan = part.branch.walks.get(usize::from(job.walk)).map(|(_, walk)| walk);
        let is_same = of_plan.map(|walk| fingerprint(self.view.plan, walk)).transpose()? == Some(*walk);
        let hops = of_plan.map(|walk| walk.hops.as_slice()).unwrap_or_default().get(usize::from(job.hop)..).unwrap_or_default();
        let Some((hop, further)) = hops.split_first().filter(|_| is_same) else {
            // Made by another plan: what it reaches now is not known, so everything is derived.
            self.changed.insert(key, None);
            self.put(&Job::every(job.branch), [0; 8]);
            return Ok(());
        };
        let mut found = Keys::default();
        let page = KeyPage { index: hop.index, key: &job.probe, after, count_max: self.left };
        let next = self.view.take_page(&page, &mut found)?;
        found.sort();
        let count = found.len();
        if further.is_empty() && matches!(part.branch.anchor, Anchor::Row { .. }) {
            return self.visited(key, *walk, next, count, &[(job.branch, found)]);
        }
        let table = index(self.view.plan, hop.index)?.table;
        let rows = Reader::new(self.view).rows(table, &found.owned(0..count))?;
        let mut keys = Keys::default();
        match further.first() {
            None => anchors_of(self.view, part.branch, hop.to, &rows, &mut keys)?,
            Some(next) => probes_of(self.view, next, &rows, &mut keys)?,
        }
        keys.sort();
        if further.is_empty() {
            return self.visited(key, *walk, next, count, &[(job.branch, keys)]);
        }
        for probe in keys.iter() {
            self.put(&Job { hop: job.hop + 1, probe: probe.to_vec(), ..job }, *walk);
        }
        self.visited(key, *walk, next, count, &[])
    }

    fn put(&mut self, job: &Job, walk: [u8; 8]) {
        self.changed.insert(job.key(), Some(walk.to_vec()));
        self.open.insert(job.key(), walk.to_vec());
    }

    /// Notes what a job came to, and where it goes on.
    fn visited(
        &mut self,
        key: Vec<u8>,
        walk: [u8; 8],
        next: Option<Vec<u8>>,
        count: usize,
        anchors: &[(u16, Keys)],
    ) -> Result<()> {
        for (branch, keys) in anchors {
            self.anchors.entry(*branch).or_default().append(keys);
        }
        self.left = self.left.saturating_sub(count.max(1));
        let goes_on = next.map(|cursor| [walk.as_slice(), &cursor].concat());
        if let Some(value) = &goes_on {
            self.open.insert(key.clone(), value.clone());
        }
        self.changed.insert(key, goes_on);
        Ok(())
    }
}
