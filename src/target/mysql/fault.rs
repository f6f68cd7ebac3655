//! What the server or the driver said, sorted by what happens next.
//!
//! Messages of the server may quote row values or statement text; only those that name accounts, privileges, objects or settings get into an
//! [`Error`]. The others are told by their code, duplicates by the key that they violate.

use mysql_async::{DriverError, IoError};

use crate::error::{Class, Error};

/// Server messages that name an account, a privilege, an object or a setting, and never a value.
const NAMING_CODES: &[u16] = &[
    1005, 1044, 1045, 1046, 1049, 1050, 1054, 1059, 1060, 1061, 1067, 1069, 1071, 1072, 1101, 1103, 1118, 1130, 1142, 1143, 1146,
    1153, 1170, 1193, 1205, 1213, 1227, 1231, 1273, 1286, 1290, 1370, 1665, 1698, 1792, 1836, 3118, 3750, 4151,
];

/// The error of one attempt, e.g. `cannot write shop.orders`.
pub(super) fn of(error: &mysql_async::Error, attempt: &str) -> Error {
    match error {
        mysql_async::Error::Server(server) => of_server(server.code, &server.message, attempt),
        // The handshake is driven by the first read, and its refusal comes as that of the socket.
        mysql_async::Error::Io(IoError::Io(io)) => match io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(refused) => tls_refused(refused, attempt),
            None => Error::new(Class::Unreachable, format!("{attempt}: the connection failed ({})", io.kind())),
        },
        mysql_async::Error::Io(IoError::Tls(refused)) => tls_refused(refused, attempt),
        mysql_async::Error::Driver(driver) => of_driver(driver, attempt),
        mysql_async::Error::Url(_) => Error::new(Class::Mapping, format!("{attempt}: the url is not valid")),
        mysql_async::Error::Other(_) => Error::new(Class::Unreachable, format!("{attempt}: the driver gave up")),
    }
}

fn tls_refused(reason: &impl std::fmt::Display, attempt: &str) -> Error {
    Error::new(Class::Preflight, format!("{attempt}: the certificate of the server is not trusted ({reason})"))
        .with_hint("give the certificate authority in tls.ca, and connect by the name in the certificate")
}

