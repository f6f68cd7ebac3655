//! `strangler demo`: the whole story on one screen, in throw-away servers.
//!
//! Writes nothing outside of temp folders, which are gone at the end, also after Ctrl-C.

use std::sync::Arc;

use clap::Args;

use super::exit::{Code, Failure};
use super::printer::Printer;
use super::signals::Signals;
use crate::demo::story::{Screen, StoryOptions, Told, tell, tell_example};

/// Flags of `demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoArguments {
    /// Show this example instead of the shop: a folder with strangler.yaml, mappings, schema.sql and changes.sql, or a project file in one
    #[arg(value_name = "EXAMPLE", conflicts_with = "orders")]
    pub example: Option<std::path::PathBuf>,
    /// A smaller shop, and only the steps that do not repeat
    #[arg(long)]
    pub fast: bool,
    /// Orders in the shop, about eleven legacy rows each [default: 10000, with --fast 2000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=9_999_999))]
    pub orders: Option<u32>,
    /// Keep everything running at the end, to look around, until Ctrl-C
    #[arg(long)]
    pub keep: bool,
}

/// What follows the flags in the help.
pub const HELP: &str = "\
Examples:
  strangler demo
  strangler demo --fast
  strangler demo --keep
  strangler demo examples/northwind

Starts a MariaDB and a PostgreSQL of its own, loads a home-shopping ERP of 30 tables, keeps it busy, and
runs the real commands against it: check, plan, run, status, verify, diff. With an example, the servers are
those that its project file names, and its changes.sql is what happens meanwhile. Needs the server programs,
nothing else; touches no other database.

Exit codes:
  0 everything went as it should   1 something did not, its output is shown   69 a server program is missing
  130/143 by signal, everything removed

Next: strangler check, with a project file of your own";

/// Runs the command.
///
/// # Errors
/// The system does not let us listen for signals.
pub async fn command(arguments: &DemoArguments, printer: &Printer) -> Result<Code, Failure> {
    let options = StoryOptions {
        orders: arguments.orders.unwrap_or(if arguments.fast { 2_000 } else { 10_000 }),
        transactions_per_second: 30.0,
        fast: arguments.fast,
        keep: arguments.keep,
    };
    let mut signals = Signals::listen()?;
    let screen = Arc::new(Screen::stdout());
    // Whichever ends first, the story is dropped before the arm runs, and with it servers, children and folder.
    let told = tokio::select! {
        told = told(arguments, &options, &screen) => told,
        code = ended_by(&mut signals) => {
            drop(screen);
            printer.note("\nstopped: the servers and files of the demo are removed");
            return Ok(code);
        }
    };
    let Err(error) = told else { return Ok(Code::Clean) };
    drop(screen);
    printer.demo_failed(&error.to_string());
    Ok(if error.is_missing_program() { Code::Unreachable } else { Code::Failed })
}

async fn told(arguments: &DemoArguments, options: &StoryOptions, screen: &Arc<Screen>) -> Told {
    match &arguments.example {
        Some(folder) => tell_example(folder, options.keep, screen).await,
        None => tell(options, screen).await,
    }
}

/// Waits for a signal; a terminal that is closed is one too, and leaves nothing behind either.
async fn ended_by(signals: &mut Signals) -> Code {
    let Ok(mut hangup) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()) else {
        return signals.next().await;
    };
    tokio::select! {
        code = signals.next() => code,
        _ = hangup.recv() => Code::Terminated,
    }
}
