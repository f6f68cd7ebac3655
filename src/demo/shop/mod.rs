//! The legacy shop.
