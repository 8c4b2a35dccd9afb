//! Memory: unfinished messages against their budget, and `replay` over a long capture against a short one.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use ss7guard_common::wire::Remote;
use ss7guard_lab::corpus::binary;
use ss7guard_lab::m3ua::{self, Label};
use ss7guard_lab::pieces::{Slot, data_chunks, frames, ip_fragments, whole, xudt_segments};
use ss7guard_lab::traffic::Kind;
use ss7guard_userspace::host::Host;
use ss7guard_userspace::reassembly::{Arrival, Budgets, Reassembler};

use crate::rows::{Aim, Row};

const HALF_OPEN: u32 = 100_000;
const MIB: f64 = 1_048_576.0;

/// Octets of memory that this process has resident (proc(5)).
fn resident() -> Result<f64> {
    const PAGE: f64 = 4_096.0;
    let statm = fs::read_to_string("/proc/self/statm")?;
    Ok(statm.split_whitespace().nth(1).context("statm")?.parse::<f64>()? * PAGE)
}

fn payload(id: u32) -> Vec<u8> {
    m3ua::data(Label { opc: 1, dpc: 2, ni: 0, sls: 1 }, None, &Kind::UpdateLocation.begin(id))
}

const fn slot(tsn: u32) -> Slot {
    Slot { tsn, stream: 1, sequence: 1, unordered: false }
}

/// First pieces of messages that never become whole, one frame each.
fn first_piece(kind: &str, id: u32) -> Result<Vec<u8>> {
    let payload = payload(id);
    let pieces: Vec<Vec<u8>> = payload.chunks(64).map(<[u8]>::to_vec).collect();
    let frame = match kind {
        "sctp_fragments" => frames(&data_chunks(&pieces, slot(1))[..1], false, id + 1).remove(0),
        "ip_fragments" => {
            let whole = frames(&[whole(&payload, slot(id))], false, 1).remove(0);
            let mut first = ip_fragments(&whole, 64, u16::try_from(id % 65_536)?).remove(0);
            // 65,536 identifications are not enough: another sender.
            first[28] = u8::try_from(id >> 16)?;
            first
        }
        _ => {
            let user_part = Kind::UpdateLocation.begin(id);
            let data: Vec<Vec<u8>> = pieces.into_iter().take(2).collect();
            let segment = xudt_segments(&user_part, &data, id).context("segments")?.remove(0);
            let message = m3ua::data(Label { opc: 1, dpc: 2, ni: 0, sls: 1 }, None, &segment);
            frames(&[whole(&message, slot(id))], false, 1).remove(0)
        }
    };
    Ok(frame)
}

/// Memory of 100,000 unfinished messages of one kind: what they cost, what is accounted, and how many were evicted.
pub(crate) fn half_open(kind: &str) -> Result<(f64, usize, u64)> {
    let before = resident()?;
    let (mut host, mut reassembler) = (Host::default(), Reassembler::default());
    for id in 0..HALF_OPEN {
        let octets = first_piece(kind, id)?;
        let arrival = Arrival { number: 1, octets: &octets, remote: Remote::Source, now_ns: 0 };
        reassembler.frame(&mut host, &arrival, &mut |_| {});
    }
    let used = resident()? - before;
    let account = reassembler.accounts().into_iter().find(|one| one.table == kind).context("account")?;
    ensure!(account.counts.pieces == u64::from(HALF_OPEN), "{kind}: {:?}", account.counts);
    Ok((used, account.octets, account.counts.evicted))
}

/// A row for each kind, each measured in a process of its own: memory that was freed would not show.
fn half_open_rows() -> Result<Vec<Row>> {
    let budgets = Budgets::default();
    let row = |(kind, budget): (&str, usize)| {
        let output = Command::new(std::env::current_exe()?).args(["--half-open", kind]).output()?;
        ensure!(output.status.success(), "{kind}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout)?;
        let numbers: Vec<f64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let [used, accounted, evicted] = numbers[..] else { anyhow::bail!("{kind}: {text:?}") };
        Ok(Row {
            what: format!("memory: 100,000 half-open, {kind} ({evicted} evicted)"),
            value: format!("{:.1} MiB, accounted {:.1}", used / MIB, accounted / MIB),
            against: format!("budget, {:.0} MiB", budget as f64 / MIB),
            ratio: used / budget as f64,
            aim: Aim::AtMost(1.0),
        })
    };
    [
        ("sctp_fragments", budgets.sctp.octets),
        ("ip_fragments", budgets.ip.octets),
        ("sccp_segments", budgets.sccp.octets),
    ]
    .into_iter()
    .map(row)
    .collect()
}

/// Writes a capture of about this many octets in which every subscriber is another; gives the messages in it.
fn capture(path: &Path, octets: u64) -> Result<u32> {
    let mut out = BufWriter::new(File::create(path)?);
    out.write_all(&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0])?;
    let (mut written, mut id) = (24u64, 0u32);
    while written < octets {
        let kind =
            [Kind::UpdateLocation, Kind::SendAuthenticationInfo, Kind::SendRoutingInfoForSm][id as usize % 3];
        let message = m3ua::data(Label { opc: 1, dpc: 2, ni: 0, sls: 1 }, None, &kind.begin(id));
        let frame = frames(&[whole(&message, slot(id))], false, 1).remove(0);
        let len = u32::try_from(frame.len())?.to_le_bytes();
        out.write_all(&[(id / 1_000).to_le_bytes(), (id % 1_000 * 1_000).to_le_bytes(), len, len].concat())?;
        out.write_all(&frame)?;
        written += 16 + frame.len() as u64;
        id += 1;
    }
    out.flush()?;
    Ok(id)
}

/// Peak memory of `replay` over a capture, in octets.
fn peak(path: &Path) -> Result<f64> {
    let mut child = Command::new(binary()?)
        .args(["replay", "-o", "json"])
        .arg(path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak: f64 = 0.0;
    loop {
        // The high-water mark only grows; the last reading is at most 10 ms old.
        let status = fs::read_to_string(&status_file).unwrap_or_default();
        let mark = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        if let Some(kib) = mark.and_then(|text| text.trim().strip_suffix(" kB")?.parse::<f64>().ok()) {
            peak = peak.max(kib * 1_024.0);
        }
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "replay ended with {status}");
            return Ok(peak);
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

pub(crate) fn measure() -> Result<Vec<Row>> {
    let mut rows = half_open_rows()?;
    let folder = tempfile::tempdir()?;
    let (short, long) = (folder.path().join("short.pcap"), folder.path().join("long.pcap"));
    capture(&short, 128 << 20)?;
    let messages = capture(&long, 1 << 30)?;
    let (short, long) = (peak(&short)?, peak(&long)?);
    rows.push(Row {
        what: format!("memory: replay of 1 GiB, {messages} subscribers"),
        value: format!("{:.1} MiB", long / MIB),
        against: format!("of 128 MiB, {:.1} MiB", short / MIB),
        ratio: long / short,
        aim: Aim::AtMost(1.1),
    });
    Ok(rows)
}
