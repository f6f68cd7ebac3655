//! How each tree of the store is laid out: compression by level, filters by what is asked of it.

use fjall::config::{BloomConstructionPolicy, CompressionPolicy, FilterPolicy, FilterPolicyEntry};
use fjall::{CompressionType, KeyspaceCreateOptions};

/// Bits of a filter per key, in the top level, where every search looks first, and below.
const FILTER_BITS: [f32; 2] = [16.0, 10.0];

/// The settings of a new tree; one that is there keeps those that it was made with.
pub(super) fn settings(name: &str, write_buffer_bytes: u64) -> KeyspaceCreateOptions {
    let [top, below] = FILTER_BITS.map(|bits| FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(bits)));
    // Of these almost nothing is asked for but what begins with a prefix, which no filter tells; groups that are kept up are asked for by
    // key, and most of them are there.
    let is_listed = matches!(name, "index" | "emitted");
    let filters = FilterPolicy::new([top, if is_listed { FilterPolicyEntry::None } else { below }]);
    // What is written last is read and merged most often.
    let compression = CompressionPolicy::new([CompressionType::None, CompressionType::Lz4]);
    KeyspaceCreateOptions::default()
        .max_memtable_size(write_buffer_bytes)
        .data_block_compression_policy(compression)
        .filter_policy(filters)
}
