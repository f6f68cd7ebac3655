//! The first filling of an accumulator: what its members contribute, in any order, and the entries that follow from it.
//!
//! Members are met in the order of their stored rows, their groups are not: entry by entry in the order of the members, groups would be read and
//! written as often as they have members. So every contribution is given away as it comes; sorted by their keys they are met again here,
//! and what belongs to one entry is added up in one pass. Nothing of an accumulator counts before its mark is there.

use crate::derive::accumulate::{
    Change, Entry, Group, TOTALS, accumulators, by_id, contributions, damaged, decode_listed, encode_listed, root_table,
};
use crate::derive::filled::{MARK, Mark};
use crate::derive::keys::Keys;
use crate::derive::view::View;
use crate::derive::{Arrangements, Mutation, Space};
use crate::error::Result;
use crate::plan::{AccumulatorId, AccumulatorPlan, Plan};
use crate::value::{Row, Value, row};

/// Where the state keeps how many accumulators there have been; no plan has so many.
const NUMBERED: Space = Space::Accumulator(AccumulatorId(u32::MAX >> 1));

/// What is to be done next before the accumulators are complete.
#[derive(Debug)]
pub enum Filling {
    /// The entries of another plan, or of an earlier version, are to be cleared first.
    Clear(Space),
    /// These are to be added up. The mutations belong into the state before the first entry of them.
    Missing(Vec<AccumulatorId>, Vec<Mutation>),
    /// All are complete.
    Done,
}

/// What is to be done next.
///
/// # Errors
/// The store failed or is damaged.
pub fn filling(plan: &Plan, store: &dyn Arrangements) -> Result<Filling> {
    let ever = numbered(store)?;
    let planned = u32::try_from(plan.accumulators.len()).unwrap_or(u32::MAX);
    for space in (planned..ever).map(|id| Space::Accumulator(AccumulatorId(id))) {
        // Nothing keeps it up any more: a plan that has it again must not believe it.
        if store.get(space, &[MARK])?.is_some() {
            return Ok(Filling::Clear(space));
        }
    }
    let view = View::new(plan, store);
    let mut missing = Vec::new();
    for (id, accumulator) in accumulators(plan) {
        match Mark::read(&view, id)? {
            Some(mark) if mark.is_complete(accumulator) => {}
            Some(_) => return Ok(Filling::Clear(Space::Accumulator(id))),
            None => missing.push(id),
        }
    }
    if missing.is_empty() {
        return Ok(Filling::Done);
    }
    let mut mutations = Vec::new();
    if ever < planned {
        let mut count = Vec::new();
        row::encode(&[Value::Int(i64::from(planned))], &mut count);
        mutations.push(Mutation { space: NUMBERED, key: vec![MARK], value: Some(count) });
    }
    Ok(Filling::Missing(missing, mutations))
}

/// So many accumulators have ever been filled in this state, by their numbers.
fn numbered(store: &dyn Arrangements) -> Result<u32> {
    let Some(bytes) = store.get(NUMBERED, &[MARK])? else { return Ok(0) };
    match row::decode(&bytes)?.as_ref() {
        [Value::Int(count)] => u32::try_from(*count).map_err(|_| damaged()),
        _ => Err(damaged()),
    }
}

/// About how many member rows a filling of all accumulators reads, by the source's own estimates.
#[must_use]
pub fn fill_estimate(plan: &Plan) -> u64 {
    let bodies = plan.accumulators.iter().flat_map(|accumulator| &accumulator.bodies);
    let tables = bodies.filter_map(|body| plan.tables.get(root_table(body).ok()?.0 as usize));
    tables.map(|table| table.schema.row_estimate).sum()
}

/// What some members contribute to one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contribution {
    /// To the totals of a group.
    Total,
    /// To the list of an aggregate's values.
    Listed,
}

/// Where contributions go: their kind, the key of their entry, their bytes, which mean something to an [`Adder`] alone.
pub type Contributed<'c> = &'c mut dyn FnMut(Contribution, &[u8], &[u8]) -> Result<()>;

