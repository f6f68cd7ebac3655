//! Outbox forecast: when a target that is slower than its source has filled its mapping's outbox, or when it has caught up.
//!
//! Nothing is lost at the bound: from there on the mapping only marks what changes, its target takes what waits, and then goes on by one
//! jump to a later state. What it does not show any more are the states in between; who counts on them has to act before.

use serde::{Deserialize, Serialize};

use super::forecast::Shortage;

/// Fewer bytes than this wait for a moment now and then, and say nothing.
const BYTES_MIN: u64 = 1 << 20;
/// A bound that is nearer than this is a shortage, seconds.
const NEAR_S: u64 = 3_600;

/// What is measured of one outbox.
#[derive(Debug, Clone, Default)]
pub struct Filling {
    /// The mapping.
    pub mapping: String,
    /// Bytes that wait.
    pub bytes: u64,
    /// Bytes that may.
    pub bytes_max: u64,
    /// Bytes per second that come in.
    pub in_bytes_per_s: u64,
    /// Bytes per second that the target takes.
    pub out_bytes_per_s: u64,
    /// Bytes that are free on the disk of the state folder.
    pub free_bytes: Option<u64>,
}

/// Where an outbox goes at its measured rates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxForecast {
    /// The mapping.
    pub mapping: String,
    /// Bytes that wait.
    pub bytes: u64,
    /// Bytes that may.
    pub bytes_max: u64,
    /// Bytes per second that come in.
    pub in_bytes_per_s: u64,
    /// Bytes per second that the target takes.
    pub out_bytes_per_s: u64,
    /// Seconds until it is at its bound; absent unless it fills.
    pub full_in_s: Option<u64>,
    /// When that is, `14:05 UTC`.
    pub full_at: Option<String>,
    /// Seconds until it is empty; absent unless the target takes more than comes in.
    pub empty_in_s: Option<u64>,
}

/// Forecasts one outbox at `now_s`, seconds since 1970; `None` if too little waits to say anything.
#[must_use]
pub fn outbox_forecast(filling: &Filling, now_s: u64) -> Option<OutboxForecast> {
    let Filling { bytes, bytes_max, in_bytes_per_s, out_bytes_per_s, .. } = *filling;
    if bytes < BYTES_MIN {
        return None;
    }
    let left = bytes_max.saturating_sub(bytes);
    let full_in_s = left.checked_div(in_bytes_per_s.saturating_sub(out_bytes_per_s));
    let empty_in_s = bytes.checked_div(out_bytes_per_s.saturating_sub(in_bytes_per_s));
    let full_at = full_in_s.map(|seconds| clock(now_s.saturating_add(seconds)));
    let mapping = filling.mapping.clone();
    Some(OutboxForecast { mapping, bytes, bytes_max, in_bytes_per_s, out_bytes_per_s, full_in_s, full_at, empty_in_s })
}

/// What does not last of an outbox: its bound, or the disk before that.
#[must_use]
pub fn outbox_shortage(filling: &Filling, forecast: &OutboxForecast) -> Option<Shortage> {
    let (full_in_s, full_at) = (forecast.full_in_s?, forecast.full_at.as_ref()?);
    let growth = filling.in_bytes_per_s.saturating_sub(filling.out_bytes_per_s);
    let disk_in_s = filling.free_bytes.and_then(|free| free.checked_div(growth)).filter(|seconds| *seconds < full_in_s);
    let name = &filling.mapping;
    if let Some(seconds) = disk_in_s.filter(|seconds| *seconds < NEAR_S) {
        return Some(Shortage {
            of: "disk".to_owned(),
            message: format!(
                "the outbox of mapping {name} fills the disk of the state folder in about {} min",
                seconds.div_ceil(60)
            ),
            remedy: "free space, or make the target faster; a full disk stops the run, which goes on once there is room"
                .to_owned(),
        });
    }
    (full_in_s < NEAR_S).then(|| Shortage {
        of: format!("outbox of {name}"),
        message: format!(
            "the target of mapping {name} is slower than its source: its outbox is at its bound in about {} min, at {full_at}",
            full_in_s.div_ceil(60)
        ),
        remedy: "nothing is lost: from then on changes are only marked, and once the target has taken what waits it goes on by one jump".to_owned(),
    })
}

/// `14:05 UTC`.
fn clock(seconds: u64) -> String {
    let minutes = seconds / 60;
    format!("{:02}:{:02} UTC", minutes / 60 % 24, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-23 13:00:00 UTC.
    const NOW_S: u64 = 1_795_438_800;

    fn filling(in_mib: u64, out_mib: u64) -> Filling {
        Filling {
            mapping: "orders".into(),
            bytes: 2 << 30,
            bytes_max: 8 << 30,
            in_bytes_per_s: in_mib << 20,
            out_bytes_per_s: out_mib << 20,
            free_bytes: Some(100 << 30),
        }
    }

    #[test]
    fn a_target_slower_than_its_source_fills_the_outbox_at_a_time_that_is_told() {
        let found = outbox_forecast(&filling(3, 1), NOW_S).unwrap();
        assert_eq!((found.full_in_s, found.full_at.as_deref(), found.empty_in_s), (Some(3_072), Some("13:51 UTC"), None));
        let shortage = outbox_shortage(&filling(3, 1), &found).unwrap();
        assert!(shortage.message.contains("52 min, at 13:51 UTC") && shortage.remedy.contains("one jump"), "{shortage:?}");
        let far = outbox_forecast(&filling(2, 1), NOW_S).unwrap();
        assert_eq!(outbox_shortage(&filling(2, 1), &far), None, "hours away");
    }

    #[test]
    fn a_target_that_does_not_answer_takes_nothing() {
        let found = outbox_forecast(&filling(3, 0), NOW_S).unwrap();
        assert_eq!((found.full_in_s, found.empty_in_s), (Some(2_048), None));
    }

    #[test]
    fn a_target_that_catches_up_is_told_with_the_time_it_needs() {
        let found = outbox_forecast(&filling(1, 3), NOW_S).unwrap();
        assert_eq!((found.full_in_s, found.full_at.clone(), found.empty_in_s), (None, None, Some(1_024)));
        assert_eq!(outbox_shortage(&filling(1, 3), &found), None);
        let even = outbox_forecast(&filling(2, 2), NOW_S).unwrap();
        assert_eq!((even.full_in_s, even.empty_in_s), (None, None));
    }

    #[test]
    fn f88_a_disk_that_is_smaller_than_the_bound_is_the_shortage() {
        let small = Filling { free_bytes: Some(1 << 30), ..filling(3, 1) };
        let found = outbox_forecast(&small, NOW_S).unwrap();
        let shortage = outbox_shortage(&small, &found).unwrap();
        assert!(shortage.of == "disk" && shortage.message.contains("9 min"), "{shortage:?}");
    }

    #[test]
    fn what_waits_for_a_moment_is_no_forecast() {
        assert_eq!(outbox_forecast(&Filling { bytes: 300_000, ..filling(3, 1) }, NOW_S), None);
        let past = Filling { bytes: 9 << 30, ..filling(3, 1) };
        assert_eq!(outbox_forecast(&past, NOW_S).and_then(|found| found.full_in_s), Some(0));
    }
}
