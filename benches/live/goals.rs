//! Goals: each figure beside what it is to be, and whether the run may end without an error.

use crate::support::Outcome;

/// What was not met.
#[derive(Debug, Default)]
pub struct Goals(Vec<String>);

impl Goals {
    /// A figure that is to be at least so much; the words to print behind it.
    pub fn at_least(&mut self, what: &str, figure: f64, goal: f64) -> String {
        self.verdict(what, figure >= goal, format!("goal {goal:.0}"))
    }

    /// A time in milliseconds that is to be below so much.
    pub fn below_ms(&mut self, what: &str, figure: f64, goal: f64) -> String {
        self.verdict(what, figure < goal, format!("goal {goal:.2}"))
    }

    /// A size that is to be at most so much.
    pub fn within(&mut self, what: &str, figure: u64, cap: u64) -> String {
        self.verdict(what, figure <= cap, format!("cap {cap}"))
    }

    fn verdict(&mut self, what: &str, is_met: bool, goal: String) -> String {
        if is_met {
            return format!("{goal} met");
        }
        self.0.push(format!("{what}: {goal} NOT met"));
        format!("{goal} NOT met")
    }

    /// An error if any was not met.
    pub fn outcome(self) -> Outcome<()> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0.join("\n").into()) }
    }
}
