//! Bytes of the wire become messages, and texts become values.

pub(super) mod message;
pub(super) mod reader;
pub(super) mod value;
