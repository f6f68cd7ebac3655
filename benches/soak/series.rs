//! A number that was looked at every second, and whether it stayed flat.

/// Milliseconds, one for each second.
#[derive(Debug, Default)]
pub struct Series(Vec<i64>);

impl Series {
    /// Adds one.
    pub fn push(&mut self, number: i64) {
        self.0.push(number);
    }

    /// Smallest, middle and largest of the last `count`.
    pub fn last(&self, count: usize) -> String {
        let part = self.0.get(self.0.len().saturating_sub(count)..).unwrap_or_default();
        let [least, middle, most] = [0.0, 0.5, 1.0].map(|share| at(part, share));
        format!("{least}/{middle}/{most}")
    }

    /// Whether the median of the last third is at most that of the first third plus `margin`, and at most `bound`; in words.
    pub fn flat(&self, margin: i64, bound: i64) -> Result<String, String> {
        let third = (self.0.len() / 3).max(1);
        let mut thirds = self.0.chunks(third);
        let [first, middle, last] = std::array::from_fn(|_| at(thirds.next().unwrap_or_default(), 0.5));
        let words = format!(
            "medians of the thirds {first}, {middle}, {last} ms; p99 {} ms, max {} ms (flat: last <= first + {margin}, last <= {bound})",
            at(&self.0, 0.99),
            at(&self.0, 1.0)
        );
        if last <= first + margin && last <= bound { Ok(words) } else { Err(words) }
    }
}

fn at(part: &[i64], share: f64) -> i64 {
    let mut sorted = part.to_vec();
    sorted.sort_unstable();
    let place = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(place).copied().unwrap_or_default()
}
