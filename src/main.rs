//! Parses arguments, runs one command, turns its error into an exit code.

/// Memory that a worker thread frees goes back to the system whatever the other threads hold; see Cargo.toml.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    strangler::cli::main()
}
