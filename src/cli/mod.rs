//! Cli: the command line. One file per command; the rest is what they share.
//!
//! [`main`] parses arguments, starts tracing, runs one command and turns what came of it into an exit code. Commands return a
//! [`exit::Code`] or a [`exit::Failure`]; they print results through the [`printer::Printer`] and nothing else ends the process.

pub mod arguments;
pub mod binding;
pub mod check;
mod comparison;
pub mod control;
pub mod demo;
pub mod diff;
mod differences;
pub mod evolve;
pub mod exit;
pub mod forecasting;
pub mod halting;
pub mod limiting;
pub mod measuring;
pub mod opening;
pub mod plan;
pub mod printer;
pub mod progress;
pub mod project;
pub mod reset;
pub mod run;
pub mod signals;
pub mod sources;
pub mod status;
pub mod status_text;
mod stopped;
mod summary;
#[cfg(test)]
mod tests;
pub mod text;
mod tracing_output;
pub mod verify;
mod waiting;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use futures_util::FutureExt;

use arguments::{Arguments, Command, Common};
use exit::{Code, Failure};
use printer::Printer;

use crate::error::{Class, Error};

/// Runs the process.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::from(outcome().number())
}

fn outcome() -> Code {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // A reader that went away wants no more.
            let _ = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Code::Clean,
                _ => Code::Usage,
            };
        }
    };
    let printer = Printer::new(arguments.common.format, arguments.common.quiet);
    tracing_output::start(arguments.common.verbose, &printer);
    name_threads();
    let runtime = match tokio::runtime::Builder::new_multi_thread().thread_name("async").enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::from(Error::new(Class::Local, "cannot start the runtime").because(error));
            printer.failure(&failure);
            return failure.code();
        }
    };
    let ended = runtime.block_on(AssertUnwindSafe(run(&arguments.command, &arguments.common, &printer)).catch_unwind());
    // Tasks that still wait for a database must not hold up the end.
    runtime.shutdown_background();
    match ended {
        Ok(Ok(code)) => code,
        Ok(Err(failure)) => {
            printer.failure(&failure);
            failure.code()
        }
        Err(_panic) => printer.panicked(),
    }
}

/// Threads have the names of what they do: what each costs can be told from outside.
fn name_threads() {
    if rayon::ThreadPoolBuilder::new().thread_name(|_| "derive".to_owned()).build_global().is_err() {
        tracing::debug!("the threads that derive were started already");
    }
}

/// Commands of other files are registered here and in [`arguments::Command`].
async fn run(command: &Command, common: &Common, printer: &Printer) -> Result<Code, Failure> {
    match command {
        Command::Demo(arguments) => demo::command(arguments, printer).await,
        Command::Check => check::command(common, printer).await,
        Command::Plan(arguments) => plan::command(common, arguments, printer).await,
        Command::Run(arguments) => run::command(common, arguments, printer).await,
        Command::Pause => halting::pause(common, printer).await,
        Command::Resume => halting::resume(common, printer).await,
        Command::Limit(arguments) => limiting::command(common, arguments, printer).await,
        Command::Status(arguments) => status::command(common, arguments, printer).await,
        Command::Verify(arguments) => verify::command(common, arguments, printer).await,
        Command::Diff(arguments) => diff::command(common, arguments, printer).await,
        Command::Reset(arguments) => reset::command(common, arguments, printer).await,
    }
}
