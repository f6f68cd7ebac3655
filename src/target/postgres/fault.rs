//! What the server or the driver said, sorted by what happens next.
//!
//! A server's DETAIL, and the message of some classes, hold row values; those never get into an [`Error`]. Instead the error names the
//! constraint, the column and the SQLSTATE.

use tokio_postgres::error::DbError;

use crate::error::{Class, Error};

/// The error of one attempt, e.g. `cannot write public.orders`.
pub(super) fn of(error: tokio_postgres::Error, attempt: &str) -> Error {
    match error.as_db_error() {
        Some(server) => of_server(server, attempt),
        None => of_driver(error, attempt),
    }
}

/// The error of a statement that commits: whatever is not a clean refusal by the server leaves the outcome open.
pub(super) fn of_commit(error: tokio_postgres::Error, attempt: &str) -> Error {
    let open = |class: &str| matches!(class, "08" | "57" | "58" | "XX");
    let refused = error.code().is_some_and(|code| code.code().get(..2).is_some_and(|class| !open(class)));
    let seen = of(error, attempt);
    if refused { seen } else { lost_commit(attempt).because(seen) }
}

/// COMMIT was sent and no answer came.
pub(super) fn lost_commit(attempt: &str) -> Error {
    Error::new(Class::Retry, format!("{attempt}: the answer to COMMIT was lost, the checkpoint tells whether it took place"))
}

/// A deadline passed without an answer.
pub(super) fn overdue(attempt: &str, waited_s: u64) -> Error {
    Error::new(Class::Unreachable, format!("{attempt}: no answer within {waited_s} s"))
}

fn of_server(error: &DbError, attempt: &str) -> Error {
    let code = error.code().code();
    let class = class_of(code, error.routine());
    let seen = Error::new(class, format!("{attempt}: {}", reason(error)));
    match (class, code) {
        (Class::Privilege, "42501") => seen.with_hint("run the check command, it prints the missing GRANT statements"),
        (Class::Privilege, _) => seen.with_hint("check user, password and pg_hba.conf of the target"),
        (_, "08P01") => seen.with_hint("connect to the server itself, not through a connection pooler"),
        (_, "53100") => seen.with_hint("free disk space on the target; strangler goes on by itself"),
        (_, "25006") => seen.with_hint("the target is read-only, perhaps a standby; strangler goes on when it takes writes"),
        (_, "22001") => seen.with_hint("declare a longer type for the column in the mapping"),
        _ => seen,
    }
}

fn class_of(code: &str, routine: Option<&str>) -> Class {
    match code {
        "40001" | "40P01" | "55P03" | "57014" | "26000" => Class::Retry,
        // The table was altered under a prepared statement; a new connection prepares it anew.
        "0A000" if routine == Some("RevalidateCachedQuery") => Class::Retry,
        "25006" => Class::Unreachable,
        "42501" => Class::Privilege,
        "3D000" | "08P01" => Class::Preflight,
        _ => match code.get(..2) {
            Some("08" | "53" | "57" | "58") => Class::Unreachable,
            Some("28") => Class::Privilege,
            _ => Class::Person,
        },
    }
}

/// What happened, without any row value.
fn reason(error: &DbError) -> String {
    let code = error.code().code();
    match code.get(..2) {
        Some("23") => constraint(error),
        // Messages of these classes speak of settings, objects and resources only.
        Some("08" | "0A" | "25" | "28" | "3D" | "40" | "42" | "53" | "55" | "57" | "58") => {
            format!("{} (SQLSTATE {code})", error.message())
        }
        _ => format!("the server refused a value or statement{} (SQLSTATE {code})", place(error)),
    }
}

fn constraint(error: &DbError) -> String {
    let kind = match error.code().code() {
        "23502" => "a not-null constraint",
        "23503" => "a foreign key",
        "23505" => "a unique constraint",
        "23514" => "a check constraint",
        "23P01" => "an exclusion constraint",
        _ => "a constraint",
    };
    let name = error.constraint().map(|name| format!(" {name}")).unwrap_or_default();
    format!("{kind}{name} is violated{} (SQLSTATE {})", place(error), error.code().code())
}

fn place(error: &DbError) -> String {
    match (error.schema(), error.table(), error.column()) {
        (Some(schema), Some(table), Some(column)) => format!(" in {schema}.{table}.{column}"),
        (Some(schema), Some(table), None) => format!(" in {schema}.{table}"),
        _ => String::new(),
    }
}

fn of_driver(error: tokio_postgres::Error, attempt: &str) -> Error {
    let message = error.to_string();
    let closed = error.is_closed();
    let Some(source) = error.into_source() else {
        let class = if closed || message.contains("timeout") { Class::Unreachable } else { Class::Person };
        return Error::new(class, format!("{attempt}: {message}"));
    };
    let Some(io) = source.downcast_ref::<std::io::Error>() else {
        let class = match message.contains("TLS") {
            true => Class::Preflight,
            false if closed => Class::Unreachable,
            false => Class::Person,
        };
        return Error::new(class, format!("{attempt}: {message}")).because(source);
    };
    let distrusted = io.get_ref().is_some_and(|inner| matches!(inner.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))));
    if distrusted {
        return Error::new(Class::Preflight, format!("{attempt}: the certificate of the server is not trusted"))
            .with_hint("give the certificate authority in tls.ca, and connect by the name in the certificate")
            .because(source);
    }
    Error::new(Class::Unreachable, format!("{attempt}: {message}")).because(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f97_f100_codes_are_sorted_by_what_happens_next() {
        for (code, class) in [
            ("40001", Class::Retry),
            ("40P01", Class::Retry),
            ("55P03", Class::Retry),
            ("08006", Class::Unreachable),
            ("57P01", Class::Unreachable),
            ("57P03", Class::Unreachable),
            ("53100", Class::Unreachable),
            ("53300", Class::Unreachable),
            ("25006", Class::Unreachable),
            ("42501", Class::Privilege),
            ("28P01", Class::Privilege),
            ("23505", Class::Person),
            ("22P02", Class::Person),
            ("42703", Class::Person),
        ] {
            assert_eq!(class_of(code, None), class, "{code}");
        }
    }
}
