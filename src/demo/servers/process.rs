//! One server process: started as an ordinary user, tied to our own life, ended by its pid.

use super::ServerError;
use super::account::Account;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How much of a server's log goes into an error.
const LOG_LINES: usize = 30;

/// A program with its folder; at most one process at a time.
pub(super) struct ServerProcess {
    server: &'static str,
    command_line: Vec<String>,
    /// The signal that ends the process at once without leaving its children or shared memory behind.
    end_signal: &'static str,
    account: Account,
    log: PathBuf,
    child: Option<Child>,
    folder: TempDir,
}

impl ServerProcess {
    /// A process that is not started yet. `server` is the name for messages, `end_signal` as for `kill -s`.
    pub fn new(server: &'static str, folder: TempDir, account: Account, end_signal: &'static str) -> Self {
        let log = folder.path().join("log");
        Self { server, command_line: Vec::new(), end_signal, account, log, child: None, folder }
    }

    /// Sets program and arguments for the next start.
    pub fn set_command_line(&mut self, command_line: Vec<String>) {
        self.command_line = command_line;
    }

    /// The server's own folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Starts the process; what it writes goes to the end of the log.
    pub fn spawn(&mut self) -> Result<(), ServerError> {
        let program = self.command_line.first().cloned().unwrap_or_default();
        let failed = |cause| ServerError::system(format!("start {program}"), cause);
        let log = File::options().create(true).append(true).open(&self.log).map_err(failed)?;
        let mut command = self.account_command(self.end_signal);
        command.stdin(Stdio::null()).stdout(log.try_clone().map_err(failed)?).stderr(log);
        self.child = Some(spawn_tied_to_us(command).map_err(failed)?);
        Ok(())
    }

    /// Gives a file to the account that the process runs as.
    #[cfg(test)]
    pub fn own(&self, path: &Path) -> Result<(), ServerError> {
        self.account.own(path)
    }

