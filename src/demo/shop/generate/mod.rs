//! The rows of the shop as multi-row inserts: master data first, then orders in chunks.
//!
//! A chunk draws from its own generator, seeded by the shop's seed and the chunk's number, so the rows do not depend on
//! how many connections load them.

mod masters;
mod orders;

pub(super) use masters::{customers, items, small_tables};
pub(super) use orders::order_chunk;

use fastrand::Rng;

/// How many rows the big master tables have, derived from the number of orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    pub orders: u32,
    pub customers: u32,
    pub items: u32,
    pub employees: u32,
    pub vendors: u32,
    pub coupons: u32,
}

impl Sizes {
    pub fn of(orders: u32) -> Self {
        Self {
            orders,
            customers: (orders / 4).max(40),
            items: (orders / 20).clamp(60, 50_000),
            employees: (orders / 2_000).clamp(8, 300),
            vendors: (orders / 400).clamp(12, 2_000),
            coupons: 12,
        }
    }
}

/// The days the shop's history spans.
pub(super) const HISTORY_DAYS: u32 = 1_000;

/// The generator of one chunk of one kind of row.
pub(super) fn chunk_rng(seed: u64, kind: u64, chunk: u32) -> Rng {
    let mut mixer = Rng::with_seed(seed ^ kind.rotate_left(40) ^ u64::from(chunk));
    Rng::with_seed(mixer.u64(..))
}

/// Day `number` of the shop's history as `YYYYMMDD`; day 0 is 2023-01-01.
pub(super) fn day(number: u32) -> String {
    let date = jiff::civil::date(2023, 1, 1).saturating_add(jiff::Span::new().days(i64::from(number.min(20_000))));
    format!("{:04}{:02}{:02}", date.year(), date.month(), date.day())
}

/// `YYYYMMDD` and seconds of the day as a DATETIME literal.
pub(super) fn datetime(day: &str, second: u32) -> String {
    let (year, rest) = day.split_at_checked(4).unwrap_or((day, ""));
    let (month, date) = rest.split_at_checked(2).unwrap_or((rest, ""));
    format!("{year}-{month}-{date} {:02}:{:02}:{:02}", second / 3600 % 24, second / 60 % 60, second % 60)
}

/// Seconds of the day as `HHMMSS`.
pub(super) fn time(second: u32) -> String {
    format!("{:02}{:02}{:02}", second / 3600 % 24, second / 60 % 60, second % 60)
}

pub(super) const ZERO_DATE: &str = "0000-00-00";
pub(super) const ZERO_DATETIME: &str = "0000-00-00 00:00:00";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_times_have_the_legacy_forms() {
        assert_eq!(day(0), "20230101");
        assert_eq!(day(59), "20230301");
        assert_eq!(datetime("20240229", 3661), "2024-02-29 01:01:01");
        assert_eq!(time(86_399), "235959");
    }

    #[test]
    fn ten_thousand_orders_are_about_a_hundred_thousand_rows() {
        let sizes = Sizes::of(10_000);
        let mut rows: u64 = small_tables(7, sizes).iter().map(|insert| insert.rows).sum();
        rows += customers(7, sizes, 0..sizes.customers).iter().map(|insert| insert.rows).sum::<u64>();
        rows += items(7, sizes, 0..sizes.items).iter().map(|insert| insert.rows).sum::<u64>();
        rows += (0..20).flat_map(|chunk| order_chunk(7, sizes, chunk, 500)).map(|insert| insert.rows).sum::<u64>();
        assert!((90_000..115_000).contains(&rows), "{rows}");
    }

    #[test]
    fn a_chunk_is_the_same_every_time() {
        let sizes = Sizes::of(2_000);
        let texts =
            || order_chunk(3, sizes, 1, 100).iter().filter_map(crate::demo::shop::text::Insert::statement).collect::<String>();
        assert_eq!(texts(), texts());
    }
}
