//! Entries as the kernel has them, of either list.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use ss7guard_common::abi::{
    ANY_NI, BLOCK_NO_SLOT, BOTH_HALVES, BlockDetail, BlockHits, Symbols, TITLE_NO_SLOT, TitleDetail,
};
use ss7guard_common::verdict::Action;

use crate::config::OnBlock;
use crate::enforce::{CodeTarget, Directions, Target, TitleTarget, Titles};

/// What an entry does to a message that it is for.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, Hash, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Does {
    /// As [`OnBlock::Neutralise`].
    #[default]
    Neutralise,
    /// As [`OnBlock::Drop`].
    Drop,
    /// Exempts it from entries with fewer digits.
    Allow,
}

impl Does {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Neutralise, Self::Drop, Self::Allow];

    /// The name used in lists.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Neutralise => "neutralise",
            Self::Drop => "drop",
            Self::Allow => "allow",
        }
    }
}

impl From<OnBlock> for Does {
    fn from(on_block: OnBlock) -> Self {
        match on_block {
            OnBlock::Neutralise => Self::Neutralise,
            OnBlock::Drop => Self::Drop,
        }
    }
}

/// An entry of one of the lists, as the kernel has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Of the list of point codes.
    Code(BlockDetail),
    /// Of the list of calling global titles.
    Title(TitleDetail),
}

impl Detail {
    /// An entry that ends at `expires_at`, in nanoseconds of the monotonic clock, or never if that is 0.
    #[must_use]
    pub fn new(target: Target, expires_at: u64, rule_id: u32, on_block: OnBlock) -> Self {
        match target {
            Target::Code(code) => Self::Code(BlockDetail {
                expires_at,
                point_code: code.point_code,
                network_appearance: code.network_appearance.unwrap_or(0),
                rule_id,
                next: BLOCK_NO_SLOT,
                ni: code.ni.unwrap_or(ANY_NI),
                match_na: u8::from(code.network_appearance.is_some()),
                action: on_block.action() as u8,
                used: 1,
                halves: BOTH_HALVES,
                _pad: [0; 3],
            }),
            Target::Title(title) => {
                let exact = if title.titles.exact { TitleDetail::EXACT } else { 0 };
                let action = if title.allows { Action::Pass } else { on_block.action() };
                Self::Title(TitleDetail {
                    expires_at,
                    symbols: title.titles.symbols.0,
                    rule_id,
                    parent: [TITLE_NO_SLOT; 2],
                    action: action as u8,
                    used: 1,
                    halves: BOTH_HALVES,
                    flags: title.directions.bits() | exact,
                })
            }
        }
    }

    /// What messages it is for.
    #[must_use]
    pub fn target(&self) -> Target {
        match self {
            Self::Code(detail) => Target::Code(CodeTarget {
                point_code: detail.point_code,
                ni: (detail.ni != ANY_NI).then_some(detail.ni),
                network_appearance: (detail.match_na == 1).then_some(detail.network_appearance),
            }),
            Self::Title(detail) => Target::Title(TitleTarget {
                titles: Titles { symbols: Symbols(detail.symbols), exact: detail.is_exact() },
                directions: Directions::from_bits(detail.directions()),
                allows: detail.action() == Action::Pass,
            }),
        }
    }

    /// When it ends, in nanoseconds of the monotonic clock; 0 for never.
    #[must_use]
    pub const fn expires_at(&self) -> u64 {
        match self {
            Self::Code(detail) => detail.expires_at,
            Self::Title(detail) => detail.expires_at,
        }
    }

    /// The rule that made it.
    #[must_use]
    pub const fn rule_id(&self) -> u32 {
        match self {
            Self::Code(detail) => detail.rule_id,
            Self::Title(detail) => detail.rule_id,
        }
    }

    /// What it does.
    #[must_use]
    pub const fn does(&self) -> Does {
        let action = match self {
            Self::Code(detail) => detail.action(),
            Self::Title(detail) => detail.action(),
        };
        match action {
            Action::Pass => Does::Allow,
            Action::Neutralise => Does::Neutralise,
            _ => Does::Drop,
        }
    }
}

/// An entry with its hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What the kernel has.
    pub detail: Detail,
    /// How often it applied, and when it last did before its end.
    pub hits: BlockHits,
}
