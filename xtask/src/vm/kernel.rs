//! Debian's kernels, unpacked beside the build and not installed, each with a first file system that finds the host's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;

use crate::build::{self, run, target};
use crate::vm::cpio::Archive;

/// Modules without which the guest sees nothing of the host; all others are loaded from the host's file system.
const FIRST_MODULES: [&str; 4] = ["virtio_pci", "9pnet_virtio", "9p", "overlay"];

/// Says that a folder is complete.
const DONE: &str = "complete";

/// A kernel series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Series {
    /// Linux 6.1, Debian 12's own.
    #[value(name = "6.1")]
    V6_1,
    /// Linux 6.12, Debian 12's newer one.
    #[value(name = "6.12")]
    V6_12,
}

impl Series {
    pub(crate) const ALL: [Self; 2] = [Self::V6_1, Self::V6_12];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::V6_1 => "6.1",
            Self::V6_12 => "6.12",
        }
    }

    /// The package that depends on the newest kernel of the series. Not the -cloud one, which has no 9p.
    const fn package(self) -> &'static str {
        match self {
            Self::V6_1 => "linux-image-amd64",
            Self::V6_12 => "linux-image-6.12-amd64",
        }
    }
}

/// A kernel that can be started.
pub(super) struct Kernel {
    /// The image.
    pub image: PathBuf,
    /// Its first file system.
    pub initrd: PathBuf,
    /// What the guest has as /lib/modules.
    pub modules: PathBuf,
    /// A folder with `modprobe`.
    pub kmod: PathBuf,
}

fn folder() -> Result<PathBuf> {
    Ok(target()?.join("tools/vm"))
}

/// The kernel of a series, fetched if it is not here.
pub(super) fn kernel(series: Series) -> Result<Kernel> {
    let folder = folder()?;
    let kmod = kmod(&folder)?;
    let busybox = unpacked(&folder, "busybox-static")?.join("bin/busybox");
    let home = folder.join(series.name());
    if !home.join(DONE).exists() {
        fetch(series, &home, &kmod, &busybox).with_context(|| format!("Linux {}", series.name()))?;
    }
    let version = fs::read_to_string(home.join(DONE))?;
    Ok(Kernel {
        image: home.join(format!("root/boot/vmlinuz-{version}")),
        initrd: home.join("initrd"),
        modules: home.join("root/lib/modules"),
        kmod,
    })
}

fn fetch(series: Series, home: &Path, kmod: &Path, busybox: &Path) -> Result<()> {
    let package = depends(series.package())?;
    let version = package.strip_prefix("linux-image-").context("name of the kernel's package")?;
    let root = home.join("root");
    unpack(&package, &root)?;
    run(Command::new(kmod.join("depmod")).arg("-b").arg(&root).arg(version))?;
    fs::write(home.join("initrd"), initrd(&root, version, kmod, busybox)?)?;
    Ok(fs::write(home.join(DONE), version)?)
}

/// The first file system: busybox, the modules that the host's file system needs, and the first process.
fn initrd(root: &Path, version: &str, kmod: &Path, busybox: &Path) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for folder in ["bin", "proc", "sys", "dev", "lib", "lib/modules"] {
        archive.directory(folder);
    }
    archive.file("bin/busybox", &fs::read(busybox)?);
    archive.file("init", include_bytes!("init.sh"));
    let mut names: Vec<String> = Vec::new();
    for module in FIRST_MODULES {
        let mut modprobe = Command::new(kmod.join("modprobe"));
        modprobe.arg("-d").arg(root).args(["-S", version, "--show-depends", module]);
        for line in output(&mut modprobe)?.lines() {
            // "insmod PATH", or "builtin NAME".
            let Some(path) = line.strip_prefix("insmod ").map(|path| PathBuf::from(path.trim())) else {
                continue;
            };
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let name = file.strip_suffix(".xz").unwrap_or(&file).to_owned();
            if names.contains(&name) {
                continue;
            }
            let content = if file.ends_with(".xz") {
                let mut unpack = Command::new(busybox);
                unpack.args(["xzcat"]).arg(&path).stderr(Stdio::inherit());
                let output = unpack.output().with_context(|| build::shown(&unpack))?;
                ensure!(output.status.success(), "{} ended with {}", build::shown(&unpack), output.status);
                output.stdout
            } else {
                fs::read(&path).with_context(|| path.display().to_string())?
            };
            archive.file(&format!("lib/modules/{name}"), &content);
            names.push(name);
        }
    }
    ensure!(!names.is_empty(), "the modules of {version} are not there");
    archive.file("modules", (names.join("\n") + "\n").as_bytes());
    Ok(archive.finish())
}

/// A folder with depmod and modprobe, which the host need not have.
fn kmod(folder: &Path) -> Result<PathBuf> {
    let tools = unpacked(folder, "kmod")?.join("tools");
    if !tools.exists() {
        fs::create_dir_all(&tools)?;
        for tool in ["depmod", "modprobe"] {
            // The package's own links are absolute.
            std::os::unix::fs::symlink("../bin/kmod", tools.join(tool))?;
        }
    }
    Ok(tools)
}

/// The folder of a package, fetched if it is not here.
fn unpacked(folder: &Path, package: &str) -> Result<PathBuf> {
    let home = folder.join(package);
    if !home.join(DONE).exists() {
        unpack(package, &home)?;
        fs::write(home.join(DONE), package)?;
    }
    Ok(home)
}

/// Fetches a package and unpacks it, without installing it.
fn unpack(package: &str, to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    let download = to.with_extension("download");
    fs::create_dir_all(&download)?;
    let mut apt = Command::new("apt-get");
    apt.current_dir(&download).args(["download", "-qq", "-o", "APT::Sandbox::User=root", package]);
    if run(&mut apt).is_err() {
        // A new machine's lists are empty, an old one's name files that are gone.
        refresh()?;
        run(&mut apt)?;
    }
    let archive = fs::read_dir(&download)?.flatten().map(|entry| entry.path()).next();
    let archive = archive.with_context(|| format!("apt-get fetched no {package}"))?;
    run(Command::new("dpkg").arg("-x").arg(&archive).arg(to))?;
    Ok(fs::remove_dir_all(&download)?)
}

/// What a package of kernels depends on; refreshes apt's lists if they do not know it.
fn depends(package: &str) -> Result<String> {
    for fresh in [false, true] {
        if fresh {
            refresh()?;
        }
        // An unknown package is an error of apt-cache; what it would say is said below.
        let output = Command::new("apt-cache")
            .args(["depends", package])
            .stderr(Stdio::null())
            .output()
            .context("run apt-cache: the virtual machine's kernels are Debian packages")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let found = text.lines().find_map(|line| line.trim().strip_prefix("Depends: "));
        if let Some(name) = found.filter(|name| name.starts_with("linux-image-")) {
            return Ok(name.to_owned());
        }
    }
    bail!("apt knows no {package}: Debian 12 with bookworm-security has it")
}

/// Fetches apt's lists.
fn refresh() -> Result<()> {
    run(Command::new("apt-get").args(["update", "-q"]).stdout(Stdio::null()))
}

/// What a command prints, if it succeeds.
fn output(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| build::shown(command))?;
    ensure!(output.status.success(), "{} ended with {}", build::shown(command), output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
