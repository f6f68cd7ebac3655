//! How a memory budget and a project become the bounds of an engine and its store.

use std::collections::BTreeMap;

use super::Project;
use crate::migrate::EngineOptions;
use crate::source::limits::Limits;
use crate::source::spill::SpillOptions;
use crate::state::disk::DiskOptions;

/// Memory of an engine whose project file names none.
pub const DEFAULT_MEMORY_BYTES: u64 = 512 << 20;

/// The least budget in which an engine runs.
pub(super) const MEMORY_BYTES_MIN: u64 = 128 << 20;

impl Project {
    /// The store's share of the memory budget.
    #[must_use]
    pub fn disk_options(&self) -> DiskOptions {
        DiskOptions::within(self.memory_bytes)
    }

    /// The engine's bounds under the memory budget, for some sources: the defaults stand for 512 MiB and scale with it, within limits beyond
    /// which neither more memory helps nor less suffices.
    #[must_use]
    pub fn engine_options<'s>(&self, sources: impl Iterator<Item = &'s String>) -> EngineOptions {
        let (mut limits, mut connections_max) = (BTreeMap::<String, Limits>::new(), BTreeMap::new());
        for (name, entry) in sources.filter_map(|name| self.sources.get_key_value(name)) {
            limits.insert(name.clone(), entry.limits.limits.clone());
            connections_max.insert(name.clone(), entry.connections_max());
        }
        let defaults = EngineOptions::default();
        let scaled = |bytes: u64| {
            let scaled = u128::from(bytes) * u128::from(self.memory_bytes) / u128::from(DEFAULT_MEMORY_BYTES);
            u64::try_from(scaled).unwrap_or(u64::MAX).clamp(bytes / 4, bytes * 8)
        };
        let size = |bytes: usize| usize::try_from(scaled(bytes as u64)).unwrap_or(bytes);
        EngineOptions {
            folder: self.state.clone(),
            connections: connections_max.values().sum::<usize>().max(1),
            connections_max,
            limits,
            range_bytes_max: size(defaults.range_bytes_max),
            read_bytes_max: size(defaults.read_bytes_max),
            epoch_bytes_max: size(defaults.epoch_bytes_max),
            hot_bytes_max: size(defaults.hot_bytes_max),
            shared_bytes_max: size(defaults.shared_bytes_max),
            slice_bytes_max: size(defaults.slice_bytes_max),
            part_bytes_max: size(defaults.part_bytes_max),
            queue_bytes_max: size(defaults.queue_bytes_max),
            sort_bytes_max: size(defaults.sort_bytes_max),
            load_bytes_max: size(defaults.load_bytes_max),
            apply_bytes_max: scaled(defaults.apply_bytes_max),
            facts_grace: std::time::Duration::from_secs(self.facts_grace_s),
            ..defaults
        }
    }

    /// Where source transactions go that are too large for memory, and which are: those that take a thirty-second of the budget.
    #[must_use]
    pub fn spill(&self) -> SpillOptions {
        let share = usize::try_from(self.memory_bytes / 32).unwrap_or(usize::MAX);
        SpillOptions { folder: self.state.clone(), after_bytes: share.clamp(4 << 20, 64 << 20) }
    }

    /// The folder of the store inside the state folder.
    #[must_use]
    pub fn store_folder(&self) -> std::path::PathBuf {
        self.state.join("store")
    }
}
