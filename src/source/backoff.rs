//! Pauses before something that is down is tried again: they grow, and half of each is random, so that several who wait do not come back at once.

use std::time::Duration;

const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The next pause, twice the last one up to five seconds.
#[derive(Debug)]
pub struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(PAUSE_MIN)
    }
}

impl Backoff {
    /// It worked: the next pause is the shortest again.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Sleeps before the next try.
    pub async fn pause(&mut self) {
        tokio::time::sleep(self.0.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        self.0 = (self.0 * 2).min(PAUSE_MAX);
    }
}
