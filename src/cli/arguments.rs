//! Arguments: the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::printer::Format;

const EXIT_CODES: &str = "\
Exit codes:
  0 done and clean            69 database unreachable       77 privilege missing
  1 failed                    70 a bug in strangler         78 preflight refused
  2 done, differences found   73 state locked               130/143 by signal,
  64 usage                    75 stopped, run again         checkpoint written
  65 mapping or config wrong  76 a person must act";

const ABOUT: &str =
    "Moves a running legacy system's data into new service databases, one domain at a time, and keeps them exactly in step";

const OVERVIEW: &str = "\
First steps:
  strangler check      is everything as it must be? writes nothing
  strangler plan       what will be read, kept and created? writes nothing
  strangler run        backfills, then stays live; resumes by itself
  strangler status     how far it is
  strangler verify     compares source and target while both move";

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "strangler", version, about = ABOUT, after_long_help = format!("{OVERVIEW}\n\n{EXIT_CODES}"), after_help = OVERVIEW)]
#[command(propagate_version = true, disable_help_subcommand = true, max_term_width = 110)]
pub struct Arguments {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
    /// Flags of every command
    #[command(flatten)]
    pub common: Common,
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Project file
    #[arg(short, long, global = true, value_name = "FILE", env = "STRANGLER_CONFIG", default_value = "strangler.yaml")]
    pub config: PathBuf,
    /// Only this mapping (repeatable)
    #[arg(long, global = true, value_name = "NAME", env = "STRANGLER_MAPPING", value_delimiter = ',')]
    pub mapping: Vec<String>,
    /// How results are written to stdout
    #[arg(long, global = true, value_enum, default_value = "text", env = "STRANGLER_FORMAT")]
    pub format: Format,
    /// Say more on stderr (twice: details)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Say nothing but results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose", env = "STRANGLER_QUIET", value_parser = clap::builder::FalseyValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub quiet: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Tells the whole story in throw-away servers: nothing of yours is needed or touched
    #[command(after_long_help = super::demo::HELP)]
    Demo(super::demo::DemoArguments),
    /// Says whether everything is as a run needs it: files, privileges, settings, keys, types, tables
    #[command(after_long_help = CHECK_HELP)]
    Check,
    /// Shows what a run would read, keep and create
    #[command(after_long_help = PLAN_HELP)]
    Plan(PlanArguments),
    /// Backfills what is missing, then keeps the target in step; resumes by itself
    #[command(after_long_help = RUN_HELP)]
    Run(RunArguments),
    /// Pauses one mapping of the running engine, or all: changes are marked, targets stay as they are
    #[command(after_long_help = PAUSE_HELP)]
    Pause,
    /// Lets one mapping, or all, go on after a pause or a stop
    #[command(after_long_help = RESUME_HELP)]
    Resume,
    /// Shows or changes how gently the running engine reads a source
    #[command(after_long_help = LIMIT_HELP)]
    Limit(LimitArguments),
    /// Shows phase, lag, age of the checkpoint and progress
    #[command(after_long_help = STATUS_HELP)]
    Status(StatusArguments),
    /// Compares every target row with what the source answers, while both move
    #[command(after_long_help = super::verify::HELP)]
    Verify(super::verify::VerifyArguments),
    /// Dry run: the rows that the mapping would insert, change and delete in the target as it is now
    #[command(after_long_help = super::diff::HELP)]
    Diff(super::diff::DiffArguments),
    /// Removes the state and the checkpoint rows, after showing them; never target rows
    #[command(after_long_help = RESET_HELP)]
    Reset(ResetArguments),
}

/// Flags of `plan`.
#[derive(Debug, Clone, Args)]
pub struct PlanArguments {
    /// Also print the SQL that the source will run
    #[arg(long)]
    pub explain: bool,
}

/// Flags of `run`.
#[derive(Debug, Clone, Default, Args)]
pub struct RunArguments {
    /// End when every checkpoint contains the source's position of now
    #[arg(long)]
    pub until_caught_up: bool,
    /// New snapshot; the target becomes right by one difference in one transaction
    #[arg(long, conflicts_with = "adopt")]
    pub rebuild: bool,
    /// Take over target tables that hold rows already, after counting what would change
    #[arg(long)]
    pub adopt: bool,
}

