//! What an index finds: the base keys under one key, under many, and some at a time.

use crate::derive::Space;
use crate::derive::keys::Keys;
use crate::derive::stored::index;
use crate::derive::view::View;
use crate::error::Result;
use crate::plan::IndexId;

/// From this many keys on an index is swept instead of searched for each.
const SWEPT_MIN: usize = 4;
/// Keys of one sweep.
const PREFIXES_SWEPT: usize = 5_000;

/// What is done with a base key; `false` ends the visit.
pub(crate) type VisitKey<'v> = &'v mut dyn FnMut(&[u8]) -> Result<bool>;

/// The next page of the base keys that an index has under a key.
pub(crate) struct KeyPage<'p> {
    /// The index.
    pub(crate) index: IndexId,
    /// The key.
    pub(crate) key: &'p [u8],
    /// The cursor of the page before.
    pub(crate) after: Option<&'p [u8]>,
    /// How many stored entries are looked at.
    pub(crate) count_max: usize,
}

impl View<'_> {
    /// Visits the base keys that an index has under sorted keys, in no order, until `visit` answers `false`; whether it never did.
    pub(crate) fn base_keys_of(&self, id: IndexId, keys: &Keys, visit: VisitKey<'_>) -> Result<bool> {
        if keys.len() < SWEPT_MIN {
            for key in keys.iter() {
                if !self.base_keys(id, key, visit)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        let index = index(self.plan, id)?;
        let space = if index.over_identity { Space::Base(index.table) } else { Space::Index(id) };
        let skipped = |key: &[u8]| if index.over_identity { 0 } else { key.len() };
        let overlay = self.changed(space);
        let mut goes_on = true;
        for slice in keys.slices(PREFIXES_SWEPT) {
            let prefixes = keys.owned(slice);
            self.stored().scan_many(space, &prefixes, &mut |place, key, _| {
                if goes_on && overlay.is_none_or(|entries| !entries.contains_key(key)) {
                    let skipped = prefixes.get(place).map_or(0, |prefix| skipped(prefix));
                    goes_on = visit(key.get(skipped..).unwrap_or_default())?;
                }
                Ok(goes_on)
            })?;
            for prefix in prefixes.iter().filter(|_| overlay.is_some()) {
                goes_on = goes_on
                    && self.visit_changed(space, prefix, &mut |key, _| visit(key.get(skipped(prefix)..).unwrap_or_default()))?;
            }
            if !goes_on {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Visits the base keys that an index has under a key, in no order, until `visit` answers `false`; whether it never did.
    pub(crate) fn base_keys(&self, id: IndexId, key: &[u8], visit: VisitKey<'_>) -> Result<bool> {
        let index = index(self.plan, id)?;
        if index.over_identity {
            return self.visit(Space::Base(index.table), key, &mut |key, _| visit(key));
        }
        self.visit(Space::Index(id), key, &mut |entry, _| visit(entry.get(key.len()..).unwrap_or_default()))
    }

    /// Appends a page to `found`; the last one has what this epoch changes besides. The cursor of the page, if it is not the last.
    pub(crate) fn take_page(&self, page: &KeyPage<'_>, found: &mut Keys) -> Result<Option<Vec<u8>>> {
        let index = index(self.plan, page.index)?;
        let (space, skipped) =
            if index.over_identity { (Space::Base(index.table), 0) } else { (Space::Index(page.index), page.key.len()) };
        let overlay = self.changed(space);
        let (mut count, mut next) = (0, None);
        self.stored().scan(space, page.key, page.after, &mut |key, _| {
            if overlay.is_none_or(|entries| !entries.contains_key(key)) {
                found.push(key.get(skipped..).unwrap_or_default());
            }
            count += 1;
            next = (count >= page.count_max).then(|| key.to_vec());
            Ok(next.is_none())
        })?;
        if next.is_none() {
            self.visit_changed(space, page.key, &mut |key, _| {
                found.push(key.get(skipped..).unwrap_or_default());
                Ok(true)
            })?;
        }
        Ok(next)
    }
}
