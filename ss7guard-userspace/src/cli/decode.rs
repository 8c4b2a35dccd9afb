//! `ss7guard decode`: captures or hexadecimal octets to one JSON object per M3UA DATA message.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use ss7guard_common::verdict::{Class, Reason};
use ss7guard_common::wire::Remote;
use ss7guard_common::wire::m3ua::{self, Data, Label, SI_SCCP};

use crate::capture::Capture;
use crate::cli::octets::{Layer, octets_of};
use crate::cli::output::{Format, Output, table};
use crate::host::Host;
use crate::inspect::message::{Message, Outcome};
use crate::inspect::record::{self, Place};
use crate::reassembly::{Arrival, Reassembler, What};

/// Arguments of `decode`.
#[derive(Args, Debug)]
pub struct DecodeArgs {
    /// Capture file (pcap or pcapng), or `-` for standard input
    #[arg(required_unless_present = "hex")]
    file: Option<PathBuf>,
    /// Octets in hexadecimal: an Ethernet frame, an M3UA message, an SCCP message or a TCAP message
    #[arg(long, conflicts_with = "file")]
    hex: Option<String>,
    /// Show subscriber numbers in full
    #[arg(long)]
    reveal: bool,
    #[command(flatten)]
    output: Output,
}

/// Runs `decode`.
///
/// # Errors
/// The capture cannot be read, or the octets are none.
pub fn run(args: &DecodeArgs) -> Result<ExitCode> {
    let format = args.output.format();
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    let mut printer =
        Printer { format, layer: None, reveal: args.reveal, line: Vec::new(), rows: Vec::new() };
    match (&args.hex, &args.file) {
        (Some(hex), _) => decode_hex(hex, &mut printer, &mut out)?,
        (None, Some(file)) => decode_file(&mut Capture::open(file)?, &mut printer, &mut out)?,
        (None, None) => bail!("give a capture file or --hex"),
    }
    printer.finish(&mut out)?;
    out.flush().context("standard output")?;
    Ok(ExitCode::SUCCESS)
}

fn decode_file(capture: &mut Capture, printer: &mut Printer, out: &mut impl Write) -> Result<()> {
    let mut host = Host::default();
    let mut reassembler = Reassembler::default();
    while let Some(frame) = capture.next_frame()? {
        let arrival = Arrival {
            number: frame.number,
            octets: frame.octets,
            remote: Remote::Source,
            now_ns: frame.time_ns,
        };
        decode_frame(&mut host, &mut reassembler, &arrival, printer, out)?;
    }
    report_exceptions(&host);
    report_unfinished(&reassembler);
    Ok(())
}

/// Decodes every M3UA DATA message that a frame holds or completes.
fn decode_frame(
    host: &mut Host,
    reassembler: &mut Reassembler,
    arrival: &Arrival<'_>,
    printer: &mut Printer,
    out: &mut impl Write,
) -> Result<()> {
    let mut result = Ok(());
    reassembler.frame(host, arrival, &mut |seen| {
        if let What::Message(message, _) = seen.what
            && result.is_ok()
        {
            result = printer.print(message, &seen.place, out);
        }
    });
    result
}

/// Says on standard error what was never put together.
fn report_unfinished(reassembler: &Reassembler) {
    for account in reassembler.accounts() {
        let counts = account.counts;
        for (what, count) in [
            ("contradict each other", counts.conflicts),
            ("given up for want of the rest", counts.timed_out),
            ("given up for want of room", counts.evicted.saturating_add(counts.refused)),
        ] {
            if count > 0 {
                eprintln!("note: {count} x {}: {what}", account.table);
            }
        }
    }
}

/// Says on standard error what the classifier could not judge: nothing is left out in silence. Fragments have an
/// account of their own.
fn report_exceptions(host: &Host) {
    let mut counts: Vec<_> = host
        .counters()
        .filter(|(reason, _, _)| reason.class() == Class::Exception)
        .filter(|(reason, _, _)| !matches!(reason, Reason::IpFragment | Reason::SctpLaterFragment))
        .map(|(reason, _, count)| (reason.as_str(), count))
        .collect();
    counts.sort_unstable();
    for (reason, count) in counts {
        eprintln!("note: {count} x {reason}");
    }
}

