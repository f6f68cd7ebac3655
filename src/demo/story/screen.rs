//! The screen of the demo: numbered steps, the commands a user would type, what they answered. Plain lines where stdout is no terminal.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

/// Writes the story to stdout.
pub struct Screen {
    terminal: bool,
    color: bool,
    started: Instant,
    step: AtomicU32,
    /// Whether a passing line stands on the terminal.
    passing: AtomicBool,
}

impl Screen {
    /// A screen on stdout.
    #[must_use]
    pub fn stdout() -> Self {
        let terminal = std::io::stdout().is_terminal();
        let color = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { terminal, color, started: Instant::now(), step: AtomicU32::new(0), passing: AtomicBool::new(false) }
    }

    /// Seconds since the start.
    #[must_use]
    pub fn elapsed_s(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// The heading of the whole story.
    pub fn title(&self, text: &str) {
        self.line(&self.styled("1", text));
    }

    /// Begins the next numbered step.
    pub fn step(&self, text: &str) {
        let number = self.step.fetch_add(1, Ordering::Relaxed) + 1;
        let clock = format!("{:.0} s", self.elapsed_s());
        self.line(&format!(
            "\n{} {}  {}",
            self.styled("1;36", &format!("{number:>2}")),
            self.styled("1", text),
            self.styled("2", &clock)
        ));
    }

    /// A line of the story.
    pub fn say(&self, text: &str) {
        for line in text.lines() {
            self.line(&format!("    {line}"));
        }
    }

    /// A command as a user would type it.
    pub fn command(&self, text: &str) {
        self.line(&format!("    {} {}", self.styled("2", "$"), self.styled("1", text)));
    }

    /// What a command printed: at most its first `head` lines and its last `tail` ones.
    pub fn output(&self, text: &str, head: usize, tail: usize) {
        let lines: Vec<&str> = text.trim_end().lines().collect();
        let left_out = lines.len().saturating_sub(head + tail);
        // A gap of one line would need a line to say so.
        let (head, left_out) = if left_out <= 1 { (lines.len(), 0) } else { (head, left_out) };
        for line in lines.iter().take(head) {
            self.line(format!("      {line}").trim_end());
        }
        if left_out > 0 {
            self.line(&self.styled("2", &format!("      .. {left_out} more lines ..")));
            for line in lines.iter().skip(head + left_out) {
                self.line(format!("      {line}").trim_end());
            }
        }
    }

    /// A line that the next one replaces; nothing where there is no terminal.
    pub fn passing(&self, text: &str) {
        if self.terminal {
            let text: String = text.chars().take(74).collect();
            self.passing.store(true, Ordering::Relaxed);
            write(&format!("\r\u{1b}[2K    {}", self.styled("2", &text)));
        }
    }

    /// Something that went as it should.
    pub fn good(&self, text: &str) {
        self.line(&format!("    {} {text}", self.styled("32", "ok")));
    }

    fn line(&self, text: &str) {
        let clear = if self.passing.swap(false, Ordering::Relaxed) { "\r\u{1b}[2K" } else { "" };
        write(&format!("{clear}{text}\n"));
    }

    fn styled(&self, style: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{style}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.passing.load(Ordering::Relaxed) {
            write("\r\u{1b}[2K");
        }
    }
}

/// A reader that went away wants no more; the demo still has to tidy up.
fn write(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
