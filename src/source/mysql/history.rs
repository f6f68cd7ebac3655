//! Which server's history a position belongs to, and whether a stream may resume from it.
//!
//! In: a recorded position. Out: how to start the stream there, or a refusal with its reason. On the same server, the file must still
//! be there and the GTID at the place must be the recorded one. Another server is accepted by GTID alone, and only if it proves to
//! hold all of ours and everything after them. Nothing is ever skipped to make a resume possible.

use std::collections::BTreeMap;
use std::time::Duration;

use mysql_async::Conn;

use crate::error::{Class, Error, Result};
use crate::position::BinlogPosition;
use crate::schema::Flavor;

use super::marks::Marker;
use super::names::literal;
use super::select::{all_rows, one_row};

/// The remedy of every lost place.
const REMEDY: &str = "the changes in between are gone from the log: take a new snapshot with `strangler run --rebuild`";

/// The recorded position is of another kind of server.
#[must_use]
pub fn no_binlog_position() -> Error {
    Error::new(Class::Person, "the recorded position is not one of a MySQL or MariaDB server")
        .with_hint("the source was another kind of database: use another state folder, or run `strangler run --rebuild`")
}

/// How the stream starts at a proven position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// At the file and offset: the same server.
    FilePosition,
    /// Behind the GTIDs: another server that holds them all.
    Gtid,
}

/// The server's identity. MySQL: `server_uuid`, made with the data directory. MariaDB: `server_id` with `server_uid`, which is made from
/// the machine and its port, or the host name and port where it is not known; what they cannot tell (a data directory
/// replaced in place) the GTID at the recorded place tells.
///
/// # Errors
/// Driver errors.
pub async fn server_identity(conn: &mut Conn, limit: Duration, flavor: Flavor) -> Result<String> {
    match flavor {
        Flavor::MariaDb => {
            let rows = all_rows(
                conn,
                limit,
                "read the server's identity",
                "SELECT @@server_id, COALESCE((SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_VARIABLES WHERE VARIABLE_NAME = 'SERVER_UID'), CONCAT(@@hostname, ':', @@port))",
            )
            .await?;
            match rows.first().map(Vec::as_slice) {
                Some([id, uid]) => Ok(format!("{id}-{uid}")),
                _ => Err(Error::new(Class::Person, "the server did not tell its identity")),
            }
        }
        _ => {
            let row = one_row(conn, limit, "read the server's identity", "SELECT @@server_uuid").await?;
            row.into_iter().next().ok_or_else(|| Error::new(Class::Person, "the server has no server_uuid"))
        }
    }
}

/// Proves that the stream may start behind `recorded`.
///
/// # Errors
/// `Person` with the reason where it is not proven; driver errors.
pub async fn prove(marker: &mut Marker<'_>, recorded: &BinlogPosition) -> Result<Resume> {
    let flavor = marker.server.flavor;
    let identity = server_identity(marker.conn, marker.limit, flavor).await?;
    if identity != recorded.server {
        return prove_elsewhere(marker, recorded, &identity).await;
    }
    prove_file(marker, &recorded.file, recorded.offset).await?;
    if let Some((file, offset)) = &recorded.prepared_from {
        prove_file(marker, file, *offset).await?;
    }
    if recorded.gtid.is_empty() {
        return Ok(Resume::FilePosition);
    }
    match flavor {
        Flavor::MariaDb => {
            let found = marker.gtid_at(recorded).await?;
            if found.as_deref().map(gtid_list) != Some(gtid_list(&recorded.gtid)) {
                return Err(lost(format!(
                    "the log at {}:{} belongs to another history: its GTID is not the recorded one",
                    recorded.file, recorded.offset
                )));
            }
        }
        _ => prove_sets(marker, recorded).await?,
    }
    Ok(Resume::FilePosition)
}

fn lost(message: String) -> Error {
    Error::new(Class::Person, message).with_hint(REMEDY)
}

