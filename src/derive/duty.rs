//! What an epoch does for each mapping: one that has stopped does not hold up the others.
//!
//! A mapping whose rows cannot be derived is told apart from a failure of the epoch: the caller gives it another duty and takes the
//! epoch again.

use crate::derive::Mutation;
use crate::error::{Class, Error, Result};
use crate::plan::MappingId;

/// What an epoch does for one mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// Derives the affected rows and gives the differences.
    Derive,
    /// Marks the affected anchors, to be derived later.
    Mark,
    /// Nothing: everything will be derived again.
    Rest,
}

/// The duty of a mapping; one that is not listed derives.
#[must_use]
pub fn duty_of(duties: &[Duty], mapping: MappingId) -> Duty {
    duties.get(mapping.0 as usize).copied().unwrap_or(Duty::Derive)
}

/// A key of a declared fact that several rows have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenKey {
    /// The mapping that declares the fact.
    pub mapping: MappingId,
    /// Index of the fact in the plan.
    pub fact: usize,
    /// The key in the fact's index.
    pub key: Vec<u8>,
}

/// Why one mapping could not do its duty.
#[derive(Debug)]
pub struct Failure {
    /// The mapping.
    pub mapping: MappingId,
    /// What was wrong.
    pub error: Error,
    /// The keys, if the data breaks facts: that may pass.
    pub broken: Vec<BrokenKey>,
}

/// Takes marks of anchors. They must be durable before the step's own mutations are.
pub type Marks<'s> = &'s mut dyn FnMut(Vec<Mutation>) -> Result<()>;

/// Where a step puts what is too much to be held.
pub struct Outlets<'s> {
    /// Writes of mappings that derive.
    pub parts: crate::derive::Sink<'s>,
    /// Marks of mappings that do not.
    pub marks: Marks<'s>,
}

/// Tells what is wrong with the data or the definition of one mapping, which others need not share, from what fails for all.
pub(crate) fn attributed(mapping: MappingId, error: Error) -> Result<Failure> {
    match error.class() {
        Class::Person | Class::Mapping | Class::Preflight => Ok(Failure { mapping, error, broken: Vec::new() }),
        Class::Unreachable | Class::Retry | Class::Privilege | Class::Locked | Class::Usage | Class::Local | Class::Bug => {
            Err(error)
        }
    }
}
