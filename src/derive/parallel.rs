//! Work that is split over threads, and work that is too little to be.

use rayon::prelude::*;

use crate::error::Result;

/// Maps several items in parallel, in their order. A single one is mapped here and now: another thread would have to be woken for it, which
/// takes longer than most of what a small epoch asks for.
pub(crate) fn mapped<I: Send, T: Send>(items: Vec<I>, map: impl Fn(I) -> Result<T> + Sync + Send) -> Result<Vec<T>> {
    if items.len() < 2 {
        return items.into_iter().map(map).collect();
    }
    items.into_par_iter().map(map).collect()
}
