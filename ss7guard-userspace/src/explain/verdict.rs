//! What the engine says of a frame or message, in words: its verdict, who spoke, on what evidence, and which settings
//! would change it. The last is not told from a text: the engine judges again under each changed setting.

use std::net::IpAddr;

use serde_json::{Value, json};
use ss7guard_common::abi::{Mode, Side};
use ss7guard_common::point_code::Shown;
use ss7guard_common::verdict::{Action, Class, Reason};
use ss7guard_common::wire::Remote;

use crate::config::{Agreement, Block, Config, Deployment, OnBlock, Peer, RuleBlock, RuleMode};
use crate::enforce::{Directions, Target, TitleTarget, Titles};
use crate::host::Host;
use crate::inspect::findings::Finding;
use crate::inspect::message::Message;
use crate::inspect::record::{self, Place};
use crate::reassembly::Arrival;
use crate::screening::{
    Category, Decision, Direction, Engine, FindingAction, Judged, Pipeline, Source, Verdict,
};
use crate::screening::{RULE_CATEGORY1, RULE_CATEGORY2, RULE_CATEGORY3, RULE_SMS, RULE_SPOOFING};

/// What is judged.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// A frame.
    Frame {
        /// Its octets.
        octets: &'a [u8],
        /// Its number in the capture.
        number: u64,
        /// When block entries of the configuration began to last, in nanoseconds.
        start_ns: u64,
        /// When the frame came, in nanoseconds.
        now_ns: u64,
    },
    /// A message without a routing label: it counts as coming from the interconnect.
    Message(&'a Message<'a>),
}

/// One decision with what is needed to speak about it.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// Where the message was.
    pub place: Place,
    /// Which way it goes.
    pub direction: Direction,
    /// The decision.
    pub decision: Decision,
    /// What the classifier said; `None` where it was not asked.
    pub classifier: Option<Reason>,
    /// Originating point code, where there is one.
    opc: Option<u32>,
    /// Calling global title, and whether it is a subscriber's number.
    calling: Option<(String, bool)>,
}

impl Judgement {
    /// From the pipeline's word.
    #[must_use]
    pub fn of(judged: &Judged<'_>) -> Self {
        Self {
            place: judged.place,
            direction: judged.direction,
            decision: judged.decision.clone(),
            classifier: Some(judged.reason),
            opc: judged.message.map(|message| message.m3ua.label.opc),
            calling: judged.message.and_then(calling),
        }
    }

    /// What it says, without what else is told about it.
    #[must_use]
    pub const fn outcome(&self) -> (Verdict, &'static str) {
        (self.decision.verdict, self.decision.reason)
    }
}

fn calling(message: &Message<'_>) -> Option<(String, bool)> {
    let digits = message.calling_gt()?.to_owned();
    let subscriber = message.sccp.as_ref().is_some_and(|sccp| record::is_subscriber(&sccp.calling, message));
    Some((digits, subscriber))
}

/// Judges it under a configuration, as `replay` does; `flipped` takes a bare message as one from home.
#[must_use]
pub fn judge(subject: Subject<'_>, config: &Config, flipped: bool) -> Vec<Judgement> {
    match subject {
        Subject::Frame { octets, number, start_ns, now_ns } => {
            let mut judgements = Vec::new();
            let mut pipeline = Pipeline::new(config, start_ns);
            let arrival = Arrival { number, octets, remote: Remote::Source, now_ns };
            pipeline.frame(&arrival, |judged| {
                judgements.push(Judgement::of(judged));
            });
            judgements
        }
        Subject::Message(message) => {
            let direction = if flipped { Direction::Out } else { Direction::In };
            let decision = Engine::new(config).screen(message, Source { direction, peer: None, port: None });
            let place = Place { frame: 1, ..Place::default() };
            let calling = calling(message);
            vec![Judgement { place, direction, decision, classifier: None, opc: None, calling }]
        }
    }
}

/// What the classifier says of a frame about which there is no decision.
#[must_use]
pub fn unjudged(octets: &[u8], config: &Config, now_ns: u64) -> Option<(Reason, Action)> {
    let mut host = Host::new(config.kernel_record());
    host.peers = config.peer_map();
    let reason = host.classify(octets, Remote::Source, now_ns, |_| {}).verdict.reason()?;
    Some((reason, host.config.policy(reason.into())))
}

/// A setting under which the decision would be another.
#[derive(Clone, Debug)]
pub struct Change {
    /// The setting, as one writes it.
    pub setting: String,
    /// The verdict under it.
    pub verdict: Verdict,
    /// Its reason.
    pub reason: &'static str,
}

