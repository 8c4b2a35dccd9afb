//! CPU time of decoding into typed results, without JSON and in one thread: against other decoders, and for forms
//! that an evader would choose against the plain one.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use m3ua::M3uaMessage;
use rasn::types::Any;
use rustix::time::{ClockId, clock_gettime};
use sccp::SccpMessage;
use ss7guard_common::wire::Remote;
use ss7guard_common::wire::m3ua::Data;
use ss7guard_lab::corpus::folders;
use ss7guard_lab::differential::forms::{Form, provide_subscriber_info};
use ss7guard_lab::differential::operations;
use ss7guard_userspace::capture::Capture;
use ss7guard_userspace::host::{Host, complete_message};
use ss7guard_userspace::inspect::message::Message;
use tcap::{Component, ErrorCode, OperationCode, TcapMessage};

use crate::rows::{Aim, Row, median};

/// Decodings of one message in each measurement of a form.
const REPEAT: u32 = 100_000;

/// A DATA message as it came.
struct Sample {
    /// From the M3UA header on.
    message: Vec<u8>,
    data: Data,
    /// Where its user part is.
    user_part: std::ops::Range<usize>,
}

impl Sample {
    fn user_part(&self) -> &[u8] {
        &self.message[self.user_part.clone()]
    }
}

/// The benign capture of the full corpus where it is, else the project's own.
fn capture() -> Result<PathBuf> {
    let candidates = folders().into_iter().rev().map(|folder| folder.join("01_benign.pcap"));
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus/02_attacks.pcap");
    candidates.chain([own]).find(|path| path.exists()).context("no capture")
}

fn samples(path: &Path) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    let mut host = Host::default();
    let mut capture = Capture::open(path)?;
    while let Some(frame) = capture.next_frame()? {
        let octets = frame.octets;
        let _ = host.classify(octets, Remote::Source, 0, |seen| {
            if let Some((data, user_part)) = complete_message(seen, octets) {
                let payload = seen.user_data.payload;
                let start = data.user_part - payload;
                samples.push(Sample {
                    message: octets[payload..seen.offset + seen.chunk.len].to_vec(),
                    data,
                    user_part: start..start + user_part.len(),
                });
            }
        });
    }
    Ok(samples)
}

fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// CPU nanoseconds that one of so many units of this work takes.
pub(crate) fn cost(units: usize, work: impl FnOnce()) -> f64 {
    let before = thread_cpu();
    work();
    (thread_cpu() - before).as_nanos() as f64 / units as f64
}

fn ours(sample: &Sample) {
    black_box(Message::decode(black_box(sample.data), black_box(sample.user_part())));
}

/// The whole chain of the crates, with the parameter of each component.
fn theirs(sample: &Sample) -> Option<()> {
    let data = M3uaMessage::decode(black_box(&sample.message)).ok()?.protocol_data().ok()?;
    let sccp = SccpMessage::decode(&data.user_data).ok()?;
    let tcap = tcap::decode(sccp.data()).ok()?;
    if let Some(portion) = tcap.dialogue_portion() {
        let _ = black_box(portion.dialogue_pdu());
    }
    for component in tcap.components() {
        parameter(component);
    }
    black_box::<TcapMessage>(tcap);
    Some(())
}

/// Reads the parameter of a component where the crate has a type for it.
fn parameter(component: &Component) -> Option<bool> {
    let known = |code: &OperationCode| match code {
        OperationCode::Local(code) => operations::operation(*code),
        OperationCode::Global(_) => None,
    };
    let (kind, octets) = match component {
        Component::Invoke(invoke) => (known(&invoke.operation_code)?.argument?, invoke.parameter.as_ref()),
        Component::ReturnResultLast(result) | Component::ReturnResultNotLast(result) => {
            let value = result.result.as_ref()?;
            (known(&value.operation_code)?.result?, value.parameter.as_ref())
        }
        Component::ReturnError(error) => match error.error_code {
            ErrorCode::Local(code) => (operations::error(code)?, error.parameter.as_ref()),
            ErrorCode::Global(_) => return None,
        },
        Component::Reject(_) => return None,
    };
    Some((kind.check)(octets.map(Any::as_bytes)?))
}

/// All rows, over at least so many messages, so often.
pub(crate) fn measure(messages: usize, rounds: usize) -> Result<Vec<Row>> {
    let path = capture()?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let samples = samples(&path)?;
    ensure!(!samples.is_empty(), "{name} has no messages");
    let copies = messages.div_ceil(samples.len());
    let count = copies * samples.len();
    // The crates take far longer for each: a share of the messages says as much.
    let their_copies = copies.div_ceil(10);
    let (mut rates, mut ratios, mut their_rates) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let our_cost = cost(count, || (0..copies).for_each(|_| samples.iter().for_each(ours)));
        let their_cost = cost(their_copies * samples.len(), || {
            for sample in (0..their_copies).flat_map(|_| &samples) {
                black_box(theirs(sample));
            }
        });
        rates.push(1e3 / our_cost);
        their_rates.push(1e3 / their_cost);
        ratios.push(their_cost / our_cost);
    }
    let rate = median(&mut rates);
    let value = format!("{rate:.2} M messages/s");
    let against = format!("m3ua, sccp, tcap, gsm_map: {:.3} M/s", median(&mut their_rates));
    let what = format!("decode {count} messages of {name}, typed, per core");
    let mut rows = vec![
        Row {
            what: what.clone(),
            value: value.clone(),
            against: "2 M messages/s".to_owned(),
            ratio: rate / 2.0,
            aim: Aim::AtLeast(1.0),
        },
        Row { what, value, against, ratio: median(&mut ratios), aim: Aim::AtLeast(3.0) },
    ];
    rows.extend(forms(rounds)?);
    Ok(rows)
}

/// The same message in every form against the plain one, the dearest last.
fn forms(rounds: usize) -> Result<Vec<Row>> {
    let made: Vec<Sample> = Form::ALL.into_iter().map(form).collect::<Result<_>>()?;
    let mut costs = vec![Vec::new(); made.len()];
    let mut ratios = vec![Vec::new(); made.len()];
    for _ in 0..rounds {
        let mut plain = None;
        for ((sample, costs), ratios) in made.iter().zip(&mut costs).zip(&mut ratios) {
            let cost = cost(REPEAT as usize, || (0..REPEAT).for_each(|_| ours(sample)));
            costs.push(cost);
            ratios.push(cost / *plain.get_or_insert(cost));
        }
    }
    let plain = median(&mut costs[0]);
    let mut rows: Vec<Row> = Form::ALL
        .into_iter()
        .zip(costs.iter_mut().zip(&mut ratios))
        .skip(1)
        .map(|(form, (costs, ratios))| Row {
            what: format!("decode, form: {}", form.as_str()),
            value: format!("{:.0} ns", median(costs)),
            against: format!("plain form, {plain:.0} ns"),
            ratio: median(ratios),
            aim: Aim::AtMost(5.0),
        })
        .collect();
    rows.sort_by(|one, another| one.ratio.total_cmp(&another.ratio));
    if let Some(worst) = rows.last_mut() {
        worst.what = format!("{} (the dearest)", worst.what);
    }
    Ok(rows)
}

fn form(form: Form) -> Result<Sample> {
    let message = provide_subscriber_info(form);
    let parsed = ss7guard_common::wire::m3ua::parse(message.as_slice(), 0, message.len(), false);
    let data = parsed.data.context("a DATA message")?;
    let user_part = data.user_part..data.user_part + data.user_part_len;
    Ok(Sample { message, data, user_part })
}
