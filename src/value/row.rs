//! The compact canonical row encoding: equal rows give equal bytes.
