//! What tshark reads. Its field names are those of Wireshark 4.0.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::reading::{Layer, Reading, digits, octets};

/// Fields of ours with the names of tshark that hold them; several names where MAP's modules have each their own.
const FIELDS: &[(&str, &[&str])] = &[
    ("opc", &["m3ua.protocol_data_opc"]),
    ("dpc", &["m3ua.protocol_data_dpc"]),
    ("si", &["m3ua.protocol_data_si"]),
    ("ni", &["m3ua.protocol_data_ni"]),
    ("mp", &["m3ua.protocol_data_mp"]),
    ("sls", &["m3ua.protocol_data_sls"]),
    ("cdpa_gt", &["sccp.called.digits"]),
    ("cdpa_ssn", &["sccp.called.ssn"]),
    ("cgpa_gt", &["sccp.calling.digits"]),
    ("cgpa_ssn", &["sccp.calling.ssn"]),
    ("otid", &["tcap.otid"]),
    ("dtid", &["tcap.dtid"]),
    ("ac", &["tcap.application_context_name"]),
];

/// Identities: octets of the strings, in the order of tshark's modules.
const IDENTITIES: &[(&str, &[&str])] = &[
    (
        "imsi",
        &[
            "gsm_map.imsi",
            "gsm_map.ms.imsi",
            "gsm_map.sm.imsi",
            "gsm_map.om.imsi",
            "gsm_map.ss.imsi",
            "gsm_map.er.imsi",
            "gsm_map.ch.imsi",
            "gsm_map.gr.imsi",
            "gsm_map.lcs.imsi",
            "gsm_old.imsi",
        ],
    ),
    (
        "msisdn",
        &[
            "gsm_map.msisdn",
            "gsm_map.ms.msisdn",
            "gsm_map.sm.msisdn",
            "gsm_map.ss.msisdn",
            "gsm_map.ch.msisdn",
            "gsm_map.lcs.msisdn",
            "gsm_map.sm.storedMSISDN",
            "gsm_old.msisdn",
        ],
    ),
    (
        "vlr",
        &["gsm_map.ms.vlr_Number", "gsm_map.ms.vlr_number", "gsm_map.ms.newVLR_Number", "gsm_map.vlr_Number"],
    ),
    (
        "msc",
        &[
            "gsm_map.ms.msc_Number",
            "gsm_map.sm.msc_Number",
            "gsm_map.ch.msc_Number",
            "gsm_map.lcs.msc_Number",
            "gsm_map.ch.vmsc_Address",
        ],
    ),
    ("sgsn", &["gsm_map.ms.sgsn_Number", "gsm_map.sm.sgsn_Number", "gsm_map.lcs.sgsn_Number"]),
    (
        "smsc",
        &[
            "gsm_map.sm.serviceCentreAddress",
            "gsm_map.sm.serviceCentreAddressDA",
            "gsm_map.sm.serviceCentreAddressOA",
            "gsm_map.ms.serviceCentreAddress",
            "gsm_old.serviceCentreAddress",
            "gsm_old.serviceCentreAddressDA",
            "gsm_old.serviceCentreAddressOA",
        ],
    ),
    ("scf", &["gsm_map.ms.gsmSCF_Address", "gsm_map.ch.gmsc_OrGsmSCF_Address"]),
    ("hlr", &["gsm_map.ms.hlr_Number", "gsm_old.hlr_Number"]),
    // Before version 3, the second is in the place of the first.
    ("node", &["gsm_map.sm.networkNode_Number", "gsm_old.msc_Number", "gsm_map.lcs.networkNode_Number"]),
    ("msrn", &["gsm_map.ch.roamingNumber", "gsm_map.ch.msrn", "gsm_old.roamingNumber"]),
    ("mlc", &["gsm_map.lcs.mlc_Number", "gsm_map.lcs.mlcNumber"]),
    (
        "forwarded_to",
        &[
            "gsm_map.ss.forwardedToNumber",
            "gsm_map.ms.forwardedToNumber",
            "gsm_map.ch.forwardedToNumber",
            "gsm_map.forwardedToNumber",
        ],
    ),
];

