//! `ss7guard explain`: one frame or message, octet by octet, and why it is judged as it is.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use ss7guard_common::wire::Remote;
use ss7guard_common::wire::m3ua::{Data, Label, SI_SCCP};

use crate::capture::Capture;
use crate::cli::octets::{Layer, octets_of};
use crate::cli::output::{Format, Output};
use crate::cli::usage;
use crate::config::Config;
use crate::explain::tree::Node;
use crate::explain::verdict::{self, Judgement, Subject};
use crate::explain::{self, Scope};
use crate::host::endpoints;
use crate::inspect::findings::Finding;
use crate::inspect::message::Message;
use crate::reassembly::Arrival;
use crate::screening::{Judged, Pipeline};

/// Arguments of `explain`.
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// Capture file (pcap or pcapng), or `-` for standard input
    #[arg(required_unless_present = "hex", requires = "frame")]
    file: Option<PathBuf>,
    /// Number of the frame in the capture, from 1
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "hex")]
    frame: Option<u64>,
    /// Octets in hexadecimal: an Ethernet frame, an M3UA message, an SCCP message or a TCAP message
    #[arg(long, conflicts_with = "file")]
    hex: Option<String>,
    /// Configuration file; without it, a fresh configuration: everything is from the interconnect, monitor mode
    #[arg(short, long)]
    config: Option<PathBuf>,
    /// Show subscriber numbers in full
    #[arg(long)]
    reveal: bool,
    #[command(flatten)]
    output: Output,
}

/// Runs `explain`.
///
/// # Errors
/// Configuration or capture cannot be read, the capture has no such frame, or the octets are none.
pub fn run(args: &ExplainArgs) -> Result<ExitCode> {
    let config = match &args.config {
        Some(path) => Config::load(path)?,
        None => {
            eprintln!("note: no configuration given; every peer counts as interconnect, mode is monitor");
            Config::default()
        }
    };
    let scope = Scope { format: config.point_code_format, reveal: args.reveal, flavour: config.flavour };
    let explained = match (&args.hex, &args.file, args.frame) {
        (Some(hex), _, _) => by_hand(&octets_of(hex)?, &config, scope),
        (None, Some(file), Some(number)) => from_capture(file, number, &config, scope)?,
        _ => bail!("give a capture file with --frame, or --hex"),
    };
    let mut out = BufWriter::new(io::stdout().lock());
    match args.output.format() {
        Format::Json => writeln!(out, "{}", explained.to_json()),
        Format::Table => explained.print(&mut out),
    }
    .and_then(|()| out.flush())
    .context("standard output")?;
    Ok(ExitCode::SUCCESS)
}

/// Everything that is to be said.
struct Explained {
    /// What it is: a line for people.
    title: String,
    layer: Layer,
    frame: u64,
    len: usize,
    nodes: Vec<Node>,
    /// Decisions: as JSON, where the words are too.
    decisions: Vec<Value>,
    /// What is said if there is no decision.
    none: Option<String>,
}

/// The `number`-th frame of a capture. The frames before it are judged too, since `replay` does so.
fn from_capture(file: &Path, number: u64, config: &Config, scope: Scope) -> Result<Explained> {
    let mut capture = Capture::open(file)?;
    let mut pipeline = None;
    let mut start_ns = 0;
    while let Some(frame) = capture.next_frame()? {
        let pipeline = pipeline.get_or_insert_with(|| {
            start_ns = frame.time_ns;
            Pipeline::new(config, frame.time_ns)
        });
        let mut judgements = Vec::new();
        let mut joined = Vec::new();
        let (octets, now_ns) = (frame.octets, frame.time_ns);
        let arrival = Arrival { number: frame.number, octets, remote: Remote::Source, now_ns };
        let ends = endpoints(octets).map(|(source, destination)| [source.into(), destination.into()]);
        let flavour = ends.map_or(scope.flavour, |ends| pipeline.host.flavour(ends));
        let scope = Scope { flavour, ..scope };
        pipeline.frame(&arrival, |judged| {
            if frame.number == number {
                judgements.push(Judgement::of(judged));
                joined.extend(put_together(judged, scope));
            }
        });
        if frame.number == number {
            let title = format!("frame {number} of {}, {} octets", file.display(), octets.len());
            let mut nodes = explain::frame(octets, scope);
            nodes.extend(joined);
            let subject = Subject::Frame { octets, number, start_ns, now_ns };
            let explained = Explained {
                title,
                layer: Layer::Ethernet,
                frame: number,
                len: octets.len(),
                nodes,
                decisions: Vec::new(),
                none: None,
            };
            return Ok(explained.decided(subject, &judgements, config, scope));
        }
    }
    let frames = capture.frames();
    let has = if frames == 1 { "1 frame".to_owned() } else { format!("{frames} frames") };
    Err(usage(format!("--frame {number}: {} has {has}", file.display())))
}

