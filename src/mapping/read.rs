//! Reading a mapping file: the format, field by field.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::document::{self, Content, Node};
use super::fields::{Fields, Reader};
use super::problem::{Problem, SourceFile};
use super::{
    ColumnOption, HotChangePolicy, MappedTable, Mapping, Placed, Policies, Several, SqlText, UniqueFact, ZeroDatePolicy,
};
use crate::error::Class;

const MAPPING_KEYS: [&str; 12] = [
    "version",
    "mapping",
    "owner",
    "source",
    "sources",
    "dialect",
    "collation",
    "target",
    "schema",
    "tables",
    "facts",
    "policies",
];
const TABLE_KEYS: [&str; 5] = ["description", "key", "sql", "columns", "indexes"];
const COLUMN_KEYS: [&str; 4] = ["pii", "mask", "description", "type"];
const FORMAT_VERSION: u64 = 1;

/// Reads a whole file; all problems at once.
pub(super) fn mapping(file: Arc<SourceFile>) -> Result<Mapping, Vec<Problem>> {
    let root = document::read(&file).map_err(|problem| vec![*problem])?;
    let mut reading = Reading { reader: Reader::new(file), refused: Vec::new() };
    let mapping = reading.mapping(&root);
    let Reading { mut reader, mut refused } = reading;
    refused.sort_by_key(|problem| problem.span.start);
    match mapping {
        Some(mapping) if reader.problems.is_empty() => Ok(Mapping { refused, ..mapping }),
        _ => {
            reader.problems.append(&mut refused);
            reader.problems.sort_by_key(|problem| problem.span.start);
            Err(reader.problems)
        }
    }
}

struct Reading {
    reader: Reader,
    refused: Vec<Problem>,
}

fn placed<T>(node: &Node, value: T) -> Placed<T> {
    Placed { value, span: node.span.clone() }
}

impl Reading {
    /// Notes something that the format allows and this version does not do.
    fn refuse(&mut self, span: Range<usize>, what: &str, help: &str) {
        let problem = self.reader.problem(span, format!("{what} is not supported in this version")).of_class(Class::Preflight);
        self.refused.push(problem.with_help(help));
    }

    fn mapping(&mut self, root: &Node) -> Option<Mapping> {
        let fields = self.reader.fields(root, "the mapping file", &MAPPING_KEYS)?;
        if let Some(version) = fields.required(&mut self.reader, "version") {
            let found = self.reader.number(version, "version", 0..=u64::MAX);
            if found.is_some_and(|found| found != FORMAT_VERSION) {
                self.reader.note(
                    version.span.clone(),
                    format!("this version of strangler reads mapping files of version {FORMAT_VERSION}"),
                );
            }
        }
        // Every part is read before any `?`, so that all problems are found.
        let name = self.identity(&fields);
        let owner = fields.get("owner").and_then(|node| self.reader.name(node, "owner").map(str::to_owned));
        let source = self.source(&fields);
        let target = self.required_name(&fields, "target");
        let schema = fields.get("schema").and_then(|node| self.reader.name(node, "schema").map(str::to_owned));
        let tables = self.tables(&fields);
        let facts = self.facts(&fields);
        let policies = self.policies(&fields);
        let file = Arc::clone(&self.reader.file);
        let (name, (source, several), target, tables) = (name?, source?, target?, tables?);
        Some(Mapping { name, owner, source, several, target, schema, tables, facts, policies, refused: Vec::new(), file })
    }

    fn identity(&mut self, fields: &Fields<'_>) -> Option<Placed<String>> {
        let name = self.required_name(fields, "mapping")?;
        let allowed = |character: char| character.is_alphanumeric() || matches!(character, '-' | '_' | '.');
        if !name.value.chars().all(allowed) {
            self.reader.note(name.span.clone(), "a mapping's name has letters, digits, `-`, `_` and `.` only");
            return None;
        }
        Some(name)
    }

    fn required_name(&mut self, fields: &Fields<'_>, key: &str) -> Option<Placed<String>> {
        let node = fields.required(&mut self.reader, key)?;
        let name = self.reader.name(node, key)?;
        Some(placed(node, name.to_owned()))
    }