    /// The command as the account's user; dies with us by `end_signal` where the machine has `setpriv` (util-linux).
    fn account_command(&self, end_signal: &str) -> Command {
        let mut parts = self.command_line.iter();
        let program = parts.next().map(String::as_str).unwrap_or_default();
        let mut command = match find_program("setpriv", &[]) {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                if self.account.switch {
                    command.args([
                        "--reuid",
                        &self.account.uid.to_string(),
                        "--regid",
                        &self.account.gid.to_string(),
                        "--clear-groups",
                    ]);
                }
                command.args(["--pdeathsig", end_signal, "--", program]);
                command
            }
            None => {
                let mut command = Command::new(program);
                if self.account.switch {
                    command.uid(self.account.uid).gid(self.account.gid);
                }
                command
            }
        };
        // An own process group: Ctrl-C on the terminal is for us, and we end the servers in order.
        command.args(parts).process_group(0).current_dir(self.folder()).env("HOME", self.folder()).env("LC_ALL", "C");
        // A MariaDB that starts removes every `#sql*` file in its temp folder, also those of its neighbours.
        command.env("TMPDIR", self.folder());
        command
    }

    /// Runs a program of the server's family to its end as the server's user (`initdb`, ...).
    pub async fn run_once(&mut self, command_line: Vec<String>) -> Result<(), ServerError> {
        self.set_command_line(command_line);
        self.spawn()?;
        let ended = self.wait(Duration::from_secs(180)).await?;
        match ended {
            Some(status) if status.success() => Ok(()),
            _ => Err(self.failed("initialise its data folder")),
        }
    }

    /// The exit status if the process has ended.
    pub fn ended(&mut self) -> Result<Option<std::process::ExitStatus>, ServerError> {
        let Some(child) = self.child.as_mut() else {
            return Ok(None);
        };
        let status = child.try_wait().map_err(|cause| ServerError::system(format!("wait for {}", self.server), cause))?;
        if status.is_some() {
            self.child = None;
        }
        Ok(status)
    }

    /// Waits for the process to end by itself; `None` if it still runs after `patience`.
    pub async fn wait(&mut self, patience: Duration) -> Result<Option<std::process::ExitStatus>, ServerError> {
        let start = Instant::now();
        while self.child.is_some() {
            if let Some(status) = self.ended()? {
                return Ok(Some(status));
            }
            if start.elapsed() > patience {
                return Ok(None);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(None)
    }

    /// Asks the process to stop by `signal` and waits; an error if it takes longer than `patience`.
    pub async fn stop(&mut self, signal: &str, patience: Duration) -> Result<(), ServerError> {
        self.send(signal)?;
        self.wait(patience).await?;
        if self.child.is_some() { Err(self.failed("stop")) } else { Ok(()) }
    }

    /// Ends the process without asking (SIGKILL), as a crash or a power cut of the machine would; and with it what it has started, for
    /// the programs that initialise a data folder are scripts.
    pub fn kill(&mut self) -> Result<(), ServerError> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        let pid = child.id();
        let failed = |cause| ServerError::system(format!("kill {} (pid {pid})", self.server), cause);
        signal("KILL", &format!("-{pid}")).map_err(failed)?;
        child.kill().and_then(|()| child.wait()).map(drop).map_err(failed)?;
        // What it has started needs a moment to be gone; until then it may still write into the folder.
        for _ in 0..50 {
            if !signal("0", &format!("-{pid}")).map_err(failed)? {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn send(&self, name: &str) -> Result<(), ServerError> {
        let Some(pid) = self.pid() else { return Ok(()) };
        signal(name, &pid.to_string())
            .map(drop)
            .map_err(|cause| ServerError::system(format!("send SIG{name} to {} (pid {pid})", self.server), cause))
    }

    /// The end of the log, for messages.
    pub fn log_tail(&self) -> String {
        let text = std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(LOG_LINES)).map(|line| format!("  {line}\n")).collect()
    }

    /// An error that carries the end of the log.
    pub fn failed(&self, wanted: &'static str) -> ServerError {
        ServerError::Failed { server: self.server, wanted, log: self.log_tail() }
    }
}

/// Sends a signal to a process, or to the group of `-PID`; answers whether there is such a process.
pub(in crate::demo) fn signal(name: &str, pid: &str) -> std::io::Result<bool> {
    // The shell's own kill: sending a signal other than SIGKILL has no safe call in the standard library.
    Command::new("/bin/sh")
        .args(["-c", "kill -s \"$1\" -- \"$2\"", "sh", name, pid])
        .stderr(Stdio::null())
        .status()
        .map(|status| status.success())
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Errors have nobody to go to; the kernel ends what is left when we exit.
        if self.end_signal != "KILL" && self.send(self.end_signal).is_ok() {
            for _ in 0..150 {
                if !matches!(self.ended(), Ok(None)) || self.child.is_none() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let _ = self.kill();
    }
}

/// A new private folder, short enough for a Unix socket in it.
pub(in crate::demo) fn private_folder(prefix: &str) -> Result<TempDir, ServerError> {
    let system = std::env::temp_dir();
    let base = if system.as_os_str().len() > 50 { PathBuf::from("/tmp") } else { system };
    tempfile::Builder::new()
        .prefix(prefix)
        .permissions(std::fs::Permissions::from_mode(0o700)) // the socket in it is a way in without a password
        .tempdir_in(&base)
        .map_err(|cause| ServerError::system(format!("make a folder in {}", base.display()), cause))
}

/// The program `name` on PATH, in `more` or where system programs live.
pub(in crate::demo) fn find_program(name: &str, more: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/bin"].map(PathBuf::from);
    more.iter()
        .cloned()
        .chain(std::env::split_paths(&path))
        .chain(system)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

type Launch = (Command, Sender<std::io::Result<Child>>);

// The kernel's death signal is bound to the parent *thread*; worker threads of a runtime come and go, this one stays.
static LAUNCHER: LazyLock<Sender<Launch>> = LazyLock::new(|| {
    let (sender, receiver) = channel::<Launch>();
    let run = move || {
        for (mut command, reply) in receiver {
            let _ = reply.send(command.spawn());
        }
    };
    // Without the thread the channel is closed, which `spawn_tied_to_us` reports.
    let _ = std::thread::Builder::new().name("server-launcher".into()).spawn(run);
    sender
});

/// Starts a child from a thread that lives as long as we do.
pub(in crate::demo) fn spawn_tied_to_us(command: Command) -> std::io::Result<Child> {
    let gone = || std::io::Error::other("the launcher thread is gone");
    let (reply, answer) = channel();
    LAUNCHER.send((command, reply)).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}
