//! From what is written to what is meant: every value in its range, or one fault with its place.

mod block;
mod bridge;
mod peers;

use std::collections::{BTreeMap, HashSet};
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::time::Duration;

use ss7guard_common::abi::{Mode, PORTS, SETUP_COPIES};
use ss7guard_common::point_code::{self, Format};
use ss7guard_common::verdict::{Action, Class, Reason};
use toml::Spanned;

use crate::config::raw::{self, BlockName, Deployment, GlobalMode, Size, TextOrNumber};
use crate::config::{Agreement, Category1, Config, RuleBlock, RuleModes, units};
use crate::inspect::findings::Finding;
use crate::inspect::gsm_map::operations;
use crate::inspect::sccp::Flavour;
use crate::screening::operators::Operator;
use crate::screening::{FindingAction, FindingActions};
use block::listed;
pub use block::network_indicator;
use peers::peers;

/// What is wrong, and where.
pub(super) struct Fault {
    pub(super) span: Option<Range<usize>>,
    pub(super) message: String,
}

type Checked<T> = Result<T, Fault>;

fn fault<T>(at: &Spanned<T>, message: impl Into<String>) -> Fault {
    Fault { span: Some(at.span()), message: message.into() }
}

pub(super) fn check(file: raw::File) -> Checked<Config> {
    if *file.schema.get_ref() != 1 {
        return Err(fault(
            &file.schema,
            format!("schema {} is not known; write schema = 1", file.schema.get_ref()),
        ));
    }
    let network = &file.network;
    let format = point_code_format(network.point_code_format.as_ref())?;
    let bits = match &network.point_code_bits {
        Some(bits) => point_code_bits(bits)?,
        None => 14,
    };
    let mode = match &network.mode {
        Some(mode) if *mode.get_ref() == GlobalMode::Enforce => {
            if network.deployment == Deployment::Tap {
                return Err(fault(mode, "a tap cannot enforce: it sees copies; write mode = \"monitor\""));
            }
            Mode::Enforce
        }
        _ => Mode::Monitor,
    };
    let category1 = &file.rules.category1;
    Ok(Config {
        interfaces: interfaces(&network.interfaces)?,
        deployment: network.deployment,
        bridges: bridge::bridges(&file.bridge, network)?,
        hold: bridge::hold(file.hold.as_ref(), network.deployment)?,
        dropped_frames: bridge::frames(file.frames.as_ref(), network.deployment)?,
        mode,
        attach: network.attach,
        egress: network.egress,
        offloads: network.offloads,
        signalling_ports: ports(network.signalling_ports.as_ref())?,
        point_code_bits: bits,
        point_code_format: format,
        flavour: flavour(network.sccp),
        linger: linger(network.linger.as_ref())?,
        run_dir: file.paths.run_dir.unwrap_or_else(|| PathBuf::from("/run/ss7guard")),
        bpffs: file.paths.bpffs.unwrap_or_else(|| PathBuf::from("/run/ss7guard/bpf")),
        events: match file.paths.events {
            Some(path) if path.as_os_str() == "-" => None,
            Some(path) => Some(path),
            None => Some(PathBuf::from("/var/log/ss7guard/events.jsonl")),
        },
        ring_bytes: ring_bytes(file.limits.ring_bytes.as_ref())?,
        block_entries: entries(file.limits.block_entries.as_ref(), 131_072, 16..=4_194_304)?,
        title_entries: entries(file.limits.title_entries.as_ref(), 100_000, 1_000..=2_000_000)?,
        setup_copies: file.limits.setup_copies.unwrap_or(SETUP_COPIES),
        exceptions: exceptions(&file.exceptions)?,
        findings: findings(&file.findings)?,
        operators: operators(&file.operator)?,
        modes: RuleModes {
            category2: file.rules.category2.mode,
            category3: file.rules.category3.mode,
            sms: file.rules.sms.mode,
            spoofing: file.rules.spoofing.mode,
        },
        peers: peers(&file.peer, bits, flavour(network.sccp), format)?,
        blocks: listed(&file.block, &file.allow, format)?,
        category1: Category1 {
            mode: category1.mode,
            block: match category1.block {
                BlockName::None => RuleBlock::None,
                BlockName::Opc => RuleBlock::Opc,
                BlockName::Gt => RuleBlock::Gt,
            },
            on_block: category1.on_block,
            stop: category1.stop,
            ttl: duration(category1.ttl.as_ref())?.unwrap_or(Duration::from_secs(3_600)),
        },
        agreements: file.agreement.iter().map(agreement).collect::<Checked<_>>()?,
    })
}

/// RTO.Max (RFC 9260 §16), the longest that a sender waits before it sends again.
const LINGER: Duration = Duration::from_secs(60);

fn linger(text: Option<&Spanned<String>>) -> Checked<Duration> {
    const MOST: Duration = Duration::from_secs(3_600);
    match (text, duration(text)?) {
        (Some(text), Some(linger)) if linger > MOST => {
            Err(fault(text, format!("{:?} is longer than 1h", text.get_ref())))
        }
        (_, linger) => Ok(linger.unwrap_or(LINGER)),
    }
}

