//! Reading the project file: the format, field by field.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::engine::{DEFAULT_MEMORY_BYTES, MEMORY_BYTES_MIN};
use super::secret::SecretPlace;
use super::url::{DatabaseUrl, SourceKind, Wrong};
use super::{Project, ReplicationEntry, SourceEntry, TargetEntry, TlsChoice};
use super::{metrics, size};
use crate::error::Class;
use crate::mapping::document::{self, Content, Node};
use crate::mapping::fields::{Fields, Reader};
use crate::mapping::{Placed, Problem, SourceFile};
use crate::migrate::EngineOptions;
use crate::source::mysql::connect::SessionOverrides;
use crate::source::postgres::connect::{OnExceed, SlotLimit};

const PROJECT_KEYS: [&str; 8] = ["sources", "targets", "state", "memory", "mappings", "masking", "facts_grace", "metrics"];
const SOURCE_KEYS: [&str; 9] = ["url", "password", "tls", "server_id", "session", "limits", "slot", "publication", "slot_limit"];
const SESSION_KEYS: [&str; 5] =
    ["sql_mode", "time_zone", "div_precision_increment", "group_concat_max_len", "collation_connection"];

/// Reads a whole project file; all problems at once.
pub(super) fn project(file: Arc<SourceFile>, folder: &Path) -> Result<Project, Vec<Problem>> {
    let root = document::read(&file).map_err(|problem| vec![*problem])?;
    let mut reading = Reading { reader: Reader::new(file), folder, secret_lines: BTreeSet::new() };
    let project = reading.project(&root);
    let Reading { reader, secret_lines, .. } = reading;
    let mut problems = reader.problems;
    match project {
        Some(project) if problems.is_empty() => Ok(project),
        _ => {
            problems.sort_by_key(|problem| problem.span.start);
            Err(problems.into_iter().map(|problem| without_secret(problem, &secret_lines)).collect())
        }
    }
}

/// A problem whose picture would show a line with a password: the place is then given in words.
fn without_secret(problem: Problem, secret_lines: &BTreeSet<usize>) -> Problem {
    let (line, column) = problem.line_and_column();
    if !secret_lines.contains(&line) {
        return problem;
    }
    let file = SourceFile { path: format!("{}:{line}:{column}", problem.file.path), text: String::new() };
    Problem { file: Arc::new(file), span: 0..0, ..problem }
}

/// A path without the `.` in it, as messages show it.
fn plain(path: &Path) -> PathBuf {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    let plain: PathBuf = parts.collect();
    if plain.as_os_str().is_empty() { PathBuf::from(".") } else { plain }
}

/// A project file that is being read.
pub(super) struct Reading<'a> {
    pub(super) reader: Reader,
    folder: &'a Path,
    /// Lines that hold a password although they must not.
    secret_lines: BTreeSet<usize>,
}