/// A configuration to try.
struct Trial {
    setting: String,
    config: Config,
    flipped: bool,
    /// Only worth telling if nothing simpler led to the same.
    compound: bool,
}

/// The settings that would change a decision: each is tried.
#[must_use]
pub fn changes(
    subject: Subject<'_>,
    config: &Config,
    index: usize,
    was: &Judgement,
    reveal: bool,
) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    for trial in trials(config, was, reveal) {
        let judged = judge(subject, &trial.config, trial.flipped);
        // Without a decision, a frame passes without a word.
        let (verdict, reason) = judged.get(index).map_or((Verdict::Allow, "no_decision"), Judgement::outcome);
        let told = trial.compound
            && changes.iter().any(|change| (change.verdict, change.reason) == (verdict, reason));
        if (verdict, reason) != was.outcome() && !told {
            changes.push(Change { setting: trial.setting, verdict, reason });
        }
    }
    changes
}

fn trials(config: &Config, was: &Judgement, reveal: bool) -> Vec<Trial> {
    let mut trials = Vec::new();
    let mut add = |setting: String, change: &dyn Fn(&mut Config)| {
        let mut changed = config.clone();
        change(&mut changed);
        trials.push(Trial { setting, config: changed, flipped: false, compound: false });
    };
    let evidence = &was.decision.evidence;
    if let (Some((digits, subscriber)), Some(RULE_CATEGORY1)) = (&was.calling, was.decision.rule) {
        let asked = || evidence.iter().filter_map(|one| one.operation);
        let codes: Vec<i32> = asked().map(|one| one.opcode).collect();
        let names: Vec<String> = asked().map(|one| format!("{:?}", one.name)).collect();
        let shown = if *subscriber && !reveal { record::mask(digits) } else { digits.clone() };
        let setting = format!("[[agreement]] operations = [{}], gt_prefixes = [{shown:?}]", names.join(", "));
        add(setting, &|config| {
            config.agreements.push(Agreement {
                operations: codes.clone(),
                gt_prefixes: vec![digits.clone()],
                reason: String::new(),
            });
        });
    }
    if was.decision.reason == "agreement" {
        add("without its [[agreement]]".to_owned(), &|config| config.agreements.clear());
    }
    if let Some((source, _)) = was.place.addresses {
        let side = if was.direction == Direction::In { Side::Home } else { Side::Interconnect };
        let name = if side == Side::Home { "home" } else { "interconnect" };
        add(format!("[[peer]] address = \"{source}\", side = \"{name}\""), &|config| {
            for peer in &mut config.peers {
                peer.addresses.retain(|address| *address != source);
            }
            let rest = Peer::unknown(side, config.point_code_bits, config.flavour);
            config.peers.push(Peer { addresses: vec![source], ..rest });
        });
    }
    for (mode, name) in
        [(RuleMode::Off, "off"), (RuleMode::Monitor, "monitor"), (RuleMode::Enforce, "enforce")]
    {
        let Some(rule) = was.decision.rule else { break };
        add(format!("rules.{}.mode = \"{name}\"", rule.name), &|config| match rule {
            RULE_CATEGORY1 => config.category1.mode = mode,
            RULE_CATEGORY2 => config.modes.category2 = mode,
            RULE_CATEGORY3 => config.modes.category3 = mode,
            RULE_SMS => config.modes.sms = mode,
            RULE_SPOOFING => config.modes.spoofing = mode,
            _ => {}
        });
    }
    if let Some(finding) = Finding::from_name(was.decision.reason) {
        for action in FindingAction::ALL {
            add(format!("findings.{} = \"{}\"", finding.as_str(), action.as_str()), &|config| {
                config.findings.set.insert(finding, action);
            });
        }
    }
    point_code(config, was, &mut add);
    global_title(was, reveal, &mut add);
    if let Some(reason) = was.classifier.filter(|reason| reason.class() == Class::Exception) {
        add(format!("exceptions.{} = \"drop\"", reason.as_str()), &|config| {
            config.exceptions.push((reason, Action::Drop));
        });
    }
    match config.mode {
        Mode::Enforce => {
            add("network.mode = \"monitor\"".to_owned(), &|config| config.mode = Mode::Monitor);
        }
        // A tap cannot enforce.
        Mode::Monitor if config.deployment == Deployment::Tap => {}
        Mode::Monitor => {
            add("network.mode = \"enforce\"".to_owned(), &|config| config.mode = Mode::Enforce);
        }
    }
    if config.deployment != Deployment::Tap {
        trials.push(all_switches(config, was));
    }
    if was.classifier.is_none() {
        let setting = "if its sender had side = \"home\"".to_owned();
        trials.push(Trial { setting, config: config.clone(), flipped: true, compound: false });
    }
    trials
}

