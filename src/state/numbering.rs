//! Numbers: a plan's ids are places in it, the state's are kept for good. A mapping that comes, goes or changes moves the places; what the
//! others have stored keeps its number.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Durability, SortedEntries, Store, meta};
use crate::derive::{Arrangements, Mutation, Space, Visit, VisitEach, VisitMany};
use crate::error::Result;
use crate::plan::{IndexId, MappingId, Names, NodeId};
use crate::schema::TableId;

/// The numbers that names have in the state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbering {
    tables: BTreeMap<String, u32>,
    indexes: BTreeMap<String, u32>,
    nodes: BTreeMap<String, u32>,
    mappings: BTreeMap<String, u32>,
    /// The next number of each kind, in this order.
    next: [u32; 4],
    /// The numbers of the last plan.
    last: Numbers,
}

/// The number of each part of a plan, by its id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    /// Stored tables.
    pub tables: Vec<u32>,
    /// Indexes.
    pub indexes: Vec<u32>,
    /// Target tables.
    pub nodes: Vec<u32>,
    /// Mappings.
    pub mappings: Vec<u32>,
}

/// What the state does not hold yet of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fresh {
    /// Tables without rows.
    pub tables: Vec<TableId>,
    /// Indexes without entries.
    pub indexes: Vec<IndexId>,
    /// Mappings that the state has never had.
    pub mappings: Vec<MappingId>,
}

/// Gives every name its number, a new one if it has none; answers the numbers and the places of new names.
/// Names that no plan has any more are forgotten: what the state has of them is not kept up, and a number is never given twice.
fn number(numbers: &mut BTreeMap<String, u32>, names: &[String], next: &mut u32) -> (Vec<u32>, Vec<u32>) {
    numbers.retain(|name, _| names.contains(name));
    let (mut found, mut fresh) = (Vec::new(), Vec::new());
    for (place, name) in (0..).zip(names) {
        let number = *numbers.entry(name.clone()).or_insert_with(|| {
            fresh.push(place);
            *next += 1;
            *next - 1
        });
        found.push(number);
    }
    (found, fresh)
}

impl Numbering {
    /// The record; empty in a new state.
    ///
    /// # Errors
    /// `Local` if the record is damaged.
    pub fn read(store: &dyn Arrangements) -> Result<Self> {
        Ok(meta::record(store, b"numbering")?.unwrap_or_default())
    }

    /// Writes the record.
    ///
    /// # Errors
    /// Never in practice (`Bug`).
    pub fn put(&self) -> Result<Mutation> {
        meta::put(b"numbering".to_vec(), self)
    }

    /// Numbers a plan; answers what of it is new to the state.
    pub fn take(&mut self, names: &Names) -> Fresh {
        let [table, index, node, mapping] = &mut self.next;
        let (tables, fresh_tables) = number(&mut self.tables, &names.tables, table);
        let (indexes, fresh_indexes) = number(&mut self.indexes, &names.indexes, index);
        let (nodes, _) = number(&mut self.nodes, &names.nodes, node);
        let (mappings, fresh_mappings) = number(&mut self.mappings, &names.mappings, mapping);
        self.last = Numbers { tables, indexes, nodes, mappings };
        Fresh {
            tables: fresh_tables.into_iter().map(TableId).collect(),
            indexes: fresh_indexes.into_iter().map(IndexId).collect(),
            mappings: fresh_mappings.into_iter().map(MappingId).collect(),
        }
    }

    /// Forgets a mapping; answers the spaces that are its own, under the state's numbers.
    pub fn forget(&mut self, mapping: &str) -> Vec<Space> {
        let prefix = format!("{mapping}/");
        let nodes = self.nodes.iter().filter(|(name, _)| name.starts_with(&prefix)).map(|(_, number)| NodeId(*number));
        let of_node = |id| [Space::Emitted(id), Space::Scratch(id), Space::Dirty(id), Space::Sweep(id)];
        let mut spaces: Vec<Space> = nodes.flat_map(of_node).collect();
        if let Some(number) = self.mappings.remove(mapping).map(MappingId) {
            spaces.extend([Space::Outbox(number), Space::OutboxPart(number)]);
        }
        self.nodes.retain(|name, _| !name.starts_with(&prefix));
        spaces
    }

    /// The numbers of the plan that was taken last.
    #[must_use]
    pub fn numbers(&self) -> &Numbers {
        &self.last
    }
}

impl Numbers {
    fn of(numbers: &[u32], place: u32) -> u32 {
        // What no plan has is nowhere in the state either.
        numbers.get(place as usize).copied().unwrap_or(u32::MAX >> 1)
    }

    fn space(&self, space: Space) -> Space {
        let node = |id: NodeId| NodeId(Self::of(&self.nodes, id.0));
        let mapping = |id: MappingId| MappingId(Self::of(&self.mappings, id.0));
        match space {
            Space::Base(id) => Space::Base(TableId(Self::of(&self.tables, id.0))),
            Space::Index(id) => Space::Index(IndexId(Self::of(&self.indexes, id.0))),
            Space::Emitted(id) => Space::Emitted(node(id)),
            Space::Scratch(id) => Space::Scratch(node(id)),
            Space::Dirty(id) => Space::Dirty(node(id)),
            Space::Sweep(id) => Space::Sweep(node(id)),
            Space::Outbox(id) => Space::Outbox(mapping(id)),
            Space::OutboxPart(id) => Space::OutboxPart(mapping(id)),
            // What is kept up under another plan's id is told by its own mark and added up again.
            Space::Accumulator(id) => Space::Accumulator(id),
            Space::Meta => Space::Meta,
        }
    }

