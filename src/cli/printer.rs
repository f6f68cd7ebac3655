//! Printer: results to stdout, everything else to stderr.
//!
//! Nothing here fails: a reader that went away (`| head`) ends the writing, not the engine. Colour is used on a terminal only, and never
//! when `NO_COLOR` is set.

use std::io::{IsTerminal, Write};

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Level, Renderer};
use indicatif::MultiProgress;
use serde::Serialize;

use super::exit::{Code, Failure, Findings};
use super::text::counted;
use crate::error::Error;
use crate::finding::{Finding, Severity};
use crate::mapping::Problem;
use crate::review::preflight::{Report, severity_name};

/// How results are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON document with a `format_version`.
    Json,
}

/// Writes what a command has to say.
#[derive(Clone)]
pub struct Printer {
    /// How results are written.
    pub format: Format,
    /// Nothing but results and errors.
    pub quiet: bool,
    /// The bars on the terminal; hidden where stderr is none.
    pub bars: MultiProgress,
    color: bool,
}

impl Printer {
    /// A printer for this process.
    #[must_use]
    pub fn new(format: Format, quiet: bool) -> Self {
        let color = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { format, quiet, bars: MultiProgress::new(), color }
    }

    /// Whether bars can be drawn.
    #[must_use]
    pub fn has_terminal(&self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }

    /// Whether results may be coloured.
    #[must_use]
    pub fn colors_results(&self) -> bool {
        self.color && std::io::stdout().is_terminal()
    }

    /// Writes a result.
    pub fn result(&self, text: &str) {
        self.bars.suspend(|| {
            let mut stdout = std::io::stdout().lock();
            // A reader that went away wants no more.
            let _ = writeln!(stdout, "{}", text.trim_end_matches('\n')).and_then(|()| stdout.flush());
        });
    }

    /// Writes a result as JSON.
    pub fn json<T: Serialize>(&self, value: &T) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.result(&text),
            Err(error) => self.failure(&Error::bug("a result cannot be written as JSON").because(error).into()),
        }
    }

    /// Writes a remark, unless quiet.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.error_line(text);
        }
    }

    fn error_line(&self, text: &str) {
        self.bars.suspend(|| {
            let _ = writeln!(std::io::stderr().lock(), "{}", text.trim_end_matches('\n'));
        });
    }

    /// Writes why a command failed.
    pub fn failure(&self, failure: &Failure) {
        match failure {
            Failure::Error(error) => self.error_line(&error_text(error, self.color)),
            Failure::Findings(findings) => self.error_line(&findings_text(findings, self.color)),
        }
    }

    /// Writes why the demo ended, with what its command printed.
    pub fn demo_failed(&self, text: &str) {
        self.error_line(&format!("\nerror: the demo stopped: {text}"));
    }

    /// Writes that there is a bug.
    pub fn panicked(&self) -> Code {
        self.error_line("error: this is a bug in strangler; the state is intact up to the last checkpoint\n\nhint: report it with the lines above and the version (`strangler --version`)");
        Code::Bug
    }
}

/// An error with its causes and its hint.
#[must_use]
pub fn error_text(error: &Error, color: bool) -> String {
    let (red, cyan, plain) = if color { ("\u{1b}[1;31m", "\u{1b}[36m", "\u{1b}[0m") } else { ("", "", "") };
    let mut text = format!("{red}error{plain}: {error}\n");
    let mut cause = std::error::Error::source(error);
    let mut last = error.to_string();
    while let Some(error) = cause {
        let message = error.to_string();
        // Drivers like to repeat themselves on the way down.
        if message != last {
            text += &format!("  caused by: {message}\n");
        }
        last = message;
        cause = error.source();
    }
    if let Some(hint) = error.hint() {
        text += &format!("\n{cyan}hint{plain}: {hint}\n");
    }
    text
}

/// All findings with a closing count.
#[must_use]
pub fn findings_text(findings: &Findings, color: bool) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut problems: Vec<&Problem> = findings.problems.iter().collect();
    problems.sort_by(|left, right| left.order().cmp(&right.order()));
    parts.extend(problems.iter().map(|problem| problem.picture(color)));
    parts.extend(report_text(&findings.report, color));
    parts.extend(findings.errors.iter().map(|error| error_text(error, color).trim_end().to_owned()));
    let refused = problems.len() + findings.report.refusal_count() + findings.errors.len();
    if refused > 0 {
        parts.push(format!("{} to mend", counted(refused as u64, "finding")));
    }
    parts.join("\n\n")
}

/// The findings of databases, one paragraph per database and object.
#[must_use]
pub fn report_text(report: &Report, color: bool) -> Option<String> {
    let mut report = report.clone();
    report.sort();
    let mut paragraphs: Vec<(String, Vec<String>)> = Vec::new();
    for (database, finding) in &report.findings {
        // Grants are read, and pasted, together.
        let (heading, line) = match finding.severity {
            Severity::Privilege => (format!("{database}: privileges are missing"), grant_text(finding)),
            _ => (format!("{database}: {}", finding.object), finding_text(finding, color)),
        };
        match paragraphs.iter_mut().find(|(title, _)| *title == heading) {
            Some((_, lines)) => lines.push(line),
            None => paragraphs.push((heading, vec![line])),
        }
    }
    let paragraphs: Vec<String> =
        paragraphs.into_iter().map(|(heading, lines)| format!("{heading}\n{}", lines.join("\n"))).collect();
    (!paragraphs.is_empty()).then(|| paragraphs.join("\n\n"))
}

fn grant_text(finding: &Finding) -> String {
    match finding.remedy.as_str() {
        "" => format!("  {}: {}", finding.object, finding.message),
        remedy => format!("  {};", remedy.trim_end().trim_end_matches(';').replace('\n', "\n  ")),
    }
}

fn finding_text(finding: &Finding, color: bool) -> String {
    let level = match finding.severity {
        Severity::Note => Level::NOTE,
        Severity::Warning => Level::WARNING,
        Severity::Refused | Severity::Privilege => Level::ERROR,
    };
    let title = level.with_name(severity_name(finding.severity)).primary_title(finding.message.as_str()).id(finding.check);
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let head = renderer.decor_style(DecorStyle::Ascii).render(&[annotate_snippets::Group::with_title(title)]);
    let remedy = finding.remedy.lines().map(|line| format!("\n      {line}")).collect::<String>();
    format!("  {}{remedy}", head.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;

    #[test]
    fn an_error_shows_its_causes_and_then_its_hint() {
        let error = Error::new(Class::Unreachable, "connection refused").with_hint("start it").context("connect to source erp");
        assert_eq!(
            error_text(&error, false),
            "error: connect to source erp\n  caused by: connection refused\n\nhint: start it\n"
        );
    }

    #[test]
    fn findings_are_grouped_by_object_and_counted() {
        let mut report = Report::default();
        let finding = |severity, check, object: &str, remedy: &str| Finding {
            severity,
            check,
            object: object.into(),
            message: "m".into(),
            remedy: remedy.into(),
        };
        report.add(
            "source erp",
            vec![
                finding(Severity::Warning, "expiry", "binlog", ""),
                finding(Severity::Refused, "format", "binlog", "SET GLOBAL x = 1;\nSET GLOBAL y = 2;"),
            ],
        );
        report.add("target db", vec![finding(Severity::Privilege, "privilege", "public.orders", "GRANT SELECT ..")]);
        insta::assert_snapshot!(findings_text(&Findings { report, ..Findings::default() }, false));
    }
}
