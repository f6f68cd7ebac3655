//! The load: base rows, their index entries and fingerprints, filled in order; then epochs as live changes make them; then rows in random order.
//!
//! An epoch changes 64 rows. It reads them and 64 groups of an index, gives each row a new value and another group, and writes the fingerprints of what
//! follows and one position: 257 writes. Only the store is timed, not the making of its keys. Limit: four bytes of memory for each row.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use strangler::derive::{Mutation, Space};
use strangler::plan::{IndexId, NodeId};
use strangler::schema::TableId;
use strangler::state::{Durability, SortedEntries};
use strangler::value::Value;
use strangler::value::key::{KeyKind, encode_key};

use crate::contenders::{Contender, Seen};
use crate::{Figures, Outcome, process};

/// Index entries of a group when it is filled.
pub const MEMBERS: u32 = 5;
/// Rows that an epoch changes.
const CHANGES: usize = 64;
/// Epochs to one sync.
const SYNC_EVERY: u32 = 8;
const BULK_BATCH: u32 = 10_000;
/// A prime, so that its multiples visit every row once, each far from the one before.
const STRIDE: u64 = 2_654_435_761;

const ROWS: Space = Space::Base(TableId(1));
const GROUPS: Space = Space::Index(IndexId(1));
const FINGERPRINTS: Space = Space::Emitted(NodeId(1));
const BULK: Space = Space::Base(TableId(2));

/// About as compressible as an address or the text of an order.
const TEXT: &[u8] = b"leave it with the neighbours; ring twice, second floor, from nine to twelve, paid";
/// Bytes of a row that do not compress; with [`TEXT`] it has 120.
const RANDOM_BYTES: usize = 39;

/// How much is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    pub rows: u32,
    pub epochs: u32,
    pub warm_up: u32,
    pub bulk: u32,
}

/// Rows and the groups they are in.
pub struct Load {
    sizes: Sizes,
    /// The group of each row.
    groups: Vec<u32>,
    random: fastrand::Rng,
    seen: Seen,
    own_mib: f64,
}

/// Where the time of some epochs went, seconds.
#[derive(Debug, Default)]
struct Spent {
    gets: f64,
    scans: f64,
    commits: f64,
    each: Vec<f64>,
}

/// What one epoch reads and writes.
struct Epoch {
    keys: Vec<Vec<u8>>,
    prefixes: Vec<Vec<u8>>,
    mutations: Vec<Mutation>,
}

/// Entries that are made as they are asked for.
struct Made<F> {
    next: u32,
    end: u32,
    make: F,
    entry: (Vec<u8>, Vec<u8>),
}

impl<F: FnMut(u32) -> strangler::error::Result<(Vec<u8>, Vec<u8>)>> SortedEntries for Made<F> {
    fn next(&mut self) -> strangler::error::Result<Option<(&[u8], &[u8])>> {
        if self.next == self.end {
            return Ok(None);
        }
        self.entry = (self.make)(self.next)?;
        self.next += 1;
        Ok(Some((&self.entry.0, &self.entry.1)))
    }
}

impl Load {
    pub fn new(sizes: Sizes) -> Outcome<Self> {
        let count = sizes.rows / MEMBERS;
        let groups = (0..sizes.rows).map(|row| row % count).collect();
        Ok(Self { sizes, groups, random: fastrand::Rng::with_seed(7), seen: Seen::default(), own_mib: 0.0 })
    }

    /// The whole of it; `folder` is where the store is.
    pub fn run(mut self, store: &dyn Contender, folder: &Path) -> Outcome<Figures> {
        let own_before_mib = process::memory_mib("RssAnon:");
        let mut figures = self.fill(store)?;
        let mut note = |name: &str, figure: f64| figures.insert(name.to_owned(), figure);
        note("disk_filled_mib", process::disk_mib(folder)?);
        self.weigh();
        let Sizes { epochs, warm_up, bulk, .. } = self.sizes;
        self.epochs(store, warm_up, SYNC_EVERY)?;
        let spent = self.epochs(store, epochs, SYNC_EVERY)?;
        self.weigh();
        let count = f64::from(epochs);
        note("epochs", count / spent.each.iter().sum::<f64>());
        note("epoch_p99_ms", spent.share(0.99) * 1e3);
        note("epoch_max_ms", spent.share(1.0) * 1e3);
        note("gets", count * CHANGES as f64 / spent.gets);
        note("scans", count * CHANGES as f64 / spent.scans);
        note("puts", count * (4 * CHANGES + 1) as f64 / spent.commits);
        let synced = self.epochs(store, epochs / SYNC_EVERY, 1)?;
        note("epochs_synced", f64::from(epochs / SYNC_EVERY) / synced.each.iter().sum::<f64>());
        note("bulk", f64::from(bulk) / self.bulk(store)?);
        self.weigh();
        note("disk_mib", process::disk_mib(folder)?);
        note("own_mib", self.own_mib - own_before_mib);
        note("answers", self.seen.total() as f64);
        Ok(figures)
    }

    /// Takes note of the memory that is not of files; the system keeps no peak of it.
    fn weigh(&mut self) {
        self.own_mib = self.own_mib.max(process::memory_mib("RssAnon:"));
    }

