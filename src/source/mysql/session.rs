//! What a session of the legacy server is set to, and where those settings come from.
//!
//! In: the server's own defaults and the project's overrides. Out: [`SessionSettings`] that are recorded once, and the statements
//! that put any connection into them. A time zone is never `SYSTEM`: a SELECT must mean the same on every machine.

use std::time::Duration;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use crate::error::{Class, Error, Result};
use crate::schema::{Flavor, SessionSettings};

use super::connect::{Server, SessionOverrides, Use};
use super::failure;
use super::names::literal;
use super::zone::SessionZone;

/// Instants of one question about a time zone.
const PROBES: usize = 1_000;

/// Asks the server who it is.
///
/// # Errors
/// Connection errors; `Person` if the version text cannot be read.
pub async fn server(conn: &mut Conn, limit: Duration) -> Result<Server> {
    let text: Option<String> =
        failure::within(limit, "ask the server for its version", conn.query_first("SELECT VERSION()")).await?;
    text.as_deref()
        .and_then(parse_version)
        .ok_or_else(|| Error::new(Class::Person, "the server's version could not be understood"))
}

fn parse_version(text: &str) -> Option<Server> {
    let flavor = if text.to_ascii_lowercase().contains("mariadb") { Flavor::MariaDb } else { Flavor::MySql };
    let mut parts = text.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let version = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    Some(Server { flavor, version })
}

type Defaults = (String, String, String, u32, u64, String, u8);

/// The session settings to record: the overrides, else the server's global defaults.
///
/// # Errors
/// `Preflight` when the zone is the system's and that is not UTC; `Mapping` for a connection collation that is not utf8mb4.
pub async fn settings(
    conn: &mut Conn,
    limit: Duration,
    server: &Server,
    overrides: &SessionOverrides,
) -> Result<SessionSettings> {
    let asked: Option<Defaults> = failure::within(
        limit,
        "read the server's session defaults",
        conn.query_first(
            "SELECT @@global.sql_mode, @@global.time_zone, @@system_time_zone, @@global.div_precision_increment, \
             @@global.group_concat_max_len, @@global.collation_connection, @@lower_case_table_names",
        ),
    )
    .await?;
    let Some((sql_mode, time_zone, system_zone, increment, group_concat, collation, lower_case)) = asked else {
        return Err(Error::new(Class::Person, "the server did not tell its session defaults"));
    };
    let collation_connection = match &overrides.collation_connection {
        Some(name) if name.starts_with("utf8mb4_") || name.starts_with("uca1400_") => name.clone(),
        Some(name) => {
            return Err(Error::new(Class::Mapping, format!("session.collation_connection {name} is not a collation of utf8mb4")));
        }
        None if collation.starts_with("utf8mb4_") => collation,
        None => default_collation(conn, limit).await?,
    };
    let sql_mode = overrides.sql_mode.as_deref().unwrap_or(&sql_mode).replace(' ', "").to_ascii_uppercase();
    refuse_mode(&sql_mode, server)?;
    Ok(SessionSettings {
        sql_mode,
        time_zone: zone(overrides.time_zone.as_deref().unwrap_or(&time_zone), &system_zone)?,
        div_precision_increment: overrides.div_precision_increment.unwrap_or(increment),
        group_concat_max_len: overrides.group_concat_max_len.unwrap_or(group_concat),
        collation_connection,
        lower_case_table_names: lower_case,
    })
}

fn refuse_mode(sql_mode: &str, server: &Server) -> Result<()> {
    // CHAR columns would read differently in a SELECT and in the log; ORACLE and friends change the grammar itself.
    for mode in ["PAD_CHAR_TO_FULL_LENGTH", "ORACLE", "EMPTY_STRING_IS_NULL", "MSSQL", "DB2", "MAXDB"] {
        if sql_mode.split(',').any(|part| part == mode) {
            return Err(Error::new(
                Class::Preflight,
                format!("sql_mode {mode} of the {:?} server changes what stored values look like", server.flavor),
            )
            .with_hint(format!("give session.sql_mode without {mode} in the project file")));
        }
    }
    Ok(())
}

fn zone(wanted: &str, system_zone: &str) -> Result<String> {
    if !wanted.eq_ignore_ascii_case("SYSTEM") {
        return Ok(wanted.to_owned());
    }
    if matches!(system_zone, "UTC" | "Etc/UTC" | "Etc/UCT" | "UCT") {
        return Ok("+00:00".to_owned());
    }
    Err(Error::new(
        Class::Preflight,
        format!("the server's time_zone is SYSTEM and its system zone is {system_zone}, which names no zone exactly"),
    )
    .with_hint("give `session: { time_zone: \"+09:00\" }` (or a zone name) for this source in the project file"))
}

