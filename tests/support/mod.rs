//! What the tests stand on: servers, project files in temporary folders, the program, the oracle.

pub mod cell;
pub mod oracle;
pub mod program;
pub mod project;
pub mod servers;
pub mod socket;

/// Whether the long variants were asked for (`make test-long`).
pub fn long() -> bool {
    std::env::var_os("STRANGLER_LONG").is_some_and(|value| value == "1")
}

/// `short` in `make test`, `long` in `make test-long`.
pub fn rounds(short: u64, long_rounds: u64) -> u64 {
    if long() { long_rounds } else { short }
}

/// The seed of the random choices of a run: `STRANGLER_SEED`, else a fixed one, printed so that a failure can be replayed.
pub fn seed(test: &str) -> u64 {
    let seed = std::env::var("STRANGLER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_260_101);
    eprintln!("{test}: STRANGLER_SEED={seed}");
    seed
}
