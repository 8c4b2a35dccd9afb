//! One run of a virtual machine: the host's root read-only under a throw-away layer, a command, its exit code.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::build::target;
use crate::vm::kernel::{self, Series};

/// Memory of the guest in MiB: each firewall's block index takes 66.
const MEMORY: &str = "2048";

/// Where the guest sees the folder for results.
const RESULTS: &str = "/run/guest";

/// The emulator.
pub(crate) const QEMU: &str = "qemu-system-x86_64";

/// What is to be run.
pub(crate) struct Job<'a> {
    /// The kernel.
    pub series: Series,
    /// A line of the shell.
    pub script: String,
    /// Environment of it.
    pub environment: &'a [(&'a str, String)],
    /// How long it may take, start of the machine included.
    pub patience: Duration,
}

/// Runs a job; hands each line that it prints to `line` and gives its exit code.
pub(crate) fn run(job: &Job, mut line: impl FnMut(&str)) -> Result<u8> {
    if !cfg!(target_arch = "x86_64") {
        bail!("the virtual machine runs the host's programs, and its kernels are for x86-64");
    }
    let kernel = kernel::kernel(job.series)?;
    let results = Results::new(job.series)?;
    fs::write(results.0.join("boot"), boot(job, &kernel.modules, &kernel.kmod)?)?;
    let mut qemu = qemu(&kernel.image, &kernel.initrd, &results.0);
    let mut child = qemu.spawn().with_context(|| format!("start {QEMU}"))?;
    let stdout = child.stdout.take().context("standard output")?;
    let (sender, lines) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut stdout = BufReader::new(stdout);
        let mut octets = Vec::new();
        // A line need not be text; what the serial port adds goes away.
        while stdout.read_until(b'\n', &mut octets).is_ok_and(|len| len > 0) {
            let text = String::from_utf8_lossy(&octets).trim_end_matches(['\r', '\n']).to_owned();
            if sender.send(text).is_err() {
                return;
            }
            octets.clear();
        }
    });
    let end = Instant::now() + job.patience;
    let mut in_time = true;
    loop {
        match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(text) => line(&text),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                in_time = false;
                break;
            }
        }
    }
    let status = finish(child, in_time)?;
    // It ends with the pipe, which has ended with the machine.
    let _ = reader.join();
    if !in_time {
        bail!("Linux {} took longer than {:?}; {}", job.series.name(), job.patience, results.keep());
    }
    let Ok(code) = fs::read_to_string(results.0.join("code")) else {
        bail!("Linux {} ended without a result ({status}); {}", job.series.name(), results.keep());
    };
    let code = code.trim().parse().with_context(|| format!("exit code {code:?}"))?;
    if code == 0 {
        fs::remove_dir_all(&results.0)?;
    } else {
        eprintln!("what the guest left is in {}", results.0.display());
    }
    Ok(code)
}

fn finish(mut child: Child, in_time: bool) -> Result<ExitStatus> {
    if !in_time {
        child.kill()?;
    }
    Ok(child.wait()?)
}

/// The folder that the guest writes to.
struct Results(PathBuf);

impl Results {
    fn new(series: Series) -> Result<Self> {
        let folder = target()?.join(format!("vm/{}-{}", series.name(), std::process::id()));
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    /// Says where it is, and the kernel's last words.
    fn keep(&self) -> String {
        let console = fs::read(self.0.join("console")).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        let lines: Vec<&str> = console.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = lines.get(lines.len().saturating_sub(5)..).unwrap_or_default().join("\n  ");
        format!("what the guest left is in {}; its console ends with\n  {last}", self.0.display())
    }
}

/// The shell script that the guest's first process becomes.
fn boot(job: &Job, modules: &Path, kmod: &Path) -> Result<String> {
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let (modules, kmod) = (quoted(&modules.to_string_lossy()), kmod.display());
    let mut script = format!(
        "export PATH={}:{path} HOME=/root TERM=dumb TMPDIR=/run/tmp\n\
         mkdir -p /lib/modules; mount -o bind {modules} /lib/modules\n\
         echo {} > /proc/sys/kernel/modprobe\n\
         ip link set lo up\nstty -F /dev/ttyS1 raw\n",
        quoted(&kmod.to_string()),
        quoted(&format!("{kmod}/modprobe")),
    );
    for (name, value) in job.environment {
        script.push_str(&format!("export {name}={}\n", quoted(value)));
    }
    let folder = std::env::current_dir()?;
    script.push_str(&format!("cd {}\n", quoted(&folder.to_string_lossy())));
    script.push_str(&format!("( {} ) </dev/null >/dev/ttyS1 2>&1\n", job.script));
    script.push_str(&format!("echo $? > {RESULTS}/code\n"));
    // What is still in the serial port is not lost; then the machine ends at once.
    script
        .push_str("stty -F /dev/ttyS1 -a >/dev/null\nprintf '\\0' | dd of=/dev/port bs=1 seek=244 count=1\n");
    script.push_str("echo o > /proc/sysrq-trigger; sleep 60\n");
    Ok(script)
}

/// A word for the shell.
pub(crate) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn qemu(image: &Path, initrd: &Path, results: &Path) -> Command {
    let share = |path: &Path, tag: &str, more: &str| {
        format!(
            "local,path={},mount_tag={tag},security_model=none,multidevs=remap{more}",
            path.display().to_string().replace(',', ",,")
        )
    };
    let mut command = Command::new(QEMU);
    // Emulated on purpose: whether KVM can run a stock kernel cannot be told from /dev/kvm being there.
    command
        .args(["-accel", "tcg", "-cpu", "max", "-M", "q35", "-m", MEMORY, "-smp", "2"])
        .args(["-display", "none", "-nodefaults", "-no-reboot", "-monitor", "none"])
        .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=1", "-device", "virtio-rng-pci"])
        .arg("-serial")
        .arg(format!("file:{}", results.join("console").display()))
        .args(["-serial", "stdio"])
        .arg("-virtfs")
        .arg(share(Path::new("/"), "host", ",readonly=on"))
        .arg("-virtfs")
        .arg(share(results, "out", ""))
        .arg("-kernel")
        .arg(image)
        .arg("-initrd")
        .arg(initrd)
        .arg("-append")
        .arg("console=ttyS0 quiet panic=-1 oops=panic no_timer_check tsc=reliable random.trust_cpu=on")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}
