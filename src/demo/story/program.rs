//! The program itself as a child process: what the demo shows is what a user's own command would do.
//!
//! Children run in the project's folder, in a process group of their own (Ctrl-C is for the demo, which ends them), and die with it.

use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::failure::{StoryError, Told};
use crate::demo::servers::{find_program, signal, spawn_tied_to_us};

/// How long a command may take that ends by itself.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often a running child is looked at.
const POLL: Duration = Duration::from_millis(5);

/// How the commands are started.
pub struct Program {
    executable: PathBuf,
    folder: PathBuf,
    environment: Vec<(String, String)>,
    count: AtomicU32,
}

/// A command that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; 128 and the signal's number if a signal ended it.
    pub code: i32,
    /// Its results.
    pub stdout: String,
    /// The rest.
    pub stderr: String,
}

/// A command that runs; killed when dropped.
pub struct Running {
    child: Child,
    command: String,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Program {
    /// This very program, to run in `folder`.
    pub fn current(folder: &Path, environment: Vec<(String, String)>) -> Told<Self> {
        let executable = std::env::current_exe().map_err(StoryError::system("find the running program"))?;
        std::fs::create_dir(folder.join("log")).map_err(StoryError::system("make a folder for output"))?;
        Ok(Self { executable, folder: folder.to_owned(), environment, count: AtomicU32::new(0) })
    }

    /// Starts `strangler` with arguments as typed.
    pub fn start(&self, arguments: &str) -> Told<Running> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let file = |kind: &str| self.folder.join("log").join(format!("{number:03}.{kind}"));
        let (stdout, stderr) = (file("stdout"), file("stderr"));
        let open = |path: &Path| File::create(path).map_err(StoryError::system(format!("write {}", path.display())));
        let mut command = self.mortal_command();
        command.args(arguments.split_whitespace()).current_dir(&self.folder).process_group(0);
        // What the caller's shell says about another project is not for this one.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("STRANGLER_")) {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(open(&stdout)?).stderr(open(&stderr)?);
        let child = spawn_tied_to_us(command).map_err(StoryError::system(format!("start {}", self.executable.display())))?;
        Ok(Running { child, command: format!("strangler {arguments}"), stdout, stderr })
    }

    /// Dies with us, also when we are killed, where the machine has `setpriv` (util-linux).
    fn mortal_command(&self) -> Command {
        match find_program("setpriv", &[]) {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "KILL", "--"]).arg(&self.executable);
                command
            }
            None => Command::new(&self.executable),
        }
    }

    /// Runs `strangler` to its end.
    pub async fn run(&self, arguments: &str) -> Told<Finished> {
        let mut running = self.start(arguments)?;
        running.end_within(PATIENCE).await
    }

    /// Runs `strangler` to its end, which must be `code`.
    pub async fn expect(&self, arguments: &str, code: i32) -> Told<Finished> {
        let finished = self.run(arguments).await?;
        if finished.code == code {
            return Ok(finished);
        }
        Err(finished.unexpected(&format!("strangler {arguments}"), &format!("exit code {code}")))
    }
}

impl Finished {
    /// That it ended otherwise than it should.
    pub fn unexpected(&self, command: &str, wanted: &str) -> StoryError {
        StoryError::Command {
            command: command.to_owned(),
            wanted: wanted.to_owned(),
            got: format!("exit code {}", self.code),
            output: format!("{}{}", self.stdout, self.stderr),
        }
    }
}

impl Running {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far, on both streams.
    pub fn printed(&self) -> String {
        [&self.stdout, &self.stderr].map(|path| std::fs::read_to_string(path).unwrap_or_default()).concat()
    }

    /// Fails if it has ended.
    pub fn expect_alive(&mut self) -> Told {
        match self.status()? {
            None => Ok(()),
            Some(status) => Err(self.finished(status).unexpected(&self.command, "nothing yet")),
        }
    }

    /// Waits for its end.
    pub async fn end_within(&mut self, patience: Duration) -> Told<Finished> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.status()? {
                return Ok(self.finished(status));
            }
            if started.elapsed() > patience {
                return Err(StoryError::Command {
                    command: self.command.clone(),
                    wanted: "an exit code".into(),
                    got: format!("nothing within {} s", patience.as_secs()),
                    output: self.printed(),
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) -> Told {
        signal(name, &self.pid().to_string())
            .map(drop)
            .map_err(StoryError::system(format!("send SIG{name} to pid {}", self.pid())))
    }

    /// Ends it as a crash of the machine would.
    pub fn kill(mut self) -> Told {
        let failed = StoryError::system(format!("kill pid {}", self.pid()));
        self.child.kill().and_then(|()| self.child.wait()).map(drop).map_err(failed)
    }

    fn status(&mut self) -> Told<Option<ExitStatus>> {
        self.child.try_wait().map_err(StoryError::system(format!("wait for `{}`", self.command)))
    }

    fn finished(&self, status: ExitStatus) -> Finished {
        let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1);
        Finished { code, stdout: read(&self.stdout), stderr: read(&self.stderr) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Waited for, so that nothing writes into the folder while it is removed.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}