/// Proves that this machine and the server mean the same by the session's named zone: the stream computes TIMESTAMP values here, SELECTs
/// compute them there.
///
/// # Errors
/// `Preflight` where they differ; connection errors.
pub async fn prove_zone(conn: &mut Conn, limit: Duration, server: &Server, time_zone: &str) -> Result<()> {
    let zone = SessionZone::parse(time_zone)?;
    // From 11.5 on a TIMESTAMP of MariaDB has an unsigned number of seconds.
    let unsigned = server.flavor == Flavor::MariaDb && server.version >= (11, 5, 0);
    let end = if unsigned { i64::from(u32::MAX) } else { i64::from(i32::MAX) };
    for probes in zone.probes(end).chunks(PROBES) {
        let calls: Vec<String> = probes.iter().map(|second| format!("FROM_UNIXTIME({second})")).collect();
        let sql = format!("SELECT CONCAT_WS(',', {})", calls.join(", "));
        let answer: Option<String> = failure::within(limit, "compare time zones with the server", conn.query_first(sql)).await?;
        let answer = answer.unwrap_or_default();
        let mut theirs = answer.split(',');
        for second in probes {
            let ours = zone.datetime(second * 1_000_000)?.format(0);
            if theirs.next() != Some(ours.as_str()) {
                let message =
                    format!("the server and this machine disagree about time zone {time_zone} at {second} s after 1970");
                return Err(Error::new(Class::Preflight, message).with_hint(
                    "give session.time_zone as an offset such as +09:00, or load the same tzdata on both (mysql_tzinfo_to_sql on the server)",
                ));
            }
        }
    }
    Ok(())
}

async fn default_collation(conn: &mut Conn, limit: Duration) -> Result<String> {
    let found: Option<String> = failure::within(
        limit,
        "read the default collation of utf8mb4",
        conn.query_first(
            "SELECT DEFAULT_COLLATE_NAME FROM information_schema.CHARACTER_SETS WHERE CHARACTER_SET_NAME = 'utf8mb4'",
        ),
    )
    .await?;
    found.ok_or_else(|| Error::new(Class::Preflight, "the server does not know the charset utf8mb4"))
}

/// The statements that put a connection into `settings` for `purpose`. They are idempotent, so a reused connection runs them again.
#[must_use]
pub fn statements(server: &Server, settings: &SessionSettings, purpose: Use, statement_timeout_s: u32) -> Vec<String> {
    let limit = match server.flavor {
        Flavor::MariaDb => format!("max_statement_time = {statement_timeout_s}"),
        _ => format!("max_execution_time = {}", u64::from(statement_timeout_s) * 1000),
    };
    let sql_mode = match purpose {
        Use::Select => literal(&settings.sql_mode),
        Use::Rows => "''".to_owned(),
    };
    let results = match purpose {
        Use::Select => "utf8mb4",
        Use::Rows => "NULL",
    };
    vec![
        "ROLLBACK".to_owned(),
        format!("SET NAMES utf8mb4 COLLATE {}", literal(&settings.collation_connection)),
        format!(
            "SET SESSION {limit}, sql_mode = {sql_mode}, time_zone = {}, div_precision_increment = {}, group_concat_max_len = {}, \
             character_set_results = {results}, innodb_lock_wait_timeout = 5, lock_wait_timeout = 5, net_write_timeout = 600, \
             autocommit = 1, sql_auto_is_null = 0, sql_big_selects = 1, sql_select_limit = DEFAULT, lc_time_names = 'en_US', \
             default_week_format = 0",
            literal(&settings.time_zone),
            settings.div_precision_increment,
            settings.group_concat_max_len,
        ),
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ".to_owned(),
        "SET SESSION TRANSACTION READ ONLY".to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_both_families_are_read() {
        assert_eq!(
            parse_version("10.11.19-MariaDB-0+deb12u1-log").unwrap(),
            Server { flavor: Flavor::MariaDb, version: (10, 11, 19) }
        );
        assert_eq!(parse_version("9.7.4-2").unwrap(), Server { flavor: Flavor::MySql, version: (9, 7, 4) });
        assert_eq!(parse_version("8.0.36"), Some(Server { flavor: Flavor::MySql, version: (8, 0, 36) }));
        assert!(parse_version("odd").is_none());
    }

    /// What a SELECT means must not depend on a server's or a session's own defaults.
    #[test]
    fn week_names_and_auto_null_are_pinned_on_every_connection_of_both_families() {
        let settings = SessionSettings {
            sql_mode: "PAD_CHAR_TO_FULL_LENGTH".into(),
            time_zone: "+09:00".into(),
            div_precision_increment: 4,
            group_concat_max_len: 1024,
            collation_connection: "utf8mb4_general_ci".into(),
            lower_case_table_names: 0,
        };
        for flavor in [Flavor::MariaDb, Flavor::MySql] {
            let server = Server { flavor, version: (10, 11, 0) };
            for purpose in [Use::Select, Use::Rows] {
                let text = statements(&server, &settings, purpose, 60).join("; ");
                for pinned in ["default_week_format = 0", "lc_time_names = 'en_US'", "sql_auto_is_null = 0"] {
                    assert!(text.contains(pinned), "{flavor:?} {purpose:?}: {text}");
                }
                assert_eq!(text.contains("PAD_CHAR"), purpose == Use::Select, "rows are read as they are stored");
            }
            let error = refuse_mode("ANSI_QUOTES,PAD_CHAR_TO_FULL_LENGTH", &server).err().unwrap();
            assert_eq!(error.class(), Class::Preflight);
        }
    }

    #[test]
    fn f64_a_system_zone_is_never_recorded() {
        assert_eq!(zone("SYSTEM", "UTC").unwrap(), "+00:00");
        assert_eq!(zone("+09:00", "KST").unwrap(), "+09:00");
        let error = zone("SYSTEM", "KST").err().unwrap();
        assert!(error.hint().unwrap().contains("time_zone"));
    }
}
