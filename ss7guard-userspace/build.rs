//! Provides the kernel programs' object to the controller; does nothing for the analyser-only build.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_KERNEL").is_none() {
        return Ok(());
    }
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("CARGO_MANIFEST_DIR is not set")?)
        .parent()
        .ok_or("the crate has no workspace")?
        .to_path_buf();
    println!("cargo:rerun-if-env-changed=SS7GUARD_BPF_OBJ");
    let object = match env::var_os("SS7GUARD_BPF_OBJ") {
        Some(path) => PathBuf::from(path),
        None => built(&root, &out_dir),
    };
    println!("cargo:rerun-if-changed={}", object.display());
    // A copy of our own: another build may replace the shared one while this one compiles.
    let copy = out_dir.join("ss7guard.bpf.o");
    fs::copy(&object, &copy).map_err(|error| format!("{}: {error}", object.display()))?;
    println!("cargo:rustc-env=SS7GUARD_BPF_OBJ_PATH={}", copy.display());
    Ok(())
}

fn built(root: &Path, out_dir: &Path) -> PathBuf {
    for watched in
        ["ss7guard-ebpf/src", "ss7guard-ebpf/Cargo.toml", "ss7guard-ebpf/Cargo.lock", "ss7guard-common"]
    {
        println!("cargo:rerun-if-changed={}", root.join(watched).display());
    }
    // Kernel programs that log each judgement: for development.
    println!("cargo:rerun-if-env-changed=SS7GUARD_TRACE");
    let features: &[&str] = if env::var_os("SS7GUARD_TRACE").is_some() { &["trace"] } else { &[] };
    match ebpf_build::build(root, &target_dir(root, out_dir), "ss7guard", features) {
        Ok(object) => object,
        Err(error) => {
            eprintln!("{error}.");
            eprintln!(
                "`cargo xtask setup` installs what is missing; SS7GUARD_BPF_OBJ=FILE uses a built object."
            );
            eprintln!(
                "Without the kernel part (decode, replay, check): cargo build -p ss7guard-userspace --no-default-features"
            );
            std::process::exit(1);
        }
    }
}

/// The target directory that this build runs in: the one above `PROFILE/build/...` of `OUT_DIR`.
fn target_dir(root: &Path, out_dir: &Path) -> PathBuf {
    out_dir
        .ancestors()
        .find(|path| path.file_name().is_some_and(|name| name == "build"))
        .and_then(|build| build.parent()?.parent())
        .map_or_else(|| root.join("target"), Path::to_path_buf)
}
