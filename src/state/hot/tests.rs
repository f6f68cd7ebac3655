//! Whatever is held: the answers are those of the store alone.

use super::*;
use crate::error::Error;
use crate::plan::IndexId;
use crate::schema::TableId;
use crate::state::memory::MemoryStore;
use crate::state::sort::Entries;

const ROWS: Space = Space::Base(TableId(0));
const LISTS: Space = Space::Index(IndexId(0));

fn hot(store: Arc<dyn Store>, bytes_max: usize) -> Hot {
    let hot = Hot::new(store, bytes_max, Arc::default());
    hot.begin();
    hot
}

fn put(space: Space, key: &[u8], value: Option<&[u8]>) -> Mutation {
    Mutation { space, key: key.to_vec(), value: value.map(<[u8]>::to_vec) }
}

fn scanned(store: &dyn Arrangements, prefix: &[u8], count_max: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    store
        .scan(LISTS, prefix, None, &mut |key, value| {
            found.push((key.to_vec(), value.to_vec()));
            Ok(found.len() < count_max)
        })
        .unwrap();
    found
}

fn scanned_many(store: &dyn Arrangements, prefixes: &[Vec<u8>], count_max: usize) -> Vec<(usize, Vec<u8>, Vec<u8>)> {
    let (mut found, mut count) = (Vec::new(), vec![0; prefixes.len()]);
    store
        .scan_many(LISTS, prefixes, &mut |place, key, value| {
            found.push((place, key.to_vec(), value.to_vec()));
            count[place] += 1;
            Ok(count[place] < count_max)
        })
        .unwrap();
    found
}

#[test]
fn the_hot_store_keeps_the_contract() {
    for bytes_max in [0, 2_000, 1 << 20] {
        crate::state::conformance::check(&hot(Arc::new(MemoryStore::default()), bytes_max));
    }
}

/// Keys of few letters and several lengths, so that lists lie inside of lists, grow past their bound, and are forgotten and read again.
#[test]
fn every_read_answers_what_the_store_alone_answers() {
    for (seed, bytes_max) in [(1, 0), (2, 3_000), (3, 40_000), (4, 1 << 24)] {
        let mut rng = fastrand::Rng::with_seed(seed);
        let store = Arc::new(MemoryStore::default());
        let hot = hot(Arc::clone(&store) as Arc<dyn Store>, bytes_max);
        let key = |rng: &mut fastrand::Rng| (0..rng.usize(0..7)).map(|_| rng.u8(0..4)).collect::<Vec<u8>>();
        for _ in 0..6_000 {
            match rng.u8(0..20) {
                0..6 => {
                    let one = |rng: &mut fastrand::Rng| {
                        let space = if rng.bool() { ROWS } else { LISTS };
                        let value = rng.bool().then(|| vec![rng.u8(..); rng.usize(0..40)]);
                        put(space, &key(rng), value.as_deref())
                    };
                    let batch = (0..rng.usize(1..6)).map(|_| one(&mut rng)).collect();
                    hot.commit(batch, Durability::Buffered).unwrap();
                }
                6 => {
                    let mut entries = Entries::default();
                    (0..rng.usize(0..5)).for_each(|_| entries.push(&key(&mut rng), b"sorted"));
                    entries.sort();
                    hot.ingest(LISTS, &mut entries).unwrap();
                }
                7 if rng.u8(0..40) == 0 => hot.clear(LISTS).unwrap(),
                7..11 => {
                    let key = key(&mut rng);
                    assert_eq!(hot.get(ROWS, &key).unwrap(), store.get(ROWS, &key).unwrap());
                }
                11..14 => {
                    let keys: Vec<_> = (0..rng.usize(0..12)).map(|_| key(&mut rng)).collect();
                    assert_eq!(hot.get_many(ROWS, &keys).unwrap(), store.get_many(ROWS, &keys).unwrap());
                }
                14..17 => {
                    let (prefix, count_max) = (key(&mut rng), [1, 2, usize::MAX][rng.usize(0..3)]);
                    assert_eq!(scanned(&hot, &prefix, count_max), scanned(&*store, &prefix, count_max));
                }
                _ => {
                    let mut prefixes: Vec<_> = (0..rng.usize(0..12)).map(|_| key(&mut rng)).collect();
                    if rng.bool() {
                        prefixes.sort();
                    }
                    let count_max = [1, 3, usize::MAX][rng.usize(0..3)];
                    assert_eq!(scanned_many(&hot, &prefixes, count_max), scanned_many(&*store, &prefixes, count_max));
                }
            }
        }
        let (hits, misses) = hot.reads.hits_and_misses();
        assert!(misses > 0 && (bytes_max == 0 || hits > 1_000), "{hits} hits and {misses} misses in {bytes_max} bytes");
    }
}

