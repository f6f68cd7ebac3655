//! What a checkpoint row that is not as expected means, whatever the dialect: words and classes of the errors, and how its columns are written.

use crate::error::{Class, Error, Result};
use crate::target::{Advance, Checkpoint, Phase};

/// A row as it was found, and when it was applied.
pub(super) type Found = (Checkpoint, String);

/// Why the row does not match. Our own row further ahead means that a COMMIT whose answer was lost did take place.
pub(super) fn mismatch(advance: &Advance, row: Option<Found>) -> Error {
    let (wanted, expected) = (&advance.next, advance.expected_sequence);
    let mapping = &wanted.mapping;
    if let Some((found, _)) = &row
        && (&found.state_id, found.owner_epoch) == (&wanted.state_id, wanted.owner_epoch)
        && found.sequence > expected
    {
        return Error::new(
            Class::Retry,
            format!("mapping {mapping} is at sequence {} already, expected {expected}", found.sequence),
        );
    }
    let message = format!(
        "the checkpoint of mapping {mapping} is not that of this engine (state {}, owner epoch {}, sequence {expected}): {}",
        wanted.state_id,
        wanted.owner_epoch,
        described(row)
    );
    Error::new(Class::Locked, message)
        .with_hint("another engine has taken the mapping over, or the target was restored; stop one of them")
}

/// Another engine was faster.
pub(super) fn taken_over(mapping: &str, row: Option<Found>) -> Error {
    Error::new(Class::Locked, format!("mapping {mapping} was taken over by another engine meanwhile: {}", described(row)))
        .with_hint("stop the other engine, then run again")
}

fn described(row: Option<Found>) -> String {
    match row {
        None => "there is no row".to_owned(),
        Some((row, applied_at)) => format!(
            "held by state {}, owner epoch {}, sequence {}, applied at {applied_at}",
            row.state_id, row.owner_epoch, row.sequence
        ),
    }
}

/// A column holds what strangler does not write.
pub(super) fn unreadable(table: &str, mapping: &str, column: &str) -> Error {
    Error::new(Class::Person, format!("column {column} of the checkpoint of mapping {mapping} is none that strangler writes"))
        .with_hint(format!("strangler alone may change {table}; restore the row, or reset the mapping"))
}

/// What was attempted, for messages.
pub(super) fn attempt(verb: &str, mapping: &str) -> String {
    format!("cannot {verb} the checkpoint of mapping {mapping}")
}

/// The positions as they are written.
///
/// # Errors
/// `Bug` if they do not become JSON.
pub(super) fn positions(row: &Checkpoint) -> Result<String> {
    serde_json::to_string(&row.frontier).map_err(|error| Error::bug("a frontier does not become JSON").because(error))
}

/// The phase as it is written.
pub(super) fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Loading => "loading",
        Phase::Live => "live",
    }
}

/// The phase that a word means.
pub(super) fn phase_of(word: &str) -> Option<Phase> {
    [Phase::Loading, Phase::Live].into_iter().find(|phase| phase_word(*phase) == word)
}
