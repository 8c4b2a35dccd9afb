//! Messages per second and core decoded to JSON, against tshark with the same fields, start-up subtracted.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use ss7guard_common::wire::Remote;
use ss7guard_lab::corpus::binary;
use ss7guard_userspace::host::Host;

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

/// What the TSNs of one copy lie above those of the copy before it: more than an association sends in one.
const TSN_STEP: u32 = 1 << 16;

/// The places in a pcap file where the TSNs of user data are.
fn tsn_places(pcap: &[u8]) -> Result<Vec<usize>> {
    const FILE_HEADER: usize = 24;
    const RECORD_HEADER: usize = 16;
    const CHUNK_HEADER: usize = 4;
    let mut host = Host::default();
    let mut places = Vec::new();
    let mut at = FILE_HEADER;
    while let Some(header) = pcap.get(at..at + RECORD_HEADER) {
        let captured = u32::from_le_bytes(header[8..12].try_into()?) as usize;
        at += RECORD_HEADER;
        let frame = pcap.get(at..at + captured).context("the sample ends inside a frame")?;
        let _ = host.classify(frame, Remote::Source, 0, |seen| places.push(at + seen.offset + CHUNK_HEADER));
        at += captured;
    }
    Ok(places)
}

/// A capture with `copies` times the frames of another. Each copy has TSNs of its own: tshark does not dissect what
/// it takes for a retransmission.
fn multiply(source: &Path, target: &Path, copies: usize) -> Result<()> {
    let mut octets = fs::read(source).with_context(|| source.display().to_string())?;
    let places = tsn_places(&octets)?;
    let mut out = BufWriter::new(File::create(target)?);
    out.write_all(octets.get(..24).context("a capture")?)?;
    for _ in 0..copies {
        out.write_all(&octets[24..])?;
        for place in &places {
            let tsn: &mut [u8; 4] = (&mut octets[*place..*place + 4]).try_into()?;
            *tsn = u32::from_be_bytes(*tsn).wrapping_add(TSN_STEP).to_be_bytes();
        }
    }
    Ok(out.flush()?)
}

/// How many messages tshark dissects in a capture.
fn dissected(capture: &Path) -> Result<usize> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-T", "fields", "-e", "m3ua.protocol_data_opc", "-r"]).arg(capture);
    let output = command.output()?;
    ensure!(output.status.success(), "{command:?} ended with {}", output.status);
    let text = String::from_utf8(output.stdout)?;
    Ok(text.split(['\n', ',']).filter(|value| !value.is_empty()).count())
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
    multiply(&source, &one, 2)?;
    let dissected = dissected(&one)?;
    multiply(&source, &one, 1)?;
    let output = ours(&one)?.output()?;
    let in_one = output.stdout.iter().filter(|byte| **byte == b'\n').count();
    ensure!(
        in_one > 0 && dissected == 2 * in_one,
        "tshark dissects {dissected} messages in two copies of the sample, ss7guard {in_one} in one"
    );
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
