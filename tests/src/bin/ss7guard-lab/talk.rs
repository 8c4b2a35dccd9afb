//! What the commands and the background process say to each other: one JSON object a line over a UNIX socket.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::carriers::Row;

/// A line at most.
const MAX_LINE: u64 = 1 << 20;

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    /// The associations and what was sent.
    Status,
    /// Send the messages of this plan.
    Traffic {
        /// As [`ss7guard_lab::mix::Mix`] reads it.
        mix: String,
        count: u32,
        /// Messages a second.
        rate: u32,
        seed: u64,
    },
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    Status(Vec<Row>),
    /// From time to time while messages are sent.
    Progress {
        sent: u32,
        delivered: u32,
        answered: u32,
    },
    Done(Vec<Outcome>),
    Refused(String),
}

/// What became of the messages of one kind from one carrier.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) kind: String,
    pub(crate) attack: bool,
    pub(crate) carrier: String,
    pub(crate) sent: u32,
    pub(crate) delivered: u32,
    pub(crate) answered: u32,
    pub(crate) stopped: u32,
}

/// The socket of the lab in this folder.
pub(crate) fn socket(dir: &Path) -> PathBuf {
    dir.join("peers.sock")
}

/// One line in each direction, then more from the other side as it likes.
pub(crate) struct Line(BufReader<UnixStream>);

impl Line {
    pub(crate) fn over(stream: UnixStream) -> Self {
        Self(BufReader::new(stream))
    }

    pub(crate) fn to(dir: &Path) -> Result<Self> {
        let path = socket(dir);
        let stream = UnixStream::connect(&path)
            .with_context(|| format!("the lab's peers do not answer ({})", path.display()))?;
        Ok(Self::over(stream))
    }

    pub(crate) fn say(&mut self, what: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(what)?;
        line.push(b'\n');
        Ok(self.0.get_mut().write_all(&line)?)
    }

    pub(crate) fn hear<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut line = Vec::new();
        self.0.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
        ensure!(line.ends_with(b"\n"), "the other side has ended");
        Ok(serde_json::from_slice(&line)?)
    }

    /// The next reply; a refusal is an error.
    pub(crate) fn reply(&mut self) -> Result<Reply> {
        match self.hear().context("the lab's peers")? {
            Reply::Refused(why) => bail!(why),
            reply => Ok(reply),
        }
    }
}

/// Writes to standard output; a reader that has seen enough (`| head`) is no failure.
pub(crate) fn say(text: &str) -> Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
