//! Database URLs: `mysql://user@host:port/database`, `mariadb://..` and `postgresql://user@host:port/database`.
//!
//! A password in a URL is refused: project files are under version control. Parts may be percent-encoded. PostgreSQL's
//! `?host=/folder` names a Unix socket. Anything else behind `?` is refused, never ignored.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::schema::TargetKind;

/// Where a database is, and as whom to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    /// Server.
    pub host: Host,
    /// Account.
    pub user: String,
    /// Database.
    pub database: String,
}

/// What kind of database a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// MySQL or MariaDB; which of them, the server says.
    MySql,
    /// PostgreSQL.
    PostgreSql,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A host name or address.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// A Unix socket.
    Socket {
        /// Its folder.
        directory: PathBuf,
        /// The port in its name.
        port: u16,
    },
}

/// What is wrong with a URL, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    /// What is wrong.
    pub message: String,
    /// What to do; may be empty.
    pub help: String,
    /// Whether the URL may hold a password: it must not be shown.
    pub holds_password: bool,
}

fn wrong(message: impl Into<String>, help: impl Into<String>) -> Wrong {
    Wrong { message: message.into(), help: help.into(), holds_password: false }
}

impl DatabaseUrl {
    /// Whether the server is on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match &self.host {
            Host::Socket { .. } => true,
            Host::Tcp { host, .. } => host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        }
    }

    /// Parses the URL of a source, whose scheme says what kind of database it is.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn source(text: &str) -> Result<(SourceKind, Self), Wrong> {
        Self::source_of(text).map_err(|wrong| Wrong { holds_password: may_hold_password(text), ..wrong })
    }

    fn source_of(text: &str) -> Result<(SourceKind, Self), Wrong> {
        let (scheme, rest) = split_scheme(text)?;
        let (kind, port) = match scheme {
            "mysql" | "mariadb" => (SourceKind::MySql, 3306),
            "postgres" | "postgresql" => (SourceKind::PostgreSql, 5432),
            _ => {
                let help = "write mysql://, mariadb:// or postgresql:// and then user@host:port/database";
                return Err(wrong(format!("`{scheme}://` is not a source"), help));
            }
        };
        let url = parse(rest, port)?;
        match url.host {
            Host::Tcp { .. } => Ok((kind, url)),
            Host::Socket { .. } => {
                Err(wrong("a source is reached by TCP", format!("write {scheme}://user@127.0.0.1:{port}/database")))
            }
        }
    }

    /// Parses the URL of a target, whose scheme says what kind of database it is.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn target(text: &str) -> Result<(TargetKind, Self), Wrong> {
        Self::target_of(text).map_err(|wrong| Wrong { holds_password: may_hold_password(text), ..wrong })
    }

    fn target_of(text: &str) -> Result<(TargetKind, Self), Wrong> {
        let (scheme, rest) = split_scheme(text)?;
        match scheme {
            "postgres" | "postgresql" => Ok((TargetKind::PostgreSql, parse(rest, 5432)?)),
            "mysql" => Ok((TargetKind::MySql, by_tcp(parse(rest, 3306)?)?)),
            "mariadb" => Ok((TargetKind::MariaDb, by_tcp(parse(rest, 3306)?)?)),
            _ => Err(wrong(
                format!("`{scheme}://` is not a target"),
                "write postgresql://, mysql:// or mariadb:// and then user@host:port/database",
            )),
        }
    }
}

/// A server whose driver takes no socket here.
fn by_tcp(url: DatabaseUrl) -> Result<DatabaseUrl, Wrong> {
    match url.host {
        Host::Tcp { .. } => Ok(url),
        Host::Socket { .. } => Err(wrong("this target is reached by TCP", "write mysql://user@127.0.0.1:3306/database")),
    }
}

/// Whether a text that should be a URL may hold a password: a colon before an `@`, or the word itself.
fn may_hold_password(text: &str) -> bool {
    let behind_scheme = text.split_once("://").map_or(text, |(_, rest)| rest);
    text.contains("password") || behind_scheme.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

fn split_scheme(text: &str) -> Result<(&str, &str), Wrong> {
    text.split_once("://").ok_or_else(|| wrong("this is not a database URL", "write it as scheme://user@host:port/database"))
}

fn parse(rest: &str, default_port: u16) -> Result<DatabaseUrl, Wrong> {
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, address) = authority
        .rsplit_once('@')
        .ok_or_else(|| wrong("the URL names no user", "write it as scheme://user@host:port/database"))?;
    if user.contains(':') {
        return Err(wrong(
            "the URL holds a password",
            "take it out and write `password: { env: NAME }` or `password: { file: PATH }` beside the URL: project files are under version control",
        ));
    }
    let (host, port) = split_port(address, default_port)?;
    let socket = socket_folder(query)?;
    let host = match (socket, host) {
        (Some(directory), "") => Host::Socket { directory, port },
        (Some(_), _) => return Err(wrong("the URL names both a host and a socket", "leave the host out, or `?host=`")),
        (None, "") => return Err(wrong("the URL names no host", "write it as scheme://user@host:port/database")),
        (None, host) => Host::Tcp { host: decode(host)?, port },
    };
    let (user, database) = (decode(user)?, decode(database)?);
    if user.is_empty() {
        return Err(wrong("the URL names no user", "write it as scheme://user@host:port/database"));
    }
    if database.is_empty() || database.contains('/') {
        return Err(wrong("the URL names no database", "write it as scheme://user@host:port/database"));
    }
    Ok(DatabaseUrl { host, user, database })
}

