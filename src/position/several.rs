//! Positions over several sources: a vector with one component per source, in the component-wise partial order.
//!
//! A component that is absent is the beginning of its source's log, so that what concerns one source alone, like the high mark of a chunk,
//! asks nothing of the others.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::Position;

/// Which of two vectors contains the other; `None` if neither does, or if a component lies on another history.
pub(super) fn compare(left: &BTreeMap<String, Position>, right: &BTreeMap<String, Position>) -> Option<Ordering> {
    let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    let mut whole = Ordering::Equal;
    for name in names {
        let part = match (left.get(name), right.get(name)) {
            (Some(left), Some(right)) => left.compare(right)?,
            (Some(_), None) => Ordering::Greater,
            (None, _) => Ordering::Less,
        };
        if part != Ordering::Equal && whole != Ordering::Equal && part != whole {
            return None;
        }
        whole = whole.then(part);
    }
    Some(whole)
}

impl Position {
    /// A position that says something about one of several sources only.
    #[must_use]
    pub fn of_one(source: &str, position: Self) -> Self {
        Self::Several(BTreeMap::from([(source.to_owned(), position)]))
    }

    /// What a vector says about a source.
    #[must_use]
    pub fn part(&self, source: &str) -> Option<&Self> {
        match self {
            Self::Several(parts) => parts.get(source),
            Self::Binlog(_) | Self::Wal(_) => None,
        }
    }

    /// Whether everything that `other` says about the sources of `self` is contained in `self`: what is said of other sources does not count.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Several(parts), Self::Several(others)) => {
                parts.iter().all(|(name, part)| others.get(name).is_none_or(|other| part.contains(other)))
            }
            _ => self.contains(other),
        }
    }

    /// Whether some component is provably behind that of `other`.
    #[must_use]
    pub fn falls_behind(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Several(parts), Self::Several(others)) => {
                others.iter().any(|(name, other)| parts.get(name).is_none_or(|part| part.falls_behind(other)))
            }
            _ => self.compare(other) == Some(Ordering::Less),
        }
    }

    /// Whether both are proven to lie on one history, whichever is further: of several sources, each component.
    #[must_use]
    pub fn shares_history_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Several(parts), Self::Several(others)) => {
                others.iter().all(|(name, other)| parts.get(name).is_some_and(|part| part.shares_history_with(other)))
            }
            _ => self.compare(other).is_some(),
        }
    }

    /// Whether every source that `other` names is named here.
    #[must_use]
    pub fn names_all_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Several(parts), Self::Several(others)) => others.keys().all(|name| parts.contains_key(name)),
            _ => true,
        }
    }

    /// The least position that contains both, component by component. Where two cannot be compared, it is the one of `other`.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        match (self, other) {
            (Self::Several(mut parts), Self::Several(others)) => {
                for (name, other) in others {
                    let joined = match parts.remove(&name) {
                        Some(part) => part.joined(other),
                        None => other,
                    };
                    parts.insert(name, joined);
                }
                Self::Several(parts)
            }
            (one, other) => {
                if one.contains(&other) {
                    one
                } else {
                    other
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::WalPosition;

    fn wal(system: &str, lsn: u64) -> Position {
        Position::Wal(WalPosition { system: system.into(), timeline: 1, database: "d".into(), lsn })
    }

    fn vector(parts: &[(&str, u64)]) -> Position {
        Position::Several(parts.iter().map(|(name, lsn)| ((*name).to_owned(), wal(name, *lsn))).collect())
    }

    #[test]
    fn vectors_are_ordered_component_by_component_and_only_partly() {
        let (erp, crm) = (vector(&[("crm", 1), ("erp", 2)]), vector(&[("crm", 2), ("erp", 1)]));
        assert_eq!(erp.compare(&crm), None);
        assert!(!erp.contains(&crm) && !crm.contains(&erp));
        assert!(erp.falls_behind(&crm) && crm.falls_behind(&erp));
        let both = erp.clone().joined(crm.clone());
        assert_eq!(both, vector(&[("crm", 2), ("erp", 2)]));
        assert!(both.contains(&erp) && both.contains(&crm) && !both.falls_behind(&erp));
        assert_eq!(both.compare(&both.clone()), Some(Ordering::Equal));
    }

    #[test]
    fn a_mark_of_one_source_asks_nothing_of_the_others() {
        let at = vector(&[("crm", 7), ("erp", 5)]);
        assert!(at.contains(&vector(&[("crm", 6)])));
        assert!(!at.contains(&vector(&[("crm", 8)])));
        // A chunk of crm shows the log of crm up to 7; a transaction of crm at 6 is in it wherever erp stands.
        assert!(vector(&[("crm", 7)]).covers(&vector(&[("crm", 6), ("erp", 900)])));
        assert!(!vector(&[("crm", 7)]).covers(&vector(&[("crm", 8), ("erp", 1)])));
        assert!(!vector(&[("crm", 7)]).names_all_of(&at) && at.names_all_of(&vector(&[("crm", 1)])));
    }

    #[test]
    fn f04_a_component_of_another_history_is_not_compared() {
        let moved = Position::Several(BTreeMap::from([("crm".to_owned(), wal("other", 9)), ("erp".to_owned(), wal("erp", 9))]));
        assert_eq!(moved.compare(&vector(&[("crm", 1), ("erp", 1)])), None);
        assert!(!moved.contains(&vector(&[("crm", 1)])));
        assert!(!moved.shares_history_with(&vector(&[("crm", 1), ("erp", 1)])));
        assert!(vector(&[("crm", 1), ("erp", 2)]).shares_history_with(&vector(&[("crm", 2), ("erp", 1)])));
        assert_eq!(vector(&[("erp", 1)]).compare(&wal("erp", 1)), None, "a vector is not a place in one log");
    }

    #[test]
    fn one_place_is_joined_and_covered_as_ever() {
        assert_eq!(wal("s", 3).joined(wal("s", 5)), wal("s", 5));
        assert_eq!(wal("s", 5).joined(wal("s", 3)), wal("s", 5));
        assert!(wal("s", 5).covers(&wal("s", 3)) && !wal("s", 3).covers(&wal("s", 5)));
        assert!(wal("s", 3).falls_behind(&wal("s", 5)) && !wal("s", 5).falls_behind(&wal("t", 9)));
    }

    #[test]
    fn a_vector_names_its_sources_and_survives_a_record() {
        let at = vector(&[("erp", 0x10), ("crm", 2)]);
        assert_eq!(at.to_string(), "crm 0/2 (timeline 1), erp 0/10 (timeline 1)");
        let text = serde_json::to_string(&at).unwrap();
        assert_eq!(serde_json::from_str::<Position>(&text).unwrap(), at);
    }
}
