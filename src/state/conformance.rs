//! What every [`Store`] must do; each implementation runs it.

use super::{Durability, Store};
use crate::derive::{Mutation, Space};
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
    let many = store.get_many(one, &[b"b".to_vec(), b"x".to_vec()]).unwrap();
    assert_eq!(many, [Some(b"3".to_vec()), None]);
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
    drop(before);
    store.clear(one).unwrap();
    assert!(keys(store, one, b"", None).is_empty());
    assert_eq!(keys(store, two, b"", None), [b"a".to_vec()], "clearing a space leaves its neighbours");
}
