//! A gate: what a COMMIT waits for.
//!
//! A transaction may be sent to a target while what it contains is still on its way to the engine's own disk. Whoever writes to that disk holds
//! the key; the transaction is committed only behind the open gate, and one whose key is lost is never committed.

use tokio::sync::watch;

use crate::error::{Class, Error, Result};

/// What a transaction waits for before its COMMIT. Clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate(watch::Receiver<bool>);

/// Opens a gate; dropped before it did, it leaves the gate shut for ever.
#[derive(Debug)]
pub struct GateKey(watch::Sender<bool>);

/// A closed gate and its key.
#[must_use]
pub fn gate() -> (GateKey, Gate) {
    let (key, gate) = watch::channel(false);
    (GateKey(key), Gate(gate))
}

impl Gate {
    /// Waits until it is open.
    ///
    /// # Errors
    /// `Local`: the key was dropped, it never opens.
    pub async fn passed(&self) -> Result<()> {
        match self.0.clone().wait_for(|open| *open).await {
            Ok(_) => Ok(()),
            Err(_) => {
                Err(Error::new(Class::Local, "what comes before did not become durable: nothing is committed to the target"))
            }
        }
    }

    /// Whether it is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self.0.borrow()
    }

    /// Whether it never opens.
    #[must_use]
    pub fn is_shut(&self) -> bool {
        self.0.has_changed().is_err() && !*self.0.borrow()
    }
}

impl GateKey {
    /// Opens the gate for good.
    pub fn open(self) {
        self.0.send_replace(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_gate_opens_for_good_or_never() {
        let (key, opened) = gate();
        assert!(!opened.is_shut());
        key.open();
        opened.passed().await.unwrap();
        assert!(!opened.is_shut(), "the key is gone, and it is open");
        let (key, shut) = gate();
        drop(key);
        assert_eq!(shut.passed().await.unwrap_err().class(), Class::Local);
        assert!(shut.is_shut());
    }
}
