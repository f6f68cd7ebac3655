//! Control: a running engine is asked over a Unix socket in its state folder, in HTTP and JSON.
//!
//! [`serve`] answers while an engine runs; [`Client`] is the commands' side. The socket is for the owner of the state folder only. A path that
//! is too long for a socket is replaced by one in the system's temp folder, whose place the file `control.path` names. A socket left by a killed
//! engine is replaced: whoever serves holds the lock of the folder.

mod client;
mod server;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use crate::error::Class;

pub use client::Client;
pub use server::{Answers, Serving, serve};

/// A socket's path may have about 104 bytes on the systems we know.
const PATH_BYTES_MAX: usize = 100;

/// Asks whether output keys may have been written behind a sequence.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TouchedRequest {
    /// Name of the mapping.
    pub mapping: String,
    /// Name of the target table.
    pub table: String,
    /// Sequence of the mapping's checkpoint.
    pub since: u64,
    /// Key hashes ([`crate::migrate::touched::key_hash`]), 32 hexadecimal digits each.
    pub keys: Vec<String>,
}

/// The answer, one per key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TouchedAnswer {
    /// Whether the key may have been written.
    pub changed: Vec<bool>,
}

/// Asks to halt a mapping, or to let it go on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HaltRequest {
    /// Name of the mapping.
    pub mapping: String,
}

/// The answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HaltAnswer {
    /// How the mapping stands, if there was nothing to do.
    pub already: Option<String>,
}

/// Asks to change limits of a source.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LimitRequest {
    /// Name of the source.
    pub source: String,
    /// Settings, e.g. `rows_per_second=5000`.
    pub settings: Vec<String>,
}

/// What the socket answers to a wrong question.
#[derive(Debug, Serialize, Deserialize)]
struct Refusal {
    error: String,
    #[serde(default)]
    hint: Option<String>,
}

/// The classes of refusals that a command must tell apart, and the words of HTTP for them.
const CLASSES: [(Class, StatusCode); 4] = [
    (Class::Usage, StatusCode::BAD_REQUEST),
    (Class::Unreachable, StatusCode::SERVICE_UNAVAILABLE),
    (Class::Preflight, StatusCode::UNPROCESSABLE_ENTITY),
    (Class::Privilege, StatusCode::FORBIDDEN),
];

/// How a refusal of a class is answered.
fn code_of(class: Class) -> StatusCode {
    CLASSES.iter().find(|(known, _)| *known == class).map_or(StatusCode::CONFLICT, |(_, code)| *code)
}

/// The class of a refusal that was answered so; what is not known asks a person.
fn class_of(code: StatusCode) -> Class {
    CLASSES.iter().find(|(_, known)| *known == code).map_or(Class::Person, |(class, _)| *class)
}

fn note_path(state: &Path) -> PathBuf {
    state.join("control.path")
}

/// Where the socket of a state folder would be; `None` if that is too long a path and no engine named another.
fn socket_path(state: &Path) -> Option<PathBuf> {
    match std::fs::read_to_string(note_path(state)) {
        Ok(path) => Some(PathBuf::from(path.trim_end())),
        Err(_) => Some(state.join("control.sock")).filter(|path| path.as_os_str().len() <= PATH_BYTES_MAX),
    }
}