impl Reading<'_> {
    fn refuse(&mut self, fields: &Fields<'_>, key: &str, help: &str) {
        if let Some(span) = fields.key_span(key) {
            let problem = self.reader.problem(span, format!("`{key}` is not supported in this version"));
            self.reader.problems.push(problem.of_class(Class::Preflight).with_help(help));
        }
    }

    fn project(&mut self, root: &Node) -> Option<Project> {
        let fields = self.reader.fields(root, "the project file", &PROJECT_KEYS)?;
        self.refuse(&fields, "masking", "leave columns with personal data out of the SELECT");
        let sources = self.entries(&fields, "sources", Self::source);
        let targets = self.entries(&fields, "targets", Self::target);
        let state = match fields.get("state") {
            Some(node) => self.reader.name(node, "state").map(|path| plain(&self.folder.join(path))),
            None => Some(self.folder.join("state")),
        };
        let memory_bytes = self.memory(&fields);
        let facts_grace_s = match fields.get("facts_grace") {
            Some(node) => self.reader.number(node, "facts_grace (in seconds)", 0..=86_400),
            None => Some(EngineOptions::default().facts_grace.as_secs()),
        };
        let metrics = fields.get("metrics").and_then(|node| metrics::listen(&mut self.reader, node));
        let mappings = fields.required(&mut self.reader, "mappings").and_then(|node| self.patterns(node));
        Some(Project {
            folder: self.folder.to_path_buf(),
            sources: sources?,
            targets: targets?,
            state: state?,
            memory_bytes: memory_bytes?,
            facts_grace_s: facts_grace_s?,
            metrics,
            mappings: mappings?,
            file: Arc::clone(&self.reader.file),
        })
    }

    fn entries<T>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        read: fn(&mut Self, &Node, &str) -> Option<T>,
    ) -> Option<BTreeMap<String, T>> {
        let node = fields.required(&mut self.reader, key)?;
        let entries = self.reader.map(node, key)?;
        if entries.is_empty() {
            self.reader.note(node.span.clone(), format!("{key} must not be empty"));
        }
        let mut read_entries = BTreeMap::new();
        for (name, node) in entries {
            let what = format!("{} {}", key.trim_end_matches('s'), name.name);
            read_entries.extend(read(self, node, &what).map(|entry| (name.name.clone(), entry)));
        }
        Some(read_entries)
    }

    fn source(&mut self, node: &Node, what: &str) -> Option<SourceEntry> {
        let fields = self.reader.fields(node, what, &SOURCE_KEYS)?;
        let (kind, url) = self.url(&fields, DatabaseUrl::source).unzip();
        let foreign: &[&str] = match kind {
            Some(SourceKind::MySql) => &["slot", "publication", "slot_limit"],
            Some(SourceKind::PostgreSql) => &["server_id"],
            None => &[],
        };
        self.foreign(&fields, foreign);
        let replication = self.replication(&fields);
        let password = self.password(&fields, what);
        let tls = self.tls(&fields, what);
        let server_id = fields.get("server_id").and_then(|node| self.reader.number(node, "server_id", 1..=u64::from(u32::MAX)));
        let session = self.session(&fields, kind);
        let limits = self.limits(&fields, kind);
        let server_id = server_id.and_then(|id| u32::try_from(id).ok());
        Some(SourceEntry { kind: kind?, url: url?, password: password?, tls: tls?, server_id, session, limits, replication })
    }

    /// Keys that only the other kind of database has.
    fn foreign(&mut self, fields: &Fields<'_>, keys: &[&str]) {
        for key in keys {
            if let Some(span) = fields.key_span(key) {
                self.reader.note(span, format!("`{key}` means nothing to this kind of database"));
            }
        }
    }

    /// What belongs to a PostgreSQL source: slot, publication and the limit of the slot.
    fn replication(&mut self, fields: &Fields<'_>) -> ReplicationEntry {
        let slot = fields.get("slot").and_then(|node| self.reader.name(node, "slot").map(|name| (name.to_owned(), node)));
        if let Some((name, node)) = &slot
            && !(name.len() <= 63 && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')))
        {
            self.reader.note(node.span.clone(), "the name of a slot has lower case letters, digits and underscores, at most 63");
        }
        let publication = fields.get("publication").and_then(|node| self.reader.name(node, "publication").map(str::to_owned));
        ReplicationEntry { slot: slot.map(|(name, _)| name), publication, slot_limit: self.slot_limit(fields) }
    }

    fn slot_limit(&mut self, fields: &Fields<'_>) -> Option<SlotLimit> {
        let node = fields.get("slot_limit")?;
        let fields = self.reader.fields(node, "slot_limit", &["max_retained", "on_exceed"])?;
        let bytes_max = fields.required(&mut self.reader, "max_retained").and_then(|node| {
            let bytes = match &node.content {
                Content::Scalar(scalar) => size::bytes(&scalar.text),
                Content::List(_) | Content::Map(_) => None,
            };
            if bytes.is_none() {
                self.reader.note(node.span.clone(), "max_retained must be a size");
                self.reader.help_last("write it as 20GiB");
            }
            bytes
        });
        let on_exceed =
            fields.required(&mut self.reader, "on_exceed").and_then(|node| match self.reader.text(node, "on_exceed")? {
                "drop" => Some(OnExceed::Drop),
                "stop" => Some(OnExceed::Stop),
                _ => {
                    self.reader.note(node.span.clone(), "on_exceed must be `drop` or `stop`");
                    None
                }
            });
        Some(SlotLimit { bytes_max: bytes_max?, on_exceed: on_exceed? })
    }

    fn target(&mut self, node: &Node, what: &str) -> Option<TargetEntry> {
        let fields = self.reader.fields(node, what, &["url", "password", "tls"])?;
        let url = self.url(&fields, DatabaseUrl::target);
        let password = self.password(&fields, what);
        let tls = self.tls(&fields, what);
        let (kind, url) = url?;
        Some(TargetEntry { kind, url, password: password?, tls: tls? })
    }

    pub(super) fn url<T>(&mut self, fields: &Fields<'_>, parse: fn(&str) -> Result<T, Wrong>) -> Option<T> {
        let node = fields.required(&mut self.reader, "url")?;
        match parse(self.reader.text(node, "url")?) {
            Ok(url) => Some(url),
            Err(wrong) => {
                let problem = self.reader.problem(node.span.clone(), wrong.message).with_help(wrong.help);
                // Whatever is wrong with it, text before an `@` with a colon in it may be a password.
                if wrong.holds_password {
                    self.secret_lines.insert(problem.line_and_column().0);
                }
                self.reader.problems.push(problem);
                None
            }
        }
    }

    pub(super) fn password(&mut self, fields: &Fields<'_>, what: &str) -> Option<SecretPlace> {
        let Some(node) = fields.get("password") else { return Some(SecretPlace::None) };
        if let Content::Scalar(_) = node.content {
            let problem = self.reader.problem(node.span.clone(), format!("the password of {what} is in the project file"));
            self.secret_lines.insert(problem.line_and_column().0);
            self.reader.problems.push(problem.with_help(
                "write `password: { env: NAME }` or `password: { file: PATH }`: project files are under version control",
            ));
            return None;
        }
        let fields = self.reader.fields(node, "password", &["env", "file"])?;
        let variable = fields.get("env").and_then(|node| self.reader.name(node, "env").map(str::to_owned));
        let file = fields.get("file").and_then(|node| self.reader.name(node, "file").map(str::to_owned));
        match (variable, file) {
            (Some(variable), None) => Some(SecretPlace::Environment(variable)),
            (None, Some(file)) => Some(SecretPlace::File(self.folder.join(file))),
            _ => {
                self.reader.note(node.span.clone(), "password must be either { env: NAME } or { file: PATH }");
                None
            }
        }
    }

    pub(super) fn tls(&mut self, fields: &Fields<'_>, what: &str) -> Option<TlsChoice> {
        let Some(node) = fields.get("tls") else { return Some(TlsChoice::Default) };
        match &node.content {
            Content::Scalar(scalar) if scalar.text == "off" => Some(TlsChoice::Off),
            Content::Scalar(scalar) if scalar.text == "verify-full" => Some(TlsChoice::VerifyFull { ca: None }),
            Content::Map(_) => {
                let fields = self.reader.fields(node, &format!("tls of {what}"), &["ca"])?;
                let ca = fields.required(&mut self.reader, "ca")?;
                let ca: PathBuf = self.folder.join(self.reader.name(ca, "ca")?);
                Some(TlsChoice::VerifyFull { ca: Some(ca) })
            }
            _ => {
                self.reader.note(node.span.clone(), "tls must be { ca: FILE }, `verify-full` or `off`");
                self.reader.help_last("without `tls`, certificates are verified off loopback by the system's authorities");
                None
            }
        }
    }

    fn session(&mut self, fields: &Fields<'_>, kind: Option<SourceKind>) -> SessionOverrides {
        let fields = fields.get("session").and_then(|node| self.reader.fields(node, "session", &SESSION_KEYS));
        let Some(fields) = fields else { return SessionOverrides::default() };
        if kind == Some(SourceKind::PostgreSql) {
            self.foreign(&fields, &SESSION_KEYS.map(|key| if key == "time_zone" { "" } else { key }));
        }
        let mut text = |key: &str| fields.get(key).and_then(|node| self.reader.text(node, key).map(str::to_owned));
        let (sql_mode, time_zone, collation_connection) = (text("sql_mode"), text("time_zone"), text("collation_connection"));
        let division =
            fields.get("div_precision_increment").and_then(|node| self.reader.number(node, "div_precision_increment", 0..=30));
        let concat = fields
            .get("group_concat_max_len")
            .and_then(|node| self.reader.number(node, "group_concat_max_len", 4..=u64::from(u32::MAX)));
        SessionOverrides {
            sql_mode,
            time_zone,
            div_precision_increment: division.and_then(|digits| u32::try_from(digits).ok()),
            group_concat_max_len: concat,
            collation_connection,
        }
    }

    fn memory(&mut self, fields: &Fields<'_>) -> Option<u64> {
        let Some(node) = fields.get("memory") else { return Some(DEFAULT_MEMORY_BYTES) };
        let bytes = match &node.content {
            Content::Scalar(scalar) => size::bytes(&scalar.text),
            Content::List(_) | Content::Map(_) => None,
        };
        match bytes {
            Some(bytes) if bytes >= MEMORY_BYTES_MIN => Some(bytes),
            Some(_) => {
                self.reader.note(node.span.clone(), "memory must be at least 128MiB");
                None
            }
            None => {
                self.reader.note(node.span.clone(), "memory must be a size");
                self.reader.help_last("write it as 512MiB or 4GiB");
                None
            }
        }
    }

    fn patterns(&mut self, node: &Node) -> Option<Vec<Placed<String>>> {
        let items = self.reader.list(node, "mappings")?;
        if items.is_empty() {
            self.reader.note(node.span.clone(), "mappings must not be empty");
        }
        let mut patterns = Vec::new();
        for item in items {
            let pattern = self.reader.name(item, "an entry of mappings")?;
            patterns.push(Placed { value: pattern.to_owned(), span: item.span.clone() });
        }
        Some(patterns)
    }
}
