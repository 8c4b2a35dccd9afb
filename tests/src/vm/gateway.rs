//! A signalling gateway as people run it: osmo-stp, with two application server processes.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::netns::Namespace;

/// Port of the gateway.
pub const PORT: u16 = 2905;
/// Port of the process in the world, whose point code is 0-1-1.
pub const A_PORT: u16 = 10_001;
/// Port of the process beside the gateway, whose point code is 0-2-1.
pub const B_PORT: u16 = 10_002;
/// Routing context of A.
pub const A_CONTEXT: u32 = 1;
/// Routing context of B.
pub const B_CONTEXT: u32 = 2;
/// Point code of B.
pub const B_POINT_CODE: u32 = 0x11;

/// The gateway, which ends with this.
#[derive(Debug)]
pub struct Gateway {
    process: Child,
    folder: TempDir,
}

impl Gateway {
    /// Starts it in a namespace, for A at `world` that speaks to `host`, and for B by the loop.
    ///
    /// # Errors
    /// osmo-stp is not there.
    pub fn start(namespace: &Namespace, world: &str, host: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("osmo-stp.cfg");
        fs::write(&config, configuration(world, host))?;
        let log = File::create(folder.path().join("log"))?;
        let mut command = Command::new("osmo-stp");
        command.arg("-c").arg(&config).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = namespace.inside(|| command.spawn().context("start osmo-stp"))?;
        let gateway = Self { process, folder };
        let end = std::time::Instant::now() + super::node::PATIENCE;
        while !gateway.listens(namespace)? {
            ensure!(std::time::Instant::now() < end, "osmo-stp does not listen: {}", gateway.log()?);
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Ok(gateway)
    }

    /// Whether somebody in the namespace listens at its port.
    fn listens(&self, namespace: &Namespace) -> Result<bool> {
        // The file is not there before the module is.
        let endpoints = namespace
            .inside(|| Ok(fs::read_to_string("/proc/thread-self/net/sctp/eps").unwrap_or_default()))?;
        Ok(endpoints.lines().any(|line| line.split_whitespace().any(|word| word == PORT.to_string())))
    }

    /// What it has logged.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.folder.path().join("log"))?)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let ended = self.process.kill().and_then(|()| self.process.wait());
        if let Err(error) = ended {
            eprintln!("osmo-stp: {error}");
        }
    }
}

fn configuration(world: &str, host: &str) -> String {
    format!(
        "log stderr\n logging filter all 1\n logging color 0\n logging print category 1\n logging print level 1\n \
         logging level set-all notice\n\
         line vty\n no login\n\
         cs7 instance 0\n network-indicator international\n point-code 0.0.1\n \
         asp asp-a {A_PORT} {PORT} m3ua\n  remote-ip {world}\n  local-ip {host}\n  role sg\n  sctp-role server\n \
         asp asp-b {B_PORT} {PORT} m3ua\n  remote-ip 127.0.0.1\n  local-ip 127.0.0.1\n  role sg\n  sctp-role server\n \
         as as-a m3ua\n  asp asp-a\n  routing-key {A_CONTEXT} 0.1.1\n  traffic-mode override\n \
         as as-b m3ua\n  asp asp-b\n  routing-key {B_CONTEXT} 0.2.1\n  traffic-mode override\n \
         listen m3ua {PORT}\n  accept-asp-connections dynamic-permitted\n \
         route-table system\n  update route 0.1.1 7.255.7 linkset as-a\n  update route 0.2.1 7.255.7 linkset as-b\n"
    )
}
