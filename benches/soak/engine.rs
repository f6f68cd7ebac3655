//! A running engine, asked over its control socket, which costs it next to nothing.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Outcome;
use crate::socket;

/// An engine that stays live; killed when dropped.
pub struct Engine {
    child: Child,
    project: PathBuf,
    variables: Vec<(&'static str, String)>,
}

/// Whether every mapping is live and its target contains what the stream has shown.
pub fn is_caught_up(status: &Value) -> bool {
    let mappings = status["mappings"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_there = |mapping: &Value| mapping["phase"] == "live" && mapping["lag_ms"] == 0 && mapping["halted"].is_null();
    status["stage"] == "live" && status["outbox_bytes"] == 0 && !mappings.is_empty() && mappings.iter().all(is_there)
}

impl Engine {
    /// Starts it.
    pub fn start(project: &Path, variables: Vec<(&'static str, String)>) -> Outcome<Self> {
        let log = std::fs::File::create(project.with_extension("log"))?;
        let child = program(project, &variables, &["run"]).stdout(Stdio::null()).stderr(log).spawn()?;
        Ok(Self { child, project: project.to_path_buf(), variables })
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it says of itself; `None` while it starts.
    pub fn status(&mut self) -> Outcome<Option<Value>> {
        if let Some(ended) = self.child.try_wait()? {
            let log = std::fs::read_to_string(self.project.with_extension("log"))?;
            return Err(format!("the engine ended with {ended}:\n{log}").into());
        }
        Ok(socket::status(&self.project.with_file_name("state").join("control.sock")))
    }

    /// Waits until a status fulfils a condition.
    pub async fn until(&mut self, patience: Duration, mut fulfils: impl FnMut(&Value) -> bool) -> Outcome<Value> {
        let asked = Instant::now();
        while asked.elapsed() < patience {
            if let Some(status) = self.status()?.filter(&mut fulfils) {
                return Ok(status);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(format!("the engine did not get there in {patience:?}: {:?}", self.status()?).into())
    }

    /// Runs another command of the program on the same project to its end.
    pub fn command(&self, arguments: &[&str]) -> Outcome<Output> {
        Ok(program(&self.project, &self.variables, arguments).output()?)
    }

    /// Ends it in order.
    pub fn stop(mut self) -> Outcome<()> {
        Command::new("kill").args(["-INT", &self.child.id().to_string()]).status()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn program(project: &Path, variables: &[(&'static str, String)], arguments: &[&str]) -> Command {
    let built = env!("CARGO_BIN_EXE_strangler").into();
    let mut command = Command::new(std::env::var_os("BENCH_STRANGLER").unwrap_or(built));
    command.args(arguments).arg("--config").arg(project).stdin(Stdio::null());
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command
}
