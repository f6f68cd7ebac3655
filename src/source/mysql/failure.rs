//! Driver errors become the crate's [`Error`] with the right [`Class`].
//!
//! In: an error of `mysql_async` and what was attempted. Out: an error that names the attempt and the server's error code. Server
//! messages may quote row values or statement text, so only those messages are kept that name accounts, privileges and objects.

use std::time::Duration;

use mysql_async::{DriverError, IoError};

use crate::error::{Class, Error, Result};
use crate::schema::TableName;

/// Server messages that name an account, a privilege or an object and never a value.
const NAMING_CODES: &[u16] = &[
    145, 1034, 1035, 1044, 1045, 1049, 1054, 1130, 1142, 1143, 1146, 1193, 1194, 1195, 1227, 1267, 1270, 1271, 1298, 1305, 1370,
    1698, 3118, 3159, 4151,
];

/// A MyISAM or Aria table is damaged, as a server that crashed leaves it: some servers repair it when it is next used, others wait for a person.
const DAMAGED: &[u16] = &[126, 127, 144, 145, 1034, 1035, 1194, 1195];

/// What helps a damaged table.
const REPAIR: &str =
    "run REPAIR TABLE on it, or restart the server with myisam_recover_options=BACKUP,FORCE; strangler goes on by itself";

/// The catalogue lists a table without an engine: the server cannot open it, because it is damaged or just being repaired.
#[must_use]
pub fn not_opened(table: &TableName) -> Error {
    Error::new(Class::Retry, format!("could not read the catalogue: the server cannot open table {table}")).with_hint(REPAIR)
}

/// Maps a driver error; `attempt` says what was tried, e.g. `read the columns of homeshop.tb_cust`.
#[must_use]
pub fn driver(error: &mysql_async::Error, attempt: &str) -> Error {
    match error {
        mysql_async::Error::Server(server) => server_error(server.code, &server.message, attempt),
        mysql_async::Error::Io(IoError::Io(io)) => match io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(refused) => tls_refused(refused, attempt),
            None => Error::new(Class::Unreachable, format!("could not {attempt}: connection failed ({})", io.kind())),
        },
        mysql_async::Error::Io(IoError::Tls(refused)) => tls_refused(refused, attempt),
        mysql_async::Error::Driver(driver) => driver_error(driver, attempt),
        mysql_async::Error::Url(_) => Error::new(Class::Mapping, format!("could not {attempt}: the source url is not valid")),
        mysql_async::Error::Other(_) => Error::new(Class::Unreachable, format!("could not {attempt}: the driver gave up")),
    }
}

fn tls_refused(reason: &impl std::fmt::Display, attempt: &str) -> Error {
    Error::new(Class::Preflight, format!("could not {attempt}: TLS was refused ({reason})"))
        .with_hint("give the certificate authority in tls.ca, and connect by the name in the certificate")
}

fn driver_error(error: &DriverError, attempt: &str) -> Error {
    match error {
        DriverError::ConnectionClosed | DriverError::PoolDisconnected => {
            Error::new(Class::Unreachable, format!("could not {attempt}: the server closed the connection"))
        }
        DriverError::NoClientSslFlagFromServer => {
            Error::new(Class::Person, format!("could not {attempt}: the server offers no TLS"))
                .with_hint("enable TLS on the server; a connection off loopback is never made without it")
        }
        DriverError::UnknownAuthPlugin { name } => Error::new(
            Class::Person,
            format!("could not {attempt}: the server asks for the unknown authentication plugin {name}"),
        ),
        DriverError::MysqlOldPasswordDisabled | DriverError::CleartextPluginDisabled => {
            Error::new(Class::Person, format!("could not {attempt}: the server asks for a password in an insecure form"))
                .with_hint("give the account mysql_native_password, ed25519 or caching_sha2_password")
        }
        DriverError::PacketTooLarge => {
            Error::new(Class::Person, format!("could not {attempt}: a packet is larger than the client accepts"))
        }
        _ => Error::bug(format!("could not {attempt}: the driver met something unexpected")),
    }
}