fn split_port(address: &str, default_port: u16) -> Result<(&str, u16), Wrong> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']').ok_or_else(|| wrong("the URL's `[` is not closed", ""))?;
            (host, behind.strip_prefix(':'))
        }
        None => address.rsplit_once(':').map_or((address, None), |(host, port)| (host, Some(port))),
    };
    let Some(port) = port else { return Ok((host, default_port)) };
    match port.parse() {
        Ok(port) if port != 0 => Ok((host, port)),
        _ => Err(wrong(format!("`{port}` is not a port"), "a port is a number from 1 to 65535")),
    }
}

fn socket_folder(query: Option<&str>) -> Result<Option<PathBuf>, Wrong> {
    let mut folder = None;
    for part in query.into_iter().flat_map(|query| query.split('&')).filter(|part| !part.is_empty()) {
        match part.split_once('=') {
            Some(("host", path)) if path.starts_with('/') || path.starts_with("%2F") => {
                folder = Some(PathBuf::from(decode(path)?))
            }
            Some(("password", _)) => {
                return Err(wrong(
                    "the URL holds a password",
                    "write `password: { env: NAME }` or `password: { file: PATH }` beside the URL",
                ));
            }
            Some((name, _)) if name.starts_with("ssl") => {
                return Err(wrong(format!("`{name}` does not belong into the URL"), "write `tls: { ca: FILE }` beside the URL"));
            }
            _ => return Err(wrong(format!("`{part}` in the URL is not known"), "")),
        }
    }
    Ok(folder)
}

fn decode(text: &str) -> Result<String, Wrong> {
    let bad = || wrong("the URL holds a `%` that is no percent-encoded character", "write a literal `%` as %25");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16)).ok_or_else(bad);
        let code = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(code).map_err(|_| bad())?);
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Host {
        Host::Tcp { host: host.into(), port }
    }

    #[test]
    fn urls_are_parsed() {
        let (kind, url) = DatabaseUrl::source("mysql://strangler_src@db.internal:3307/homeshop").unwrap();
        assert_eq!(kind, SourceKind::MySql);
        let (kind, crm) = DatabaseUrl::source("postgresql://strangler_src@crm.internal/crm").unwrap();
        assert_eq!((kind, crm.host), (SourceKind::PostgreSql, tcp("crm.internal", 5432)));
        assert_eq!(
            url,
            DatabaseUrl { host: tcp("db.internal", 3307), user: "strangler_src".into(), database: "homeshop".into() }
        );
        assert_eq!(
            DatabaseUrl::source("mariadb://a%40b@[::1]/%ED%95%9C").unwrap().1,
            DatabaseUrl { host: tcp("::1", 3306), user: "a@b".into(), database: "한".into() }
        );
        let (kind, socket) = DatabaseUrl::target("postgresql://u@/d?host=/run/postgresql").unwrap();
        assert_eq!(kind, TargetKind::PostgreSql);
        let (kind, url) = DatabaseUrl::target("mariadb://u@h/d").unwrap();
        assert_eq!((kind, url.host), (TargetKind::MariaDb, tcp("h", 3306)));
        assert_eq!(DatabaseUrl::target("mysql://u@h:1/d").unwrap().0, TargetKind::MySql);
        let (_, url) = DatabaseUrl::source("mysql://u@h/d").unwrap();
        assert_eq!(socket.host, Host::Socket { directory: "/run/postgresql".into(), port: 5432 });
        assert!(socket.is_local() && !url.is_local());
    }

    #[test]
    fn a_password_in_a_url_is_refused() {
        for url in ["postgresql://u:secret@h/d", "postgresql://u@h/d?password=secret"] {
            let wrong = DatabaseUrl::target(url).unwrap_err();
            assert_eq!(wrong.message, "the URL holds a password");
            assert!(wrong.help.contains("env:") && !wrong.help.contains("secret"));
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for url in [
            "h/d",
            "oracle://u@h/d",
            "mysql://u@/d?host=/run/mysqld",
            "postgresql://h/d",
            "postgresql://u@h",
            "postgresql://u@h:x/d",
            "postgresql://u@h:0/d",
            "postgresql://u@/d",
            "postgresql://u@h/d?sslmode=disable",
            "postgresql://u@h/d?x=1",
            "postgresql://u@h/%zz",
            "postgresql://u@[::1/d",
        ] {
            assert!(DatabaseUrl::target(url).is_err(), "{url}");
        }
        assert!(DatabaseUrl::source("postgresql://u@/d?host=/run/postgresql").is_err());
    }
}
