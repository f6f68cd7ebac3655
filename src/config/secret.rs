//! Where a password is, and how it is read: from the environment, or from a file that only its owner may read.

use std::path::{Path, PathBuf};

use crate::error::{Class, Error, Result};

/// Where a password is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretPlace {
    /// There is none.
    None,
    /// In an environment variable.
    Environment(String),
    /// In a file, its last newline not counted.
    File(PathBuf),
}

impl SecretPlace {
    /// Reads the password of `kind` `name`; `None` if it has none.
    ///
    /// # Errors
    /// `Mapping` if the variable is not set, or the file cannot be read or may be read by others.
    pub fn read(&self, kind: &str, name: &str) -> Result<Option<String>> {
        match self {
            Self::None => Ok(None),
            Self::Environment(variable) => match std::env::var(variable) {
                Ok(secret) => Ok(Some(secret)),
                Err(std::env::VarError::NotPresent) => {
                    let message =
                        format!("the password of {kind} {name} is in the environment variable {variable}, which is not set");
                    Err(Error::new(Class::Mapping, message).with_hint(format!("set it: export {variable}=..")))
                }
                Err(std::env::VarError::NotUnicode(_)) => {
                    Err(Error::new(Class::Mapping, format!("the password of {kind} {name} in {variable} is not UTF-8 text")))
                }
            },
            Self::File(path) => read_file(path, kind, name).map(Some),
        }
    }
}

fn read_file(path: &Path, kind: &str, name: &str) -> Result<String> {
    let failed = |error: std::io::Error| {
        Error::new(Class::Mapping, format!("the password file {} of {kind} {name} cannot be read", path.display())).because(error)
    };
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if readable_by_others(&metadata) {
        let message = format!("the password file {} of {kind} {name} can be read by other users", path.display());
        return Err(Error::new(Class::Mapping, message).with_hint(format!("chmod 0600 {}", path.display())));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    Ok(text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text)).to_owned())
}

#[cfg(unix)]
fn readable_by_others(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn readable_by_others(_: &std::fs::Metadata) -> bool {
    false
}
