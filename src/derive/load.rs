//! The first load of one branch: anchors in the order of their stored rows, from a cursor on.

use xxhash_rust::xxh3::xxh3_128;

use crate::derive::emit::{Derived, Part};
use crate::derive::keys::{KeyMap, Keys};
use crate::derive::reader::Reader;
use crate::derive::shared::Shared;
use crate::derive::step::{derive_read, parts};
use crate::derive::stored::{decode_base, index, index_key, table};
use crate::derive::view::View;
use crate::derive::{Arrangements, Loaded, Mutation, Space};
use crate::error::{Error, Result};
use crate::plan::{Anchor, IndexId, NodeId, Plan};
use crate::sql::query::AliasId;
use crate::value::{Row, Value};

/// A call looks at no more than this many stored rows per anchor it may give, so that a group of millions ends in time.
const ROWS_PER_ANCHOR: usize = 16;

/// Rows whose groups are looked for at once.
const ROWS_PER_LOOK: usize = 4_096;

/// What an anchor is taken to give before it is known how wide its rows are, bytes.
const FIRST_WIDTH: usize = 16 << 10;

/// Anchors derived between two looks at their bytes, for each thread.
const WINDOW: usize = 512;

/// How much one call derives at most.
#[derive(Debug, Clone, Copy)]
pub struct LoadBounds {
    /// Anchors.
    pub anchors_max: usize,
    /// Bytes of rows in memory, from which on nothing more is derived; some anchors are, however wide their rows.
    pub bytes_max: usize,
}

/// Derives anchors behind the cursor `after`, as many as the bounds allow. The cursor is opaque and stays valid over restarts. `shared` remembers rows
/// from one call to the next; the state must be the same in all of them.
///
/// # Errors
/// As [`crate::derive::step`].
pub fn load(
    plan: &Plan,
    (store, shared): (&dyn Arrangements, &Shared),
    (node, branch): (NodeId, usize),
    after: Option<&[u8]>,
    bounds: LoadBounds,
) -> Result<Loaded> {
    let missing = || Error::bug(format!("target table {} has no branch {branch}", node.0));
    let part = parts(plan, node)?.into_iter().nth(branch).ok_or_else(missing)?;
    let view = View::sharing(plan, store, shared);
    let is_first = branch == 0 && after.is_none();
    if is_first && plan.mappings.iter().any(|mapping| mapping.nodes.first() == Some(&node)) {
        let failures = crate::derive::facts::check_all(&view, &|mapping| mapping == part.node.mapping)?;
        if let Some(failure) = failures.into_iter().next() {
            return Err(failure.error);
        }
    }
    let mut rows = Keys::default();
    let found = match &part.branch.anchor {
        Anchor::Row { .. } => roots(store, &part, after, bounds, Some(&mut rows))?,
        Anchor::Group { .. } => groups(&view, store, &part, after, bounds.anchors_max.max(1))?,
    };
    let anchors = &found.anchors;
    let read = (rows.len() == anchors.len()).then_some(&rows);
    let mut loaded = Loaded::default();
    let first_of = |derived: Vec<Derived>| Ok(vec![Firsts::of(part, derived)]);
    let mut keys = Vec::with_capacity(anchors.len());
    let (mut done, mut bytes, mut window) = (0, 0, next_window(bounds.bytes_max, FIRST_WIDTH));
    while done < anchors.len() && (done == 0 || bytes < bounds.bytes_max) {
        let end = done.saturating_add(window).min(anchors.len());
        for firsts in derive_read(&view, part, (anchors, read), done..end, first_of)? {
            bytes += firsts.rows.iter().flatten().map(Value::size_bytes).sum::<usize>();
            loaded.mutations.extend(firsts.mutations);
            loaded.rows.extend(firsts.rows);
            keys.extend(firsts.keys);
        }
        done = end;
        window = next_window(bounds.bytes_max.saturating_sub(bytes), bytes / done.max(1));
    }
    loaded.anchors = done as u64;
    loaded.next = if done == anchors.len() { found.next } else { found.behind(done - 1) };
    keys.sort_unstable();
    if keys.iter().zip(keys.iter().skip(1)).any(|(left, right)| left == right) {
        return Err(part.two_rows());
    }
    Ok(loaded)
}

/// How many anchors are derived before the next look, where so many bytes are left and each takes `width`.
fn next_window(left: usize, width: usize) -> usize {
    let most = WINDOW.saturating_mul(rayon::current_num_threads().max(2));
    left.checked_div(width).unwrap_or(most).clamp(1, most)
}

