//! The state as it will be: what the store holds, under this epoch's own changes.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Mutex;

use crate::derive::shared::Shared;
use crate::derive::{Arrangements, Mutation, Space, Visit, VisitEach};
use crate::error::Result;
use crate::plan::Plan;
use crate::value::Value;

/// What is made of an entry: of the place of its prefix, its key and its value.
type Take<'t, T> = &'t dyn Fn(usize, &[u8], &[u8]) -> Result<T>;

/// Keys and values.
pub(crate) type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// The store under an overlay of pending mutations.
pub(crate) struct View<'a> {
    /// The plan.
    pub(crate) plan: &'a Plan,
    store: &'a dyn Arrangements,
    overlay: BTreeMap<Space, BTreeMap<Vec<u8>, Option<Vec<u8>>>>,
    /// Answers of subqueries that refer to nothing outside of them, by where they stand in the plan.
    answers: Mutex<HashMap<usize, Value>>,
    /// Rows of the store that others read, too, while it stands still.
    pub(crate) shared: Option<&'a Shared>,
}

impl<'a> View<'a> {
    /// The store alone.
    pub(crate) fn new(plan: &'a Plan, store: &'a dyn Arrangements) -> Self {
        Self { plan, store, overlay: BTreeMap::new(), answers: Mutex::default(), shared: None }
    }

    /// The store alone, while it stands still, with the memory of rows that others have read from it.
    pub(crate) fn sharing(plan: &'a Plan, store: &'a dyn Arrangements, shared: &'a Shared) -> Self {
        Self { shared: Some(shared), ..Self::new(plan, store) }
    }

    /// Rows that are read from here on are remembered for all that read through this; whatever is put ends that.
    pub(crate) fn share(&mut self, shared: &'a Shared) {
        self.shared = Some(shared);
    }