/// What else is asked for.
const OTHERS: [&str; 14] = [
    "sccp.message_type",
    "tcap.unidirectional_element",
    "tcap.begin_element",
    "tcap.continue_element",
    "tcap.end_element",
    "tcap.abort_element",
    "gsm_map.old.Component",
    "gsm_old.invokeID",
    "gsm_old.localValue",
    "_ws.malformed",
    "_ws.expert.severity",
    "_ws.expert.message",
    "gsm_old.globalValue",
    "frame.protocols",
];

/// A capture of these Ethernet frames.
///
/// # Errors
/// It cannot be written.
pub fn write_capture(path: &Path, frames: &[Vec<u8>]) -> Result<()> {
    let mut out = std::io::BufWriter::new(std::fs::File::create(path)?);
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    // Version 2.4, frames up to 256 KiB, Ethernet.
    out.write_all(&words(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, 1 << 18, 1]))?;
    for (second, frame) in (1..).zip(frames) {
        let len = u32::try_from(frame.len())?;
        out.write_all(&words(&[1_700_000_000 + second, 0, len, len]))?;
        out.write_all(frame)?;
    }
    Ok(out.flush()?)
}

/// The first line that `tshark --version` prints; `None` if there is no tshark.
#[must_use]
pub fn version() -> Option<String> {
    let output = Command::new("tshark").arg("--version").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).lines().next()?.to_owned())
}

/// What tshark reads in each frame of a capture.
///
/// # Errors
/// It cannot be run, or does not print a line for each frame.
pub fn read(capture: &Path) -> Result<Vec<Reading>> {
    let names: Vec<&str> =
        FIELDS.iter().chain(IDENTITIES).flat_map(|(_, names)| names.iter().copied()).chain(OTHERS).collect();
    let known = known_fields()?;
    let mut command = Command::new("tshark");
    command.args(["-n", "-T", "fields", "-E", "separator=/t", "-E", "aggregator=|", "-E", "occurrence=a"]);
    // SSNs of MAP (3GPP TS 23.003 §6); 147 is somebody else's by default.
    command.args(["-o", "gsm_map.tcap.ssn:6-9,145,147-150"]);
    let mut asked = Vec::new();
    // A name that this version of tshark does not have would end it.
    for name in names.into_iter().filter(|name| name.starts_with("_ws") || known.contains(*name)) {
        command.args(["-e", name]);
        asked.push(name);
    }
    let output = command.arg("-r").arg(capture).output().context("tshark")?;
    ensure!(output.status.success(), "tshark: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text
        .lines()
        .map(|line| reading(&Line { asked: &asked, values: line.split('\t').collect() }))
        .collect())
}

fn known_fields() -> Result<std::collections::HashSet<String>> {
    let output = Command::new("tshark").args(["-G", "fields"]).output().context("tshark")?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(|line| line.split('\t').nth(2)).map(str::to_owned).collect())
}

/// What tshark printed for a frame.
struct Line<'a> {
    asked: &'a [&'a str],
    values: Vec<&'a str>,
}

impl<'a> Line<'a> {
    fn values(&self, name: &str) -> Vec<&'a str> {
        let index = self.asked.iter().position(|asked| *asked == name);
        let value = index.and_then(|index| self.values.get(index).copied()).unwrap_or_default();
        value.split('|').filter(|value| !value.is_empty()).collect()
    }

    fn has(&self, name: &str) -> bool {
        !self.values(name).is_empty()
    }
}

