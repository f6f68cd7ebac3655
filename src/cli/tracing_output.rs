//! Where log lines go: stderr, above the bars. `-v` shows what the engine decides, `-vv` why; `STRANGLER_LOG` takes a filter.

use std::io::Write;

use indicatif::MultiProgress;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::printer::Printer;

/// Starts logging; a second start is ignored.
pub fn start(verbose: u8, printer: &Printer) {
    let level = match verbose {
        0 => "strangler=warn,fjall=error,lsm_tree=error",
        1 => "strangler=info,fjall=error,lsm_tree=error",
        _ => "strangler=debug,fjall=info,lsm_tree=info",
    };
    let filter = EnvFilter::try_from_env("STRANGLER_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(AboveBars(printer.bars.clone())).with_target(false);
    let _ = lines.with_ansi(false).try_init();
}

/// Writes to stderr while the bars are out of the way.
#[derive(Clone)]
struct AboveBars(MultiProgress);

impl Write for AboveBars {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.suspend(|| std::io::stderr().lock().write_all(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for AboveBars {
    type Writer = Self;

    fn make_writer(&'a self) -> Self::Writer {
        self.clone()
    }
}
