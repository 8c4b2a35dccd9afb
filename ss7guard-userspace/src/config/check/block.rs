//! Entries of the lists: `[[block]]` and `[[allow]]`.

use ss7guard_common::point_code::Format;
use toml::Spanned;

use super::{Checked, duration, fault, point_code, text_of};
use crate::config::Block;
use crate::config::raw::{self, OnBlock, TextOrNumber};
use crate::enforce::{CodeTarget, Directions, Target, TitleTarget, Titles};

/// The entries that block, then those that allow.
pub(super) fn listed(
    blocks: &[Spanned<raw::Block>],
    allows: &[raw::Allow],
    format: Format,
) -> Checked<Vec<Block>> {
    let blocks = blocks.iter().map(|entry| block(entry, format));
    blocks.chain(allows.iter().map(allow)).collect()
}

fn block(spanned: &Spanned<raw::Block>, format: Format) -> Checked<Block> {
    let entry = spanned.get_ref();
    let target = match (&entry.pc, &entry.gt) {
        (Some(pc), None) => Target::Code(code(entry, pc, format)?),
        (None, Some(gt)) => {
            if let Some(ni) = &entry.ni {
                return Err(fault(ni, "ni is for point codes: leave it out beside gt"));
            }
            if let Some(appearance) = &entry.network_appearance {
                return Err(fault(
                    appearance,
                    "network_appearance is for point codes: leave it out beside gt",
                ));
            }
            Target::Title(title(gt, entry.direction.as_ref(), false)?)
        }
        (Some(_), Some(gt)) => {
            return Err(fault(gt, "write pc or gt, not both: an entry is for one of them"));
        }
        (None, None) => {
            return Err(fault(
                spanned,
                "an entry is for a point code, such as pc = \"2-1-3\", or for calling global titles, such as gt = \"4477*\"",
            ));
        }
    };
    Ok(Block {
        target,
        ttl: duration(entry.ttl.as_ref())?,
        on_block: entry.on_block,
        reason: entry.reason.clone(),
    })
}

fn code(entry: &raw::Block, pc: &Spanned<TextOrNumber>, format: Format) -> Checked<CodeTarget> {
    if let Some(direction) = &entry.direction {
        return Err(fault(
            direction,
            "direction is for global titles: leave it out beside pc, which is stopped wherever it comes from",
        ));
    }
    let ni = match &entry.ni {
        None => None,
        Some(ni) => network_indicator(&text_of(ni.get_ref())).map_err(|message| fault(ni, message))?,
    };
    Ok(CodeTarget {
        point_code: point_code(pc, format)?,
        ni,
        network_appearance: entry.network_appearance.as_ref().map(|appearance| *appearance.get_ref()),
    })
}

fn allow(entry: &raw::Allow) -> Checked<Block> {
    Ok(Block {
        target: Target::Title(title(&entry.gt, entry.direction.as_ref(), true)?),
        ttl: duration(entry.ttl.as_ref())?,
        on_block: OnBlock::default(),
        reason: entry.reason.clone(),
    })
}

fn title(gt: &Spanned<String>, direction: Option<&Spanned<String>>, allows: bool) -> Checked<TitleTarget> {
    let directions = match direction {
        Some(text) => Directions::parse(text.get_ref()).map_err(|message| fault(text, message))?,
        None => Directions::default(),
    };
    let titles = Titles::parse(gt.get_ref()).map_err(|message| fault(gt, message))?;
    Ok(TitleTarget { titles, directions, allows })
}

/// Reads a network indicator: 0 to 3, or "any" for `None`.
///
/// # Errors
/// Says what would be right.
pub fn network_indicator(text: &str) -> Result<Option<u8>, String> {
    match text {
        "any" => Ok(None),
        _ => match text.parse() {
            Ok(ni @ 0..=3) => Ok(Some(ni)),
            _ => Err(format!("{text:?} is no network indicator: write 0 to 3 or \"any\"")),
        },
    }
}
