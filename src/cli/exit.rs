//! Exit: how a command ended, and the one place where that becomes an exit code.
//!
//! The codes are a contract with scripts; they are listed in the README and in each command's help.

use crate::error::{Class, Error};
use crate::mapping::Problem;
use crate::review::preflight::Report;

/// An exit code of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Done and clean.
    Clean,
    /// Failed.
    Failed,
    /// Done; there are differences or pending changes.
    Differences,
    /// Done, but rows are quarantined.
    Quarantined,
    /// Done, but some keys are unconfirmed.
    Unconfirmed,
    /// The command line is wrong.
    Usage,
    /// A mapping or the project file is invalid.
    Invalid,
    /// A database is unreachable.
    Unreachable,
    /// A bug in strangler.
    Bug,
    /// The state is locked, or another engine fenced this one out.
    Locked,
    /// Stopped; running again resumes.
    Resumable,
    /// Stopped; a person must act.
    Person,
    /// A privilege is missing.
    Privilege,
    /// The preflight refused.
    Refused,
    /// Ended by SIGINT, checkpoint written.
    Interrupted,
    /// Ended by SIGTERM, checkpoint written.
    Terminated,
}

impl Code {
    /// The number.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Failed => 1,
            Self::Differences => 2,
            Self::Quarantined => 3,
            Self::Unconfirmed => 4,
            Self::Usage => 64,
            Self::Invalid => 65,
            Self::Unreachable => 69,
            Self::Bug => 70,
            Self::Locked => 73,
            Self::Resumable => 75,
            Self::Person => 76,
            Self::Privilege => 77,
            Self::Refused => 78,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

impl From<Class> for Code {
    fn from(class: Class) -> Self {
        match class {
            Class::Unreachable => Self::Unreachable,
            Class::Retry => Self::Resumable,
            Class::Person => Self::Person,
            Class::Mapping => Self::Invalid,
            Class::Privilege => Self::Privilege,
            Class::Preflight => Self::Refused,
            Class::Locked => Self::Locked,
            Class::Usage => Self::Usage,
            Class::Local => Self::Failed,
            Class::Bug => Self::Bug,
        }
    }
}

/// Why a command did not do what was asked: an error, or findings about files and databases.
#[derive(Debug)]
pub enum Failure {
    /// Something went wrong.
    Error(Error),
    /// Files or databases are not as they must be.
    Findings(Box<Findings>),
}

/// What is wrong with files and databases.
#[derive(Debug, Default)]
pub struct Findings {
    /// Places in files.
    pub problems: Vec<Problem>,
    /// What the databases said.
    pub report: Report,
    /// Why a database could not be asked.
    pub errors: Vec<Error>,
}

impl Findings {
    /// The code of the gravest finding: 65 before 77 before 78; `None` if nothing speaks against running.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        let classes = self.problems.iter().map(|problem| problem.class).chain(self.report.class());
        let classes: Vec<Class> = classes.chain(self.errors.iter().map(Error::class)).collect();
        let first = [Class::Mapping, Class::Privilege, Class::Preflight].into_iter().find(|class| classes.contains(class));
        first.or_else(|| classes.first().copied()).map(Code::from)
    }
}

impl Failure {
    /// The exit code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Error(error) => error.class().into(),
            Self::Findings(findings) => findings.code().unwrap_or(Code::Bug),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<Vec<Problem>> for Failure {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Findings(Box::new(Findings { problems, ..Findings::default() }))
    }
}

impl From<Findings> for Failure {
    fn from(findings: Findings) -> Self {
        Self::Findings(Box::new(findings))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::finding::{Finding, Severity};
    use crate::mapping::SourceFile;

    #[test]
    fn every_class_has_its_code() {
        let table = [
            (Class::Unreachable, 69),
            (Class::Retry, 75),
            (Class::Person, 76),
            (Class::Mapping, 65),
            (Class::Privilege, 77),
            (Class::Preflight, 78),
            (Class::Locked, 73),
            (Class::Usage, 64),
            (Class::Local, 1),
            (Class::Bug, 70),
        ];
        for (class, number) in table {
            assert_eq!(Code::from(class).number(), number, "{class:?}");
            assert_eq!(Failure::from(Error::new(class, "x")).code().number(), number);
        }
    }

    #[test]
    fn outcomes_have_their_codes_and_none_is_99() {
        let table = [
            (Code::Clean, 0),
            (Code::Failed, 1),
            (Code::Differences, 2),
            (Code::Quarantined, 3),
            (Code::Unconfirmed, 4),
            (Code::Usage, 64),
            (Code::Interrupted, 130),
            (Code::Terminated, 143),
        ];
        for (code, number) in table {
            assert_eq!(code.number(), number);
            assert_ne!(code.number(), 99);
        }
    }

    fn findings(problems: &[Class], severities: &[Severity]) -> Option<u8> {
        let file = Arc::new(SourceFile { path: "f".into(), text: String::new() });
        let problems = problems.iter().map(|class| Problem::new(&file, 0..0, "p").of_class(*class)).collect();
        let mut report = Report::default();
        for severity in severities {
            let finding = Finding {
                severity: *severity,
                check: "c",
                object: format!("{severity:?}"),
                message: "m".into(),
                remedy: String::new(),
            };
            report.add("source s", vec![finding]);
        }
        Findings { problems, report, errors: Vec::new() }.code().map(Code::number)
    }

    #[test]
    fn what_is_found_comes_before_what_could_not_be_asked() {
        let file = Arc::new(SourceFile { path: "f".into(), text: String::new() });
        let errors = || vec![Error::new(Class::Unreachable, "x")];
        assert_eq!(Findings { errors: errors(), ..Findings::default() }.code(), Some(Code::Unreachable));
        let problems = vec![Problem::new(&file, 0..0, "p")];
        assert_eq!(Findings { problems, errors: errors(), ..Findings::default() }.code(), Some(Code::Invalid));
    }

    #[test]
    fn several_findings_take_65_before_77_before_78() {
        assert_eq!(findings(&[Class::Preflight, Class::Mapping], &[Severity::Privilege, Severity::Refused]), Some(65));
        assert_eq!(findings(&[Class::Preflight], &[Severity::Privilege, Severity::Refused]), Some(77));
        assert_eq!(findings(&[], &[Severity::Refused, Severity::Warning]), Some(78));
        assert_eq!(findings(&[Class::Preflight], &[]), Some(78));
        assert_eq!(findings(&[], &[Severity::Warning, Severity::Note]), None);
        assert_eq!(findings(&[], &[]), None);
    }
}