/// What some anchors are loaded with.
struct Firsts {
    rows: Vec<Row>,
    mutations: Vec<Mutation>,
    /// Hashes of the rows' keys.
    keys: Vec<u128>,
}

impl Firsts {
    fn of(part: Part<'_>, derived: Vec<Derived>) -> Self {
        let mutations = derived.iter().flat_map(|derived| part.emissions(derived)).collect();
        let keyed = derived.into_iter().flat_map(|derived| derived.rows);
        let (keys, rows) = keyed.map(|(key, _, row)| (xxh3_128(&key), row)).unzip();
        Self { rows, mutations, keys }
    }
}

/// Anchors, and the cursor behind them.
pub(crate) type Page = (Keys, Option<Vec<u8>>);

/// Anchors with what it takes to go on behind each of them.
#[derive(Default)]
struct Found {
    anchors: Keys,
    /// The cursors behind them, in their order; none where an anchor is its own.
    cursors: Keys,
    /// The cursor behind all of them; `None`: there are no more.
    next: Option<Vec<u8>>,
}

impl Found {
    fn behind(&self, place: usize) -> Option<Vec<u8>> {
        let cursors = if self.cursors.len() == 0 { &self.anchors } else { &self.cursors };
        (place < cursors.len()).then(|| cursors.key(place).to_vec())
    }
}

/// Stored anchors behind a cursor, and the cursor to go on from.
pub(crate) fn page(
    view: &View<'_>,
    store: &dyn Arrangements,
    part: &Part<'_>,
    after: Option<&[u8]>,
    anchors_max: usize,
) -> Result<Page> {
    let found = match &part.branch.anchor {
        Anchor::Row { .. } => roots(store, part, after, LoadBounds { anchors_max, bytes_max: usize::MAX }, None)?,
        Anchor::Group { .. } => groups(view, store, part, after, anchors_max)?,
    };
    Ok((found.anchors, found.next))
}

/// The anchors that no stored row belongs to.
pub(crate) fn without_stored(view: &View<'_>, part: &Part<'_>, anchors: &Keys) -> Result<Keys> {
    let mut kept = Keys::default();
    for anchor in anchors.iter() {
        let mut known = false;
        for (alias, id) in part.branch.anchor.members() {
            let table = part.table_of(alias)?;
            known |= match id {
                None => view.stored().get(Space::Base(table), anchor)?.is_some(),
                Some(id) => {
                    let over_identity = index(view.plan, id)?.over_identity;
                    first_of(view.stored(), over_identity, table, id, anchor)?.is_some()
                }
            };
        }
        if !known {
            kept.push(anchor);
        }
    }
    Ok(kept)
}

/// The next roots; their stored bytes go to `rows`.
fn roots(
    store: &dyn Arrangements,
    part: &Part<'_>,
    after: Option<&[u8]>,
    bounds: LoadBounds,
    mut rows: Option<&mut Keys>,
) -> Result<Found> {
    let (mut anchors, mut held, mut is_full) = (Keys::default(), 0, false);
    store.scan(Space::Base(part.anchor_table()?), &[], after, &mut |key, bytes| {
        anchors.push(key);
        if let Some(rows) = &mut rows {
            rows.push_unsorted(bytes);
            held += bytes.len();
        }
        is_full = anchors.len() >= bounds.anchors_max || held >= bounds.bytes_max;
        Ok(!is_full)
    })?;
    let next = if is_full { anchors.iter().last().map(<[u8]>::to_vec) } else { None };
    Ok(Found { anchors, cursors: Keys::default(), next })
}

/// Groups table by table of the anchor. The cursor is that of the table at hand, behind its place if there are several.
fn groups(view: &View<'_>, store: &dyn Arrangements, part: &Part<'_>, after: Option<&[u8]>, anchors_max: usize) -> Result<Found> {
    let members: Vec<(AliasId, IndexId)> =
        part.branch.anchor.members().filter_map(|(alias, index)| Some((alias, index?))).collect();
    let alone = members.len() == 1;
    let (place, after) = match after {
        Some(cursor) if !alone => {
            (usize::from(cursor.first().copied().unwrap_or(0)), cursor.get(1..).filter(|key| !key.is_empty()))
        }
        after => (0, after),
    };
    let (earlier, rest) = members.split_at(place.min(members.len()));
    let Some(member) = rest.first() else { return Ok(Found::default()) };
    let found = groups_of(view, store, part, *member, after, anchors_max)?;
    if alone {
        return Ok(found);
    }
    let at = |place: usize, key: &[u8]| u8::try_from(place).ok().map(|place| [&[place], key].concat());
    let mut kept = without_known(store, part, earlier, &found)?;
    let mut cursors = Keys::default();
    kept.cursors.iter().filter_map(|key| at(place, key)).for_each(|cursor| cursors.push_unsorted(&cursor));
    kept.cursors = cursors;
    kept.next = match found.next {
        Some(key) => at(place, &key),
        None if rest.len() > 1 => at(place + 1, &[]),
        None => None,
    };
    Ok(kept)
}

