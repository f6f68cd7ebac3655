//! The one error type of the crate, sorted by what happens next.
//!
//! An [`Error`] says what was seen (message, then causes) and what to do (hint). Its [`Class`] decides, in one exhaustive
//! match, whether the flow tries again, stops, asks a person, or reports a bug; the shell turns the class into an exit code.
//! Messages never hold a row value or a secret.

use std::fmt;

/// What happens next. The exit codes are those of the command-line contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A database cannot be reached or answered with a passing fault: wait and try again (exit 69 when retries end).
    Unreachable,
    /// The step may succeed when run again from the checkpoint: deadlock, serialization failure (exit 75).
    Retry,
    /// Something in the data or the log that only a person can decide (exit 76).
    Person,
    /// A mapping or configuration file is wrong (exit 65).
    Mapping,
    /// A database privilege is missing (exit 77).
    Privilege,
    /// A setting, key or type that the preflight refuses (exit 78).
    Preflight,
    /// Another engine holds the state or the fence (exit 73).
    Locked,
    /// The command line is wrong (exit 64).
    Usage,
    /// The local disk or another local resource failed (exit 1).
    Local,
    /// A contract inside strangler is broken (exit 70).
    Bug,
}

/// An error with its class, its causes and, where there is something to do, a hint.
pub struct Error {
    class: Class,
    message: String,
    hint: Option<String>,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The result of everything fallible in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `class` that says `message`: lower case, no full stop, naming the object and what was attempted.
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), hint: None, cause: None }
    }

    /// A broken contract inside strangler.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(Class::Bug, message)
    }

    /// The same error with something to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error with what caused it.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The same error seen from one level up: `message` in front, the old error as its cause; class and hint stay.
    #[must_use]
    pub fn context(self, message: impl Into<String>) -> Self {
        let (class, hint) = (self.class, self.hint.clone());
        Self { class, message: message.into(), hint, cause: Some(Box::new(self)) }
    }

    /// What happens next.
    #[must_use]
    pub fn class(&self) -> Class {
        self.class
    }

    /// What was seen, without causes.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do, if there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl Class {
    /// Whether a flow may try again by itself.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Unreachable | Self::Retry)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.class, self.message)?;
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            write!(f, "; caused by: {error}")?;
            cause = error.source();
        }
        if let Some(hint) = &self.hint {
            write!(f, "; hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Some(cause) => Some(cause.as_ref()),
            None => None,
        }
    }
}

/// Adds context on the way up.
pub trait ResultExt<T> {
    /// On error, puts `message()` in front (see [`Error::context`]).
    ///
    /// # Errors
    /// The same error with its context.
    fn context(self, message: impl FnOnce() -> String) -> Result<T>;
}

impl<T> ResultExt<T> for Result<T> {
    fn context(self, message: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| error.context(message()))
    }
}
