//! `up`.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use ss7guard_lab::netns::{BRIDGE_HOME, BRIDGE_INTERCONNECT, Namespace};

use crate::arguments::{Deployment, Mode, UpArgs, need_root, usage};
use crate::carriers::{self, Known, point_code};
use crate::down::take_away;
use crate::process::{Held, Process};
use crate::state::{Name, State};
use crate::talk::say;
use crate::{ground, talk};

/// How long firewall and peers may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// Makes the lab.
pub(crate) fn up(name: Name, args: &UpArgs) -> Result<()> {
    if (args.deployment, args.mode) == (Deployment::Tap, Mode::Enforce) {
        return Err(usage("--deployment tap sees copies and stops nothing: use --mode monitor with it"));
    }
    need_root()?;
    let firewall = firewall_program()?;
    let dir = std::path::absolute(args.dir.clone().unwrap_or_else(|| name.dir()))?;
    if State::find(&name)?.is_none() {
        ground::ensure_free(&name, args.deployment)?;
        ensure_empty(&dir)?;
    }
    let mut state = State::begin(name, args.deployment, args.mode, &dir, !dir.exists())?;
    if let Err(error) = build(&mut state, &firewall) {
        if let Err(error) = take_away(&state) {
            eprintln!("{error:#}; `ss7guard lab down` tries again");
        }
        return Err(error);
    }
    say(&description(&state, &firewall))
}

/// The firewall's program: the one beside this, or the one that `SS7GUARD_BIN` names.
pub(crate) fn firewall_program() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("SS7GUARD_BIN") {
        return Ok(path.into());
    }
    let path = std::env::current_exe()?.with_file_name("ss7guard");
    ensure!(path.is_file(), "{} is not there: put ss7guard and ss7guard-lab side by side", path.display());
    Ok(path)
}

/// What is in the folder from the start is not the lab's.
fn ensure_empty(dir: &Path) -> Result<()> {
    let first = match fs::read_dir(dir) {
        Ok(mut entries) => entries.next(),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| dir.display().to_string()),
    };
    ensure!(first.is_none(), "{} is not empty: name a new folder with --dir, or an empty one", dir.display());
    Ok(())
}

fn build(state: &mut State, program: &Path) -> Result<()> {
    if state.made_dir {
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&state.dir)
            .with_context(|| state.dir.display().to_string())?;
    }
    fs::write(state.config(), configuration(state)?)?;
    ground::make(state)?;

    let firewall = Held::start(
        &Namespace::existing(&state.name.namespace(state.deployment.place().0))?,
        &state.firewall_log(),
        program,
        &["run".into(), "-c".into(), state.config().into()],
    )?;
    state.firewall = Some(firewall.process);
    state.save()?;
    let process = firewall.process;
    firewall.go()?;
    wait(&process, &state.firewall_log(), "the firewall", |log| {
        log.lines().any(|line| line.starts_with("ready: "))
    })?;

    let peers = Held::start(
        &Namespace::existing(&state.name.namespace(ground::HOST))?,
        &state.peers_log(),
        &std::env::current_exe()?,
        &["--name".into(), state.name.to_string().into(), "peers".into()],
    )?;
    state.peers = Some(peers.process);
    state.save()?;
    let process = peers.process;
    peers.go()?;
    let socket = talk::socket(&state.dir);
    wait(&process, &state.peers_log(), "the peers", |_| socket.exists())
}

/// Waits until a background process is ready; says what it wrote if it ends before.
fn wait(process: &Process, log: &Path, who: &str, is_ready: impl Fn(&str) -> bool) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        let ended = !process.runs();
        let text = fs::read_to_string(log).unwrap_or_default();
        if is_ready(&text) {
            return Ok(());
        }
        if ended {
            bail!("{who} did not start: {}", text.trim());
        }
        if Instant::now() > end {
            bail!("{who} not ready after {PATIENCE:?}: {}", text.trim());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// The firewall's configuration: the carriers as peers, the home network, category 1 told and, where the firewall may
/// stop anything, its source blocked.
fn configuration(state: &State) -> Result<String> {
    // A quoted string of JSON is one of TOML.
    let quoted = |text: &str| serde_json::to_string(text);
    let path = |name: &str| quoted(&state.dir.join(name).to_string_lossy());
    let (interfaces, ports) = match state.deployment {
        Deployment::Bridge => (
            String::new(),
            format!("[[bridge]]\ninterconnect = \"{BRIDGE_INTERCONNECT}\"\nhome = \"{BRIDGE_HOME}\"\n\n"),
        ),
        _ => (format!("interfaces = [\"{}\"]\n", state.deployment.place().1), String::new()),
    };
    let mut text = format!(
        "# The lab's own firewall; `ss7guard lab down` takes this file away.\nschema = 1\n\n[network]\n\
         {interfaces}deployment = \"{}\"\nmode = \"{}\"\n\n[paths]\nrun_dir = {}\nbpffs = {}\nevents = {}\n\n\
         [limits]\nring_bytes = \"4MiB\"\nblock_entries = 4096\n\n",
        state.deployment,
        state.mode,
        path("run")?,
        path("bpf")?,
        path("events.jsonl")?,
    );
    text += &ports;
    let peer = |name: &str, address: &str, side: &str| {
        format!("[[peer]]\nname = \"{name}\"\naddress = \"{address}\"\nside = \"{side}\"\n\n")
    };
    for Known { name, address, .. } in &carriers::ALL {
        text += &peer(name, address, "interconnect");
    }
    for address in ["10.7.0.1", "fd07::1"] {
        text += &peer("home", address, "home");
    }
    text += match state.mode {
        Mode::Enforce => "[rules.category1]\nmode = \"enforce\"\nblock = \"opc\"\nttl = \"10m\"\n",
        Mode::Monitor => "[rules.category1]\nmode = \"monitor\"\n",
    };
    Ok(text)
}

fn description(state: &State, program: &Path) -> String {
    let (role, interface) = state.deployment.place();
    let mut text = format!(
        "lab: deployment {}, mode {}; the firewall is on {interface} in network namespace {}\n",
        state.deployment,
        state.mode,
        state.name.namespace(role)
    );
    for Known { name, opc, address, host } in &carriers::ALL {
        let code = point_code(*opc);
        text += &format!("  {name:<10} {code:<6} {address} -> {host}, SCTP port 2905, active\n");
    }
    let (program, config, option) = (shell(program), shell(&state.config()), state.name.option());
    text += "to talk to it:\n";
    for line in ["status", "monitor -f", "block list", "block add 4-7-7 --ttl 10m --reason test", "stats"] {
        text += &format!("  {program} {line} -c {config}\n");
    }
    text += &format!("  tail -f {}\n", shell(&state.dir.join("events.jsonl")));
    for line in ["traffic --mix attack=5%", "status", "down"] {
        text += &format!("  {program} lab{option} {line}\n");
    }
    text
}

/// A path as a shell takes it.
fn shell(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) { text.into_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
