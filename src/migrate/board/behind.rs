//! How far a mapping's target is behind, and a large entry on its way to it.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{Inner, now_us};
use crate::position::Position;

/// One target transaction that is too large for memory, while its rows are sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyingStatus {
    /// Rows sent so far.
    pub row_count: u64,
    /// All of them.
    pub row_total: u64,
}

impl Inner {
    /// The stream shows `newest`. A target of which no commit time is known is behind from the first moment on that it lacks something.
    pub(super) fn show_newest(&mut self, newest: &Position) {
        let known = self.status.mappings.iter().zip(&self.contained_at_us).zip(&mut self.behind_since);
        for ((mapping, _), since) in known.filter(|((_, at_us), since)| **at_us == 0 && since.is_none()) {
            if mapping.position.as_ref().is_some_and(|contained| !contained.contains(newest)) {
                *since = Some(Instant::now());
            }
        }
        self.newest = Some(newest.clone());
    }

    /// A mapping's target contains what its status says.
    pub(super) fn show_contained(&mut self, mapping: usize) {
        let contained = self.status.mappings.get(mapping).and_then(|mapping| mapping.position.as_ref());
        let is_current = contained.zip(self.newest.as_ref()).is_some_and(|(contained, newest)| contained.contains(newest));
        if let Some(since) = self.behind_since.get_mut(mapping).filter(|_| is_current) {
            *since = None;
        }
    }

    /// Milliseconds since the source committed the newest that a target contains, or since the target is known to lack something; 0 when it
    /// has everything that the stream has shown.
    pub(super) fn lag_ms(&self, mapping: usize, contained: Option<&Position>) -> Option<u64> {
        let (contained, newest) = (contained?, self.newest.as_ref()?);
        if contained.contains(newest) {
            return Some(0);
        }
        match self.contained_at_us.get(mapping) {
            Some(0) | None => {
                let since = self.behind_since.get(mapping).copied().flatten()?;
                u64::try_from(since.elapsed().as_millis()).ok()
            }
            Some(at_us) => Some(u64::try_from((now_us() - at_us) / 1_000).unwrap_or(0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Board, MappingStatus};
    use crate::position::{Position, WalPosition};

    fn at(lsn: u64) -> Position {
        Position::Wal(WalPosition { system: "1".into(), timeline: 1, database: "d".into(), lsn })
    }

    #[test]
    fn a_target_that_lacks_the_first_transaction_ever_has_a_lag() {
        let board = Board::new(vec![], vec![MappingStatus::new("m", vec![])]);
        let lag = || board.snapshot().mappings[0].lag_ms;
        board.checkpoint_written(0, 0, |mapping| mapping.position = Some(at(7)));
        board.saw(&at(7));
        assert_eq!(lag(), Some(0));
        board.saw(&at(9));
        let first = lag();
        board.saw(&at(11));
        assert!(first.is_some() && lag() >= first, "it is behind since the first, whatever follows");
        board.checkpoint_written(0, 0, |mapping| mapping.position = Some(at(9)));
        assert!(lag() >= first);
        board.checkpoint_written(0, 0, |mapping| mapping.position = Some(at(11)));
        assert_eq!(lag(), Some(0));
        board.saw(&at(12));
        assert!(lag().is_some());
    }
}