#[test]
fn what_was_read_once_is_not_searched_for_again_until_it_is_forgotten() {
    let hot = hot(Arc::new(MemoryStore::default()), 60_000);
    hot.commit(vec![put(LISTS, b"a1", Some(b"")), put(LISTS, b"a2", Some(b""))], Durability::Buffered).unwrap();
    let misses = |hot: &Hot| hot.reads.hits_and_misses().1;
    assert_eq!(scanned(&hot, b"a", 1).len(), 1, "read on to its end");
    assert_eq!((scanned(&hot, b"a", 9).len(), misses(&hot)), (2, 1));
    hot.commit(vec![put(LISTS, b"a0", Some(b"")), put(LISTS, b"a2", None)], Durability::Buffered).unwrap();
    assert_eq!((scanned(&hot, b"a", 9).len(), misses(&hot)), (2, 1), "brought up to date");
    (0..5_000_u32).for_each(|key| assert!(hot.get(ROWS, &key.to_be_bytes()).unwrap().is_none()));
    scanned(&hot, b"a", 9);
    assert_eq!(misses(&hot), 5_002, "forgotten");
}

/// A store whose commits wait for one another, so that reads and other batches come in between.
struct Slow {
    store: MemoryStore,
    fails: AtomicBool,
}

impl Arrangements for Slow {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let found = self.store.get(space, key);
        std::thread::yield_now();
        found
    }

    fn scan(&self, space: Space, prefix: &[u8], after: Option<&[u8]>, visit: Visit<'_>) -> Result<()> {
        self.store.scan(space, prefix, after, &mut |key, value| {
            std::thread::yield_now();
            visit(key, value)
        })
    }
}

impl Store for Slow {
    fn commit(&self, mutations: Vec<Mutation>, durability: Durability) -> Result<()> {
        std::thread::yield_now();
        if self.fails.load(Ordering::Relaxed) {
            return Err(Error::bug("a disk that fails"));
        }
        let committed = self.store.commit(mutations, durability);
        std::thread::yield_now();
        committed
    }

    fn ingest(&self, space: Space, entries: &mut dyn SortedEntries) -> Result<()> {
        self.store.ingest(space, entries)
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn clear(&self, space: Space) -> Result<()> {
        self.store.clear(space)
    }

    fn snapshot(&self) -> Arc<dyn Arrangements> {
        self.store.snapshot()
    }

    fn disk_bytes(&self) -> u64 {
        0
    }
}

#[test]
fn a_read_that_a_batch_overtakes_is_not_kept() {
    let slow = Arc::new(Slow { store: MemoryStore::default(), fails: AtomicBool::new(false) });
    let hot = hot(Arc::clone(&slow) as Arc<dyn Store>, 1 << 20);
    let write = |from: u32| {
        for number in (from..from + 4_000).step_by(2) {
            let value = number.to_be_bytes();
            let batch = vec![put(ROWS, b"k", Some(&value)), put(LISTS, b"l", Some(&value))];
            hot.commit(batch, Durability::Buffered).unwrap();
        }
    };
    std::thread::scope(|scope| {
        let writers = [scope.spawn(|| write(0)), scope.spawn(|| write(1))];
        while writers.iter().any(|writer| !writer.is_finished()) {
            hot.get(ROWS, b"k").unwrap();
            hot.get_many(ROWS, &[b"k".to_vec()]).unwrap();
            scanned(&hot, b"", 9);
            scanned_many(&hot, &[b"l".to_vec()], 9);
        }
    });
    for _ in 0..2 {
        assert_eq!(hot.get(ROWS, b"k").unwrap(), slow.get(ROWS, b"k").unwrap());
        assert_eq!(scanned(&hot, b"l", 9), scanned(&*slow, b"l", 9));
        assert_eq!(scanned(&hot, b"", 9), scanned(&*slow, b"", 9));
    }
    slow.fails.store(true, Ordering::Relaxed);
    assert!(hot.commit(vec![put(ROWS, b"k", None)], Durability::Buffered).is_err());
    slow.store.commit(vec![put(ROWS, b"k", Some(b"who knows"))], Durability::Buffered).unwrap();
    assert_eq!(hot.get(ROWS, b"k").unwrap().as_deref(), Some(&b"who knows"[..]), "what a failed batch did is read again");
}

/// What is held is given back at any moment, also while a batch is being written.
#[test]
fn what_is_held_gives_way_and_is_read_again() {
    let slow = Arc::new(Slow { store: MemoryStore::default(), fails: AtomicBool::new(false) });
    let hot = hot(Arc::clone(&slow) as Arc<dyn Store>, 1 << 20);
    let misses = || hot.reads.hits_and_misses().1;
    hot.commit(vec![put(ROWS, b"k", Some(b"1"))], Durability::Buffered).unwrap();
    hot.give_way();
    let before = misses();
    assert_eq!(hot.get(ROWS, b"k").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(hot.get(ROWS, b"k").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(misses(), before + 1, "it was not held, and then it was");
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 0..4_000_u32 {
                hot.commit(vec![put(ROWS, b"k", Some(&number.to_be_bytes()))], Durability::Buffered).unwrap();
            }
        });
        while !writer.is_finished() {
            hot.give_way();
            hot.get(ROWS, b"k").unwrap();
        }
    });
    assert_eq!(hot.get(ROWS, b"k").unwrap(), slow.get(ROWS, b"k").unwrap());
}
