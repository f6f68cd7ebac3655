//! Retention: how long a legacy server keeps the log that an engine has not read, and how fast it writes it.

use serde::{Deserialize, Serialize};

/// What one server keeps of its log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Name of the source in the project file.
    pub source: String,
    /// Seconds after which log is removed although nobody has read it; absent: never by age.
    pub kept_s: Option<u64>,
    /// Bytes of log beyond which the oldest is removed although nobody has read it; absent: never by size.
    pub kept_bytes: Option<u64>,
    /// Bytes of log that are there now, if the account may see it.
    pub held_bytes: Option<u64>,
    /// The oldest log file that is there, if the account may see it.
    pub oldest_file: Option<String>,
    /// Bytes of log per second, on average since the server started to count; absent where it cannot be told.
    pub log_bytes_per_s: Option<u64>,
}

impl Retention {
    /// How many seconds of log are kept for a reader that does not read, at `log_bytes_per_s`; `None`: there is no bound.
    #[must_use]
    pub fn reach_s(&self, log_bytes_per_s: u64) -> Option<u64> {
        let by_size = self.kept_bytes.filter(|_| log_bytes_per_s > 0).map(|bytes| bytes / log_bytes_per_s);
        self.kept_s.into_iter().chain(by_size).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_of_age_and_size_counts() {
        let kept = Retention { kept_s: Some(3_600), kept_bytes: Some(1_000_000), ..Retention::default() };
        assert_eq!(kept.reach_s(100), Some(3_600));
        assert_eq!(kept.reach_s(1_000), Some(1_000));
        assert_eq!(kept.reach_s(0), Some(3_600));
        assert_eq!(Retention::default().reach_s(1), None);
    }
}
