//! Cuts, ranges, positions.
