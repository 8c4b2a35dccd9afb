//! What `up` has made, on the disk before it is made, so that `down` finds it after any crash.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::arguments::{Deployment, Mode};
use crate::process::Process;

/// What all names of a lab begin with: namespaces, state file, folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Name(String);

/// The usual lab.
const USUAL: &str = "ss7guard-lab";

impl Default for Name {
    fn default() -> Self {
        Self(USUAL.to_owned())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let short = text.strip_prefix(USUAL).map_or(text, |rest| rest.strip_prefix('-').unwrap_or(rest));
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        match short.len() {
            0 => Ok(Self::default()),
            1..=20 if short.bytes().all(fits) => Ok(Self(format!("{USUAL}-{short}"))),
            _ => Err("a name has 1 to 20 small letters and digits".to_owned()),
        }
    }
}

impl Name {
    /// Name of one of its namespaces.
    pub(crate) fn namespace(&self, role: &str) -> String {
        format!("{self}-{role}")
    }

    /// Its folder if no other is named.
    pub(crate) fn dir(&self) -> PathBuf {
        Path::new("/run").join(&self.0)
    }

    /// The option by which a command means it, with a blank in front.
    pub(crate) fn option(&self) -> String {
        let short = self.0.strip_prefix(USUAL).and_then(|rest| rest.strip_prefix('-'));
        short.map_or_else(String::new, |short| format!(" --name {short}"))
    }

    fn file(&self) -> String {
        format!("/run/{self}.json")
    }
}

/// Version of the file.
const SCHEMA: u32 = 1;

/// A namespace of the lab.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Made {
    pub(crate) name: String,
    /// As the kernel knows it; without it, `up` ended between making it and noting this.
    pub(crate) number: Option<u64>,
}

/// The lab.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    schema: u32,
    /// The machine's start; processes of an earlier one are gone.
    boot: String,
    pub(crate) name: Name,
    pub(crate) deployment: Deployment,
    pub(crate) mode: Mode,
    pub(crate) dir: PathBuf,
    /// Whether the folder itself is ours.
    pub(crate) made_dir: bool,
    pub(crate) namespaces: Vec<Made>,
    pub(crate) peers: Option<Process>,
    pub(crate) firewall: Option<Process>,
}

impl State {
    /// Begins a lab.
    ///
    /// # Errors
    /// There is one.
    pub(crate) fn begin(
        name: Name,
        deployment: Deployment,
        mode: Mode,
        dir: &Path,
        made_dir: bool,
    ) -> Result<Self> {
        let state = Self {
            schema: SCHEMA,
            boot: boot()?,
            name,
            deployment,
            mode,
            dir: dir.to_owned(),
            made_dir,
            namespaces: Vec::new(),
            peers: None,
            firewall: None,
        };
        let path = state.name.file();
        let first = format!("{path}.{}", std::process::id());
        write(&first, &state)?;
        // Whoever finds the file finds all of it.
        let linked = fs::hard_link(&first, &path);
        fs::remove_file(&first).with_context(|| first.clone())?;
        match linked {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!(
                "there is a lab already ({path}): `ss7guard lab{0} status` shows it, `ss7guard lab{0} down` takes it away",
                state.name.option()
            ),
            Err(error) => return Err(error).context(path),
        }
        Ok(state)
    }

    /// The lab that there is.
    pub(crate) fn find(name: &Name) -> Result<Option<Self>> {
        let path = name.file();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context(path),
        };
        let mut state: Self =
            serde_json::from_str(&text).with_context(|| format!("{path} was not written by this version"))?;
        if state.schema != SCHEMA {
            bail!("{path} has schema {}, this version knows {SCHEMA}", state.schema);
        }
        if state.boot != boot()? {
            (state.peers, state.firewall) = (None, None);
        }
        Ok(Some(state))
    }

    /// Notes a change; whoever reads sees the state before or after it.
    pub(crate) fn save(&self) -> Result<()> {
        let (path, next) = (self.name.file(), format!("{}.new", self.name.file()));
        write(&next, self)?;
        fs::rename(&next, &path).context(path)
    }

    /// Nothing is left of it.
    pub(crate) fn forget(&self) -> Result<()> {
        let path = self.name.file();
        fs::remove_file(&path).context(path)
    }

    /// The firewall's configuration.
    pub(crate) fn config(&self) -> PathBuf {
        self.dir.join("ss7guard.toml")
    }

    /// What the firewall says.
    pub(crate) fn firewall_log(&self) -> PathBuf {
        self.dir.join("firewall.log")
    }

    /// What the peers say.
    pub(crate) fn peers_log(&self) -> PathBuf {
        self.dir.join("peers.log")
    }
}

fn write(path: &str, state: &State) -> Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| path.to_owned())?;
    file.write_all(&serde_json::to_vec(state)?)?;
    Ok(file.sync_all()?)
}

fn boot() -> Result<String> {
    let path = "/proc/sys/kernel/random/boot_id";
    Ok(fs::read_to_string(path).context(path)?.trim().to_owned())
}
