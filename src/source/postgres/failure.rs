//! What the server or a connection said, sorted by what happens next.
//!
//! A server's DETAIL and the messages of some classes hold row values; those never get into an [`Error`].

use std::time::Duration;

use crate::error::{Class, Error, Result};

/// An error response of the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ServerError {
    /// SQLSTATE.
    pub(super) code: String,
    /// Primary message.
    pub(super) message: String,
}

/// The error of one attempt, e.g. `could not read a chunk of shop.orders`.
pub(super) fn of_server(error: &ServerError, attempt: &str) -> Error {
    let code = error.code.as_str();
    let text = match code.get(..2) {
        // Messages of these classes speak of settings, objects and resources only.
        Some("08" | "0A" | "25" | "28" | "3D" | "3F" | "40" | "42" | "53" | "55" | "57" | "58") => {
            format!("could not {attempt}: {} (SQLSTATE {code})", error.message)
        }
        _ => format!("could not {attempt}: the server refused a value or statement (SQLSTATE {code})"),
    };
    let seen = Error::new(class_of(code), text);
    match code {
        "42501" => seen.with_hint("run `strangler check`, it prints the missing statements"),
        "28000" | "28P01" => seen.with_hint("check the user, the password and pg_hba.conf of the source"),
        "55006" => seen.with_hint("another engine reads this slot, or the connection of one that died has not been given up yet"),
        "57014" => seen.with_hint("the statement passed its time limit; use smaller chunks or a longer statement timeout"),
        "53300" => seen.with_hint("raise max_connections, max_wal_senders or max_replication_slots, or close connections"),
        "08P01" => seen.with_hint("connect to the server itself, not through a connection pooler"),
        _ => seen,
    }
}

fn class_of(code: &str) -> Class {
    match code {
        "40001" | "40P01" | "55P03" | "57014" | "26000" => Class::Retry,
        "55006" => Class::Unreachable,
        "42501" => Class::Privilege,
        "3D000" => Class::Mapping,
        "58P01" | "58P02" | "08P01" => Class::Person,
        _ => match code.get(..2) {
            Some("08" | "53" | "57" | "58") => Class::Unreachable,
            Some("28") => Class::Privilege,
            _ => Class::Person,
        },
    }
}

/// The error of the driver for ordinary statements.
pub(super) fn of_driver(error: tokio_postgres::Error, attempt: &str) -> Error {
    if let Some(server) = error.as_db_error() {
        let server = ServerError { code: server.code().code().to_owned(), message: server.message().to_owned() };
        return of_server(&server, attempt);
    }
    let (message, closed) = (error.to_string(), error.is_closed());
    match error.into_source() {
        Some(source) => match source.downcast::<std::io::Error>() {
            Ok(io) => of_io(*io, attempt),
            Err(other) => {
                let class = if closed { Class::Unreachable } else { Class::Person };
                Error::new(class, format!("could not {attempt}: {message}")).because(other)
            }
        },
        None => {
            let class = if closed || message.contains("timeout") { Class::Unreachable } else { Class::Person };
            Error::new(class, format!("could not {attempt}: {message}"))
        }
    }
}

/// A broken connection, or a server that is not to be trusted.
pub(super) fn of_io(error: std::io::Error, attempt: &str) -> Error {
    let distrusted =
        error.get_ref().is_some_and(|inner| matches!(inner.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))));
    if distrusted {
        return Error::new(Class::Preflight, format!("could not {attempt}: the certificate of the server is not trusted"))
            .with_hint("give the certificate authority in tls.ca, and connect by the name in the certificate")
            .because(error);
    }
    Error::new(Class::Unreachable, format!("could not {attempt}: connection failed ({})", error.kind())).because(error)
}

/// What arrived is not the protocol.
pub(super) fn malformed(what: &str) -> Error {
    Error::new(Class::Person, format!("the source sent {what}, which this version does not understand"))
        .with_hint("check that the url leads to a supported PostgreSQL server itself")
}

/// Runs a call under a client-side deadline, so that a half-open connection cannot hang the caller.
///
/// # Errors
/// `Unreachable` when the deadline passes; else what the call gives.
pub(super) async fn within<T>(limit: Duration, attempt: &str, call: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::new(Class::Unreachable, format!("could not {attempt}: no answer within {} s", limit.as_secs()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_by_what_happens_next_and_values_are_not_repeated() {
        let of = |code: &str| of_server(&ServerError { code: code.into(), message: "secret-value".into() }, "read");
        for (code, class) in [
            ("40001", Class::Retry),
            ("57014", Class::Retry),
            ("57P01", Class::Unreachable),
            ("53300", Class::Unreachable),
            ("55006", Class::Unreachable),
            ("55000", Class::Person),
            ("42501", Class::Privilege),
            ("28P01", Class::Privilege),
            ("3D000", Class::Mapping),
            ("58P01", Class::Person),
            ("22P02", Class::Person),
        ] {
            assert_eq!(of(code).class(), class, "{code}");
        }
        assert!(!format!("{:?}", of("22P02")).contains("secret-value"));
    }
}
