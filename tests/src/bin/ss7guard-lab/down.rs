//! `down`: takes away exactly what `up` has made.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use rustix::mount::{UnmountFlags, unmount};

use crate::arguments::{need_root, no_lab};
use crate::state::{Name, State};
use crate::talk::say;
use crate::up::firewall_program;
use crate::{ground, talk};

/// Takes the lab away.
pub(crate) fn down(name: &Name) -> Result<()> {
    need_root()?;
    let state = State::find(name)?.ok_or_else(|| no_lab(name))?;
    take_away(&state)?;
    say(&format!("the lab is gone: its processes, its namespaces, its files in {}\n", state.dir.display()))
}

/// Everything that `up` has made, as far as it came.
pub(crate) fn take_away(state: &State) -> Result<()> {
    for process in [state.peers, state.firewall].into_iter().flatten() {
        process.end()?;
    }
    let bpf = state.dir.join("bpf");
    if bpf.exists() {
        detach(state);
        // With the pins, what is still attached goes.
        while unmount(&bpf, UnmountFlags::DETACH).is_ok() {}
    }
    ground::take_away(state)?;
    remove_files(state)?;
    state.forget()
}

fn detach(state: &State) {
    let Ok(program) = firewall_program() else { return };
    let mut command = Command::new(program);
    command.args(["detach", "--all", "-c"]).arg(state.config());
    match command.output() {
        Ok(output) if !output.status.success() => {
            let error = String::from_utf8_lossy(&output.stderr);
            if !error.contains("nothing is attached") {
                eprint!("{error}");
            }
        }
        Ok(_) => {}
        Err(error) => eprintln!("detach: {error}"),
    }
}

/// Removes the lab's own files, and its folder if nobody else has put anything there.
fn remove_files(state: &State) -> Result<()> {
    let gone = |path: &Path, removed: std::io::Result<()>| match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    };
    for path in [
        state.config(),
        state.firewall_log(),
        state.peers_log(),
        talk::socket(&state.dir),
        state.dir.join("events.jsonl"),
    ] {
        gone(&path, fs::remove_file(&path))?;
    }
    for path in [state.dir.join("run"), state.dir.join("bpf")] {
        gone(&path, fs::remove_dir_all(&path))?;
    }
    if state.made_dir {
        match fs::remove_dir(&state.dir) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {
                eprintln!("{} holds files that are not the lab's: left as it is", state.dir.display());
            }
            removed => gone(&state.dir, removed)?,
        }
    }
    Ok(())
}