/// Flags of `status`.
#[derive(Debug, Clone, Args)]
pub struct StatusArguments {
    /// Show it again every second until interrupted
    #[arg(long)]
    pub watch: bool,
}

/// Words of `limit`.
#[derive(Debug, Clone, Args)]
pub struct LimitArguments {
    /// The source, and what to change; `off` removes a limit
    #[arg(value_name = "SOURCE | NAME=VALUE")]
    pub words: Vec<String>,
}

/// Flags of `reset`.
#[derive(Debug, Clone, Args)]
pub struct ResetArguments {
    /// Remove what is shown
    #[arg(long)]
    pub execute: bool,
}

const CHECK_HELP: &str = "\
Examples:
  strangler check
  strangler check --mapping order-service --format json

Every finding comes at once, with its object and what mends it. Nothing is written.

Exit codes:
  0 a run can begin   65 a file is wrong   69 a database cannot be reached
  77 a privilege is missing   78 refused: a setting, a key, a type, a table
  Several findings: 65 before 77 before 78.

Next: strangler plan";

const PLAN_HELP: &str = "\
Examples:
  strangler plan
  strangler plan --explain

Per target table: the legacy tables it joins and how their rows are found, how a changed row finds the
target rows it affects, the definition of the table, rows and size of the state. Nothing is written.

Exit codes:
  0 shown   65 a file is wrong   69 a database cannot be reached

Next: strangler run";

const RUN_HELP: &str = "\
Examples:
  strangler run
  strangler run --until-caught-up
  strangler run --rebuild            after the state was lost: everything anew
  strangler run --rebuild --mapping NAME   one edited mapping, while the others stay live
  strangler run --adopt              for target tables that somebody else filled

Ctrl-C ends it in order: the checkpoint is written, and running again resumes. A second Ctrl-C ends
it at once, which loses nothing either.

Exit codes:
  0 caught up   65 a file is wrong   69 a database stayed unreachable   73 another engine runs
  75 stopped, run again   76 a person must act   77 a privilege is missing   78 refused
  130/143 by signal, checkpoint written

Next: strangler status, strangler verify";

const PAUSE_HELP: &str = "\
Examples:
  strangler pause --mapping order-service
  strangler pause

What waits for the target is still written; then the target stays as it is, also over a restart, and every
change of the source is marked. The other mappings go on.

Exit codes:
  0 paused   64 no engine runs   73 the state is held by something that does not answer

Next: strangler resume";

const RESUME_HELP: &str = "\
Examples:
  strangler resume --mapping order-service
  strangler resume

What was marked meanwhile is derived from the source's rows as they are, and the target goes to them in one
transaction. A mapping that stopped stops again if its cause is still there.

Exit codes:
  0 asked   76 refused: the mapping needs a rebuild   73 the state is held by something that does not answer

Next: strangler status";

const LIMIT_HELP: &str = "\
Examples:
  strangler limit                              shows the limits that hold
  strangler limit erp rows_per_second=5000 mb_per_second=20
  strangler limit erp max_load=Threads_running=25,Threads_connected=400 max_lag_s=10
  strangler limit erp connections=1 max_load=off

Limits hold back the readers of chunks, never the stream. They hold until the engine ends; those of the next
one stand in the project file under `limits:`. A load that cannot be read holds readers back too.

Exit codes:
  0 shown or changed   64 no engine runs, or no such limit   69 the source cannot be asked
  77 a privilege is missing   78 the source has no such gauge, or no replica

Next: strangler status";

const STATUS_HELP: &str = "\
Examples:
  strangler status
  strangler status --watch
  strangler status --format json

Two clocks per mapping: lag is the time between the source's newest commit and the newest one in the
target; age is the time since the checkpoint row was written.

Exit codes:
  0 shown   65 a file is wrong   69 no engine runs and a target cannot be reached
  73 the state is held by something that does not answer

Next: strangler verify";

const RESET_HELP: &str = "\
Examples:
  strangler reset                    shows what would be removed
  strangler reset --execute          removes it
  strangler reset --mapping NAME     one mapping of several: its checkpoint row and what is its own in the state

Target rows stay. After a reset, `strangler run` wants empty target tables, or --adopt.

Exit codes:
  0 removed, or nothing to remove   2 shown, --execute would remove it
  69 a target cannot be reached   73 an engine runs

Next: strangler run --adopt";
