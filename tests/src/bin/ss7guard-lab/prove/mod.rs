//! `prove-neutralise`: whether a signalling gateway takes what the firewall makes of a blocked message.
//!
//! An association is opened to it as by an ASP. Each message leaves the SCTP stack as M3UA DATA and is rewritten in the
//! packet by the firewall's own code, checksum included; a DATA message that is not rewritten is withheld.

mod rewriting;
mod trial;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use serde_json::json;
use ss7guard_common::neutralise::Form;
use ss7guard_common::point_code::{self, Format as PointCodeFormat, Shown};
use ss7guard_lab::m3ua::Label;
use ss7guard_userspace::cli::output::{Format, Output, table};

use self::trial::{Case, Finding, Trial};
use crate::arguments::{need_raw_socket, usage};
use crate::talk::say;

/// Port of M3UA (RFC 4666 §1.4.8).
const PORT: u16 = 2905;

#[derive(Args, Debug)]
pub(crate) struct ProveArgs {
    /// The gateway's address
    #[arg(long, value_name = "ADDR[:PORT]", value_parser = address)]
    peer: SocketAddr,
    /// Address of this machine that the gateway knows as an ASP
    #[arg(long, value_name = "ADDR[:PORT]", value_parser = address)]
    local: SocketAddr,
    /// Originating point code of the messages
    #[arg(long)]
    opc: String,
    /// Their destination point code
    #[arg(long)]
    dpc: String,
    /// Routing context, in ASP Active and in the messages
    #[arg(long)]
    routing_context: Option<u32>,
    /// How point codes are written: 3-8-3, 5-4-5, 8-8-8 or decimal
    #[arg(long, default_value = "3-8-3")]
    point_code_format: String,
    /// Network Appearance of the messages
    #[arg(long)]
    network_appearance: Option<u32>,
    /// Network indicator of the messages
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=3))]
    ni: u8,
    /// What to send
    #[arg(long, value_enum, default_value = "all")]
    form: Forms,
    /// Seconds to watch after each message
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=60))]
    watch: u64,
    /// The gateway carries no traffic that matters now
    #[arg(long)]
    yes_in_a_maintenance_window: bool,
    #[command(flatten)]
    output: Output,
}

/// Forms to try.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Forms {
    BeatAck,
    BeatAckPlain,
    PpidZero,
    All,
}

impl Forms {
    const fn each(self) -> &'static [Form] {
        match self {
            Self::BeatAck => &[Form::BeatAck],
            Self::BeatAckPlain => &[Form::BeatAckPlain],
            Self::PpidZero => &[Form::PpidZero],
            Self::All => &Form::ALL,
        }
    }
}

/// An address with or without a port.
fn address(text: &str) -> Result<SocketAddr, String> {
    let bare = || text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, PORT));
    text.parse::<SocketAddr>()
        .or_else(|_| bare())
        .map_err(|_| "write an address, as 192.0.2.1, 192.0.2.1:2905 or [2001:db8::1]:2905".to_owned())
}

impl ProveArgs {
    fn label(&self) -> Result<(Label, PointCodeFormat)> {
        let Some(format) = PointCodeFormat::from_name(&self.point_code_format) else {
            let format = &self.point_code_format;
            return Err(usage(format!("point code format {format:?}: write 3-8-3, 5-4-5, 8-8-8 or decimal")));
        };
        let code = |text: &str| {
            point_code::parse(text, format).map_err(|error| usage(format!("point code {text:?}: {error}")))
        };
        Ok((Label { opc: code(&self.opc)?, dpc: code(&self.dpc)?, ni: self.ni, sls: 0 }, format))
    }

    fn announcement(&self, label: Label, format: PointCodeFormat) -> String {
        let shown = |code| Shown { code, format };
        let optional = |what: &str, value: Option<u32>| {
            value.map_or_else(String::new, |value| format!(", {what} {value}"))
        };
        let forms: Vec<&str> = self.form.each().iter().map(|form| form.as_str()).collect();
        let mut text = format!(
            "this is sent to {} from {}, over one SCTP association:\n  ASP Up, ASP Active{}; BEATs\n  for each of {}, a \
             rewritten M3UA DATA message (OPC {}, DPC {}, NI {}{}{}):\n",
            self.peer,
            self.local,
            optional("routing context", self.routing_context),
            forms.join(", "),
            shown(label.opc),
            shown(label.dpc),
            label.ni,
            optional("network appearance", self.network_appearance),
            optional("routing context", self.routing_context),
        );
        for case in Case::ALL {
            text += &format!("    {}: {}\n", case.name(), case.meaning());
        }
        text + "  at the end ASP Inactive, ASP Down, SHUTDOWN\n"
    }
}

pub(crate) fn prove(args: &ProveArgs) -> Result<()> {
    let (label, format) = args.label()?;
    if args.local.is_ipv4() != args.peer.is_ipv4() {
        return Err(usage(format!("--local {} and --peer {} are of two families", args.local, args.peer)));
    }
    let announcement = args.announcement(label, format);
    if !args.yes_in_a_maintenance_window {
        return Err(usage(format!(
            "nothing was sent: add --yes-in-a-maintenance-window if {} may lose its traffic now; {announcement}",
            args.peer
        )));
    }
    need_raw_socket()?;
    ensure_no_kernel_sctp()?;
    let as_json = args.output.format() == Format::Json;
    if !as_json {
        say(&announcement)?;
    }
    let trial = Trial {
        local: args.local,
        peer: args.peer,
        label,
        routing_context: args.routing_context,
        network_appearance: args.network_appearance,
        watch: Duration::from_secs(args.watch),
    };
    let findings = trial.run(args.form.each())?;
    report(args, &findings, as_json)?;
    let unsafe_forms: Vec<&str> = args
        .form
        .each()
        .iter()
        .filter(|form| findings.iter().any(|one| one.form == form.as_str() && !one.is_safe()))
        .map(|form| form.as_str())
        .collect();
    if !unsafe_forms.is_empty() {
        bail!("not safe with {}: {}", args.peer, unsafe_forms.join(", "));
    }
    Ok(())
}

/// A kernel with SCTP would abort the association, of which it knows nothing.
fn ensure_no_kernel_sctp() -> Result<()> {
    let path = "/proc/net/protocols";
    let protocols = std::fs::read_to_string(path)?;
    if protocols.lines().any(|line| line.starts_with("SCTP")) {
        bail!(
            "this kernel's own SCTP is loaded ({path}) and would abort the association of the userland stack: `rmmod \
             sctp` if nothing uses it, or run this on a machine without it"
        );
    }
    Ok(())
}

fn report(args: &ProveArgs, findings: &[Finding], as_json: bool) -> Result<()> {
    if as_json {
        let safe = findings.iter().all(Finding::is_safe);
        let result = json!({ "peer": args.peer, "local": args.local, "safe": safe, "cases": findings });
        return say(&format!("{result}\n"));
    }
    let rows: Vec<Vec<String>> = findings
        .iter()
        .map(|one| {
            vec![
                one.form.to_owned(),
                one.case.to_owned(),
                one.rewritten.to_string(),
                one.peer_did.join("; "),
                if one.is_safe() {
                    "safe".to_owned()
                } else {
                    format!("not safe: {}", one.why_not.join("; "))
                },
            ]
        })
        .collect();
    say(&format!("{}\n", table(&["form", "case", "rewritten chunks", "what the peer did", "verdict"], &rows)))
}
