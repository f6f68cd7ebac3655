//! Which user a server runs as: ourselves, or an ordinary user when we are root, because all three servers refuse root.

use super::ServerError;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The user and group a server process gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    /// Name for messages.
    pub name: String,
    /// Numeric user id.
    pub uid: u32,
    /// Numeric group id.
    pub gid: u32,
    /// True if the process has to change to this user, i.e. we are root.
    pub switch: bool,
}

impl Account {
    /// The account for a server whose folder, made by us, is `own_folder`; `preferred` are names to try first when we are root.
    pub fn choose(own_folder: &Path, preferred: &[&str]) -> Result<Self, ServerError> {
        let made = std::fs::metadata(own_folder)
            .map_err(|cause| ServerError::system(format!("read owner of {}", own_folder.display()), cause))?;
        if made.uid() != 0 {
            return Ok(Self { name: format!("with id {}", made.uid()), uid: made.uid(), gid: made.gid(), switch: false });
        }
        let passwd = std::fs::read_to_string("/etc/passwd").map_err(|cause| ServerError::system("read /etc/passwd", cause))?;
        preferred.iter().chain(&["mysql", "postgres", "nobody"]).find_map(|name| find(&passwd, name)).ok_or_else(|| {
            ServerError::Missing {
                program: "an ordinary user to run the server (mysql, postgres or nobody)".into(),
                install: "useradd --system mysql".into(),
            }
        })
    }

    /// Gives `path` and everything below it to this account; nothing to do unless we are root.
    pub fn own(&self, path: &Path) -> Result<(), ServerError> {
        if !self.switch {
            return Ok(());
        }
        let failed = |cause| ServerError::system(format!("give {} to user {}", path.display(), self.name), cause);
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid)).map_err(failed)?;
        if path.is_dir() {
            for entry in std::fs::read_dir(path).map_err(failed)? {
                self.own(&entry.map_err(failed)?.path())?;
            }
        }
        Ok(())
    }

    /// Whether this account may read `path`: every folder above it open to it, and the file itself readable.
    pub fn can_read(&self, path: &Path) -> bool {
        if !self.switch {
            return true; // as ourselves; a refusal will come from the system, with its own words
        }
        let allowed = |path: &Path, mask: u32| {
            std::fs::metadata(path).is_ok_and(|meta| {
                let shift = if meta.uid() == self.uid {
                    6
                } else if meta.gid() == self.gid {
                    3
                } else {
                    0
                };
                (meta.mode() >> shift) & mask == mask
            })
        };
        allowed(path, 4) && path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()).all(|above| allowed(above, 1))
    }
}

fn find(passwd: &str, wanted: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| *name == wanted)?;
        let uid = fields.nth(1)?.parse().ok().filter(|uid| *uid != 0)?;
        let gid = fields.next()?.parse().ok()?;
        Some(Account { name: name.into(), uid, gid, switch: true })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_read_from_passwd_and_never_root() {
        let passwd = "root:x:0:0::/root:/bin/sh\nmysql:x:102:105:MySQL,,,:/none:/bin/false\n";
        assert_eq!(find(passwd, "mysql"), Some(Account { name: "mysql".into(), uid: 102, gid: 105, switch: true }));
        assert_eq!(find(passwd, "root"), None);
        assert_eq!(find(passwd, "nobody"), None);
    }

    #[test]
    fn a_closed_home_is_not_readable_for_another_user() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().unwrap();
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let file = home.path().join("f");
        std::fs::write(&file, "x").unwrap();
        let other = Account { name: "other".into(), uid: 4_000_000, gid: 4_000_000, switch: true };
        assert!(!other.can_read(&file));
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(other.can_read(&file));
    }
}