    fn key(&self, space: Space, key: &[u8]) -> Vec<u8> {
        if space != Space::Meta {
            return key.to_vec();
        }
        for (prefix, numbers) in [
            (&b"sequence/"[..], &self.mappings),
            (b"ranges/", &self.tables),
            (b"chunk/", &self.tables),
            (b"piece/", &self.tables),
            (b"cut/", &self.tables),
            (b"whole/", &self.tables),
        ] {
            if let Some((place, rest)) = key.strip_prefix(prefix).and_then(|rest| rest.split_first_chunk::<4>()) {
                let number = Self::of(numbers, u32::from_be_bytes(*place)).to_be_bytes();
                return [prefix, &number, rest].concat();
            }
        }
        key.to_vec()
    }
}

/// A store whose spaces are named by the ids of one plan.
pub struct Numbered<S: ?Sized> {
    numbers: Arc<Numbers>,
    store: Arc<S>,
}

impl<S: Store + ?Sized> Numbered<S> {
    /// `store` under the ids of the plan with these numbers.
    #[must_use]
    pub fn new(store: Arc<S>, numbers: Numbers) -> Self {
        Self { numbers: Arc::new(numbers), store }
    }
}

impl<S: Arrangements + ?Sized> Arrangements for Numbered<S> {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match space {
            Space::Meta => self.store.get(space, &self.numbers.key(space, key)),
            space => self.store.get(self.numbers.space(space), key),
        }
    }

    fn get_each(&self, space: Space, keys: &[Vec<u8>], visit: VisitEach<'_>) -> Result<()> {
        if space != Space::Meta {
            return self.store.get_each(self.numbers.space(space), keys, visit);
        }
        keys.iter().enumerate().try_for_each(|(place, key)| visit(place, self.get(space, key)?.as_deref()))
    }

    fn scan_many(&self, space: Space, prefixes: &[Vec<u8>], visit: VisitMany<'_>) -> Result<()> {
        if space != Space::Meta {
            return self.store.scan_many(self.numbers.space(space), prefixes, visit);
        }
        let prefixes: Vec<Vec<u8>> = prefixes.iter().map(|prefix| self.numbers.key(space, prefix)).collect();
        self.store.scan_many(space, &prefixes, visit)
    }

    fn scan(&self, space: Space, prefix: &[u8], after: Option<&[u8]>, visit: Visit<'_>) -> Result<()> {
        let after = after.map(|after| self.numbers.key(space, after));
        self.store.scan(self.numbers.space(space), &self.numbers.key(space, prefix), after.as_deref(), visit)
    }
}

impl<S: Store + ?Sized> Store for Numbered<S> {
    fn commit(&self, mut mutations: Vec<Mutation>, durability: Durability) -> Result<()> {
        for mutation in &mut mutations {
            if mutation.space == Space::Meta {
                mutation.key = self.numbers.key(Space::Meta, &mutation.key);
            }
            mutation.space = self.numbers.space(mutation.space);
        }
        self.store.commit(mutations, durability)
    }

    fn ingest(&self, space: Space, entries: &mut dyn SortedEntries) -> Result<()> {
        self.store.ingest(self.numbers.space(space), entries)
    }

    fn sync(&self) -> Result<()> {
        self.store.sync()
    }

    fn clear(&self, space: Space) -> Result<()> {
        self.store.clear(self.numbers.space(space))
    }

    fn snapshot(&self) -> Arc<dyn Arrangements> {
        Arc::new(Numbered { numbers: Arc::clone(&self.numbers), store: self.store.snapshot() })
    }

    fn disk_bytes(&self) -> u64 {
        self.store.disk_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::memory::MemoryStore;

    fn names(mappings: &[&str], tables: &[&str]) -> Names {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Names { tables: owned(tables), mappings: owned(mappings), ..Names::default() }
    }

    #[test]
    fn a_name_keeps_its_number_wherever_its_place_goes() {
        let mut numbering = Numbering::default();
        assert_eq!(numbering.take(&names(&["a", "c"], &["x", "z"])).tables, [TableId(0), TableId(1)]);
        let store = Arc::new(MemoryStore::default());
        let first = Numbered::new(Arc::clone(&store), numbering.numbers().clone());
        let put = |space, key: &[u8]| Mutation { space, key: key.to_vec(), value: Some(b"v".to_vec()) };
        first.commit(vec![put(Space::Base(TableId(1)), b"k")], Durability::Synced).unwrap();
        first.commit(vec![meta::put_sequence(MappingId(1), 7).unwrap()], Durability::Synced).unwrap();
        let fresh = numbering.take(&names(&["b", "c"], &["w", "x", "z"]));
        assert_eq!((fresh.tables, fresh.mappings), (vec![TableId(0)], vec![MappingId(0)]));
        let second = Numbered::new(Arc::clone(&store), numbering.numbers().clone());
        assert!(second.get(Space::Base(TableId(2)), b"k").unwrap().is_some());
        assert!(second.snapshot().get(Space::Base(TableId(1)), b"k").unwrap().is_none());
        assert_eq!(meta::sequence(&second, MappingId(1)).unwrap(), 7);
        assert_eq!(meta::sequence(&second, MappingId(0)).unwrap(), 0, "a new mapping does not inherit one");
        let again = numbering.take(&names(&["a", "b", "c"], &["x"]));
        assert_eq!((again.tables, again.mappings), (vec![], vec![MappingId(0)]), "what was gone is not kept up");
    }

    #[test]
    fn the_numbered_store_keeps_the_contract() {
        let mut numbering = Numbering::default();
        numbering.take(&names(&[], &["a", "b", "c"]));
        crate::state::conformance::check(&Numbered::new(Arc::new(MemoryStore::default()), numbering.numbers().clone()));
    }
}