/// The message that a frame completed: its octets are not all in the frame, and offsets count from its own first one.
fn put_together(judged: &Judged<'_>, scope: Scope) -> Vec<Node> {
    let Some(message) = judged.message else { return Vec::new() };
    if message.findings.contains(Finding::SccpSegments) {
        return explain::tcap_message(judged.octets, message, scope);
    }
    let pieces = [Finding::IpFragments, Finding::SctpFragments];
    if pieces.into_iter().any(|finding| message.findings.contains(finding)) {
        return explain::sccp_message(judged.octets, 0, message, scope);
    }
    Vec::new()
}

/// Octets given by hand.
fn by_hand(octets: &[u8], config: &Config, scope: Scope) -> Explained {
    let layer = Layer::of(octets);
    let title = format!("{} octets, read as {}", octets.len(), layer.as_str());
    let explained = |nodes, subject: Subject<'_>, judgements: &[Judgement]| {
        let (frame, len, decisions, none) = (1, octets.len(), Vec::new(), None);
        Explained { title: title.clone(), layer, frame, len, nodes, decisions, none }
            .decided(subject, judgements, config, scope)
    };
    let frame = |octets| Subject::Frame { octets, number: 1, start_ns: 0, now_ns: 0 };
    let of_message = |message: &Message<'_>, nodes| {
        let subject = Subject::Message(message);
        explained(nodes, subject, &verdict::judge(subject, config, false))
    };
    match layer {
        Layer::Ethernet => {
            let subject = frame(octets);
            explained(explain::frame(octets, scope), subject, &verdict::judge(subject, config, false))
        }
        Layer::M3ua => {
            let around = in_frame(octets);
            let subject = frame(&around);
            let judgements = verdict::judge(subject, config, false);
            explained(explain::m3ua_message(octets, scope), subject, &judgements)
        }
        Layer::Sccp => {
            let data = Data { label: Label { si: SI_SCCP, ..Label::default() }, ..Data::default() };
            let message = Message::decode_as(data, octets, scope.flavour);
            of_message(&message, explain::sccp_message(octets, 0, &message, scope))
        }
        Layer::Tcap => {
            let message = Message::decode_tcap_only(octets);
            of_message(&message, explain::tcap_message(octets, &message, scope))
        }
    }
}

/// An M3UA message as the only one of a frame from nowhere, so that the classifier can judge it.
fn in_frame(message: &[u8]) -> Vec<u8> {
    const SCTP: u8 = 132;
    const HEADERS: usize = 20 + 12 + 16;
    let length = |extra: usize| u16::try_from(message.len() + extra).unwrap_or(u16::MAX).to_be_bytes();
    let mut frame = vec![0; 12];
    frame.extend([0x08, 0x00, 0x45, 0]);
    frame.extend(length(HEADERS));
    frame.extend([0, 0, 0, 0, 64, SCTP, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    // Port 2905 to 2905, tag 1, no checksum.
    frame.extend([0x0b, 0x59, 0x0b, 0x59, 0, 0, 0, 1, 0, 0, 0, 0]);
    // DATA, whole message, PPID 3.
    frame.extend([0, 3]);
    frame.extend(length(16));
    frame.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3]);
    frame.extend_from_slice(message);
    frame
}