/// Maps a server error code; public for the stream, which sees codes without a driver error.
#[must_use]
pub fn server_error(code: u16, message: &str, attempt: &str) -> Error {
    let class = class_of(code);
    let text = if NAMING_CODES.contains(&code) {
        format!("could not {attempt}: server error {code}: {}", message.trim_end_matches('.'))
    } else {
        format!("could not {attempt}: server error {code}")
    };
    let error = Error::new(class, text);
    match code {
        1044 => match database_grant(message) {
            Some(grant) => error.with_hint(grant),
            None => error,
        },
        code if DAMAGED.contains(&code) => error.with_hint(REPAIR),
        1045 | 1698 => error.with_hint("check the user, the password and the host part of the account"),
        1130 => error.with_hint("create the account for the host that this program connects from"),
        1969 | 3024 => error.with_hint("the statement passed its time limit; use smaller chunks or a longer statement timeout"),
        1193 => error.with_hint("the server does not know a session variable; see the README for the supported versions"),
        1298 => error
            .with_hint("load the time zone tables (mysql_tzinfo_to_sql) or give session.time_zone as an offset such as +09:00"),
        _ => error,
    }
}

/// The statement that opens the database of "Access denied for user 'u'@'h' to database 'd'" to the account.
fn database_grant(message: &str) -> Option<String> {
    let (account, database) = message.strip_prefix("Access denied for user ")?.rsplit_once(" to database '")?;
    let database = super::names::identifier(database.strip_suffix('\'')?);
    Some(format!("GRANT SELECT ON {database}.* TO {account}"))
}

fn class_of(code: u16) -> Class {
    match code {
        // too many connections, shutdown, killed, net errors, user limits, lost connection
        1040
        | 1053
        | 1077
        | 1079
        | 1152
        | 1153
        | 1154
        | 1156..=1161
        | 1184
        | 1203
        | 1226
        | 1317
        | 1927
        | 2006
        | 2013
        | 3032
        | 3169
        | 4031 => Class::Unreachable,
        1044 | 1045 | 1095 | 1130 | 1142 | 1143 | 1227 | 1370 | 1401 | 1410 | 1698 | 3118 | 4151 => Class::Privilege,
        // deadlock, lock wait, metadata lock, definition changed, statement time limit, snapshot too old
        1205 | 1213 | 1412 | 1614 | 1969 | 3024 | 3572 => Class::Retry,
        code if DAMAGED.contains(&code) => Class::Retry,
        1049 | 1298 => Class::Mapping,
        _ => Class::Person,
    }
}

/// Runs a driver call under a client-side deadline, so that a half-open connection cannot hang the caller.
///
/// # Errors
/// `Unreachable` when the deadline passes; else as [`driver`] maps.
pub async fn within<T>(limit: Duration, attempt: &str, call: impl Future<Output = mysql_async::Result<T>>) -> Result<T> {
    match tokio::time::timeout(limit, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(driver(&error, attempt)),
        Err(_) => Err(Error::new(Class::Unreachable, format!("could not {attempt}: no answer within {} s", limit.as_secs()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_database_is_answered_with_the_grant_that_opens_it() {
        let error = server_error(1044, "Access denied for user 'strangler'@'10.0.%' to database 'home`shop'", "connect");
        assert_eq!(error.hint(), Some("GRANT SELECT ON `home``shop`.* TO 'strangler'@'10.0.%'"));
        assert_eq!(server_error(1044, "Access denied", "connect").hint(), None);
    }

    #[test]
    fn a_server_message_that_may_quote_a_value_is_not_repeated() {
        let error = server_error(1292, "Incorrect datetime value: 'secret-value'", "read a chunk");
        assert!(!format!("{error:?}").contains("secret-value"));
        assert!(error.message().contains("1292"));
    }

    #[test]
    fn privilege_and_retry_codes_have_their_class() {
        for code in [1044, 1045, 1142, 1143, 1227, 1370] {
            assert_eq!(server_error(code, "", "x").class(), Class::Privilege);
        }
        for code in [1205, 1213] {
            assert_eq!(server_error(code, "", "x").class(), Class::Retry);
        }
    }
}