    fn fill(&mut self, store: &dyn Contender) -> Outcome<Figures> {
        let (rows, random) = (self.sizes.rows, &mut self.random);
        let groups = rows / MEMBERS;
        let base = timed(|| fill(store, ROWS, rows, |row| Ok((number_key(row)?, row_value(random)))))?;
        let index = |place: u32| Ok((index_key(place / MEMBERS, place / MEMBERS + place % MEMBERS * groups)?, Vec::new()));
        let index_s = timed(|| fill(store, GROUPS, rows, index))?;
        let emitted = |row| Ok((emitted_key(row)?, fingerprint(random)));
        let emitted_s = timed(|| fill(store, FINGERPRINTS, rows, emitted))?;
        let figures = [("fill", f64::from(rows) / base), ("fill_rest", 2.0 * f64::from(rows) / (index_s + emitted_s))];
        Ok(figures.map(|(name, figure)| (name.to_owned(), figure)).into())
    }

    fn epochs(&mut self, store: &dyn Contender, count: u32, sync_every: u32) -> Outcome<Spent> {
        let mut spent = Spent::default();
        for number in 1..=count {
            let Epoch { keys, prefixes, mutations } = self.epoch(number)?;
            let is_synced = number % sync_every == 0;
            let durability = if is_synced { Durability::Synced } else { Durability::Buffered };
            let before = self.seen.count;
            let gets = timed(|| store.get_each(ROWS, &keys, &mut self.seen))?;
            if self.seen.count - before != CHANGES as u64 {
                return Err("a row that was filled in is missing".into());
            }
            let scans = timed(|| store.scan_each(GROUPS, &prefixes, &mut self.seen))?;
            let commit = timed(|| store.commit(mutations, durability))?;
            spent.gets += gets;
            spent.scans += scans;
            spent.commits += commit;
            spent.each.push(gets + scans + commit);
        }
        Ok(spent)
    }

    fn epoch(&mut self, number: u32) -> Outcome<Epoch> {
        let count = self.sizes.rows / MEMBERS;
        let (mut rows, mut groups) = (BTreeSet::new(), BTreeSet::new());
        while rows.len() < CHANGES {
            rows.insert(self.random.u32(..self.sizes.rows));
        }
        while groups.len() < CHANGES {
            groups.insert(self.random.u32(..count));
        }
        let position = Mutation { space: Space::Meta, key: b"position".to_vec(), value: Some(vec![number as u8; 200]) };
        let mut mutations = vec![position];
        for row in &rows {
            let group = self.groups.get_mut(*row as usize).ok_or("a row has no group")?;
            let left = std::mem::replace(group, (*group + self.random.u32(1..count)) % count);
            let mut write = |space, key, value| mutations.push(Mutation { space, key, value });
            write(ROWS, number_key(*row)?, Some(row_value(&mut self.random)));
            write(GROUPS, index_key(left, *row)?, None);
            write(GROUPS, index_key(*group, *row)?, Some(Vec::new()));
            write(FINGERPRINTS, emitted_key(*row)?, Some(fingerprint(&mut self.random)));
        }
        let sorted = |numbers: BTreeSet<u32>| numbers.into_iter().map(number_key).collect::<strangler::error::Result<_>>();
        Ok(Epoch { keys: sorted(rows)?, prefixes: sorted(groups)?, mutations })
    }

    /// Seconds to put the rows of a second table, each once and in random order; the last batch is synced.
    fn bulk(&mut self, store: &dyn Contender) -> Outcome<f64> {
        let (bulk, mut seconds) = (self.sizes.bulk, 0.0);
        for start in (0..bulk).step_by(BULK_BATCH as usize) {
            let end = (start + BULK_BATCH).min(bulk);
            let mut mutations = Vec::with_capacity(BULK_BATCH as usize);
            for place in start..end {
                let row = (u64::from(place) * STRIDE % u64::from(bulk)) as u32;
                mutations.push(Mutation { space: BULK, key: number_key(row)?, value: Some(row_value(&mut self.random)) });
            }
            let durability = if end == bulk { Durability::Synced } else { Durability::Buffered };
            seconds += timed(|| store.commit(mutations, durability))?;
        }
        Ok(seconds)
    }
}

impl Spent {
    /// The time that such a share of the epochs kept within.
    fn share(&self, share: f64) -> f64 {
        let mut each = self.each.clone();
        each.sort_by(f64::total_cmp);
        let place = (each.len() as f64 * share).ceil() as usize;
        each.get(place.saturating_sub(1)).copied().unwrap_or(0.0)
    }
}

fn fill(
    store: &dyn Contender,
    space: Space,
    count: u32,
    make: impl FnMut(u32) -> strangler::error::Result<(Vec<u8>, Vec<u8>)>,
) -> Outcome<()> {
    store.fill(space, &mut Made { next: 0, end: count, make, entry: Default::default() })
}

/// Seconds that something took.
fn timed(run: impl FnOnce() -> Outcome<()>) -> Outcome<f64> {
    let began = Instant::now();
    run()?;
    Ok(began.elapsed().as_secs_f64())
}

fn number_key(number: u32) -> strangler::error::Result<Vec<u8>> {
    encode_key(&[KeyKind::Integer], &[Value::Int(i64::from(number))])
}

fn index_key(group: u32, row: u32) -> strangler::error::Result<Vec<u8>> {
    encode_key(&[KeyKind::Integer, KeyKind::Integer], &[group, row].map(|number| Value::Int(i64::from(number))))
}

/// Branch, anchor key, output key.
fn emitted_key(row: u32) -> strangler::error::Result<Vec<u8>> {
    encode_key(&[const { KeyKind::Integer }; 3], &[0, row, row].map(|number| Value::Int(i64::from(number))))
}

fn row_value(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut value = vec![0; RANDOM_BYTES];
    random.fill(&mut value);
    value.extend_from_slice(TEXT);
    value
}

fn fingerprint(random: &mut fastrand::Rng) -> Vec<u8> {
    random.u128(..).to_be_bytes().to_vec()
}