    /// The source, or several with the one whose SQL the SELECTs are in.
    fn source(&mut self, fields: &Fields<'_>) -> Option<(Placed<String>, Option<Several>)> {
        let Some(sources) = fields.get("sources") else {
            self.only_with_several(fields);
            return Some((self.required_name(fields, "source")?, None));
        };
        let span = fields.key_span("sources").unwrap_or_else(|| sources.span.clone());
        if fields.get("source").is_some() {
            self.reader.note(span, "the mapping file has both `source` and `sources`");
            return None;
        }
        self.reader.names(sources, "sources")?;
        let mut names = Vec::new();
        for node in self.reader.list(sources, "sources")? {
            names.push(placed(node, self.reader.name(node, "an entry of sources")?.to_owned()));
        }
        if let [only] = names.as_slice() {
            self.only_with_several(fields);
            return Some((only.clone(), None));
        }
        let collation =
            fields.get("collation").and_then(|node| Some(placed(node, self.reader.name(node, "collation")?.to_owned())));
        let listed = names.iter().map(|name| format!("`{}`", name.value)).collect::<Vec<_>>().join(" or ");
        let Some(node) = fields.get("dialect") else {
            self.reader.note(span, "a mapping over several sources declares its `dialect`");
            self.reader.help_last(format!("name the source whose SQL the SELECTs are in: {listed}"));
            return None;
        };
        let dialect = placed(node, self.reader.name(node, "dialect")?.to_owned());
        if names.iter().all(|name| name.value != dialect.value) {
            self.reader.note(dialect.span, "`dialect` names one of the `sources`");
            self.reader.help_last(format!("name the one whose SQL the SELECTs are in: {listed}"));
            return None;
        }
        Some((dialect, Some(Several { names, collation })))
    }

    fn only_with_several(&mut self, fields: &Fields<'_>) {
        for key in ["dialect", "collation"] {
            if let Some(span) = fields.key_span(key) {
                self.reader.note(span, format!("`{key}` belongs to mappings over several sources"));
                self.reader.help_last("remove it: the SELECTs are in the SQL of their source, and compare as it does");
            }
        }
    }

    fn tables(&mut self, fields: &Fields<'_>) -> Option<Vec<MappedTable>> {
        let node = fields.required(&mut self.reader, "tables")?;
        let entries = self.reader.map(node, "tables")?;
        if entries.is_empty() {
            self.reader.note(node.span.clone(), "tables must not be empty");
        }
        let mut tables = Vec::new();
        for (key, value) in entries {
            if key.name.trim().is_empty() {
                self.reader.note(key.span.clone(), "a table must have a name");
                continue;
            }
            let name = Placed { value: key.name.clone(), span: key.span.clone() };
            tables.extend(self.table(name, value));
        }
        Some(tables)
    }

    fn table(&mut self, name: Placed<String>, node: &Node) -> Option<MappedTable> {
        let what = format!("table {}", name.value);
        if node.is_null() {
            self.reader.note(name.span.clone(), format!("{what} has no `key` and no `sql`"));
            return None;
        }
        let mut fields = self.reader.fields(node, &what, &TABLE_KEYS)?;
        fields.span = name.span.clone();
        let description = self.description(&fields, &what);
        let key = fields.required(&mut self.reader, "key").and_then(|node| {
            let names = self.reader.names(node, &format!("the key of {what}"))?;
            Some(placed(node, names))
        });
        let sql = fields.required(&mut self.reader, "sql").and_then(|node| {
            let at = fields.key_span("sql").unwrap_or_else(|| node.span.clone());
            self.sql(node, at, &what)
        });
        let columns = self.columns(&fields, &what);
        let indexes = self.indexes(&fields, &what);
        Some(MappedTable { name, description, key: key?, sql: sql?, columns, indexes })
    }

    fn description(&mut self, fields: &Fields<'_>, what: &str) -> String {
        let text = fields.get("description").and_then(|node| self.reader.text(node, &format!("the description of {what}")));
        text.unwrap_or_default().trim_end().to_owned()
    }

    fn sql(&mut self, node: &Node, at: Range<usize>, what: &str) -> Option<SqlText> {
        let text = self.reader.text(node, &format!("the sql of {what}"))?;
        if text.trim().is_empty() {
            self.reader.note(at, format!("the sql of {what} is empty"));
            return None;
        }
        let Content::Scalar(scalar) = &node.content else { return None };
        Some(SqlText::new(&self.reader.file, node, scalar))
    }