/// The groups that no earlier table of the anchor has rows of: those were loaded with it.
fn without_known(store: &dyn Arrangements, part: &Part<'_>, earlier: &[(AliasId, IndexId)], found: &Found) -> Result<Found> {
    let mut kept = Found::default();
    for (anchor, cursor) in found.anchors.iter().zip(found.cursors.iter()) {
        let mut known = false;
        for (alias, index) in earlier {
            known |= first_of(store, false, part.table_of(*alias)?, *index, anchor)?.is_some();
        }
        if !known {
            kept.anchors.push(anchor);
            kept.cursors.push_unsorted(cursor);
        }
    }
    Ok(kept)
}

/// Groups in the order of their first stored rows: a row stands for its group if no other row of the group has a smaller key.
fn groups_of(
    view: &View<'_>,
    store: &dyn Arrangements,
    part: &Part<'_>,
    (alias, index): (AliasId, IndexId),
    after: Option<&[u8]>,
    anchors_max: usize,
) -> Result<Found> {
    let id = part.table_of(alias)?;
    let plan = table(view.plan, id)?;
    let reader = Reader::new(view);
    let parts = reader.index(index)?;
    let (mut anchors, mut cursors) = (Keys::default(), Keys::default());
    let mut cursor = after.map(<[u8]>::to_vec);
    let mut rows_left = anchors_max.saturating_mul(ROWS_PER_ANCHOR);
    while rows_left > 0 {
        let rows_max = rows_left.min(ROWS_PER_LOOK);
        let mut rows = Vec::new();
        store.scan(Space::Base(id), &[], cursor.as_deref(), &mut |key, bytes| {
            let stored = decode_base(plan, key.to_vec(), bytes)?;
            rows.push((index_key(parts, &stored.row)?, stored.key));
            Ok(rows.len() < rows_max)
        })?;
        let is_last_look = rows.len() < rows_max;
        rows_left -= rows.len();
        let firsts = firsts_of(store, parts.over_identity, id, index, rows.iter().filter_map(|(anchor, _)| anchor.as_deref()))?;
        for (anchor, key) in rows {
            if let Some(anchor) = anchor.filter(|anchor| firsts.get(anchor) == Some(&key)) {
                anchors.push(&anchor);
                cursors.push_unsorted(&key);
            }
            cursor = Some(key);
            if anchors.len() == anchors_max {
                return Ok(Found { anchors, cursors, next: cursor });
            }
        }
        if is_last_look {
            return Ok(Found { anchors, cursors, next: None });
        }
    }
    Ok(Found { anchors, cursors, next: cursor })
}

/// The smallest base keys of groups.
fn firsts_of<'k>(
    store: &dyn Arrangements,
    over_identity: bool,
    id: crate::schema::TableId,
    index: IndexId,
    anchors: impl Iterator<Item = &'k [u8]>,
) -> Result<KeyMap<Vec<u8>>> {
    let space = if over_identity { Space::Base(id) } else { Space::Index(index) };
    let mut prefixes: Vec<Vec<u8>> = anchors.map(<[u8]>::to_vec).collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    let mut firsts = KeyMap::default();
    store.scan_many(space, &prefixes, &mut |place, key, _| {
        if let Some(prefix) = prefixes.get(place) {
            let skipped = if over_identity { 0 } else { prefix.len() };
            firsts.insert(prefix.clone(), key.get(skipped..).unwrap_or_default().to_vec());
        }
        Ok(false)
    })?;
    Ok(firsts)
}

/// The smallest base key of a group.
fn first_of(
    store: &dyn Arrangements,
    over_identity: bool,
    id: crate::schema::TableId,
    index: IndexId,
    anchor: &[u8],
) -> Result<Option<Vec<u8>>> {
    let space = if over_identity { Space::Base(id) } else { Space::Index(index) };
    let mut first = None;
    store.scan(space, anchor, None, &mut |key, _| {
        first = Some(if over_identity { key.to_vec() } else { key.get(anchor.len()..).unwrap_or_default().to_vec() });
        Ok(false)
    })?;
    Ok(first)
}