/// The error of a statement that commits: whatever is not a clean refusal by the server leaves the outcome open.
pub(super) fn of_commit(error: &mysql_async::Error, attempt: &str) -> Error {
    let refused = match error {
        // Killed while it ran, shut down, failed in a hook: it may be committed all the same.
        mysql_async::Error::Server(server) => {
            !matches!(server.code, 1053 | 1180 | 1317 | 1927 | 1969 | 3024 | 3100 | 3101 | 3169)
        }
        _ => false,
    };
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

fn of_server(code: u16, message: &str, attempt: &str) -> Error {
    let message = message.trim_end_matches('.');
    let reason = match code {
        1062 | 1586 => format!("a unique key{} is violated (error {code})", key_name(message)),
        1048 | 1364 => format!("a column that is NOT NULL would be NULL (error {code})"),
        1216 | 1217 | 1451 | 1452 => format!("a foreign key is violated (error {code})"),
        3819 | 4025 => format!("a check constraint is violated (error {code})"),
        _ if NAMING_CODES.contains(&code) => format!("{message} (error {code})"),
        _ => format!("the server refused a value or statement (error {code})"),
    };
    let seen = Error::new(class_of(code), format!("{attempt}: {reason}"));
    match code {
        1044 | 1142 | 1143 | 1227 => seen.with_hint("run the check command, it prints the missing GRANT statements"),
        1045 | 1130 | 1698 => seen.with_hint("check user, password and host of the account"),
        1049 => seen.with_hint("create the database, or correct its name in the url"),
        1153 => seen.with_hint("raise max_allowed_packet on the target above the size of its largest row"),
        1118 => seen.with_hint("declare columns.type: longtext for long columns that are rarely read"),
        1290 | 1792 | 1836 => {
            seen.with_hint("the target is read-only, perhaps a replica; strangler goes on when it takes writes")
        }
        1021 | 1114 | 3675 => seen.with_hint("free disk space on the target; strangler goes on by itself"),
        1665 => seen.with_hint("set binlog_format to ROW or MIXED on the target"),
        _ => seen,
    }
}

/// ` orders.code` of "Duplicate entry 'secret' for key 'orders.code'"; the value before it is not kept.
fn key_name(message: &str) -> String {
    let name = message.rsplit_once(" for key '").and_then(|(_, name)| name.strip_suffix('\''));
    name.filter(|name| !name.contains('\'')).map(|name| format!(" {name}")).unwrap_or_default()
}

fn class_of(code: u16) -> Class {
    match code {
        // disk full, too many connections, shutdown, killed, net errors, read-only, user limits, lost connection
        1021
        | 1040
        | 1053
        | 1077
        | 1079
        | 1114
        | 1129
        | 1152
        | 1154
        | 1156..=1161
        | 1184
        | 1203
        | 1226
        | 1290
        | 1317
        | 1836
        | 1927
        | 2006
        | 2013
        | 3032
        | 3100
        | 3101
        | 3169
        | 3675
        | 4031 => Class::Unreachable,
        1044 | 1045 | 1095 | 1130 | 1142 | 1143 | 1227 | 1370 | 1410 | 1698 | 3118 | 4151 => Class::Privilege,
        // deadlock, lock wait, metadata lock, definition changed, statement time limit, snapshot too old
        1180 | 1205 | 1213 | 1412 | 1614 | 1969 | 3024 | 3572 => Class::Retry,
        1049 | 1665 => Class::Preflight,
        1792 => Class::Bug,
        _ => Class::Person,
    }
}

fn of_driver(error: &DriverError, attempt: &str) -> Error {
    match error {
        DriverError::ConnectionClosed | DriverError::PoolDisconnected => {
            Error::new(Class::Unreachable, format!("{attempt}: the server closed the connection"))
        }
        DriverError::NoClientSslFlagFromServer => Error::new(Class::Preflight, format!("{attempt}: the server offers no TLS"))
            .with_hint("enable TLS on the server; a connection off loopback is never made without it"),
        DriverError::UnknownAuthPlugin { name } => {
            Error::new(Class::Preflight, format!("{attempt}: the server asks for the unknown authentication plugin {name}"))
        }
        DriverError::MysqlOldPasswordDisabled | DriverError::CleartextPluginDisabled => {
            Error::new(Class::Preflight, format!("{attempt}: the server asks for a password in an insecure form"))
                .with_hint("give the account mysql_native_password, ed25519 or caching_sha2_password")
        }
        DriverError::PacketTooLarge => Error::new(Class::Person, format!("{attempt}: a packet is larger than the driver takes")),
        _ => Error::new(Class::Unreachable, format!("{attempt}: the driver did not understand the server")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f97_f100_codes_are_sorted_by_what_happens_next() {
        for (code, class) in [
            (1213, Class::Retry),
            (1205, Class::Retry),
            (1053, Class::Unreachable),
            (1290, Class::Unreachable),
            (1040, Class::Unreachable),
            (1142, Class::Privilege),
            (1045, Class::Privilege),
            (1062, Class::Person),
            (1366, Class::Person),
            (1406, Class::Person),
        ] {
            assert_eq!(class_of(code), class, "{code}");
        }
    }

    #[test]
    fn no_error_repeats_a_value() {
        let duplicate = of_server(1062, "Duplicate entry 'secret' for key 'orders.code'", "cannot write");
        assert_eq!(duplicate.message(), "cannot write: a unique key orders.code is violated (error 1062)");
        let odd = of_server(1062, "Duplicate entry 'a' for key 'x' for key 'secret'", "cannot write");
        assert!(odd.message().contains("a unique key secret") || !odd.message().contains('\''));
        for code in [1264, 1292, 1366, 1406, 3140, 1064] {
            assert!(!format!("{:?}", of_server(code, "wrong value: 'secret'", "x")).contains("secret"));
        }
    }
}