fn point_code_format(name: Option<&Spanned<String>>) -> Checked<Format> {
    let Some(name) = name else { return Ok(Format::default()) };
    Format::from_name(name.get_ref()).ok_or_else(|| {
        let names: Vec<_> = Format::ALL.iter().map(|format| format.as_str()).collect();
        fault(
            name,
            format!("{:?} is no point code format: write one of {}", name.get_ref(), names.join(", ")),
        )
    })
}

const fn flavour(name: raw::FlavourName) -> Flavour {
    match name {
        raw::FlavourName::Itu => Flavour::Itu,
        raw::FlavourName::China => Flavour::China,
        raw::FlavourName::Ansi => Flavour::Ansi,
    }
}

fn point_code_bits(bits: &Spanned<u8>) -> Checked<u8> {
    match *bits.get_ref() {
        known @ (14 | 16 | 24) => Ok(known),
        other => Err(fault(bits, format!("point codes of {other} bits are not known: write 14, 16 or 24"))),
    }
}

fn interfaces(names: &[Spanned<String>]) -> Checked<Vec<String>> {
    let mut seen = HashSet::new();
    for name in names {
        let text = interface_name(name)?;
        if !seen.insert(text) {
            return Err(fault(name, format!("interface {text:?} is named twice")));
        }
    }
    Ok(names.iter().map(|name| name.get_ref().clone()).collect())
}

fn interface_name(name: &Spanned<String>) -> Checked<&String> {
    let text = name.get_ref();
    // IFNAMSIZ is 16 with the terminating zero.
    if text.is_empty() || text.len() > 15 || text.contains(['/', ' ']) {
        return Err(fault(name, format!("{text:?} is no interface name (1 to 15 characters)")));
    }
    Ok(text)
}

fn ports(ports: Option<&Spanned<Vec<u16>>>) -> Checked<Vec<u16>> {
    let Some(ports) = ports else { return Ok(vec![2905]) };
    let list = ports.get_ref();
    if list.is_empty() || list.len() > PORTS || list.contains(&0) {
        return Err(fault(ports, format!("write 1 to {PORTS} ports from 1 to 65535, such as [2905]")));
    }
    Ok(list.clone())
}

fn ring_bytes(size: Option<&Spanned<Size>>) -> Checked<u32> {
    const LEAST: u64 = 64 << 10;
    const MOST: u64 = 1 << 30;
    let Some(size) = size else { return Ok(16 << 20) };
    let octets = match size.get_ref() {
        Size::Octets(octets) => *octets,
        Size::Text(text) => units::parse_size(text).map_err(|message| fault(size, message))?,
    };
    match u32::try_from(octets) {
        Ok(fits) if fits.is_power_of_two() && (LEAST..=MOST).contains(&octets) => Ok(fits),
        _ => Err(fault(
            size,
            format!(
                "{octets} octets do not fit: the ring wants a power of two from 64KiB to 1GiB, such as \"16MiB\""
            ),
        )),
    }
}

fn entries(written: Option<&Spanned<u32>>, fresh: u32, range: RangeInclusive<u32>) -> Checked<u32> {
    let Some(written) = written else { return Ok(fresh) };
    let entries = *written.get_ref();
    if range.contains(&entries) {
        return Ok(entries);
    }
    let (least, most) = range.into_inner();
    Err(fault(written, format!("{entries} is out of range: write {least} to {most}")))
}

/// Reasons whose action a person may set.
fn is_settable(reason: Reason) -> bool {
    reason.class() == Class::Exception
        || matches!(reason, Reason::OtherPayload | Reason::OtherUserPart)
        || is_control(reason)
}

/// Reasons without which there are no associations: never dropped.
const fn is_control(reason: Reason) -> bool {
    matches!(reason, Reason::SctpSetup | Reason::M3uaState)
}

fn exceptions(table: &BTreeMap<Spanned<String>, Spanned<toml::Value>>) -> Checked<Vec<(Reason, Action)>> {
    table
        .iter()
        .map(|(key, value)| {
            let name = key.get_ref();
            let reason = Reason::from_name(name).filter(|reason| is_settable(*reason)).ok_or_else(|| {
                let names: Vec<_> = Reason::ALL
                    .iter()
                    .filter(|reason| is_settable(**reason))
                    .map(|reason| reason.as_str())
                    .collect();
                fault(key, format!("{name:?} is no exception; these are: {}", names.join(", ")))
            })?;
            let action = match value.get_ref().as_str() {
                Some("pass") => Action::Pass,
                Some("punt") => Action::Punt,
                Some("drop") if !is_control(reason) => Action::Drop,
                Some("neutralise") if reason.is_of_a_message() => Action::Neutralise,
                _ => {
                    let wrong = value.get_ref();
                    let neutralise = if reason.is_of_a_message() { " or \"neutralise\"" } else { "" };
                    let drop = if is_control(reason) { "" } else { " or \"drop\"" };
                    return Err(fault(
                        value,
                        format!("{wrong} is no action for it: write \"pass\" or \"punt\"{neutralise}{drop}"),
                    ));
                }
            };
            Ok((reason, action))
        })
        .collect()
}

