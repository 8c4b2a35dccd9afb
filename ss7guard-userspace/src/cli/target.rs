//! Which controller a command speaks to: by the configuration that the controller has.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use ss7guard_common::abi::name;
use ss7guard_common::point_code::{Format, Shown};

use crate::config::{Config, DEFAULT_PATH};
use crate::control::client::{Client, ClientError};
use crate::kernel::Maps;

/// Options of the commands that speak to a controller.
#[derive(Args, Clone, Debug)]
pub struct Target {
    /// Configuration of the controller [default: /etc/ss7guard/ss7guard.toml, if it is there]
    #[arg(short, long)]
    config: Option<PathBuf>,
}

impl Target {
    /// The configuration: the file that was named, or the default one, or a fresh one.
    ///
    /// # Errors
    /// The file is refused.
    pub fn config(&self) -> Result<Config> {
        let default = Path::new(DEFAULT_PATH);
        Ok(match &self.config {
            Some(path) => Config::load(path)?,
            None if default.exists() => Config::load(default)?,
            None => Config::default(),
        })
    }
}

/// Asks the controller; where it is not running, `from_pins` answers from what is pinned.
///
/// # Errors
/// Neither can.
pub fn ask(
    config: &Config,
    method: &str,
    params: &impl Serialize,
    from_pins: impl FnOnce() -> Result<Value>,
) -> Result<Value> {
    match Client::connect(&config.run_dir) {
        Ok(mut client) => Ok(client.call(method, params)?),
        Err(ClientError::NotRunning(path)) => {
            let pin = config.bpffs.join(name::CONFIG);
            if pin.try_exists().is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
                return Err(ClientError::Permission(config.bpffs.clone()).into());
            }
            if !Maps::present(&config.bpffs) {
                return Err(ClientError::NotRunning(path).into());
            }
            from_pins()
        }
        Err(error) => Err(error.into()),
    }
}

/// A point code as the configuration shows it, with its number.
#[must_use]
pub fn shown(code: u64, format: Format) -> String {
    match u32::try_from(code) {
        Ok(number) if format != Format::Decimal => format!("{} ({number})", Shown { code: number, format }),
        _ => code.to_string(),
    }
}
