//! Collations of the source: how strings compare and what their sort keys are.

use serde::{Deserialize, Serialize};

/// A collation by name with the weights the source itself gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Collation {
    name: String,
}