/// Gives everything that the members of an accumulator contribute, `rows_max` stored rows at a time, of which `read` hears; answers the mark to be stored behind
/// all entries. The state must stand still meanwhile.
///
/// # Errors
/// The store or `give` failed.
pub fn contribute(
    plan: &Plan,
    store: &dyn Arrangements,
    id: AccumulatorId,
    rows_max: usize,
    give: Contributed<'_>,
    read: &dyn Fn(u64),
) -> Result<Mutation> {
    let (view, accumulator) = (View::new(plan, store), by_id(plan, id)?);
    let mut mark = Mark { meaning: accumulator.meaning, without_value: 0, is_filled: true };
    for body in &accumulator.bodies {
        let (table, mut after) = (root_table(body)?, None::<Vec<u8>>);
        loop {
            let (mut roots, mut rows) = (Keys::default(), Keys::default());
            store.scan(Space::Base(table), &[], after.as_deref(), &mut |key, bytes| {
                roots.push_unsorted(key);
                rows.push_unsorted(bytes);
                Ok(roots.len() < rows_max.max(1))
            })?;
            for change in contributions(&view, (accumulator, body), (&roots, Some(&rows)), 0..roots.len(), 1)? {
                mark.without_value += change.without_value;
                give_all(accumulator, change, give)?;
            }
            read(roots.len() as u64);
            after = roots.iter().last().map(<[u8]>::to_vec);
            if roots.len() < rows_max.max(1) {
                break;
            }
        }
    }
    Ok(Mutation { space: Space::Accumulator(id), key: vec![MARK], value: Some(mark.encode()) })
}

fn give_all(accumulator: &AccumulatorPlan, change: Change, give: Contributed<'_>) -> Result<()> {
    let mut bytes = Vec::new();
    for (key, listed) in change.values {
        // A value that is counted once per group says of which group it is.
        let (group, place) = listed.counted_in.unwrap_or_default();
        let key_length = change.groups.get(&group).map_or(0, |group| group.key_length);
        let counted = Counted { group_bytes: group.len(), key_length, place };
        bytes.clear();
        counted.encode(&mut bytes);
        encode_listed(listed.count, listed.ordered_to, &listed.written, &mut bytes);
        give(Contribution::Listed, &key, &bytes)?;
    }
    for (key, group) in &change.groups {
        bytes.clear();
        group.encode(accumulator, &mut bytes);
        give(Contribution::Total, key, &bytes)?;
    }
    Ok(())
}

/// The group that a different value counts in: the length of its entry's key, that of the group key in it, and the aggregate's place.
#[derive(Debug, Clone, Copy)]
struct Counted {
    group_bytes: usize,
    key_length: usize,
    place: usize,
}

impl Counted {
    const BYTES: usize = 12;

    fn encode(self, bytes: &mut Vec<u8>) {
        for number in [self.group_bytes, self.key_length, self.place] {
            bytes.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes());
        }
    }

    /// What is in front of a listed value; and the value.
    fn decode(bytes: &[u8]) -> Result<(Self, &[u8])> {
        let (header, rest) = bytes.split_at_checked(Self::BYTES).ok_or_else(damaged)?;
        let mut numbers = header.chunks(4).filter_map(|number| Some(u32::from_be_bytes(number.try_into().ok()?) as usize));
        match (numbers.next(), numbers.next(), numbers.next()) {
            (Some(group_bytes), Some(key_length), Some(place)) => Ok((Self { group_bytes, key_length, place }, rest)),
            _ => Err(damaged()),
        }
    }
}

/// A sum of contributions that need it: one alone is its entry already.
enum Sum {
    Total(Group),
    Listed(Counted, Entry),
}

/// Adds up contributions of one kind that come in the order of their keys, and gives one entry per key.
pub struct Adder<'p> {
    accumulator: &'p AccumulatorPlan,
    kind: Contribution,
    /// The entry that is added up: its key, its first contribution, and the sum if there are more.
    key: Vec<u8>,
    bytes: Vec<u8>,
    sum: Option<Sum>,
    is_open: bool,
    /// The entry that is complete.
    done: (Vec<u8>, Vec<u8>),
}

