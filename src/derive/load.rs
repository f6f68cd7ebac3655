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
use crate::value::Row;

/// A call looks at no more than this many stored rows per anchor it may give, so that a group of millions ends in time.
const ROWS_PER_ANCHOR: usize = 16;

/// Rows whose groups are looked for at once.
const ROWS_PER_LOOK: usize = 4_096;

/// Derives up to `anchors_max` anchors behind the cursor `after`. The cursor is opaque and stays valid over restarts. `shared` remembers rows from one
/// call to the next; the state must be the same in all of them.
///
/// # Errors
/// As [`crate::derive::step`].
pub fn load(
    plan: &Plan,
    (store, shared): (&dyn Arrangements, &Shared),
    (node, branch): (NodeId, usize),
    after: Option<&[u8]>,
    anchors_max: usize,
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
    let anchors_max = anchors_max.max(1);
    let mut rows = Keys::default();
    let (anchors, next) = match &part.branch.anchor {
        Anchor::Row { .. } => roots(store, &part, after, anchors_max, Some(&mut rows))?,
        Anchor::Group { .. } => groups(&view, store, &part, after, anchors_max)?,
    };
    let read = (rows.len() == anchors.len()).then_some(&rows);
    let mut loaded = Loaded { next, anchors: anchors.len() as u64, ..Loaded::default() };
    let first_of = |derived: Vec<Derived>| Ok(vec![Firsts::of(part, derived)]);
    let mut keys = Vec::with_capacity(anchors.len());
    for firsts in derive_read(&view, part, (&anchors, read), 0..anchors.len(), first_of)? {
        loaded.mutations.extend(firsts.mutations);
        loaded.rows.extend(firsts.rows);
        keys.extend(firsts.keys);
    }
    keys.sort_unstable();
    if keys.iter().zip(keys.iter().skip(1)).any(|(left, right)| left == right) {
        return Err(part.two_rows());
    }
    Ok(loaded)
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

/// Stored anchors behind a cursor, and the cursor to go on from.
pub(crate) fn page(
    view: &View<'_>,
    store: &dyn Arrangements,
    part: &Part<'_>,
    after: Option<&[u8]>,
    anchors_max: usize,
) -> Result<Page> {
    match &part.branch.anchor {
        Anchor::Row { .. } => roots(store, part, after, anchors_max, None),
        Anchor::Group { .. } => groups(view, store, part, after, anchors_max),
    }
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
    anchors_max: usize,
    mut rows: Option<&mut Keys>,
) -> Result<Page> {
    let mut keys = Keys::default();
    store.scan(Space::Base(part.anchor_table()?), &[], after, &mut |key, bytes| {
        keys.push(key);
        if let Some(rows) = &mut rows {
            rows.push_unsorted(bytes);
        }
        Ok(keys.len() < anchors_max)
    })?;
    let next = if keys.len() == anchors_max { keys.iter().last().map(<[u8]>::to_vec) } else { None };
    Ok((keys, next))
}

/// Groups table by table of the anchor. The cursor is that of the table at hand, behind its place if there are several.
fn groups(view: &View<'_>, store: &dyn Arrangements, part: &Part<'_>, after: Option<&[u8]>, anchors_max: usize) -> Result<Page> {
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
    let Some(member) = rest.first() else { return Ok((Keys::default(), None)) };
    let (mut anchors, next) = groups_of(view, store, part, *member, after, anchors_max)?;
    if !earlier.is_empty() {
        anchors = without_known(store, part, earlier, &anchors)?;
    }
    if alone {
        return Ok((anchors, next));
    }
    let at = |place: usize, key: Vec<u8>| u8::try_from(place).ok().map(|place| [vec![place], key].concat());
    let next = match next {
        Some(key) => at(place, key),
        None if rest.len() > 1 => at(place + 1, Vec::new()),
        None => None,
    };
    Ok((anchors, next))
}

/// The groups that no earlier table of the anchor has rows of: those were loaded with it.
fn without_known(store: &dyn Arrangements, part: &Part<'_>, earlier: &[(AliasId, IndexId)], anchors: &Keys) -> Result<Keys> {
    let mut kept = Keys::default();
    for anchor in anchors.iter() {
        let mut known = false;
        for (alias, index) in earlier {
            known |= first_of(store, false, part.table_of(*alias)?, *index, anchor)?.is_some();
        }
        if !known {
            kept.push(anchor);
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
) -> Result<Page> {
    let id = part.table_of(alias)?;
    let plan = table(view.plan, id)?;
    let reader = Reader::new(view);
    let parts = reader.index(index)?;
    let mut anchors = Keys::default();
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
            }
            cursor = Some(key);
            if anchors.len() == anchors_max {
                return Ok((anchors, cursor));
            }
        }
        if is_last_look {
            return Ok((anchors, None));
        }
    }
    Ok((anchors, cursor))
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
