//! Why the story could not be told to its end. Every surprise ends it: the demo is also a test.

use crate::demo::servers::ServerError;
use crate::demo::shop::ShopError;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum StoryError {
    /// A throw-away server could not be started or refused a statement.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The shop could not be loaded or kept busy.
    #[error(transparent)]
    Shop(#[from] ShopError),
    /// A command did not end as it should.
    #[error("`{command}` was to end with {wanted} and ended with {got}\n\n{output}")]
    Command {
        /// As a user types it.
        command: String,
        /// The exit code, or what was waited for.
        wanted: String,
        /// What happened instead.
        got: String,
        /// What it printed.
        output: String,
    },
    /// Something that the demo looked at was not as it should be.
    #[error("{0}")]
    Unexpected(String),
    /// The operating system said no.
    #[error("{attempted}: {cause}")]
    System {
        /// What was attempted.
        attempted: String,
        /// The system's answer.
        cause: std::io::Error,
    },
    /// A statement of the demo was refused.
    #[error("{attempted}: {cause}")]
    Sql {
        /// What was attempted.
        attempted: String,
        /// The driver's error.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The result of a step.
pub type Told<T = ()> = Result<T, StoryError>;

impl StoryError {
    /// An error of the operating system.
    pub fn system(attempted: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let attempted = attempted.into();
        move |cause| Self::System { attempted, cause }
    }

    /// A refused statement.
    pub fn sql<E: Into<Box<dyn std::error::Error + Send + Sync>>>(attempted: impl Into<String>) -> impl FnOnce(E) -> Self {
        let attempted = attempted.into();
        move |cause| Self::Sql { attempted, cause: cause.into() }
    }

    /// Whether a server program is missing on this machine.
    #[must_use]
    pub fn is_missing_program(&self) -> bool {
        matches!(self, Self::Server(ServerError::Missing { .. }))
    }
}