impl<'p> Adder<'p> {
    /// An adder of contributions to an accumulator.
    ///
    /// # Errors
    /// The accumulator is not in the plan.
    pub fn new(plan: &'p Plan, id: AccumulatorId, kind: Contribution) -> Result<Self> {
        let accumulator = by_id(plan, id)?;
        let (key, bytes, done) = (Vec::new(), Vec::new(), <(Vec<u8>, Vec<u8>)>::default());
        Ok(Self { accumulator, kind, key, bytes, sum: None, is_open: false, done })
    }

    /// Takes a contribution. `true`: it begins another entry, and the one before is complete.
    ///
    /// # Errors
    /// The bytes are not those of a contribution.
    pub fn add(&mut self, key: &[u8], bytes: &[u8]) -> Result<bool> {
        if self.is_open && self.key == key {
            self.merge(bytes)?;
            return Ok(false);
        }
        let is_complete = self.end()?;
        self.is_open = true;
        self.key.clear();
        self.key.extend_from_slice(key);
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
        Ok(is_complete)
    }

    /// Completes the last entry; `false` if there is none.
    ///
    /// # Errors
    /// The bytes that were given are not those of a contribution.
    pub fn end(&mut self) -> Result<bool> {
        if !std::mem::take(&mut self.is_open) {
            return Ok(false);
        }
        std::mem::swap(&mut self.done.0, &mut self.key);
        self.done.1.clear();
        match (self.sum.take(), self.kind) {
            (Some(Sum::Total(group)), _) => group.encode(self.accumulator, &mut self.done.1),
            (Some(Sum::Listed(counted, entry)), _) => {
                counted.encode(&mut self.done.1);
                let written: Row = entry.written.into();
                encode_listed(entry.count, entry.ordered_to, &written, &mut self.done.1);
            }
            (None, _) => std::mem::swap(&mut self.done.1, &mut self.bytes),
        }
        Ok(true)
    }

    /// The entry that was completed last, as it is stored.
    #[must_use]
    pub fn entry(&self) -> (&[u8], &[u8]) {
        let (key, bytes) = &self.done;
        match self.kind {
            Contribution::Total => (key, bytes),
            Contribution::Listed => (key, bytes.get(Counted::BYTES..).unwrap_or_default()),
        }
    }

    /// What the entry that was completed last contributes to the totals of a group: one more different value.
    ///
    /// # Errors
    /// The bytes that were given are not those of a contribution.
    pub fn counted(&self) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
        if self.kind == Contribution::Total {
            return Ok(None);
        }
        let (key, bytes) = &self.done;
        let (counted, _) = Counted::decode(bytes)?;
        if counted.group_bytes == 0 {
            return Ok(None);
        }
        let mut group_key = key.get(..counted.group_bytes).ok_or_else(damaged)?.to_vec();
        *group_key.first_mut().ok_or_else(damaged)? = TOTALS;
        let mut group = Group::empty(self.accumulator, counted.key_length);
        group.totals.get_mut(counted.place).ok_or_else(damaged)?.count_value(1);
        let mut bytes = Vec::new();
        group.encode(self.accumulator, &mut bytes);
        Ok(Some((group_key, bytes)))
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<()> {
        let sum = match self.sum.take() {
            Some(sum) => sum,
            None => self.read(&self.bytes)?,
        };
        self.sum = Some(match (sum, self.read(bytes)?) {
            (Sum::Total(mut group), Sum::Total(other)) => {
                group.merge(&other);
                Sum::Total(group)
            }
            (Sum::Listed(counted, entry), Sum::Listed(_, other)) => {
                Sum::Listed(counted, Entry { count: entry.count + other.count, ..entry })
            }
            _ => return Err(damaged()),
        });
        Ok(())
    }

    fn read(&self, bytes: &[u8]) -> Result<Sum> {
        Ok(match self.kind {
            Contribution::Total => Sum::Total(Group::decode(self.accumulator, bytes)?),
            Contribution::Listed => {
                let (counted, listed) = Counted::decode(bytes)?;
                Sum::Listed(counted, decode_listed(listed)?)
            }
        })
    }
}
