//! Parses arguments, runs one command, turns its error into an exit code.

fn main() -> std::process::ExitCode {
    strangler::cli::main()
}