    /// The store without the epoch's own changes.
    pub(crate) fn stored(&self) -> &'a dyn Arrangements {
        self.store
    }

    /// Puts a mutation over what is there.
    pub(crate) fn put(&mut self, space: Space, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.shared = None;
        if let Ok(answers) = self.answers.get_mut() {
            answers.clear();
        }
        self.overlay.entry(space).or_default().insert(key, value);
    }

    /// The answer that was kept for a place in the plan.
    pub(crate) fn answer(&self, place: usize) -> Option<Value> {
        self.answers.lock().ok()?.get(&place).cloned()
    }

    /// Keeps an answer; it holds as long as nothing is put.
    pub(crate) fn keep_answer(&self, place: usize, value: Value) {
        if let Ok(mut answers) = self.answers.lock() {
            answers.insert(place, value);
        }
    }

    /// Everything that was put, in order of keyspace and key.
    pub(crate) fn into_mutations(self) -> Vec<Mutation> {
        let entries = |(space, entries): (Space, BTreeMap<Vec<u8>, Option<Vec<u8>>>)| {
            entries.into_iter().map(move |(key, value)| Mutation { space, key, value })
        };
        self.overlay.into_iter().flat_map(entries).collect()
    }

    /// The value of a key.
    pub(crate) fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self.overlay.get(&space).and_then(|entries| entries.get(key)) {
            Some(value) => Ok(value.clone()),
            None => self.store.get(space, key),
        }
    }

    /// Visits the values of several sorted keys, in their order.
    pub(crate) fn get_each(&self, space: Space, keys: &[Vec<u8>], visit: VisitEach<'_>) -> Result<()> {
        if !self.overlay.contains_key(&space) {
            return self.store.get_each(space, keys, visit);
        }
        let values = self.get_many(space, keys)?;
        values.iter().enumerate().try_for_each(|(place, value)| visit(place, value.as_deref()))
    }

    /// The values of several sorted keys, in their order.
    pub(crate) fn get_many(&self, space: Space, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>> {
        let Some(entries) = self.overlay.get(&space) else { return self.store.get_many(space, keys) };
        let unknown: Vec<Vec<u8>> = keys.iter().filter(|key| !entries.contains_key(*key)).cloned().collect();
        let mut stored = self.store.get_many(space, &unknown)?.into_iter();
        let pick = |key: &Vec<u8>| match entries.get(key) {
            Some(value) => value.clone(),
            None => stored.next().flatten(),
        };
        Ok(keys.iter().map(pick).collect())
    }

    /// Visits all entries whose key starts with `prefix`, the changed ones last, until `visit` answers `false`; whether it never did.
    pub(crate) fn visit(&self, space: Space, prefix: &[u8], visit: Visit<'_>) -> Result<bool> {
        let overlay = self.overlay.get(&space);
        let mut goes_on = true;
        self.store.scan(space, prefix, None, &mut |key, value| {
            if overlay.is_none_or(|entries| !entries.contains_key(key)) {
                goes_on = visit(key, value)?;
            }
            Ok(goes_on)
        })?;
        if goes_on { self.visit_changed(space, prefix, visit) } else { Ok(false) }
    }

    /// The entries of a space that this epoch changes; `None` stands for one that is gone.
    pub(crate) fn changed(&self, space: Space) -> Option<&BTreeMap<Vec<u8>, Option<Vec<u8>>>> {
        self.overlay.get(&space)
    }

    /// Visits the entries that this epoch changes and that are not gone, as [`Self::visit`] does.
    pub(crate) fn visit_changed(&self, space: Space, prefix: &[u8], visit: Visit<'_>) -> Result<bool> {
        let above = self
            .changed(space)
            .into_iter()
            .flat_map(|entries| entries.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded)));
        for (key, value) in above.take_while(|(key, _)| key.starts_with(prefix)) {
            if let Some(value) = value
                && !visit(key, value)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What `take` makes of all entries whose keys start with one of several sorted prefixes, for each prefix in key order.
    pub(crate) fn entries_of<T>(&self, space: Space, prefixes: &[Vec<u8>], take: Take<'_, T>) -> Result<Vec<Vec<T>>> {
        let mut found: Vec<Vec<T>> = prefixes.iter().map(|_| Vec::new()).collect();
        if !self.overlay.contains_key(&space) {
            self.store.scan_many(space, prefixes, &mut |place, key, value| {
                if let Some(found) = found.get_mut(place) {
                    found.push(take(place, key, value)?);
                }
                Ok(true)
            })?;
            return Ok(found);
        }
        let changed = self.changed_entries_of(space, prefixes)?;
        for ((place, entries), found) in changed.into_iter().enumerate().zip(&mut found) {
            found.extend(entries.iter().map(|(key, value)| take(place, key, value)).collect::<Result<Vec<T>>>()?);
        }
        Ok(found)
    }

    /// The same in a keyspace that this epoch changes.
    fn changed_entries_of(&self, space: Space, prefixes: &[Vec<u8>]) -> Result<Vec<Entries>> {
        let mut found: Vec<Entries> = vec![Vec::new(); prefixes.len()];
        let Some(overlay) = self.overlay.get(&space) else { return Ok(found) };
        self.store.scan_many(space, prefixes, &mut |place, key, value| {
            if !overlay.contains_key(key)
                && let Some(found) = found.get_mut(place)
            {
                found.push((key.to_vec(), value.to_vec()));
            }
            Ok(true)
        })?;
        for (prefix, found) in prefixes.iter().zip(&mut found) {
            let above = overlay.range::<[u8], _>((Bound::Included(prefix.as_slice()), Bound::Unbounded));
            let above = above.take_while(|(key, _)| key.starts_with(prefix));
            found.extend(above.filter_map(|(key, value)| Some((key.clone(), value.clone()?))));
            found.sort();
        }
        Ok(found)
    }

    /// The first entries of several sorted prefixes, at most `count_max` of each; `None` where this epoch's own changes have a part in it.
    pub(crate) fn firsts_of(&self, space: Space, prefixes: &[Vec<u8>], count_max: usize) -> Result<Option<Vec<Entries>>> {
        if self.overlay.contains_key(&space) {
            return Ok(None);
        }
        let mut found: Vec<Entries> = vec![Vec::new(); prefixes.len()];
        self.store.scan_many(space, prefixes, &mut |place, key, value| {
            let Some(found) = found.get_mut(place) else { return Ok(false) };
            found.push((key.to_vec(), value.to_vec()));
            Ok(found.len() < count_max)
        })?;
        Ok(Some(found))
    }

    /// All entries whose key starts with `prefix`, in key order.
    pub(crate) fn entries(&self, space: Space, prefix: &[u8]) -> Result<Entries> {
        let mut found = Entries::new();
        self.visit(space, prefix, &mut |key, value| {
            found.push((key.to_vec(), value.to_vec()));
            Ok(true)
        })?;
        if self.overlay.contains_key(&space) {
            found.sort();
        }
        Ok(found)
    }

    /// The first entries in key order whose key starts with `prefix`, at most `count_max`.
    pub(crate) fn first(&self, space: Space, prefix: &[u8], count_max: usize) -> Result<Entries> {
        let overlay = self.overlay.get(&space);
        let above = overlay.into_iter().flat_map(|entries| entries.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded)));
        let above =
            above.take_while(|(key, _)| key.starts_with(prefix)).filter_map(|(key, value)| Some((key.clone(), value.clone()?)));
        let mut found: Entries = above.take(count_max).collect();
        let mut stored = 0;
        self.store.scan(space, prefix, None, &mut |key, value| {
            if overlay.is_none_or(|entries| !entries.contains_key(key)) {
                found.push((key.to_vec(), value.to_vec()));
                stored += 1;
            }
            Ok(stored < count_max)
        })?;
        found.sort();
        found.truncate(count_max);
        Ok(found)
    }
}
