//! Messages per second and core decoded to JSON, against tshark with the same fields, start-up subtracted.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use ss7guard_lab::corpus::binary;

use crate::rows::{Aim, Row};

/// The fields of a record as tshark names them.
const FIELDS: [&str; 39] = [
    "frame.number",
    "ip.src",
    "ip.dst",
    "sctp.data_tsn",
    "m3ua.routing_context",
    "m3ua.network_appearance",
    "m3ua.protocol_data_opc",
    "m3ua.protocol_data_dpc",
    "m3ua.protocol_data_si",
    "m3ua.protocol_data_ni",
    "m3ua.protocol_data_mp",
    "m3ua.protocol_data_sls",
    "sccp.message_type",
    "sccp.called.digits",
    "sccp.called.ssn",
    "sccp.calling.digits",
    "sccp.calling.ssn",
    "tcap.begin_element",
    "tcap.continue_element",
    "tcap.end_element",
    "tcap.abort_element",
    "tcap.otid",
    "tcap.dtid",
    "tcap.application_context_name",
    "gsm_old.invokeID",
    "gsm_old.localValue",
    "e212.imsi",
    "e164.msisdn",
    "gsm_map.address.digits",
    "gsm_map.ms.vlr_Number",
    "gsm_map.ms.msc_Number",
    "gsm_map.ms.sgsn_Number",
    "gsm_map.ms.gsmSCF_Address",
    "gsm_map.ms.hlr_Number",
    "gsm_map.sm.networkNode_Number",
    "gsm_map.sm.serviceCentreAddress",
    "gsm_map.sm.serviceCentreAddressDA",
    "gsm_map.sm.serviceCentreAddressOA",
    "gsm_old.roamingNumber",
];

/// A capture with `copies` times the frames of another; gives the messages in one copy.
fn multiply(source: &Path, target: &Path, copies: usize) -> Result<()> {
    let octets = fs::read(source).with_context(|| source.display().to_string())?;
    let (header, frames) = octets.split_at_checked(24).context("a capture")?;
    let mut out = BufWriter::new(File::create(target)?);
    out.write_all(header)?;
    for _ in 0..copies {
        out.write_all(frames)?;
    }
    Ok(out.flush()?)
}

/// CPU seconds of the children that have ended, user and system (proc(5), in ticks of 10 ms).
fn children_cpu() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().context("stat")?;
    let field = |number: usize| -> Result<f64> {
        Ok(after_name.split_whitespace().nth(number - 3).context("stat")?.parse()?)
    };
    Ok((field(16)? + field(17)?) / 100.0)
}

/// CPU seconds of a command, whose output is read and thrown away.
fn cpu_of(command: &mut Command) -> Result<f64> {
    let before = children_cpu()?;
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(children_cpu()? - before)
}

fn tshark(capture: &Path) -> Command {
    let mut command = Command::new("tshark");
    command.args(["-n", "-T", "json", "-r"]).arg(capture);
    for field in FIELDS {
        command.args(["-e", field]);
    }
    command
}

fn ours(capture: &Path) -> Result<Command> {
    let mut command = Command::new(binary()?);
    command.args(["decode", "--reveal", "-o", "json"]).arg(capture);
    Ok(command)
}

pub(crate) fn measure(messages: usize) -> Result<Vec<Row>> {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus/02_attacks.pcap");
    let folder = tempfile::tempdir()?;
    let (one, many) = (folder.path().join("one.pcap"), folder.path().join("many.pcap"));
    multiply(&source, &one, 1)?;
    let output = ours(&one)?.output()?;
    let in_one = output.stdout.iter().filter(|byte| **byte == b'\n').count();
    ensure!(in_one > 0, "the sample has no messages");
    let copies = messages.div_ceil(in_one);
    multiply(&source, &many, copies)?;
    // One copy costs next to nothing besides the start.
    let rate = |small: f64, large: f64| ((copies - 1) * in_one) as f64 / (large - small).max(0.01);
    let our_rate = rate(cpu_of(&mut ours(&one)?)?, cpu_of(&mut ours(&many)?)?);
    let their_rate = rate(cpu_of(&mut tshark(&one))?, cpu_of(&mut tshark(&many))?);
    Ok(vec![Row {
        what: format!("decode {} messages to JSON, per core", copies * in_one),
        value: format!("{:.0} k messages/s", our_rate / 1e3),
        against: format!("tshark, same fields, {:.1} k/s", their_rate / 1e3),
        ratio: our_rate / their_rate,
        aim: Aim::AtLeast(50.0),
    }])
}
