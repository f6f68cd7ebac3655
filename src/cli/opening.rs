//! Opening: the state folder, its lock, its store and its identity.
//!
//! A run holds [`StateLock`] from its start to its end; whoever changes the folder takes it first. The lock is the operating system's, so a killed
//! process leaves none behind.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use crate::config::Project as Config;
use crate::error::{Class, Error, Result};
use crate::plan::Plan;
use crate::position::Position;
use crate::schema::SourceCatalog;
use crate::state::disk::DiskStore;
use crate::state::meta::{self, FORMAT, Identity, Progress, Stage};
use crate::state::{Durability, Store};

/// The lock of a state folder; released when dropped.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

fn failed(what: &str, path: &Path, error: std::io::Error) -> Error {
    Error::new(Class::Local, format!("cannot {what} {}", path.display())).because(error)
}

/// How long a run waits for a command that only looks into the state.
const LOOK_PATIENCE: Duration = Duration::from_secs(3);

impl StateLock {
    /// Takes the lock for a run. A `status` that looks into the state holds it for a moment, and must not keep an engine from starting.
    ///
    /// # Errors
    /// As [`StateLock::take`], if it is held for longer than a look takes.
    pub async fn take_for_run(folder: &Path) -> Result<Self> {
        let started = tokio::time::Instant::now();
        loop {
            match Self::take(folder) {
                Err(error) if error.class() == Class::Locked && started.elapsed() < LOOK_PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                other => return other,
            }
        }
    }

    /// Takes the lock of `folder`, which is made if it is not there.
    ///
    /// # Errors
    /// `Locked` if another process holds it; `Local` if the folder cannot be written.
    pub fn take(folder: &Path) -> Result<Self> {
        make_folder(folder)?;
        let path = folder.join("lock");
        let file =
            File::options().create(true).truncate(false).write(true).open(&path).map_err(|error| failed("open", &path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {
                let message = format!("the state folder {} is in use by another process", folder.display());
                Err(Error::new(Class::Locked, message)
                    .with_hint("one engine at a time may use a state folder; `strangler status` shows the one that does"))
            }
            Err(TryLockError::Error(error)) => Err(failed("lock", &path, error)),
        }
    }
}

fn make_folder(folder: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        // Legacy rows lie in it.
        builder.mode(0o700);
    }
    builder.create(folder).map_err(|error| failed("make the state folder", folder, error))
}

/// Whether a store was ever made in the state folder.
#[must_use]
pub fn has_store(config: &Config) -> bool {
    config.store_folder().exists()
}

/// Opens the store under the lock.
///
/// # Errors
/// As [`DiskStore::open`].
pub fn open_store(config: &Config, _lock: &StateLock) -> Result<DiskStore> {
    DiskStore::open(&config.store_folder(), config.disk_options())
}

/// Removes store and spool; the lock stays.
///
/// # Errors
/// `Local` if a file cannot be removed.
pub fn remove_store(config: &Config, _lock: &StateLock) -> Result<()> {
    // The spool goes first: without a store it means nothing, with an old store it could still be replayed.
    let (spool, store) = (config.state.join("spool"), config.store_folder());
    removed(&spool, std::fs::remove_file(&spool))?;
    removed(&store, std::fs::remove_dir_all(&store))
}

fn removed(path: &Path, done: std::io::Result<()>) -> Result<()> {
    match done {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed("remove", path, error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The identity that a state folder without a running engine holds.
///
/// # Errors
/// `Person` if there is no state; `Locked` if a process holds it that does not answer.
pub fn stored_identity(config: &Config) -> Result<Identity> {
    let missing = || {
        let message = format!("there is no state in {}", config.state.display());
        Error::new(Class::Person, message).with_hint("`strangler run` makes it")
    };
    if !has_store(config) {
        return Err(missing());
    }
    let lock = StateLock::take(&config.state)?;
    let store = open_store(config, &lock)?;
    meta::identity(&store)?.ok_or_else(missing)
}

/// Bytes of the files in the store's folder, the journal included.
#[must_use]
pub fn store_bytes(config: &Config) -> u64 {
    let mut folders = vec![config.store_folder()];
    let mut bytes = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                Ok(metadata) => bytes += allocated(&metadata),
                // Compaction removes files at any moment.
                Err(_) => {}
            }
        }
    }
    bytes
}

/// The journal is a sparse file: what counts is what it occupies.
fn allocated(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(metadata) * 512
}

/// Writes the identity and the first progress of a new state.
///
/// # Errors
/// `Local` if the disk fails.
pub fn begin(store: &dyn Store, source: &str, catalog: SourceCatalog, plan: &Plan, start: Position) -> Result<Identity> {
    let identity = Identity {
        format: FORMAT,
        state_id: format!("{:032x}", fastrand::u128(..)),
        source: source.to_owned(),
        catalog,
        mappings: super::project::fingerprints(plan),
        start: start.clone(),
    };
    let progress = Progress { stage: Stage::Snapshot, applied: start, committed_at_us: 0, partial: None };
    store.commit(vec![meta::put_identity(&identity)?, meta::put_progress(&progress)?], Durability::Synced)?;
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_run_waits_for_a_status_that_only_looks() {
        let folder = tempfile::tempdir().unwrap();
        let look = StateLock::take(folder.path()).unwrap();
        let run = StateLock::take_for_run(folder.path());
        let looked = async {
            tokio::time::sleep(Duration::from_millis(120)).await;
            drop(look);
        };
        let (run, ()) = tokio::join!(run, looked);
        run.unwrap();
    }

    #[test]
    fn a_second_lock_is_refused_until_the_first_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let first = StateLock::take(&state).unwrap();
        assert_eq!(StateLock::take(&state).unwrap_err().class(), Class::Locked);
        drop(first);
        StateLock::take(&state).unwrap();
    }
}
