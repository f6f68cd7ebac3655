//! Exact decimals.

/// An exact decimal with its scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Decimal(bigdecimal::BigDecimal);