fn findings(table: &BTreeMap<Spanned<String>, Spanned<toml::Value>>) -> Checked<FindingActions> {
    let mut actions = FindingActions::default();
    for (key, value) in table {
        let name = key.get_ref();
        let finding = Finding::from_name(name).ok_or_else(|| {
            let names: Vec<_> = Finding::ALL.iter().map(|finding| finding.as_str()).collect();
            fault(key, format!("{name:?} is no finding; these are: {}", names.join(", ")))
        })?;
        let wrong = value.get_ref();
        let action = FindingAction::ALL.into_iter().find(|action| wrong.as_str() == Some(action.as_str()));
        let action = action.ok_or_else(|| {
            fault(value, format!("{wrong} is no action: write \"note\", \"alert\" or \"block\""))
        })?;
        actions.set.insert(finding, action);
    }
    Ok(actions)
}

fn operators(operators: &[Spanned<raw::Operator>]) -> Checked<Vec<Operator>> {
    let mut names = HashSet::new();
    let (mut gts, mut imsis) = (HashSet::new(), HashSet::new());
    let mut checked = Vec::new();
    for operator in operators {
        let inside = operator.get_ref();
        let name = inside.name.get_ref();
        if name.is_empty() || !names.insert(name) {
            return Err(fault(
                &inside.name,
                format!("{name:?} is no name of its own: each operator has one"),
            ));
        }
        if inside.gt_prefixes.is_empty() && inside.imsi_prefixes.is_empty() {
            return Err(fault(operator, "an operator has at least one GT prefix or IMSI prefix"));
        }
        checked.push(Operator {
            name: name.clone(),
            home: inside.home,
            gt_prefixes: prefixes(&inside.gt_prefixes, "GT", 21, &mut gts)?,
            imsi_prefixes: prefixes(&inside.imsi_prefixes, "IMSI", 15, &mut imsis)?,
        });
    }
    if !checked.is_empty() && !checked.iter().any(|operator| operator.home) {
        let last = operators.last().map(Spanned::span);
        return Err(Fault {
            span: last,
            message: "one operator is yours: write home = true in it".to_owned(),
        });
    }
    Ok(checked)
}

/// Prefixes of digits that no operator before has.
fn prefixes<'a>(
    prefixes: &'a [Spanned<String>],
    kind: &str,
    longest: usize,
    seen: &mut HashSet<&'a String>,
) -> Checked<Vec<String>> {
    prefixes
        .iter()
        .map(|prefix| {
            let text = prefix.get_ref();
            digits(prefix, kind, longest)?;
            if !seen.insert(text) {
                return Err(fault(prefix, format!("{kind} prefix {text:?} is there twice")));
            }
            Ok(text.clone())
        })
        .collect()
}

fn digits(prefix: &Spanned<String>, kind: &str, longest: usize) -> Checked<()> {
    let text = prefix.get_ref();
    if !text.is_empty() && text.len() <= longest && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    Err(fault(prefix, format!("{text:?} is no {kind} prefix: write 1 to {longest} digits")))
}

fn point_code(pc: &Spanned<TextOrNumber>, format: Format) -> Checked<u32> {
    let text = text_of(pc.get_ref());
    point_code::parse(&text, format).map_err(|error| fault(pc, format!("{text:?} is no point code: {error}")))
}

fn text_of(value: &TextOrNumber) -> String {
    match value {
        TextOrNumber::Number(number) => number.to_string(),
        TextOrNumber::Text(text) => text.clone(),
    }
}

fn duration(text: Option<&Spanned<String>>) -> Checked<Option<Duration>> {
    text.map(|text| units::parse_duration(text.get_ref()).map_err(|message| fault(text, message))).transpose()
}

fn agreement(agreement: &Spanned<raw::Agreement>) -> Checked<Agreement> {
    let inside = agreement.get_ref();
    if inside.operations.is_empty() || inside.gt_prefixes.is_empty() {
        return Err(fault(agreement, "an agreement names at least one operation and one GT prefix"));
    }
    let operations = inside
        .operations
        .iter()
        .map(|operation| {
            let code = match operation.get_ref() {
                TextOrNumber::Number(number) => {
                    i32::try_from(*number).ok().filter(|code| (0..=255).contains(code))
                }
                TextOrNumber::Text(text) => operations::code(text),
            };
            let text = text_of(operation.get_ref());
            code.ok_or_else(|| {
                fault(
                    operation,
                    format!("{text:?} is no operation: write a name of TS 29.002 or a code 0 to 255"),
                )
            })
        })
        .collect::<Checked<_>>()?;
    let gt_prefixes = inside
        .gt_prefixes
        .iter()
        .map(|prefix| digits(prefix, "GT", 21).map(|()| prefix.get_ref().clone()))
        .collect::<Checked<_>>()?;
    Ok(Agreement { operations, gt_prefixes, reason: inside.reason.clone() })
}
