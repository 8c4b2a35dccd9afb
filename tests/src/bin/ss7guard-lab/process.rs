//! Background processes: started so that none is ever forgotten, ended only while they are still the same.
//!
//! A process waits before it does anything until its number is on the disk; if whoever starts it dies first, it ends.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use ss7guard_lab::netns::Namespace;

/// A process, known again by its start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// Ticks from the machine's start (proc(5), field 22 of stat).
    started: u64,
}

/// One that waits for its line.
pub(crate) struct Held {
    pub(crate) process: Process,
    line: ChildStdin,
}

impl Held {
    /// Starts this program with these arguments in a namespace, with its output in `log`; it waits for [`Self::go`].
    pub(crate) fn start(
        namespace: &Namespace,
        log: &Path,
        program: &Path,
        arguments: &[OsString],
    ) -> Result<Self> {
        let output = File::create(log).with_context(|| log.display().to_string())?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("held").arg("--").arg(program).args(arguments);
        command.stdin(Stdio::piped()).stdout(output.try_clone()?).stderr(output);
        let mut child =
            namespace.inside(|| command.spawn().with_context(|| format!("start {}", program.display())))?;
        let line = child.stdin.take().context("standard input")?;
        let pid = i32::try_from(child.id()).context("pid")?;
        Ok(Self { process: Process::of(pid).context("the process has ended")?, line })
    }

    /// Lets it go on.
    pub(crate) fn go(mut self) -> Result<()> {
        self.line.write_all(b"\n").context("the process has ended")
    }
}

/// The held side: waits for the line, then becomes the program.
pub(crate) fn held(program: &Path, arguments: &[OsString]) -> Result<()> {
    let mut line = [0];
    ensure!(std::io::stdin().read(&mut line)? == 1, "whoever started this has ended");
    // No signal of the terminal on which the lab was started reaches it.
    rustix::process::setsid().context("a session of its own")?;
    let error = Command::new(program).args(arguments).stdin(Stdio::null()).exec();
    Err(error).with_context(|| format!("start {}", program.display()))
}

impl Process {
    /// The process that has this number now; `None` if there is none, or it has ended and nobody has asked for its
    /// exit code yet.
    fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything.
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
        let state = fields.next()?;
        let started = fields.nth(18)?.parse().ok()?;
        (!matches!(state, "Z" | "X")).then_some(Self { pid, started })
    }

    /// Whether it is still there.
    pub(crate) fn runs(&self) -> bool {
        Self::of(self.pid) == Some(*self)
    }

    /// Ends it: SIGTERM, and SIGKILL after some seconds. Another process that has its number now is left alone.
    pub(crate) fn end(&self) -> Result<()> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(()) };
        // From here on the number cannot come to mean another process.
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return Ok(()) };
        for (signal, patience) in [(Signal::TERM, 5), (Signal::KILL, 5)] {
            if !self.runs() {
                return Ok(());
            }
            // It may end in between, which is what is wanted.
            let _ = pidfd_send_signal(&handle, signal);
            let end = Instant::now() + Duration::from_secs(patience);
            while self.runs() && Instant::now() < end {
                thread::sleep(Duration::from_millis(10));
            }
        }
        if self.runs() {
            bail!("process {} does not end", self.pid);
        }
        Ok(())
    }
}
