//! A running engine, asked over its control socket, which costs it next to nothing, and what the operating system says of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::socket;
use crate::support::Outcome;

/// How long a number may take to come.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// An engine that stays live.
pub struct Engine {
    child: Child,
    project: PathBuf,
}

impl Engine {
    pub fn start(project: &Path, environment: &[(&str, &str)]) -> Outcome<Self> {
        let log = std::fs::File::create(project.with_extension("live.log"))?;
        let child = program(project, environment).stdout(Stdio::null()).stderr(log).spawn()?;
        Ok(Self { child, project: project.to_path_buf() })
    }

    /// What the engine says of itself; `None` while it starts.
    pub fn status(&mut self) -> Outcome<Option<Value>> {
        if let Some(ended) = self.child.try_wait()? {
            let log = std::fs::read_to_string(self.project.with_extension("live.log"))?;
            return Err(format!("the engine ended with {ended}:\n{log}").into());
        }
        Ok(socket::status(&self.project.with_file_name("state").join("control.sock")))
    }

    /// Waits until a status fulfils a condition.
    pub async fn until(&mut self, mut fulfils: impl FnMut(&Value) -> bool) -> Outcome<Value> {
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE {
            if let Some(status) = self.status()?.filter(&mut fulfils) {
                return Ok(status);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err("the engine did not get there in time".into())
    }

    /// Seconds of processor time so far, all threads.
    pub fn cpu_s(&self) -> Outcome<f64> {
        Ok(self.cpu_by_thread()?.values().sum())
    }

    /// Seconds of processor time so far by the name of the threads, those that ended not counted.
    pub fn cpu_by_thread(&self) -> Outcome<BTreeMap<String, f64>> {
        let mut found = BTreeMap::new();
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))?.flatten() {
            let Ok(stat) = std::fs::read_to_string(task.path().join("stat")) else { continue };
            let Some((name, rest)) = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(") ")) else { continue };
            let ticks: u64 = rest.split_whitespace().skip(11).take(2).filter_map(|number| number.parse::<u64>().ok()).sum();
            let name = name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '-');
            *found.entry(name.to_owned()).or_default() += ticks as f64 / 100.0;
        }
        Ok(found)
    }

    /// The most memory so far, MiB.
    pub fn peak_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1_024
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

fn program(project: &Path, environment: &[(&str, &str)]) -> Command {
    let built = env!("CARGO_BIN_EXE_strangler").into();
    let mut command = Command::new(std::env::var_os("BENCH_STRANGLER").unwrap_or(built));
    command.args(["run", "--config"]).arg(project).stdin(Stdio::null());
    command.envs(environment.iter().copied());
    command
}

/// Microseconds of a stage so far.
pub fn stage_us(status: &Value, stage: &str, field: &str) -> f64 {
    let stages = status["stages"].as_array().into_iter().flatten();
    stages.filter(|entry| entry["stage"] == stage).find_map(|entry| entry[field].as_f64()).unwrap_or(0.0)
}