impl Explained {
    /// Adds the decisions, and what would change them.
    fn decided(
        mut self,
        subject: Subject<'_>,
        judgements: &[Judgement],
        config: &Config,
        scope: Scope,
    ) -> Self {
        // What stands in an earlier frame is not there when this one is judged alone.
        let alone = verdict::judge(subject, config, false);
        let comparable = alone.iter().map(Judgement::outcome).eq(judgements.iter().map(Judgement::outcome));
        for (index, judgement) in judgements.iter().enumerate() {
            let changes = if comparable {
                verdict::changes(subject, config, index, judgement, scope.reveal)
            } else {
                Vec::new()
            };
            let words = verdict::words(judgement, config);
            self.decisions.push(verdict::to_json(judgement, &words, &changes));
        }
        if let (true, Subject::Frame { octets, now_ns, .. }) = (judgements.is_empty(), subject) {
            self.none = verdict::unjudged(octets, config, now_ns).map(|(reason, action)| {
                format!(
                    "no verdict: there is no user message to judge. {} -> {}. {}",
                    reason.as_str(),
                    action.as_str(),
                    reason.description()
                )
            });
        }
        self
    }

    fn to_json(&self) -> Value {
        json!({
            "frame": self.frame,
            "layer": self.layer.as_str(),
            "len": self.len,
            "tree": self.nodes.iter().map(Node::to_json).collect::<Vec<_>>(),
            "verdicts": self.decisions,
            "no_verdict": self.none,
        })
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}\n", self.title)?;
        writeln!(out, "offset  in user part  {:<OCTETS$}  what", "octets")?;
        for node in &self.nodes {
            print_node(out, node, 0)?;
        }
        if let Some(none) = &self.none {
            writeln!(out, "\n{none}")?;
        }
        for decision in &self.decisions {
            print_decision(out, decision)?;
        }
        Ok(())
    }
}

/// Octets in one line.
const PER_LINE: usize = 8;
/// Columns that they take.
const OCTETS: usize = PER_LINE * 3 - 1;
/// Octets of one node that are printed.
const MAX_PRINTED: usize = 64;

fn print_node(out: &mut impl Write, node: &Node, depth: usize) -> io::Result<()> {
    let digits: Vec<char> = node.octets.chars().collect();
    let octets: Vec<String> = digits.chunks(2).map(|pair| pair.iter().collect()).collect();
    let lines: Vec<String> =
        octets.chunks(PER_LINE).take(MAX_PRINTED / PER_LINE).map(|octets| octets.join(" ")).collect();
    let part = node.part_offset.map(|offset| offset.to_string()).unwrap_or_default();
    let indent = "  ".repeat(depth);
    let colon = if node.value.is_empty() { "" } else { ": " };
    let first = lines.first().map_or("", String::as_str);
    let (offset, name, value) = (node.offset, &node.name, &node.value);
    writeln!(out, "{offset:>6}  {part:>12}  {first:<OCTETS$}  {indent}{name}{colon}{value}")?;
    for line in lines.iter().skip(1) {
        writeln!(out, "{:>6}  {:>12}  {line}", "", "")?;
    }
    if octets.len() > MAX_PRINTED {
        let more = octets.len() - MAX_PRINTED;
        writeln!(out, "{:>6}  {:>12}  ... {more} more octets", "", "")?;
    }
    for remark in &node.remarks {
        let kind = if remark.fault { "FAULT" } else { "finding" };
        let (offset, name, text) = (remark.offset, &remark.name, &remark.text);
        writeln!(
            out,
            "{:>6}  {:>12}  {:<OCTETS$}  {indent}! {kind} {name} at offset {offset}: {text}",
            "", "", ""
        )?;
    }
    node.children.iter().try_for_each(|child| print_node(out, child, depth + 1))
}

fn print_decision(out: &mut impl Write, decision: &Value) -> io::Result<()> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match decision["tsn"].as_u64() {
        Some(tsn) => writeln!(out, "\nmessage with TSN {tsn}")?,
        None => writeln!(out, "\nverdict")?,
    }
    for line in decision["words"].as_array().into_iter().flatten() {
        writeln!(out, "  {}", text(line))?;
    }
    let changes = decision["changes"].as_array().map_or(&[][..], Vec::as_slice);
    if !changes.is_empty() {
        writeln!(out, "  what would change it:")?;
    }
    for change in changes {
        let (verdict, reason) = (text(&change["verdict"]), text(&change["reason"]));
        writeln!(out, "    {} -> {verdict} ({reason})", text(&change["setting"]))?;
    }
    Ok(())
}
