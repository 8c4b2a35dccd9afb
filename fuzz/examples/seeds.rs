//! Takes seeds out of captures: `cargo run --example seeds -- FOLDER CAPTURE..` writes, for each target, one input of
//! every shape. A shape is the structure of a message without its values. `-merge=1` then keeps what adds coverage.

use std::collections::HashSet;
use std::error::Error;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use ss7guard_common::wire::Remote;
use ss7guard_fuzz::facts::Facts;
use ss7guard_fuzz::tree::{self, Body, Node};
use ss7guard_userspace::capture::Capture;
use ss7guard_userspace::host::{Host, complete_message};
use ss7guard_userspace::inspect::message::Message;
use ss7guard_userspace::inspect::tcap::{Code, Component, ComponentKind};

/// The longest input that is kept.
const MAX_OCTETS: usize = 1024;

struct Seeds {
    folder: PathBuf,
    seen: HashSet<(&'static str, u64)>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = arguments.next().ok_or("give a folder and captures")?;
    let mut seeds = Seeds { folder, seen: HashSet::new() };
    for path in arguments {
        seeds.take(&path)?;
    }
    Ok(())
}

impl Seeds {
    fn take(&mut self, path: &Path) -> Result<(), Box<dyn Error>> {
        let mut capture = Capture::open(path)?;
        let mut host = Host::default();
        while let Some(frame) = capture.next_frame()? {
            let frame = frame.octets;
            let mut shapes = Vec::new();
            let verdict = host.classify(frame, Remote::Source, 0, |seen| {
                shapes.push((seen.verdict.reason(), seen.chunk.flags & 3, seen.user_data.payload));
                let end = seen.offset + seen.chunk.len;
                let payload = frame.get(seen.user_data.payload..end).unwrap_or_default();
                let head: Vec<u8> = payload.iter().copied().step_by(4).take(8).collect();
                let what = (seen.verdict.reason(), seen.data.is_some(), &head[..head.len().min(3)]);
                self.keep("m3ua", payload, what);
                if let Some((data, user_part)) = complete_message(seen, frame) {
                    self.message(&Message::decode(data, user_part), user_part);
                }
            });
            self.keep("classifier", frame, (verdict.verdict.reason(), shapes, frame.get(12..15)));
        }
        Ok(())
    }

    fn message(&mut self, message: &Message<'_>, user_part: &[u8]) {
        let facts = Facts::of(message);
        let Some(sccp) = &message.sccp else {
            self.keep("sccp", user_part, (facts.outcome, user_part.first()));
            return;
        };
        let address = |address: &ss7guard_userspace::inspect::sccp::Address| {
            let title =
                address.global_title.map(|title| (title.indicator, title.encoding_scheme, title.nature));
            (title, address.ssn.is_some(), address.point_code.is_some())
        };
        let odd: Vec<_> = message.findings.iter().map(|(finding, _)| finding).collect();
        let way = (sccp.kind.as_str(), address(&sccp.called), address(&sccp.calling));
        self.keep("sccp", user_part, (&way, facts.outcome, &odd, sccp.data_offset));
        let mut shape = DefaultHasher::new();
        match tree::read(sccp.data) {
            Some(nodes) => hash(&nodes, 0, &mut shape),
            None => (facts.outcome, facts.components.len()).hash(&mut shape),
        }
        let codes: Vec<_> = message.components().iter().map(|one| (one.kind as u8, local(one))).collect();
        self.keep("tcap", sccp.data, (codes, &odd, facts.outcome, shape.finish()));
        self.keep("ber", sccp.data, (&odd, facts.outcome, shape.finish() % 61));
        for component in message.components() {
            self.parameter(component, message.protocol as u8);
        }
    }

    fn parameter(&mut self, component: &Component<'_>, protocol: u8) {
        let (Some(code), Some(parameter)) = (local(component), &component.parameter) else { return };
        let Ok(code) = u8::try_from(code) else { return };
        let kind = match component.kind {
            ComponentKind::Invoke => 0,
            ComponentKind::ReturnResultLast | ComponentKind::ReturnResultNotLast => 1,
            ComponentKind::ReturnError => 2,
            ComponentKind::Reject => return,
        };
        let body = match tree::read(parameter.content).filter(|_| parameter.constructed) {
            Some(nodes) => Body::Nodes(nodes),
            None if parameter.constructed => Body::Raw(parameter.content.to_vec()),
            None => Body::Primitive(parameter.content.to_vec()),
        };
        let nodes = [Node { tag: parameter.tag, body, string: false }];
        let mut shape = DefaultHasher::new();
        hash(&nodes, 0, &mut shape);
        let input = [&[kind | protocol << 7, code], tree::canonical(&nodes).as_slice()].concat();
        self.keep("gsm_map", &input, (kind, protocol, code, shape.finish()));
    }

    /// Writes an input, unless there is one of the same shape.
    fn keep(&mut self, target: &'static str, octets: &[u8], shape: impl std::hash::Hash) {
        let mut hasher = DefaultHasher::new();
        shape.hash(&mut hasher);
        let id = hasher.finish();
        if octets.is_empty() || octets.len() > MAX_OCTETS || !self.seen.insert((target, id)) {
            return;
        }
        let folder = self.folder.join(target);
        fs::create_dir_all(&folder).expect("folder of the seeds");
        fs::write(folder.join(format!("{id:016x}")), octets).expect("seed");
    }
}

fn local(component: &Component<'_>) -> Option<i32> {
    match component.operation.or(component.error) {
        Some(Code::Local(code)) => Some(code),
        _ => None,
    }
}

/// Tags and nesting, without values.
fn hash(nodes: &[Node], depth: usize, hasher: &mut DefaultHasher) {
    for node in nodes {
        (depth, node.tag.class() as u8, node.tag.number()).hash(hasher);
        if let Body::Nodes(nodes) = &node.body {
            hash(nodes, depth + 1, hasher);
        }
    }
}
