//! Formatting, clippy, and the architecture invariants.

use anyhow::{Result, bail};

use crate::build::{self, cargo, root, target};
use crate::invariants;

fn kernel() -> Result<()> {
    let root = root()?;
    // Formatting needs no toolchain of its own.
    let mut format = cargo(&["fmt", "--check"])?;
    format.current_dir(root.join("ss7guard-ebpf"));
    build::run(&mut format)?;
    for (bin, feature) in [("ss7guard", "trace"), ("bench", "bench")] {
        let mut clippy = ebpf_build::clippy(&root, &target()?)?;
        clippy.args(["--release", "--locked", "--quiet", "--bin", bin, "--features", feature]);
        clippy.args(["--", "-D", "warnings"]);
        build::run(&mut clippy)?;
    }
    Ok(())
}

/// The fuzz targets: on any compiler, without the sanitizer.
fn fuzz() -> Result<()> {
    let folder = root()?.join("fuzz");
    build::run(cargo(&["fmt", "--check"])?.current_dir(&folder))?;
    let mut clippy = cargo(&["clippy", "--locked", "--quiet", "--all-targets", "--target-dir"])?;
    clippy.arg(target()?.join("fuzz/lint")).args(["--", "-D", "warnings"]).current_dir(&folder);
    build::run(&mut clippy)
}

fn host() -> Result<()> {
    build::run(&mut cargo(&["fmt", "--all", "--check"])?)?;
    for features in [
        &["--workspace", "--all-targets"][..],
        &["-p", "ss7guard-userspace", "--no-default-features", "--all-targets"],
        &["-p", "ss7guard-common", "--all-targets"],
    ] {
        let mut arguments = vec!["clippy", "--locked", "--quiet"];
        arguments.extend(features);
        arguments.extend(["--", "-D", "warnings"]);
        build::run(&mut cargo(&arguments)?)?;
    }
    Ok(())
}

pub(crate) fn run() -> Result<()> {
    host()?;
    fuzz()?;
    kernel()?;
    let broken = invariants::check(&root()?)?;
    for line in &broken {
        eprintln!("{line}");
    }
    if broken.is_empty() {
        eprintln!("lint: clean");
        Ok(())
    } else {
        bail!("{} invariants are broken", broken.len())
    }
}
