//! `ss7guard check`: validates a configuration and says what it means.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::json;
use ss7guard_common::verdict::{Class, Reason};

use crate::cli::output::{Format, Output, table};
use crate::config::{Config, DEFAULT_PATH};
use crate::inspect::findings::Finding;

/// Arguments of `check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Configuration file
    #[arg(short, long, default_value = DEFAULT_PATH)]
    config: PathBuf,
    #[command(flatten)]
    output: Output,
}

/// Runs `check`.
///
/// # Errors
/// The configuration is refused.
pub fn run(args: &CheckArgs) -> Result<ExitCode> {
    let config = Config::load(&args.config)?;
    let record = config.kernel_record();
    let exceptions: Vec<(&str, &str)> = Reason::ALL
        .iter()
        .filter(|reason| {
            reason.class() == Class::Exception || config.exceptions.iter().any(|(set, _)| set == *reason)
        })
        .map(|reason| (reason.as_str(), record.policy((*reason).into()).as_str()))
        .collect();
    let findings: Vec<(&str, &str)> = Finding::ALL
        .iter()
        .map(|finding| (finding.as_str(), config.findings.of(*finding).as_str()))
        .collect();
    let paths = uncovered(&config);
    if args.output.format() == Format::Json {
        let exceptions: serde_json::Map<_, _> =
            exceptions.iter().map(|(reason, action)| ((*reason).to_owned(), json!(action))).collect();
        println!(
            "{}",
            json!({
                "ok": true,
                "mode": config.mode.as_str(),
                "interfaces": config.ports(),
                "peers": config.peers.len(),
                "uncovered_paths": paths,
                "blocks": config.blocks.len(),
                "agreements": config.agreements.len(),
                "operators": config.operators.len(),
                "exceptions": exceptions,
                "findings": findings.iter().copied().collect::<BTreeMap<_, _>>(),
            })
        );
        return Ok(ExitCode::SUCCESS);
    }
    println!("{}: ok", args.config.display());
    println!(
        "mode {}, interfaces {:?}, {} peers, {} operators, {} block entries, {} agreements",
        config.mode.as_str(),
        config.ports(),
        config.peers.len(),
        config.operators.len(),
        config.blocks.len(),
        config.agreements.len()
    );
    for path in &paths {
        println!("warning: {path}, as this machine routes now: enforce mode is refused");
    }
    let rows: Vec<Vec<String>> =
        exceptions.iter().map(|(reason, action)| vec![(*reason).to_owned(), (*action).to_owned()]).collect();
    println!("{}", table(&["exception", "action"], &rows));
    let rows: Vec<Vec<String>> =
        findings.iter().map(|(finding, action)| vec![(*finding).to_owned(), (*action).to_owned()]).collect();
    println!("{}", table(&["finding", "action"], &rows));
    Ok(ExitCode::SUCCESS)
}

/// Paths that no interface of the configuration covers, as far as this machine can tell.
fn uncovered(config: &Config) -> Vec<String> {
    #[cfg(feature = "kernel")]
    if config.deployment == crate::config::Deployment::Host && !config.interfaces.is_empty() {
        let found = crate::kernel::uncovered(&config.peers, &config.interfaces);
        return found.unwrap_or_default().iter().map(ToString::to_string).collect();
    }
    let _ = config;
    Vec::new()
}
