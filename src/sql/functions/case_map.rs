//! UPPER and LOWER as the source's collations map characters; not as Unicode does today.
//!
//! The tables were read from the servers for every character of the basic plane; beyond it the general tables map nothing.

use super::case_tables::{self as tables, Run};

/// Which of the source's case tables a collation uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaseMap {
    /// The general, unicode and bin collations of utf8mb3 and utf8mb4.
    General,
    /// MySQL's utf8mb4_0900 collations.
    Uca900,
    /// euckr.
    Euckr,
    /// latin1.
    Latin1,
}

impl CaseMap {
    /// The case table of a collation; `None` where it was not read from a server.
    #[must_use]
    pub fn of(collation: &str) -> Option<Self> {
        let (charset, rest) = collation.split_once('_')?;
        match (charset, rest) {
            (
                "utf8mb4" | "utf8mb3" | "utf8",
                "general_ci" | "bin" | "unicode_ci" | "nopad_bin" | "general_nopad_ci" | "unicode_nopad_ci",
            ) => Some(Self::General),
            ("utf8mb4", "0900_ai_ci" | "0900_as_ci" | "0900_as_cs" | "0900_bin") => Some(Self::Uca900),
            ("euckr", "korean_ci" | "bin") => Some(Self::Euckr),
            ("latin1", "swedish_ci" | "bin" | "general_ci") => Some(Self::Latin1),
            _ => None,
        }
    }

    /// The text in upper case; `None` where the source's answer is cut off and not carried.
    #[must_use]
    pub fn upper(self, text: &str) -> Option<String> {
        let runs = match self {
            Self::General => tables::GENERAL_UPPER,
            Self::Uca900 => tables::UCA_900_UPPER,
            Self::Euckr => tables::EUCKR_UPPER,
            Self::Latin1 => tables::LATIN1_UPPER,
        };
        map(text, runs, if self == Self::Uca900 { tables::UCA_900_UPPER_CUT } else { &[] })
    }

    /// The text in lower case; `None` where the source's answer is cut off and not carried.
    #[must_use]
    pub fn lower(self, text: &str) -> Option<String> {
        let runs = match self {
            Self::General => tables::GENERAL_LOWER,
            Self::Uca900 => tables::UCA_900_LOWER,
            Self::Euckr => tables::EUCKR_LOWER,
            Self::Latin1 => tables::LATIN1_LOWER,
        };
        map(text, runs, if self == Self::Uca900 { tables::UCA_900_LOWER_CUT } else { &[] })
    }
}

fn map(text: &str, runs: &[Run], cut: &[u32]) -> Option<String> {
    text.chars().map(|character| if cut.contains(&u32::from(character)) { None } else { map_one(character, runs) }).collect()
}

fn map_one(character: char, runs: &[Run]) -> Option<char> {
    let code = u32::from(character);
    // Runs of step 2 interleave, so the last run that starts at or before the character need not be the one that holds it.
    let after = runs.partition_point(|(first, ..)| *first <= code);
    let near = runs.get(after.saturating_sub(4)..after)?;
    match near.iter().find(|(first, last, step, _)| (*first..=*last).contains(&code) && (code - first) % step == 0) {
        Some((.., delta)) => code.checked_add_signed(*delta).and_then(char::from_u32),
        None => Some(character),
    }
}
