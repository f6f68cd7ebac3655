//! Types and their extremes: what a chunk holds equals what the server's own SELECT says.
