//! The `limits:` of a source: how gently the legacy server is read, and the places of what only the server itself can judge.

use std::ops::Range;

use super::read::Reading;
use super::secret::SecretPlace;
use super::size;
use super::url::{DatabaseUrl, SourceKind};
use super::{LimitsEntry, ReplicaEntry};
use crate::mapping::document::{Content, Node};
use crate::mapping::fields::Fields;
use crate::source::limits::{CONNECTIONS_MAX, Limits, NUMBER_MAX, POSTGRES_GAUGES, is_gauge, max_load};
use crate::source::mysql::connect::TRANSACTION_BYTES_MAX;

const KEYS: [&str; 9] = [
    "connections",
    "connections_max",
    "rows_per_second",
    "mb_per_second",
    "max_load",
    "max_lag_s",
    "replica",
    "statement_timeout_s",
    "transaction_bytes_max",
];
/// A bound below this would stop at ordinary transactions.
const TRANSACTION_BYTES_MIN: usize = 16 << 20;

impl Default for LimitsEntry {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            connections_max: None,
            statement_timeout_s: 60,
            transaction_bytes_max: TRANSACTION_BYTES_MAX,
            replica: None,
            max_load_span: None,
            max_lag_span: None,
        }
    }
}

impl Reading<'_> {
    /// Everything under `limits:`; what is wrong is noted, and the default stands for it.
    pub(super) fn limits(&mut self, fields: &Fields<'_>, kind: Option<SourceKind>) -> LimitsEntry {
        let mut entry = LimitsEntry::default();
        let fields = fields.get("limits").and_then(|node| self.reader.fields(node, "limits", &KEYS));
        let Some(fields) = fields else { return entry };
        let mut number = |name: &str, most: u64| fields.get(name).and_then(|node| self.reader.number(node, name, 1..=most));
        entry.limits.connections = number("connections", CONNECTIONS_MAX).unwrap_or(entry.limits.connections);
        entry.connections_max = number("connections_max", CONNECTIONS_MAX);
        entry.limits.rows_per_second = number("rows_per_second", NUMBER_MAX);
        entry.limits.mb_per_second = number("mb_per_second", NUMBER_MAX);
        entry.limits.max_lag_s = number("max_lag_s", NUMBER_MAX);
        let timeout = number("statement_timeout_s", 3_600).and_then(|timeout| u32::try_from(timeout).ok());
        entry.statement_timeout_s = timeout.unwrap_or(entry.statement_timeout_s);
        entry.transaction_bytes_max = self.transaction_bytes(&fields).unwrap_or(entry.transaction_bytes_max);
        if let (Some(max), Some(node)) = (entry.connections_max, fields.get("connections_max"))
            && max < entry.limits.connections
        {
            self.reader.note(node.span.clone(), "connections_max is below connections");
        }
        if let Some(node) = fields.get("max_load") {
            entry.max_load_span = Some(node.span.clone());
            self.max_load(node, kind, &mut entry.limits);
        }
        entry.max_lag_span = fields.key_span("max_lag_s");
        if let Some(node) = fields.get("replica") {
            if entry.max_lag_span.is_none() {
                self.reader.note(node.span.clone(), "a replica is looked at for its lag, and there is no `max_lag_s`");
            }
            entry.replica = self.replica(node, kind);
        }
        entry
    }

    /// `"Threads_running=25"` or `{ Threads_running: 25 }`.
    fn max_load(&mut self, node: &Node, kind: Option<SourceKind>, limits: &mut Limits) {
        match &node.content {
            Content::Map(_) => {
                for (name, bound) in self.reader.map(node, "max_load").into_iter().flatten() {
                    if !is_gauge(&name.name) {
                        self.reader.note(name.span.clone(), "a gauge of max_load is a name of letters, digits and underscores");
                    }
                    self.known_gauge(&name.name, name.span.clone(), kind);
                    let bound = self.reader.number(bound, &name.name, 1..=NUMBER_MAX);
                    limits.max_load.extend(bound.map(|bound| (name.name.clone(), bound)));
                }
            }
            Content::Scalar(scalar) if scalar.is_text() => match max_load(&scalar.text) {
                Ok(gauges) => {
                    gauges.keys().for_each(|name| self.known_gauge(name, node.span.clone(), kind));
                    limits.max_load = gauges;
                }
                Err(wrong) => {
                    self.reader.note(node.span.clone(), wrong);
                    self.reader.help_last("write it as { Threads_running: 25 } or \"Threads_running=25\"");
                }
            },
            Content::Scalar(_) | Content::List(_) => {
                self.reader.note(node.span.clone(), "max_load must name gauges of the server with their bounds");
                self.reader.help_last("write it as { Threads_running: 25 } or \"Threads_running=25\"");
            }
        }
    }

    /// What a PostgreSQL server can be asked is known; the names of a MySQL server are its own, and `check` asks it.
    fn known_gauge(&mut self, name: &str, span: Range<usize>, kind: Option<SourceKind>) {
        if kind == Some(SourceKind::PostgreSql) && !POSTGRES_GAUGES.contains(&name) {
            self.reader.note(span, format!("a PostgreSQL server has no gauge {name}"));
            self.reader.help_last(format!("there are: {}", POSTGRES_GAUGES.join(", ")));
        }
    }

    fn replica(&mut self, node: &Node, kind: Option<SourceKind>) -> Option<ReplicaEntry> {
        if kind == Some(SourceKind::PostgreSql) {
            let name = self.reader.name(node, "replica (the application_name of a standby)")?;
            return Some(ReplicaEntry::Standby(name.to_owned()));
        }
        let fields = self.reader.fields(node, "replica", &["url", "password", "tls"])?;
        let url = self.url(&fields, DatabaseUrl::source);
        let password = self.password(&fields, "the replica");
        let tls = self.tls(&fields, "the replica");
        let (kind, url) = url?;
        if kind != SourceKind::MySql {
            self.reader.note(node.span.clone(), "the replica must be a server of the same kind as its source");
            return None;
        }
        let password: SecretPlace = password?;
        Some(ReplicaEntry::Server { url: Box::new(url), password, tls: tls? })
    }

    fn transaction_bytes(&mut self, fields: &Fields<'_>) -> Option<usize> {
        let node = fields.get("transaction_bytes_max")?;
        let bytes = match &node.content {
            Content::Scalar(scalar) => size::bytes(&scalar.text),
            Content::List(_) | Content::Map(_) => None,
        };
        let bytes = bytes.and_then(|bytes| usize::try_from(bytes).ok()).filter(|bytes| *bytes >= TRANSACTION_BYTES_MIN);
        if bytes.is_none() {
            self.reader.note(node.span.clone(), "transaction_bytes_max must be a size of at least 16MiB");
            self.reader.help_last("write it as 512MiB or 1GiB");
        }
        bytes
    }
}