async fn prove_file(marker: &mut Marker<'_>, file: &str, offset: u64) -> Result<()> {
    let logs = all_rows(marker.conn, marker.limit, "list the binary logs", "SHOW BINARY LOGS").await?;
    let size = logs.iter().find_map(|row| match row.as_slice() {
        [name, size, ..] if name == file => Some(size.parse::<u64>().unwrap_or(0)),
        _ => None,
    });
    match size {
        None => {
            let oldest = logs.first().and_then(|row| row.first()).map_or("none", String::as_str);
            Err(lost(format!("the binary log {} was purged; the oldest one left is {oldest}", file)))
        }
        Some(size) if size < offset => Err(lost(format!(
            "the binary log {} ends at {size}, before the recorded place {}: it was written anew",
            file, offset
        ))),
        Some(_) => Ok(()),
    }
}

/// MySQL: purged ⊆ ours ⊆ executed.
async fn prove_sets(marker: &mut Marker<'_>, recorded: &BinlogPosition) -> Result<()> {
    let ours = literal(&recorded.gtid);
    let sql = format!("SELECT GTID_SUBSET(@@global.gtid_purged, {ours}), GTID_SUBSET({ours}, @@global.gtid_executed)");
    let row = one_row(marker.conn, marker.limit, "compare GTID sets", &sql).await?;
    match row.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["1", "1"] => Ok(()),
        ["0", _] => Err(lost("the server has purged transactions that were not read yet".to_owned())),
        _ => Err(lost(
            "the server has not executed all of the transactions already read: its history is another or shorter one".to_owned(),
        )),
    }
}

async fn prove_elsewhere(marker: &mut Marker<'_>, recorded: &BinlogPosition, identity: &str) -> Result<Resume> {
    if recorded.prepared_from.is_some() {
        let message =
            "transactions were prepared at the recorded place; their rows lie in files that another server numbers otherwise";
        return Err(lost(message.to_owned()));
    }
    if recorded.gtid.is_empty() {
        return Err(lost(format!(
            "the server is {identity} and the recorded place {}:{} belongs to {}; without GTIDs it means nothing here",
            recorded.file, recorded.offset, recorded.server
        )));
    }
    match marker.server.flavor {
        Flavor::MariaDb => prove_domains(marker, recorded, identity).await?,
        _ => prove_sets(marker, recorded).await?,
    }
    Ok(Resume::Gtid)
}

/// MariaDB: for every domain and server of ours, the server's log state has reached our sequence number, and every domain that the
/// server has is one of ours (a domain we do not know would be streamed from an unknown start).
async fn prove_domains(marker: &mut Marker<'_>, recorded: &BinlogPosition, identity: &str) -> Result<()> {
    let row =
        one_row(marker.conn, marker.limit, "read the GTID state", "SELECT @@global.gtid_binlog_state, @@global.gtid_strict_mode")
            .await?;
    let [state, strict] = row.as_slice() else { return Err(Error::bug("the GTID state has no two columns")) };
    if strict != "1" {
        return Err(lost(format!(
            "server {identity} is another one and runs without gtid_strict_mode, so its log proves nothing"
        )));
    }
    let (ours, theirs) = (gtid_list(&recorded.gtid), gtid_list(state));
    let reached =
        ours.iter().all(|((domain, server), sequence)| theirs.get(&(*domain, *server)).is_some_and(|there| there >= sequence));
    let known = theirs.keys().all(|(domain, _)| ours.keys().any(|(own, _)| own == domain));
    if reached && known {
        return Ok(());
    }
    Err(lost(format!("server {identity} is another one and its log does not hold the recorded GTIDs")))
}

type GtidList = BTreeMap<(u32, u32), u64>;

/// `domain-server-sequence`, comma-separated, in any order.
fn gtid_list(text: &str) -> GtidList {
    text.split(',')
        .filter_map(|gtid| {
            let mut parts = gtid.trim().split('-');
            Some(((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?), parts.next()?.parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gtid_lists_compare_without_their_order() {
        assert_eq!(gtid_list("0-1-25,1-2-3"), gtid_list("1-2-3, 0-1-25"));
        assert_ne!(gtid_list("0-1-25"), gtid_list("0-1-26"));
    }
}
