//! Pace: how fast something counted goes, over the last minute, and how long the rest takes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back a rate looks.
const WINDOW: Duration = Duration::from_secs(60);
/// How far two looks are apart at least.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// A count as it grows. Counts of earlier runs are no pace of this one: the first look only says where it begins.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    samples: VecDeque<(Instant, u64)>,
}

impl Pace {
    /// Looks at the count; answers its growth per second, `None` until it has been looked at for a second.
    pub fn look(&mut self, now: Instant, count: u64) -> Option<f64> {
        if self.samples.back().is_some_and(|(_, before)| *before > count) {
            self.samples.clear(); // begun again
        }
        if self.samples.back().is_none_or(|(at, _)| now.duration_since(*at) >= SAMPLE_EVERY) {
            self.samples.push_back((now, count));
        }
        while self.samples.len() > 2 && self.samples.get(1).is_some_and(|(at, _)| now.duration_since(*at) > WINDOW) {
            self.samples.pop_front();
        }
        let (since, before) = self.samples.front()?;
        let seconds = now.duration_since(*since).as_secs_f64();
        (seconds >= SAMPLE_EVERY.as_secs_f64()).then(|| count.saturating_sub(*before) as f64 / seconds)
    }
}

/// Seconds until `done` is `all` at a rate per second; `None` before 1 %, where it would be a guess, and while nothing moves.
#[must_use]
pub fn left_s(done: u64, all: u64, rate: Option<f64>) -> Option<u64> {
    let rate = rate.filter(|rate| *rate > 0.0)?;
    let is_known = all > 0 && done.saturating_mul(100) >= all;
    is_known.then(|| (all.saturating_sub(done) as f64 / rate).ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_of_the_last_minute_and_of_this_run() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        assert_eq!(pace.look(at(0), 1_000_000), None, "what an earlier run did is no pace");
        assert_eq!(pace.look(at(10), 1_000_100), Some(10.0));
        for second in 11..=200 {
            pace.look(at(second), 1_000_100 + (second - 10) * 50);
        }
        assert_eq!(pace.look(at(200), 1_009_600).map(f64::round), Some(50.0));
        assert_eq!(pace.look(at(201), 5), None, "what begins again has no pace yet");
    }

    #[test]
    fn there_is_no_estimate_before_one_percent() {
        assert_eq!(left_s(9, 1_000, Some(1.0)), None);
        assert_eq!(left_s(10, 1_000, Some(10.0)), Some(99));
        assert_eq!(left_s(500, 1_000, Some(0.0)), None);
        assert_eq!(left_s(2_000, 1_000, Some(1.0)), Some(0));
        assert_eq!(left_s(0, 0, Some(1.0)), None);
    }
}
