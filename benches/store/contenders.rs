//! The stores that are compared, behind the one face that the load needs: the engine's own, and LMDB with the same spaces and the same batches.
//!
//! Limit: 64 GiB of map for LMDB; more rows than that and its commit fails.

use std::path::Path;

use lmdb::{Cursor, Database, DatabaseFlags, Environment, EnvironmentFlags, Transaction, WriteFlags};
use strangler::derive::{Arrangements, Mutation, Space};
use strangler::state::disk::{DiskOptions, DiskStore};
use strangler::state::{Durability, SortedEntries, Store};

use crate::Outcome;

/// The budget of which the store's cache takes an eighth: 128 MiB.
const MEMORY_BYTES: u64 = 1 << 30;
/// Address space of LMDB's map; its file grows as it is written.
const MAP_BYTES: usize = 64 << 30;
/// Entries of one of LMDB's transactions while it is filled: one alone would hold every page that it writes in memory.
const FILL_BATCH: usize = 10_000;

/// What was read, so that nothing of it is left out and both stores can be held to the same.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub count: u64,
    sum: u64,
}

impl Seen {
    pub fn see(&mut self, bytes: &[u8]) {
        self.count += 1;
        self.sum += bytes.len() as u64 + bytes.last().map_or(0, |byte| u64::from(*byte));
    }

    pub fn total(self) -> u64 {
        self.count + self.sum
    }
}

/// A store that takes the load.
pub trait Contender {
    /// Puts ascending entries into a space that has none.
    fn fill(&self, space: Space, entries: &mut dyn SortedEntries) -> Outcome<()>;
    /// Reads the values of sorted keys.
    fn get_each(&self, space: Space, keys: &[Vec<u8>], seen: &mut Seen) -> Outcome<()>;
    /// Reads the keys that begin with each of the sorted prefixes.
    fn scan_each(&self, space: Space, prefixes: &[Vec<u8>], seen: &mut Seen) -> Outcome<()>;
    /// Writes all or nothing.
    fn commit(&self, mutations: Vec<Mutation>, durability: Durability) -> Outcome<()>;
}

/// The engine's own store.
pub struct Fjall(DiskStore);

impl Fjall {
    pub fn open(folder: &Path) -> Outcome<Self> {
        Ok(Self(DiskStore::open(folder, DiskOptions::within(MEMORY_BYTES))?))
    }
}

impl Contender for Fjall {
    fn fill(&self, space: Space, entries: &mut dyn SortedEntries) -> Outcome<()> {
        Ok(self.0.ingest(space, entries)?)
    }

    fn get_each(&self, space: Space, keys: &[Vec<u8>], seen: &mut Seen) -> Outcome<()> {
        let visit = &mut |_, value: Option<&[u8]>| {
            value.into_iter().for_each(|value| seen.see(value));
            Ok(())
        };
        Ok(self.0.get_each(space, keys, visit)?)
    }

    fn scan_each(&self, space: Space, prefixes: &[Vec<u8>], seen: &mut Seen) -> Outcome<()> {
        let visit = &mut |_, key: &[u8], _: &[u8]| {
            seen.see(key);
            Ok(true)
        };
        Ok(self.0.scan_many(space, prefixes, visit)?)
    }

    fn commit(&self, mutations: Vec<Mutation>, durability: Durability) -> Outcome<()> {
        Ok(self.0.commit(mutations, durability)?)
    }
}

/// LMDB: a database for each kind of space, a space is a prefix in it, as in the engine's store.
pub struct Lmdb {
    environment: Environment,
    base: Database,
    index: Database,
    emitted: Database,
    meta: Database,
}

impl Lmdb {
    pub fn open(folder: &Path) -> Outcome<Self> {
        let environment =
            Environment::new().set_flags(EnvironmentFlags::NO_SYNC).set_max_dbs(4).set_map_size(MAP_BYTES).open(folder)?;
        let database = |name| environment.create_db(Some(name), DatabaseFlags::empty());
        let (base, index) = (database("base")?, database("index")?);
        let (emitted, meta) = (database("emitted")?, database("meta")?);
        Ok(Self { environment, base, index, emitted, meta })
    }

    fn place(&self, space: Space) -> Outcome<(Database, [u8; 4])> {
        match space {
            Space::Base(table) => Ok((self.base, table.0.to_be_bytes())),
            Space::Index(index) => Ok((self.index, index.0.to_be_bytes())),
            Space::Emitted(node) => Ok((self.emitted, node.0.to_be_bytes())),
            Space::Meta => Ok((self.meta, [0; 4])),
            other => Err(format!("the load has no space {other:?}").into()),
        }
    }
}

impl Contender for Lmdb {
    fn fill(&self, space: Space, entries: &mut dyn SortedEntries) -> Outcome<()> {
        let (database, prefix) = self.place(space)?;
        let (mut key, mut is_done) = (Vec::new(), false);
        while !is_done {
            let mut transaction = self.environment.begin_rw_txn()?;
            for _ in 0..FILL_BATCH {
                let Some((own, value)) = entries.next()? else {
                    is_done = true;
                    break;
                };
                join(&mut key, prefix, own);
                transaction.put(database, &key, &value, WriteFlags::APPEND)?;
            }
            transaction.commit()?;
        }
        Ok(self.environment.sync(true)?)
    }

    fn get_each(&self, space: Space, keys: &[Vec<u8>], seen: &mut Seen) -> Outcome<()> {
        let (database, prefix) = self.place(space)?;
        let transaction = self.environment.begin_ro_txn()?;
        let mut key = Vec::new();
        for own in keys {
            join(&mut key, prefix, own);
            match transaction.get(database, &key) {
                Ok(value) => seen.see(value),
                Err(lmdb::Error::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn scan_each(&self, space: Space, prefixes: &[Vec<u8>], seen: &mut Seen) -> Outcome<()> {
        let (database, prefix) = self.place(space)?;
        let transaction = self.environment.begin_ro_txn()?;
        let mut cursor = transaction.open_ro_cursor(database)?;
        let mut bound = Vec::new();
        for own in prefixes {
            join(&mut bound, prefix, own);
            for entry in cursor.iter_from(&bound) {
                let (key, _) = entry?;
                if !key.starts_with(&bound) {
                    break;
                }
                // As the engine's store shows it, without the prefix of the space.
                seen.see(key.get(prefix.len()..).unwrap_or_default());
            }
        }
        Ok(())
    }

    fn commit(&self, mut mutations: Vec<Mutation>, durability: Durability) -> Outcome<()> {
        // In the order of the tree, as the engine's store writes them.
        mutations.sort_by(|left, right| (left.space, &left.key).cmp(&(right.space, &right.key)));
        let mut transaction = self.environment.begin_rw_txn()?;
        let mut key = Vec::new();
        for mutation in &mutations {
            let (database, prefix) = self.place(mutation.space)?;
            join(&mut key, prefix, &mutation.key);
            match &mutation.value {
                Some(value) => transaction.put(database, &key, value, WriteFlags::empty())?,
                None => match transaction.del(database, &key, None) {
                    Ok(()) | Err(lmdb::Error::NotFound) => {}
                    Err(error) => return Err(error.into()),
                },
            }
        }
        transaction.commit()?;
        match durability {
            Durability::Buffered => Ok(()),
            Durability::Synced => Ok(self.environment.sync(true)?),
        }
    }
}

fn join(key: &mut Vec<u8>, prefix: [u8; 4], own: &[u8]) {
    key.clear();
    key.extend_from_slice(&prefix);
    key.extend_from_slice(own);
}