fn reading(line: &Line<'_>) -> Reading {
    let mut reading = Reading::default();
    for (field, names) in FIELDS {
        if let Some(value) = names.iter().find_map(|name| line.values(name).first().copied()) {
            // An empty string is shown as "<MISSING>".
            let value = if value == "<MISSING>" { "" } else { value };
            let value = if value.contains(':') { value.replace(':', "") } else { value.to_owned() };
            reading.note(field, &value);
        }
    }
    let kinds =
        [("9", "UDT"), ("a", "UDTS"), ("11", "XUDT"), ("12", "XUDTS"), ("13", "LUDT"), ("14", "LUDTS")];
    if let Some(value) = line.values("sccp.message_type").first() {
        let code = value.trim_start_matches("0x").trim_start_matches('0');
        reading.note("sccp", &kinds.iter().find(|(kind, _)| *kind == code).map_or(code, |(_, name)| name));
    }
    for kind in ["unidirectional", "begin", "continue", "end", "abort"] {
        if line.has(&format!("tcap.{kind}_element")) {
            reading.note("tcap", &kind);
        }
    }
    if reading.get("tcap").is_some() {
        components(line, &mut reading);
    }
    for (field, names) in IDENTITIES {
        for value in names.iter().flat_map(|name| line.values(name)) {
            reading.also(field, digits(field, &octets(value)));
        }
    }
    // CAP has names of its own for all that follows.
    if line.values("frame.protocols").iter().any(|protocols| protocols.ends_with(":camel")) {
        let in_components = super::reading::FIELDS.iter().filter(|(_, layer)| *layer == Layer::GsmMap);
        reading.blind.extend(in_components.map(|(field, _)| *field));
        reading.blind.extend(["types", "invoke_ids", "opcodes", "errors"]);
    }
    // After an exception the rest of the message is not dissected.
    if line.has("_ws.malformed") {
        reading.blind.extend(["types", "invoke_ids", "opcodes", "errors"]);
    }
    // Expert information of severity "error" (0x00800000), or a dissector that ran out of octets.
    let errors = line.values("_ws.expert.severity");
    if line.has("_ws.malformed") || errors.iter().any(|severity| is_error(severity)) {
        let layer = match (reading.get("tcap"), reading.get("cgpa_ssn")) {
            (None, None) => Layer::Sccp,
            (None, Some(_)) => Layer::Tcap,
            (Some(_), _) => Layer::GsmMap,
        };
        reading.refuse(layer, &line.values("_ws.expert.message").join("; "));
    }
    reading
}

fn is_error(severity: &str) -> bool {
    const ERROR: u32 = 0x0080_0000;
    let value = match severity.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => severity.parse(),
    };
    value.is_ok_and(|value| value == ERROR)
}

fn components(line: &Line<'_>, reading: &mut Reading) {
    let kinds: Vec<&str> = line
        .values("gsm_map.old.Component")
        .into_iter()
        .map(|kind| match kind {
            "1" => "invoke",
            "2" => "returnResultLast",
            "3" => "returnError",
            "4" => "reject",
            "7" => "returnResultNotLast",
            other => other,
        })
        .collect();
    let (ids, codes) = (line.values("gsm_old.invokeID"), line.values("gsm_old.localValue"));
    // Invoke ids of rejects, and codes, are told apart only where each component has its own.
    if kinds.contains(&"reject") || ids.len() != kinds.len() {
        reading.blind.push("invoke_ids");
    }
    if kinds.contains(&"reject") || codes.len() != kinds.len() {
        reading.blind.extend(["opcodes", "errors"]);
    }
    let code_of = |is_error: bool| {
        let code = |(kind, code): (&&str, &&str)| {
            if (*kind == "returnError") == is_error { (*code).to_owned() } else { "-".to_owned() }
        };
        kinds.iter().zip(&codes).map(code).collect::<Vec<_>>().join(",")
    };
    reading.note("types", &kinds.join(","));
    reading.note("invoke_ids", &ids.join(","));
    reading.note("opcodes", &code_of(false));
    reading.note("errors", &code_of(true));
}
