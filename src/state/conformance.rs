//! What every [`Store`] must do; each implementation runs it.

use super::sort::Entries;
use super::{Durability, Store};
use crate::derive::{Arrangements, Mutation, Space};
use crate::schema::TableId;

fn put(space: Space, key: &[u8], value: &[u8]) -> Mutation {
    Mutation { space, key: key.to_vec(), value: Some(value.to_vec()) }
}

fn keys(store: &dyn Store, space: Space, prefix: &[u8], after: Option<&[u8]>) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    store
        .scan(space, prefix, after, &mut |key, _| {
            keys.push(key.to_vec());
            Ok(true)
        })
        .unwrap();
    keys
}

fn many_keys(store: &dyn Arrangements, space: Space, prefixes: &[Vec<u8>]) -> Vec<(usize, Vec<u8>)> {
    let mut found = Vec::new();
    store
        .scan_many(space, prefixes, &mut |place, key, _| {
            found.push((place, key.to_vec()));
            Ok(true)
        })
        .unwrap();
    found
}

/// Sorted entries replace what was there and are replaced by what comes later; an empty sequence changes nothing.
fn sorted_entries_are_as_a_batch(store: &dyn Store) {
    let space = Space::Base(TableId(4));
    let entries = |pairs: &[(u8, u8)]| {
        let mut entries = Entries::default();
        pairs.iter().for_each(|(key, value)| entries.push(&[*key], &[*value]));
        entries
    };
    store.commit(vec![put(space, &[2], &[1]), put(space, &[5], &[1])], Durability::Buffered).unwrap();
    store.ingest(space, &mut entries(&[(1, 2), (2, 2), (3, 2)])).unwrap();
    store.ingest(space, &mut entries(&[])).unwrap();
    store.commit(vec![put(space, &[3], &[3])], Durability::Buffered).unwrap();
    let found: Vec<_> = (0..7).map(|key| store.get(space, &[key]).unwrap().map(|value| value[0])).collect();
    assert_eq!(found, [None, Some(2), Some(2), Some(3), None, Some(1), None]);
    assert_eq!(keys(store, space, &[], None), [[1], [2], [3], [5]]);
    store.clear(space).unwrap();
    assert!(keys(store, space, &[], None).is_empty());
}

/// Keys that lie near one another, far apart, and in no order.
fn many_reads_are_as_single_ones(store: &dyn Store) {
    let mut rng = fastrand::Rng::with_seed(11);
    let space = Space::Base(TableId(3));
    let key = |number: u32| number.to_be_bytes().to_vec();
    let batch = (0..6_000_u32).filter(|number| number % 7 != 3).map(|number| put(space, &key(number), &key(number * 2)));
    store.commit(batch.collect(), Durability::Buffered).unwrap();
    for (count, range, is_sorted) in
        [(900, 1_000, true), (40, 6_500, true), (300, 6_500, true), (5, 6_000, true), (200, 6_500, false)]
    {
        let mut wanted: Vec<u32> = (0..count).map(|_| rng.u32(0..range)).collect();
        if is_sorted {
            wanted.sort_unstable();
        }
        let wanted: Vec<Vec<u8>> = wanted.into_iter().map(key).collect();
        let single: Vec<_> = wanted.iter().map(|key| store.get(space, key).unwrap()).collect();
        assert_eq!(store.get_many(space, &wanted).unwrap(), single, "{count} of {range}");
        assert_eq!(store.snapshot().get_many(space, &wanted).unwrap(), single, "{count} of {range} in a snapshot");
        let prefixes: Vec<Vec<u8>> = wanted.iter().map(|key| key[..rng.usize(2..4)].to_vec()).collect();
        let single = prefixes.iter().enumerate();
        let single: Vec<_> = single
            .flat_map(|(place, prefix)| keys(store, space, prefix, None).into_iter().map(move |key| (place, key)))
            .collect();
        assert_eq!(many_keys(store, space, &prefixes), single, "prefixes of {count} of {range}");
    }
    store.clear(space).unwrap();
}

/// Panics where `store` breaks the contract. The store must be empty.
pub fn check(store: &dyn Store) {
    let (one, two) = (Space::Base(TableId(1)), Space::Base(TableId(2)));
    let batch =
        vec![put(one, b"a", b"1"), put(one, b"ab", b"2"), put(one, b"b", b"3"), put(two, b"a", b"4"), put(one, b"a", b"5")];
    store.commit(batch, Durability::Synced).unwrap();
    assert_eq!(store.get(one, b"a").unwrap().as_deref(), Some(b"5".as_slice()), "the later mutation of a key wins");
    assert_eq!(store.get(two, b"a").unwrap().as_deref(), Some(b"4".as_slice()), "spaces are apart");
    assert_eq!(keys(store, one, b"", None), [b"a".to_vec(), b"ab".to_vec(), b"b".to_vec()]);
    assert_eq!(keys(store, one, b"a", None), [b"a".to_vec(), b"ab".to_vec()]);
    assert_eq!(keys(store, one, b"a", Some(b"a")), [b"ab".to_vec()]);
    assert_eq!(keys(store, one, b"", Some(b"aa")), [b"ab".to_vec(), b"b".to_vec()]);
    assert_eq!(keys(store, two, b"", Some(b"a")), Vec::<Vec<u8>>::new());
    assert_eq!(keys(store, one, b"a", Some(b"b")), Vec::<Vec<u8>>::new(), "behind everything with the prefix");
    let many = store.get_many(one, &[b"b".to_vec(), b"x".to_vec()]).unwrap();
    assert_eq!(many, [Some(b"3".to_vec()), None]);
    let prefixes = [b"a".to_vec(), b"ab".to_vec(), b"aa".to_vec(), b"b".to_vec(), b"c".to_vec()];
    assert_eq!(
        many_keys(store, one, &prefixes),
        [(0, b"a".to_vec()), (0, b"ab".to_vec()), (1, b"ab".to_vec()), (3, b"b".to_vec())],
        "a prefix inside of another one is scanned too"
    );
    let before = store.snapshot();
    store.commit(vec![Mutation { space: one, key: b"a".to_vec(), value: None }], Durability::Buffered).unwrap();
    assert_eq!(store.get(one, b"a").unwrap(), None);
    assert_eq!(before.get(one, b"a").unwrap().as_deref(), Some(b"5".as_slice()), "a snapshot stays as it was");
    let mut count = 0;
    before
        .scan(one, b"", Some(b"a"), &mut |_, _| {
            count += 1;
            Ok(true)
        })
        .unwrap();
    assert_eq!(count, 2, "a snapshot is scanned as the store is");
    assert_eq!(many_keys(&*before, one, &prefixes).len(), 4);
    drop(before);
    store.clear(one).unwrap();
    assert!(keys(store, one, b"", None).is_empty());
    assert_eq!(keys(store, two, b"", None), [b"a".to_vec()], "clearing a space leaves its neighbours");
    many_reads_are_as_single_ones(store);
    sorted_entries_are_as_a_batch(store);
}