fn decode_hex(hex: &str, printer: &mut Printer, out: &mut impl Write) -> Result<()> {
    let octets = octets_of(hex)?;
    let place = Place { frame: 1, ..Place::default() };
    let layer = Layer::of(&octets);
    printer.layer = Some(layer);
    match layer {
        Layer::M3ua => {
            let parsed = m3ua::parse(octets.as_slice(), 0, octets.len(), false);
            let fault = parsed.fault.reason();
            let Some(data) = parsed.data else {
                bail!("M3UA message without a routing label: {}", fault.map_or("?", Reason::as_str));
            };
            let user_part = octets.get(data.user_part..data.user_part + data.user_part_len);
            let place = Place { fault: fault.map(Reason::as_str), ..place };
            printer.print(&Message::decode(data, user_part.unwrap_or_default()), &place, out)
        }
        Layer::Tcap => printer.print(&Message::decode_tcap_only(&octets), &place, out),
        Layer::Sccp => {
            let data = Data { label: Label { si: SI_SCCP, ..Label::default() }, ..Data::default() };
            printer.print(&Message::decode(data, &octets), &place, out)
        }
        Layer::Ethernet => {
            let mut host = Host::default();
            let arrival = Arrival { number: 1, octets: &octets, remote: Remote::Source, now_ns: 0 };
            decode_frame(&mut host, &mut Reassembler::default(), &arrival, printer, out)?;
            if printer.printed() == 0 {
                let reasons: Vec<_> = host.counters().map(|(reason, _, _)| reason.as_str()).collect();
                bail!(
                    "no M3UA DATA message in these {} octets (read as an Ethernet frame: {})",
                    octets.len(),
                    reasons.join(", ")
                );
            }
            Ok(())
        }
    }
}

/// Prints messages as JSON lines, or gathers them for a table.
struct Printer {
    format: Format,
    /// What the octets of `--hex` were taken for.
    layer: Option<Layer>,
    reveal: bool,
    line: Vec<u8>,
    rows: Vec<Vec<String>>,
}

impl Printer {
    fn print(&mut self, message: &Message<'_>, place: &Place, out: &mut impl Write) -> Result<()> {
        self.line.clear();
        let mut object = crate::json::Object::begin(&mut self.line);
        record::write(&mut object, message, place, self.reveal);
        if let Some(layer) = self.layer {
            object.text("layer", layer.as_str());
        }
        object.end();
        if self.format == Format::Json {
            self.line.push(b'\n');
            out.write_all(&self.line).context("standard output")?;
        } else {
            self.rows.push(row(&serde_json::from_slice(&self.line)?, message));
        }
        Ok(())
    }

    fn printed(&self) -> usize {
        self.rows.len() + usize::from(!self.line.is_empty())
    }

    fn finish(&mut self, out: &mut impl Write) -> Result<()> {
        if self.format == Format::Table {
            let head = [
                "frame",
                "opc",
                "dpc",
                "called",
                "calling",
                "tcap",
                "operation",
                "imsi",
                "msisdn",
                "outcome",
            ];
            writeln!(out, "{}", table(&head, &self.rows)).context("standard output")?;
        }
        Ok(())
    }
}

/// One row of the table, from the record, so that masking is decided in one place.
fn row(record: &serde_json::Value, message: &Message<'_>) -> Vec<String> {
    let text = |key: &str| match &record[key] {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => String::new(),
        other => other.to_string(),
    };
    let operations: Vec<String> = record["components"]
        .as_array()
        .map(|components| components.iter().map(component_name).collect())
        .unwrap_or_default();
    let outcome = match message.outcome {
        Outcome::Decoded => "decoded",
        Outcome::NotSccp => "not SCCP",
        Outcome::Management => "SCCP management",
        Outcome::Segment => "segment",
        Outcome::Undecodable(problem) => problem.reason(),
    };
    let mut row: Vec<String> =
        ["frame", "opc", "dpc", "cdpa_gt", "cgpa_gt", "tcap"].into_iter().map(text).collect();
    row.push(operations.join(" "));
    row.extend([text("imsi"), text("msisdn"), outcome.to_owned()]);
    row
}

fn component_name(component: &serde_json::Value) -> String {
    let kind = component["type"].as_str().unwrap_or_default();
    let operation = component["operation"].as_str().map(str::to_owned);
    let operation = operation.or_else(|| component["opcode"].as_i64().map(|code| code.to_string()));
    match (kind, operation) {
        ("invoke", Some(operation)) => operation,
        (kind, Some(operation)) => format!("{kind}({operation})"),
        (kind, None) => kind.to_owned(),
    }
}