    fn columns(&mut self, fields: &Fields<'_>, what: &str) -> BTreeMap<String, Placed<ColumnOption>> {
        let entries = fields.get("columns").and_then(|node| self.reader.map(node, &format!("columns of {what}")));
        let mut columns = BTreeMap::new();
        for (key, node) in entries.unwrap_or_default() {
            let option = self.column(&key.name, node);
            columns.insert(key.name.clone(), Placed { value: option.unwrap_or_default(), span: key.span.clone() });
        }
        columns
    }

    fn column(&mut self, name: &str, node: &Node) -> Option<ColumnOption> {
        let what = format!("column {name}");
        let fields = self.reader.fields(node, &what, &COLUMN_KEYS)?;
        let description = self.description(&fields, &what);
        let mut text =
            |key: &str| fields.get(key).and_then(|node| self.reader.name(node, &format!("{key} of {what}")).map(str::to_owned));
        let (pii, mask, target_type) = (text("pii"), text("mask"), text("type"));
        for (key, what) in [("pii", "personal data (`pii`)"), ("mask", "masking (`mask`)")] {
            if let Some(span) = fields.key_span(key) {
                self.refuse(span, what, "the column would reach the target unmasked: leave it out of the SELECT");
            }
        }
        Some(ColumnOption { target_type, description, pii, mask })
    }

    fn indexes(&mut self, fields: &Fields<'_>, what: &str) -> Vec<Placed<Vec<String>>> {
        let Some(node) = fields.get("indexes") else { return Vec::new() };
        let items = self.reader.list(node, &format!("indexes of {what}")).unwrap_or_default();
        let mut indexes = Vec::new();
        for item in items {
            if let Some(names) = self.reader.names(item, &format!("an index of {what}")) {
                indexes.push(placed(item, names));
            }
        }
        indexes
    }

    fn facts(&mut self, fields: &Fields<'_>) -> Vec<Placed<UniqueFact>> {
        let Some(node) = fields.get("facts") else { return Vec::new() };
        let items = self.reader.list(node, "facts").unwrap_or_default();
        let mut facts = Vec::new();
        for item in items {
            if let Some(fact) = self.fact(item) {
                facts.push(placed(item, fact));
            }
        }
        facts
    }

    fn fact(&mut self, node: &Node) -> Option<UniqueFact> {
        let fields = self.reader.fields(node, "a fact", &["unique"])?;
        let unique = fields.required(&mut self.reader, "unique")?;
        let fields = self.reader.fields(unique, "a unique fact", &["table", "columns", "where"])?;
        let table = self.required_name(&fields, "table");
        let columns =
            fields.required(&mut self.reader, "columns").and_then(|node| self.reader.names(node, "columns of a unique fact"));
        let condition = fields.get("where").and_then(|node| self.reader.text(node, "where of a unique fact").map(str::to_owned));
        Some(UniqueFact { table: table?.value, columns: columns?, condition: condition.unwrap_or_default() })
    }

    fn policies(&mut self, fields: &Fields<'_>) -> Policies {
        let known = ["zero_date", "invalid_text", "hot_change"];
        let fields = fields.get("policies").and_then(|node| self.reader.fields(node, "policies", &known));
        let Some(fields) = fields else { return Policies::default() };
        let zero_dates =
            [("stop", ZeroDatePolicy::Stop), ("null", ZeroDatePolicy::Null), ("0001-01-01", ZeroDatePolicy::FirstDay)];
        let zero_date = fields.get("zero_date").and_then(|node| self.reader.choice(node, "zero_date", &zero_dates));
        self.policy_without_choice(&fields, "invalid_text", ("stop", "quarantine"));
        let hot_changes = [("strict", HotChangePolicy::Strict), ("deferred", HotChangePolicy::Deferred)];
        let hot_change = fields.get("hot_change").and_then(|node| self.reader.choice(node, "hot_change", &hot_changes));
        Policies { zero_date: zero_date.unwrap_or_default(), hot_change: hot_change.unwrap_or_default() }
    }

    /// A policy of which this version does only the default.
    fn policy_without_choice(&mut self, fields: &Fields<'_>, name: &str, (supported, refused): (&str, &str)) {
        let Some(node) = fields.get(name) else { return };
        if self.reader.choice(node, name, &[(supported, true), (refused, false)]) == Some(false) {
            self.refuse(
                node.span.clone(),
                &format!("`{name}: {refused}`"),
                &format!("use `{name}: {supported}`, or leave it out: that is the default"),
            );
        }
    }
}
