//! The client's side of the control socket.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

use crate::control::{Fault, Reply, VERSION, socket_path};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What went wrong.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("the controller is not running (no answer at {0})")]
    NotRunning(PathBuf),
    /// The socket is not ours to use.
    #[error("no permission for {0}; the controller's user and root have it")]
    Permission(PathBuf),
    /// It is there and says nothing.
    #[error("the controller at {0} does not answer; is it stopped?")]
    Silent(PathBuf),
    /// The connection broke.
    #[error("control socket: {0}")]
    Io(#[from] io::Error),
    /// The answer is not of this protocol.
    #[error("the controller's answer is not understood: {0}")]
    Protocol(String),
    /// The controller refuses.
    #[error("{}", .0.message)]
    Refused(Fault),
}

/// A [`crate::control::Request`] on its way.
#[derive(Serialize)]
struct Asked<'a, P> {
    v: u32,
    id: u64,
    method: &'a str,
    params: &'a P,
}

/// A connection.
pub struct Client {
    stream: BufReader<UnixStream>,
    path: PathBuf,
}

impl Client {
    /// Connects to the controller of this run directory.
    ///
    /// # Errors
    /// It is not there, or refuses this user.
    pub fn connect(run_dir: &Path) -> Result<Self, ClientError> {
        let path = socket_path(run_dir);
        match UnixStream::connect(&path) {
            Ok(stream) => Ok(Self { stream: BufReader::new(stream), path }),
            Err(error) => Err(match error.kind() {
                io::ErrorKind::PermissionDenied => ClientError::Permission(path),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ClientError::NotRunning(path),
                _ => ClientError::Io(error),
            }),
        }
    }

    /// Asks once and gives the result.
    ///
    /// # Errors
    /// The connection breaks, or the controller refuses.
    pub fn call(&mut self, method: &str, params: &impl Serialize) -> Result<Value, ClientError> {
        self.stream.get_ref().set_read_timeout(Some(PATIENCE))?;
        self.send(method, params)?;
        let reply =
            self.reply()?.ok_or_else(|| ClientError::Protocol("it closed the connection".to_owned()))?;
        reply.ok.ok_or_else(|| ClientError::Protocol("neither result nor error".to_owned()))
    }

    /// Asks once for what takes a while, shows how far it has come, and gives the result.
    ///
    /// # Errors
    /// The connection breaks, or the controller refuses.
    pub fn follow(
        &mut self,
        method: &str,
        params: &impl Serialize,
        mut show: impl FnMut(&Value),
    ) -> Result<Value, ClientError> {
        self.stream.get_ref().set_read_timeout(Some(PATIENCE))?;
        self.send(method, params)?;
        loop {
            let closed = || ClientError::Protocol("it closed the connection".to_owned());
            match self.reply()?.ok_or_else(closed)? {
                Reply { ok: Some(result), .. } => return Ok(result),
                Reply { event: Some(event), .. } => show(&event),
                _ => return Err(ClientError::Protocol("neither result nor event".to_owned())),
            }
        }
    }

    /// Asks for a stream; its events come from [`Client::event`].
    ///
    /// # Errors
    /// The connection breaks.
    pub fn send(&mut self, method: &str, params: &impl Serialize) -> Result<(), ClientError> {
        let request = Asked { v: VERSION, id: 1, method, params };
        let mut line =
            serde_json::to_vec(&request).map_err(|error| ClientError::Protocol(error.to_string()))?;
        line.push(b'\n');
        self.stream.get_mut().write_all(&line)?;
        Ok(())
    }

    /// The next event; `None` when the controller ends.
    ///
    /// # Errors
    /// The connection breaks, or the controller refuses.
    pub fn event(&mut self) -> Result<Option<Value>, ClientError> {
        Ok(self.reply()?.and_then(|reply| reply.event))
    }

    fn reply(&mut self) -> Result<Option<Reply>, ClientError> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            // How a read that takes too long ends depends on the system.
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                return Err(ClientError::Silent(self.path.clone()));
            }
            Err(error) => return Err(error.into()),
        }
        let reply: Reply =
            serde_json::from_str(&line).map_err(|error| ClientError::Protocol(error.to_string()))?;
        match reply.error {
            Some(fault) => Err(ClientError::Refused(fault)),
            None => Ok(Some(reply)),
        }
    }
}