/// The settings about the list of calling global titles.
fn global_title(was: &Judgement, reveal: bool, add: &mut impl FnMut(String, &dyn Fn(&mut Config))) {
    let Some((digits, subscriber)) = &was.calling else { return };
    let Some(title) = Titles::exactly(digits) else { return };
    let entry = |allows| Block {
        target: Target::Title(TitleTarget { titles: title, directions: Directions::Any, allows }),
        ttl: None,
        on_block: OnBlock::Neutralise,
        reason: String::new(),
    };
    let shown = if *subscriber && !reveal { record::mask(digits) } else { digits.clone() };
    if was.decision.reason == Reason::BlockedGlobalTitle.as_str() {
        add("without the [[block]] entries for global titles".to_owned(), &|config| {
            config.blocks.retain(|block| !matches!(block.target, Target::Title(_)));
        });
        add(format!("[[allow]] gt = {shown:?}"), &|config| config.blocks.push(entry(true)));
    } else {
        add(format!("[[block]] gt = {shown:?}"), &|config| config.blocks.push(entry(false)));
    }
}

/// The settings about point codes.
fn point_code(config: &Config, was: &Judgement, add: &mut impl FnMut(String, &dyn Fn(&mut Config))) {
    let Some(code) = was.opc else { return };
    let shown = Shown { code, format: config.point_code_format };
    if was.decision.reason == Reason::BlockedPointCode.as_str() {
        add(format!("without the [[block]] entry for {shown}"), &|config| {
            config
                .blocks
                .retain(|block| !matches!(block.target, Target::Code(entry) if entry.point_code == code));
        });
    } else {
        add(format!("[[block]] pc = \"{shown}\""), &|config| {
            let reason = String::new();
            config.blocks.push(Block {
                target: Target::code(code),
                ttl: None,
                on_block: OnBlock::Neutralise,
                reason,
            });
        });
    }
    if was.decision.reason == Reason::PointCodeTooWide.as_str() {
        add("point_code_bits = 24 for this peer".to_owned(), &|config| {
            config.point_code_bits = 24;
            for peer in &mut config.peers {
                peer.point_code_bits = 24;
            }
        });
    }
}

/// Every switch that lets the firewall act.
fn all_switches(config: &Config, was: &Judgement) -> Trial {
    let mut changed = config.clone();
    let mut settings = Vec::new();
    if changed.mode != Mode::Enforce {
        changed.mode = Mode::Enforce;
        settings.push("network.mode = \"enforce\"".to_owned());
    }
    if let Some(reason) = was.classifier.filter(|reason| reason.class() == Class::Exception) {
        changed.exceptions.push((reason, Action::Drop));
        settings.push(format!("exceptions.{} = \"drop\"", reason.as_str()));
    } else {
        if changed.category1.mode != RuleMode::Enforce {
            changed.category1.mode = RuleMode::Enforce;
            settings.push("rules.category1.mode = \"enforce\"".to_owned());
        }
        if changed.category1.block == RuleBlock::None {
            changed.category1.block = RuleBlock::Opc;
            settings.push("rules.category1.block = \"opc\"".to_owned());
        }
    }
    Trial { setting: settings.join(" and "), config: changed, flipped: false, compound: true }
}

/// A decision in words, one sentence a line.
#[must_use]
pub fn words(was: &Judgement, config: &Config) -> Vec<String> {
    let mut lines = vec![meaning(was, config)];
    let reason = was.decision.reason;
    if let Some(known) = Reason::from_name(reason) {
        lines.push(format!("reason {reason}: {}", known.description()));
    } else if let Some(finding) = Finding::from_name(reason) {
        lines.push(format!("reason {reason}: {}", finding.description()));
    } else if was.decision.rule.is_some_and(|rule| rule.name == reason) {
        lines.push(format!("reason {reason}: the rule of that name"));
    } else {
        let text = match reason {
            "no_rule" => "no rule has anything against it",
            "agreement" => "an agreement allows what a rule would not",
            "ip_fragment_conflict" | "sctp_tsn_conflict" => "parts of it contradict each other",
            "reassembly_full" => "what is unfinished had no room, and some of it was given up",
            "sccp_segment" => "one of several SCCP segments: the operation shows in the whole",
            _ => "the decoder could not read the message to its end; the fault is shown at its place",
        };
        lines.push(format!("reason {reason}: {text}"));
    }
    lines.push(match was.decision.rule {
        Some(rule) => {
            format!("rule {} ({}): {}", rule.name, rule.id, rule.about)
        }
        None => "no rule spoke".to_owned(),
    });
    lines.push(format!("direction {}: {}", was.direction.as_str(), side(was, config)));
    for one in &was.decision.evidence {
        lines.push(match one.operation {
            Some(asked) => {
                format!(
                    "evidence: component {}, {} ({}): {}",
                    asked.component, asked.name, asked.opcode, one.why
                )
            }
            None => format!("evidence: {}", one.why),
        });
    }
    if let Some(reason) = was.classifier {
        let action = config.kernel_record().policy(reason.into());
        let by_entry = matches!(reason, Reason::BlockedPointCode | Reason::BlockedGlobalTitle);
        let action = if by_entry && config.mode == Mode::Monitor {
            "reported, since network.mode is \"monitor\""
        } else {
            match action {
                Action::Pass => "passed",
                Action::Punt => "passed, with a copy to the controller",
                Action::Drop if config.mode == Mode::Monitor => {
                    "reported; dropped if network.mode were \"enforce\""
                }
                Action::Neutralise if config.mode == Mode::Monitor => {
                    "reported; neutralised if network.mode were \"enforce\""
                }
                Action::Drop => "dropped",
                Action::Neutralise if reason == Reason::ForbiddenOperation => "neutralised",
                Action::Neutralise => "neutralised, unless its entry says on_block = \"drop\"",
            }
        };
        lines.push(format!("in the kernel: {} -> {action}. {}", reason.as_str(), reason.description()));
    }
    lines
}

