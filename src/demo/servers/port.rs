//! A loopback port that stays ours while its server is down, also against other processes that do the same.
//!
//! Ports come from below the range the kernel hands out for outgoing connections, otherwise a client could sit on the
//! port of a server that is being restarted. A locked file keeps two test processes from choosing the same one.

use super::ServerError;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

const LOWEST: u16 = 15_000;
const HIGHEST: u16 = 31_999;
const ATTEMPTS: usize = 400;

/// A reserved port; released on drop.
#[derive(Debug)]
pub(super) struct Port {
    pub number: u16,
    lock: PathBuf,
    _locked: File,
}

impl Port {
    /// Reserves a port nobody listens on.
    pub fn reserve() -> Result<Self, ServerError> {
        (0..ATTEMPTS).find_map(|_| Self::try_reserve(fastrand::u16(LOWEST..=HIGHEST))).ok_or(ServerError::NoPort(LOWEST, HIGHEST))
    }

    fn try_reserve(number: u16) -> Option<Self> {
        let lock = std::env::temp_dir().join(format!("strangler-port-{number}.lock"));
        let file = File::options().create(true).truncate(false).write(true).open(&lock).ok()?;
        file.try_lock().ok()?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        Some(Self { number, lock, _locked: file })
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        // A stale lock file is harmless: only the lock on it counts.
        let _ = std::fs::remove_file(&self.lock);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_port_is_not_given_twice() {
        let first = Port::reserve().unwrap();
        assert!(Port::try_reserve(first.number).is_none());
        let number = first.number;
        drop(first);
        assert!(Port::try_reserve(number).is_some());
    }
}
