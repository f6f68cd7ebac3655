//! What a preflight finds: one kind of finding for sources and targets, sorted by how bad it is.

/// A finding of the preflight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Stable short name of the check, e.g. `binlog_format`.
    pub check: &'static str,
    /// The object: a table, a setting, a privilege.
    pub object: String,
    /// What was seen: lower case, no full stop.
    pub message: String,
    /// The statement or setting that mends it; may be empty.
    pub remedy: String,
}

/// How bad a finding is; decides the exit code (mapping 65 before privilege 77 before refused 78).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Note,
    /// Works, at a cost or a risk that is named.
    Warning,
    /// Refused: exit 78.
    Refused,
    /// A privilege is missing: exit 77.
    Privilege,
}
