//! `ss7guard run`, `attach` and `detach`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::output::Output;
use crate::cli::target::Target;
use crate::cli::usage;
use crate::config::{Bridge, Config, DEFAULT_PATH, Deployment};
use crate::control::Detach;
use crate::control::client::{Client, ClientError};
use crate::daemon::{self, view::attached_json};
use crate::kernel::{self, KernelError, Lock, Maps};

/// Arguments of `run`.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// Configuration file
    #[arg(short, long, default_value = DEFAULT_PATH)]
    config: PathBuf,
}

/// Runs the controller in the foreground.
///
/// # Errors
/// It cannot start.
pub fn run(args: &RunArgs) -> Result<ExitCode> {
    let config = Config::load(&args.config)?;
    if config.ports().is_empty() {
        let missing = match config.deployment {
            Deployment::Bridge => "there is no [[bridge]]: name the two interfaces of one",
            _ => "network.interfaces is empty: name at least one interface",
        };
        return Err(usage(format!("{}: {missing}", args.config.display())));
    }
    daemon::run(&config)?;
    Ok(ExitCode::SUCCESS)
}

/// Arguments of `attach`.
#[derive(Args, Debug)]
pub struct AttachArgs {
    /// Interfaces; without any, those of the configuration
    interfaces: Vec<String>,
    /// Join two interfaces: the one that leads to other networks, and the one that leads home
    #[arg(long, num_args = 2, value_names = ["INTERCONNECT", "HOME"], conflicts_with = "interfaces")]
    bridge: Vec<String>,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    output: Output,
}

/// Attaches without a controller: the kernel judges, nobody reads what it reports.
///
/// # Errors
/// A permission, the interface or the kernel is not as it must be.
pub fn attach(args: &AttachArgs) -> Result<ExitCode> {
    let mut config = args.target.config()?;
    if !args.interfaces.is_empty() {
        if config.deployment == Deployment::Bridge {
            return Err(usage("this is a bridge: write --bridge INTERCONNECT HOME".to_owned()));
        }
        config.interfaces.clone_from(&args.interfaces);
    }
    if let [interconnect, home] = args.bridge.as_slice() {
        if interconnect == home {
            return Err(usage(format!("{home} cannot be both ends of a bridge")));
        }
        config.deployment = Deployment::Bridge;
        config.bridges =
            vec![Bridge { interconnect: interconnect.clone(), home: home.clone(), pass_link_loss: true }];
    }
    if config.ports().is_empty() {
        return Err(usage(
            "name an interface, here or as network.interfaces or [[bridge]] in the configuration".to_owned(),
        ));
    }
    let core = daemon::start(&config)?;
    let mode = config.mode.as_str();
    if args.output.is_json_wanted() {
        let attached = attached_json(&config.bpffs, &kernel::attached(&config.bpffs)?);
        println!("{}", json!({ "attached": attached, "mode": mode }));
        return Ok(ExitCode::SUCCESS);
    }
    for interface in core.interface_names() {
        println!("attached to {interface}, mode {mode}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Arguments of `detach`.
#[derive(Args, Debug)]
pub struct DetachArgs {
    /// Interfaces
    #[arg(required_unless_present = "all")]
    interfaces: Vec<String>,
    /// Every interface; the block list and the counters go too
    #[arg(long, conflicts_with = "interfaces")]
    all: bool,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    output: Output,
}

/// Ends enforcement.
///
/// # Errors
/// Nothing is attached, or it cannot be removed.
pub fn detach(args: &DetachArgs) -> Result<ExitCode> {
    let config = args.target.config()?;
    let gone: Value = match Client::connect(&config.run_dir) {
        Ok(mut client) => client.call("detach", &Detach { interfaces: args.interfaces.clone() })?,
        Err(ClientError::NotRunning(_)) => without_controller(args, &config)?,
        Err(error) => return Err(error.into()),
    };
    if args.output.is_json_wanted() {
        println!("{gone}");
    } else {
        say_detached(&gone);
    }
    if args.all {
        kernel::unmount_if_empty(&config.bpffs)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn say_detached(gone: &Value) {
    for interface in gone["detached"].as_array().into_iter().flatten() {
        println!("detached from {}", interface.as_str().unwrap_or_default());
    }
}

fn without_controller(args: &DetachArgs, config: &Config) -> Result<Value> {
    if !config.bpffs.is_dir()
        || (!Maps::present(&config.bpffs) && kernel::attached(&config.bpffs)?.is_empty())
    {
        return Err(KernelError::NotAttached(config.bpffs.clone()).into());
    }
    let _lock = Lock::take(&config.bpffs)?;
    if args.all {
        return Ok(json!({ "detached": kernel::detach_all(&config.bpffs)? }));
    }
    kernel::detach(&config.bpffs, &args.interfaces)?;
    Ok(json!({ "detached": args.interfaces }))
}
