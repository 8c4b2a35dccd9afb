//! A firewall under test: the real binary in the host's namespace, with its files in a folder that goes away.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use ss7guard_common::abi::socket_index;
use ss7guard_userspace::kernel::{BridgeMaps, HoldMaps};
use tempfile::TempDir;

use crate::corpus::binary;
use crate::netns::{BRIDGE_HOME, BRIDGE_INTERCONNECT, HOST_INTERFACE, Namespace};

/// How long a controller may take until it is ready: an emulated machine verifies the programs for a while.
const READY_WITHIN: Duration = Duration::from_secs(300);

/// A firewall's files, and its controller while that runs.
pub struct Firewall<'a> {
    namespace: &'a Namespace,
    folder: TempDir,
    controller: Option<Child>,
    log: Arc<Mutex<Vec<String>>>,
}

impl<'a> Firewall<'a> {
    /// A firewall on the host's interface; `network` goes into `[network]`, `rest` after the other sections.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(namespace: &'a Namespace, network: &str, rest: &str) -> Result<Self> {
        Self::with(namespace, &format!("interfaces = [\"{HOST_INTERFACE}\"]\n{network}"), rest)
    }

    /// A firewall in a bridge's namespace; `network` and `rest` as in [`Firewall::new`].
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn bridge(namespace: &'a Namespace, network: &str, rest: &str) -> Result<Self> {
        let ports =
            format!("[[bridge]]\ninterconnect = \"{BRIDGE_INTERCONNECT}\"\nhome = \"{BRIDGE_HOME}\"\n");
        Self::with(namespace, &format!("deployment = \"bridge\"\n{network}"), &format!("{ports}{rest}"))
    }

    fn with(namespace: &'a Namespace, network: &str, rest: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().display();
        let text = format!(
            "schema = 1\n[network]\n{network}\n[paths]\nrun_dir = \"{path}/run\"\n\
             bpffs = \"{path}/bpf\"\nevents = \"{path}/events.jsonl\"\n[limits]\nring_bytes = \"4MiB\"\n\
             block_entries = 4096\n{rest}\n"
        );
        let firewall = Self { namespace, folder, controller: None, log: Arc::default() };
        fs::write(firewall.config(), text)?;
        Ok(firewall)
    }

    /// Path of the configuration.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("ss7guard.toml")
    }

    /// The folder of its files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Does something where the firewall is.
    ///
    /// # Errors
    /// It fails, or the namespace cannot be entered.
    pub fn in_namespace<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        self.namespace.inside(work)
    }

    /// Starts the controller and waits until it is ready.
    ///
    /// # Errors
    /// It does not get ready; says what it wrote.
    pub fn start(&mut self) -> Result<()> {
        let mut command = Command::new(binary()?);
        command.arg("run").arg("-c").arg(self.config()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = self.namespace.inside(|| command.spawn().context("start ss7guard"))?;
        let lines = Arc::clone(&self.log);
        lines.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let stderr = child.stderr.take().context("standard error")?;
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(io::Result::ok) {
                lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        self.controller = Some(child);
        let end = Instant::now() + READY_WITHIN;
        while !self.log().iter().any(|line| line.starts_with("ready: ")) {
            let ended = self.controller.as_mut().is_some_and(|child| !matches!(child.try_wait(), Ok(None)));
            if ended || Instant::now() > end {
                thread::sleep(Duration::from_millis(50));
                bail!("the controller is not ready: {}", self.log().join("\n"));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// What the controller wrote to its standard error.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// CPU time that the controller has used, in its threads and in the kernel for it.
    ///
    /// # Errors
    /// It does not run.
    pub fn cpu(&self) -> Result<Duration> {
        let child = self.controller.as_ref().context("the controller does not run")?;
        let tasks = fs::read_dir(format!("/proc/{}/task", child.id()))?;
        let mut sum = 0u64;
        for task in tasks {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            let ran = text.split_whitespace().next().context("schedstat")?;
            sum += ran.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(sum))
    }

    /// Sends a signal to the controller.
    ///
    /// # Errors
    /// It does not run.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let child = self.controller.as_ref().context("the controller does not run")?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("pid")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Ends the controller with this signal and waits for its end.
    ///
    /// # Errors
    /// It does not run.
    pub fn end(&mut self, signal: Signal) -> Result<()> {
        self.signal(signal)?;
        let mut child = self.controller.take().context("the controller does not run")?;
        child.wait()?;
        Ok(())
    }

    /// Waits for the end of a controller that ends by itself.
    ///
    /// # Errors
    /// It does not run, or fails.
    pub fn wait_end(&mut self) -> Result<()> {
        let status = self.controller.take().context("the controller does not run")?.wait()?;
        ensure!(status.success(), "{status}: {}", self.log().join("\n"));
        Ok(())
    }

    /// Runs a command against this firewall and gives its output.
    ///
    /// # Errors
    /// It fails; says what it wrote.
    pub fn command(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(binary()?);
        command.args(arguments).arg("-c").arg(self.config());
        let output = self.namespace.inside(|| command.output().context("run ss7guard"))?;
        ensure!(
            output.status.success(),
            "ss7guard {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The same with JSON output.
    ///
    /// # Errors
    /// It fails, or the output is no JSON.
    pub fn json(&self, arguments: &[&str]) -> Result<Value> {
        let text = self.command(&[arguments, &["-o", "json"]].concat())?;
        serde_json::from_str(&text).with_context(|| text.clone())
    }

    /// Starts a command and leaves it running; the caller ends it.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn spawn(&self, arguments: &[&str]) -> Result<Child> {
        let mut command = Command::new(binary()?);
        command.args(arguments).arg("-c").arg(self.config()).stdout(Stdio::piped()).stderr(Stdio::null());
        self.namespace.inside(|| command.spawn().context("start ss7guard"))
    }

    /// Alerts that were written.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn alerts(&self) -> Result<Vec<Value>> {
        let text = fs::read_to_string(self.folder.path().join("events.jsonl"))?;
        text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
    }

    /// Frames of a bridge that were held so far, by the number of the receive queue of either port.
    ///
    /// # Errors
    /// There are no pins.
    pub fn held_by_queue(&self, queues: u32) -> Result<Vec<u64>> {
        let bpffs = self.folder.path().join("bpf");
        let (ports, maps) = (BridgeMaps::open(&bpffs)?.ports()?, HoldMaps::open(&bpffs)?);
        let held = |queue| {
            let sockets = ports.iter().filter_map(|port| socket_index(port.index, queue));
            sockets.map(|socket| u64::from(maps.pushed(socket))).sum()
        };
        Ok((0..queues).map(held).collect())
    }

    /// How often the classifier gave this reason with this action, on arriving frames.
    ///
    /// # Errors
    /// The counters cannot be read.
    pub fn counted(&self, reason: &str, action: &str) -> Result<u64> {
        let stats = self.json(&["stats"])?;
        let rows = stats["counters"].as_array().context("counters")?;
        let row = rows
            .iter()
            .find(|row| row["direction"] == "in" && row["reason"] == reason && row["action"] == action);
        Ok(row.and_then(|row| row["count"].as_u64()).unwrap_or(0))
    }
}

impl Drop for Firewall<'_> {
    fn drop(&mut self) {
        if self.controller.is_some()
            && let Err(error) = self.end(Signal::KILL)
        {
            eprintln!("controller: {error:#}");
        }
        if self.folder.path().join("bpf").exists()
            && let Err(error) = self.command(&["detach", "--all"])
        {
            // Nothing attached is as good.
            if !error.to_string().contains("nothing is attached") {
                eprintln!("{error:#}");
            }
        }
        let _ = rustix::mount::unmount(self.folder.path().join("bpf"), rustix::mount::UnmountFlags::DETACH);
    }
}
