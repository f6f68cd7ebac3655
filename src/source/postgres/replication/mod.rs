//! The replication connection: dialled, logged in and framed by us, because the driver for ordinary statements has no CopyBoth.
//!
//! [`socket`] is the byte stream, [`login`] the startup with SCRAM and channel binding, [`client`] frames, commands and the copy stream.

pub(super) mod client;
pub(super) mod login;
pub(super) mod socket;
