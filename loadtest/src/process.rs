//! Processes that we start, pinned to a core, and end.
//!
//! Owns every child. Refuses to leave one behind: dropping a [`Running`] ends its process group by id, first with SIGTERM, then with
//! SIGKILL. Invariant: a group is signalled only while its leader has not been waited for, so that the id cannot be another's.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{kill_process_group, Pid, Signal};
use rustix::thread::{sched_getaffinity, sched_setaffinity, CpuSet};

use crate::limits::{END_GRACE_MS, LOG_LINES_SHOWN, READY_TIMEOUT_MS};
use crate::stop;

/// A child process, alone in its process group.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    log: PathBuf,
}

/// Starts `command` on `cores`. Its output goes to `DIR/NAME.log`; its standard input stays open as long as it is wanted.
///
/// # Errors
/// It cannot be started; `install` says what to do if the program is not there.
pub fn start(
    name: &str,
    command: &mut Command,
    cores: &[usize],
    dir: &Path,
    install: &str,
) -> Result<Running, String> {
    let log = dir.join(format!("{name}.log"));
    let output = fs::create_dir_all(dir)
        .and_then(|()| File::create(&log))
        .and_then(|file| Ok((file.try_clone()?, file)))
        .map_err(|error| format!("cannot write {}: {error}", log.display()))?;
    command
        .stdin(Stdio::piped())
        .stdout(output.0)
        .stderr(output.1)
        .process_group(0);
    let child = on_cores(cores, || command.spawn())?.map_err(|error| {
        let program = command.get_program().to_string_lossy();
        match error.kind() {
            ErrorKind::NotFound => format!("{program} is not there: {install}"),
            _ => format!("cannot start {program}: {error}"),
        }
    })?;
    let name = name.to_owned();
    Ok(Running { name, child, log })
}

/// Starts this program again with these arguments, on `cores`. It ends with us.
///
/// # Errors
/// It cannot be started.
pub fn start_this(
    args: &[&str],
    name: &str,
    cores: &[usize],
    dir: &Path,
) -> Result<Running, String> {
    let program =
        std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    start(
        name,
        Command::new(program).args(args),
        cores,
        dir,
        "build it again",
    )
}

/// Runs `work` with this thread on `core` alone; what it spawns stays there.
///
/// # Errors
/// The core is not ours to use.
pub fn on_core<T>(core: usize, work: impl FnOnce() -> T) -> Result<T, String> {
    on_cores(&[core], work)
}

/// Runs `work` with this thread on `cores` and no others; what it spawns stays there.
///
/// # Errors
/// None of the cores is ours to use.
pub fn on_cores<T>(cores: &[usize], work: impl FnOnce() -> T) -> Result<T, String> {
    let before =
        sched_getaffinity(None).map_err(|error| format!("cannot read the cores: {error}"))?;
    let mut only = CpuSet::new();
    cores.iter().for_each(|core| only.set(*core));
    let pin = |set: &CpuSet| {
        sched_setaffinity(None, set)
            .map_err(|error| format!("cannot run on cores {cores:?}: {error}"))
    };
    pin(&only)?;
    let value = work();
    pin(&before)?;
    Ok(value)
}

impl Running {
    /// The process's id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The exit status, if the process has ended.
    ///
    /// # Errors
    /// The system cannot say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, String> {
        let status = self.child.try_wait();
        status.map_err(|error| format!("cannot watch {}: {error}", self.name))
    }

    /// Waits for the end of the process and gives what it printed.
    ///
    /// # Errors
    /// It fails, or it does not end within `timeout`.
    pub fn output(mut self, timeout: Duration) -> Result<String, String> {
        match stop::poll_until(timeout, || self.ended())? {
            None => Err(format!(
                "{} did not end within {timeout:?}{}",
                self.name,
                self.last_lines()
            )),
            Some(status) if !status.success() => Err(self.failure(status)),
            Some(_) => fs::read_to_string(&self.log)
                .map_err(|error| format!("cannot read {}: {error}", self.log.display())),
        }
    }

    /// Ends its input, which tells it to finish and go, and waits until it has gone.
    ///
    /// # Errors
    /// It fails, or does not end within `timeout`; it is killed then.
    pub fn finish(mut self, timeout: Duration) -> Result<(), String> {
        drop(self.child.stdin.take());
        match stop::poll_until(timeout, || self.ended())? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(self.failure(status)),
            None => Err(format!(
                "{} did not end within {timeout:?} after its input{}",
                self.name,
                self.last_lines()
            )),
        }
    }

    /// Kills it and waits until it has gone.
    pub fn kill(mut self) {
        self.signal(Signal::KILL);
        // Who was killed ends.
        self.child.wait().ok();
    }

    /// Waits until somebody listens at `addr`.
    ///
    /// # Errors
    /// The process ends first, or nobody ever does.
    pub fn listens(&mut self, addr: SocketAddr) -> Result<(), String> {
        let timeout = Duration::from_millis(READY_TIMEOUT_MS);
        let ready = stop::poll_until(timeout, || match self.ended()? {
            Some(status) => Err(self.failure(status)),
            None => Ok(TcpStream::connect_timeout(&addr, timeout).ok()),
        })?;
        ready.map(drop).ok_or_else(|| {
            format!(
                "{} does not listen at {addr} within {timeout:?}{}",
                self.name,
                self.last_lines()
            )
        })
    }

    /// Waits until `GET path` at `addr` is answered with 200.
    ///
    /// # Errors
    /// The process ends first, or it never answers so.
    pub fn answers(&mut self, addr: SocketAddr, path: &str) -> Result<(), String> {
        let timeout = Duration::from_millis(READY_TIMEOUT_MS);
        let mut last = String::from("nobody listens");
        let ready = stop::poll_until(timeout, || {
            if let Some(status) = self.ended()? {
                return Err(self.failure(status));
            }
            match status_line(addr, path) {
                Ok(line) if line.starts_with("HTTP/1.1 200 ") => return Ok(Some(())),
                Ok(line) => last = line,
                Err(error) => last = error.to_string(),
            }
            Ok(None)
        })?;
        ready.ok_or_else(|| {
            format!(
                "{} does not answer http://{addr}{path} with 200 within {timeout:?} ({last}){}",
                self.name,
                self.last_lines()
            )
        })
    }

    fn failure(&self, status: ExitStatus) -> String {
        format!("{} ended ({status}){}", self.name, self.last_lines())
    }

    /// The end of the log, for an error.
    fn last_lines(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(LOG_LINES_SHOWN);
        match lines.get(from..) {
            Some([]) | None => String::new(),
            Some(lines) => format!(":\n  {}", lines.join("\n  ")),
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // An error means that the group has just ended.
            kill_process_group(group, signal).ok();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Services end with their input.
        drop(self.child.stdin.take());
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        self.signal(Signal::TERM);
        let deadline = std::time::Instant::now() + Duration::from_millis(END_GRACE_MS);
        // Not `stop::poll_until`: this has to wait after a signal too.
        while matches!(self.child.try_wait(), Ok(None)) {
            if std::time::Instant::now() >= deadline {
                self.signal(Signal::KILL);
                self.child.wait().ok();
                return;
            }
            std::thread::sleep(Duration::from_millis(crate::limits::POLL_MS));
        }
    }
}

/// The first line that a server answers.
fn status_line(addr: SocketAddr, path: &str) -> std::io::Result<String> {
    let timeout = Duration::from_secs(1);
    let mut stream = TcpStream::connect_timeout(&addr, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
#[path = "process_tests.rs"]
mod tests;