fn meaning(was: &Judgement, config: &Config) -> String {
    let verdict = was.decision.verdict;
    let text = match verdict {
        Verdict::Allow => "nothing is held against it; it passes",
        Verdict::Defer => "it is to be judged when the rest of it is there",
        Verdict::Malformed if Reason::from_name(was.decision.reason).is_none() => {
            "the decoder cannot read it, so no rule can judge it; it passes"
        }
        Verdict::Malformed => "it cannot be judged as it is; what happens to it is the policy for its reason",
        Verdict::Alert => "a person should know; it is not stopped",
        Verdict::Block if config.holds() => "it is stopped while it waits in the bridge",
        Verdict::Block if was.classifier == Some(Reason::ForbiddenOperation) => {
            "the kernel stops it, so that it does not arrive"
        }
        Verdict::Block if was.decision.rule == Some(RULE_CATEGORY1) => {
            "its sender is stopped from now on; a message seen first by the controller has passed already"
        }
        Verdict::Block
            if [Reason::BlockedPointCode, Reason::BlockedGlobalTitle]
                .iter()
                .any(|reason| reason.as_str() == was.decision.reason) =>
        {
            "it is stopped"
        }
        Verdict::Block => {
            "it is to be stopped; the controller sees a copy, and the message has passed already"
        }
        Verdict::Drop => "its frame is dropped",
    };
    let mode = config.mode.as_str();
    let category = was.decision.category.map_or("none", Category::as_str);
    format!("verdict {}: {text} (category {category}, network.mode {mode:?})", verdict.as_str())
}

/// Why the direction is what it is.
fn side(was: &Judgement, config: &Config) -> String {
    let Some((source, _)) = was.place.addresses else {
        return "there is no address, so it counts as coming from the interconnect".to_owned();
    };
    let listed = |address: IpAddr| config.peers.iter().find(|peer| peer.addresses.contains(&address));
    match listed(source) {
        Some(peer) if peer.side == Side::Home => format!("{source} is a [[peer]] with side = \"home\""),
        Some(_) => format!("{source} is a [[peer]] with side = \"interconnect\""),
        None => format!("{source} is no [[peer]] of the configuration, so it counts as interconnect"),
    }
}

/// A decision as JSON.
#[must_use]
pub fn to_json(was: &Judgement, words: &[String], changes: &[Change]) -> Value {
    let evidence: Vec<Value> = was
        .decision
        .evidence
        .iter()
        .map(|one| {
            json!({
                "component": one.operation.map(|asked| asked.component),
                "opcode": one.operation.map(|asked| asked.opcode),
                "operation": one.operation.map(|asked| asked.name),
                "why": one.why,
            })
        })
        .collect();
    let changes: Vec<Value> = changes
        .iter()
        .map(|change| {
            json!({ "setting": change.setting, "verdict": change.verdict.as_str(), "reason": change.reason })
        })
        .collect();
    json!({
        "chunk": was.place.chunk,
        "tsn": was.place.tsn,
        "direction": was.direction.as_str(),
        "verdict": was.decision.verdict.as_str(),
        "category": was.decision.category.map_or("none", Category::as_str),
        "reason": was.decision.reason,
        "rule": was.decision.rule.map(|rule| rule.name),
        "classifier": was.classifier.map(Reason::as_str),
        "evidence": evidence,
        "words": words,
        "changes": changes,
    })
}
