//! From decisions to block entries: a pure plan; the kernel side applies it.

use std::collections::HashMap;
use std::time::Duration;

use ss7guard_common::abi::{ANY_NI, BLOCK_NO_SLOT, BOTH_HALVES, BlockDetail};

use crate::config::{Block, Config, OnBlock, RuleBlock};
use crate::screening::{Decision, Direction, Judged, RULE_CATEGORY1, RULE_CONFIGURED, Verdict};

/// A block entry that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockRequest {
    /// Originating point code.
    pub point_code: u32,
    /// Network indicator; `None` for any.
    pub ni: Option<u8>,
    /// Network Appearance that the message must carry.
    pub network_appearance: Option<u32>,
    /// How long it lasts; `None` for ever.
    pub ttl: Option<Duration>,
    /// The rule that asks for it.
    pub rule_id: u32,
    /// What becomes of a message that matches.
    pub on_block: OnBlock,
    /// Why, for people.
    pub reason: String,
}

impl BlockRequest {
    /// The entry as the kernel has it; `now_ns` is the monotonic clock.
    #[must_use]
    pub fn detail(&self, now_ns: u64) -> BlockDetail {
        let ttl_ns = self.ttl.map(|ttl| u64::try_from(ttl.as_nanos()).unwrap_or(u64::MAX));
        BlockDetail {
            expires_at: ttl_ns.map_or(0, |ttl| now_ns.saturating_add(ttl)),
            point_code: self.point_code,
            network_appearance: self.network_appearance.unwrap_or(0),
            rule_id: self.rule_id,
            next: BLOCK_NO_SLOT,
            ni: self.ni.unwrap_or(ANY_NI),
            match_na: u8::from(self.network_appearance.is_some()),
            action: self.on_block.action() as u8,
            used: 1,
            halves: BOTH_HALVES,
            _pad: [0; 3],
        }
    }
}

impl Block {
    /// The request for this entry of the configuration.
    #[must_use]
    pub fn request(&self) -> BlockRequest {
        BlockRequest {
            point_code: self.point_code,
            ni: self.ni,
            network_appearance: self.network_appearance,
            ttl: self.ttl,
            rule_id: RULE_CONFIGURED.id,
            on_block: self.on_block,
            reason: self.reason.clone(),
        }
    }
}

/// Point codes that are remembered as asked for; the oldest knowledge is dropped beyond, which costs a second request.
const MAX_ASKED: usize = 65_536;

/// Turns decisions into requests, and asks again for an entry only when half of its time is over.
#[derive(Debug, Default)]
pub struct Planner {
    /// When each point code may be asked for again, on the caller's clock.
    again_at_ns: HashMap<u32, u64>,
}

impl Planner {
    /// The entry that a decision asks for, if any.
    pub fn plan(&mut self, judged: &Judged<'_>, config: &Config, now_ns: u64) -> Option<BlockRequest> {
        let request = wanted(judged, &judged.decision, config)?;
        let again_at_ns = self.again_at_ns.entry(request.point_code).or_default();
        if *again_at_ns > now_ns {
            return None;
        }
        *again_at_ns = now_ns.saturating_add(config.category1.ttl.as_nanos() as u64 / 2);
        if self.again_at_ns.len() > MAX_ASKED {
            self.again_at_ns.retain(|_, again| *again > now_ns);
            if self.again_at_ns.len() > MAX_ASKED {
                self.again_at_ns.clear();
            }
        }
        Some(request)
    }

    /// Forgets a point code whose entry was removed.
    pub fn forget(&mut self, point_code: u32) {
        self.again_at_ns.remove(&point_code);
    }
}

fn wanted(judged: &Judged<'_>, decision: &Decision, config: &Config) -> Option<BlockRequest> {
    let by_rule = decision.verdict == Verdict::Block && decision.rule == Some(RULE_CATEGORY1);
    // What comes from home is never a reason to block.
    if !by_rule || config.category1.block != RuleBlock::Opc || judged.direction != Direction::In {
        return None;
    }
    let message = judged.message?;
    let operation = decision.evidence.iter().find_map(|evidence| evidence.operation);
    let operation = operation.map_or("category 1", |operation| operation.name);
    let from = message.calling_gt().unwrap_or("no global title");
    Some(BlockRequest {
        point_code: message.m3ua.label.opc,
        ni: None,
        network_appearance: None,
        ttl: Some(config.category1.ttl),
        rule_id: RULE_CATEGORY1.id,
        on_block: config.category1.on_block,
        reason: format!("{operation} from {from}"),
    })
}
