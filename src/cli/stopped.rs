//! The mappings that have stopped or are paused, for commands that would wait for their targets in vain.

use std::collections::BTreeMap;

use super::control::Client;
use super::opening::{self, StateLock};
use super::project::Project;
use crate::derive::Arrangements;
use crate::error::Result;
use crate::state::meta::{self, Identity};
use crate::state::standing::{self, Standing};

/// How the mappings stand that go on only when a person has acted, by name: the running engine is asked, else the state is read.
///
/// # Errors
/// The engine does not answer; the state cannot be opened.
pub async fn stopped(project: &Project, engine: Option<&Client>) -> Result<BTreeMap<String, Standing>> {
    let mut found = match engine {
        Some(client) => {
            let mappings = client.status().await?.mappings;
            mappings.into_iter().filter_map(|mapping| Some((mapping.mapping, mapping.halted?))).collect()
        }
        None => stored(project)?,
    };
    found.retain(|_, standing| standing.cause.is_at_rest());
    Ok(found)
}

fn stored(project: &Project) -> Result<BTreeMap<String, Standing>> {
    if !opening::has_store(&project.config) {
        return Ok(BTreeMap::new());
    }
    let lock = StateLock::take(&project.config.state)?;
    let store = opening::open_store(&project.config, &lock)?;
    match meta::identity(&store)? {
        Some(identity) => standings(&store, &identity),
        None => Ok(BTreeMap::new()),
    }
}

/// The mappings of a state that do not run, with why.
///
/// # Errors
/// `Local` if a record is damaged.
pub fn standings(store: &dyn Arrangements, identity: &Identity) -> Result<BTreeMap<String, Standing>> {
    let mut found = BTreeMap::new();
    for name in identity.mappings.keys() {
        if let Some(standing) = standing::standing(store, name)? {
            found.insert(name.clone(), standing);
        }
    }
    Ok(found)
}
