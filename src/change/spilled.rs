//! Changes of a transaction that are too many for memory: on disk, read one by one and in log order.

use std::fmt;
use std::sync::Arc;

use super::Change;
use crate::error::Result;

/// Changes as they are read.
pub type Changes<'c> = Box<dyn Iterator<Item = Result<Change>> + Send + 'c>;

/// Gives changes in batches of about `bytes_max` bytes of memory, the last one smaller.
///
/// # Errors
/// Of a change, or of `visit`.
pub fn batches(changes: Changes<'_>, bytes_max: usize, visit: &mut dyn FnMut(Vec<Change>) -> Result<()>) -> Result<()> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for change in changes {
        let change = change?;
        bytes += change.size_bytes();
        batch.push(change);
        if bytes >= bytes_max {
            bytes = 0;
            visit(std::mem::take(&mut batch))?;
        }
    }
    if batch.is_empty() { Ok(()) } else { visit(batch) }
}

/// A place on disk that holds changes.
pub trait SpilledChanges: Send + Sync {
    /// How many there are.
    fn count(&self) -> usize;

    /// All of them from the first on.
    ///
    /// # Errors
    /// `Local` if the disk fails; so may each change.
    fn read(&self) -> Result<Changes<'_>>;
}

/// What becomes of a change when it is read; `None`: it is left out.
type Pass = Arc<dyn Fn(Change) -> Option<Change> + Send + Sync>;

/// Changes on disk, and what becomes of each when it is read. Clones share the place.
#[derive(Clone)]
pub struct Spilled {
    stored: Arc<dyn SpilledChanges>,
    passes: Vec<Pass>,
}

impl Spilled {
    /// Changes as they are stored.
    #[must_use]
    pub fn new(stored: Arc<dyn SpilledChanges>) -> Self {
        Self { stored, passes: Vec::new() }
    }

    /// How many are stored.
    #[must_use]
    pub fn count(&self) -> usize {
        self.stored.count()
    }

    /// The same, each going through `pass` besides.
    #[must_use]
    pub fn through(mut self, pass: impl Fn(Change) -> Option<Change> + Send + Sync + 'static) -> Self {
        self.passes.push(Arc::new(pass));
        self
    }

    /// The changes from the first on.
    ///
    /// # Errors
    /// `Local` if the disk fails; so may each change.
    pub fn read(&self) -> Result<Changes<'_>> {
        let passed = |change: Change| self.passes.iter().try_fold(change, |change, pass| pass(change));
        Ok(Box::new(self.stored.read()?.filter_map(move |change| change.map(passed).transpose())))
    }
}

impl fmt::Debug for Spilled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Spilled({} changes)", self.stored.count())
    }
}

/// The same place on disk.
impl PartialEq for Spilled {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.stored, &other.stored)
    }
}
