//! Entries of the lists: `[[block]]`.

use ss7guard_common::point_code::Format;
use toml::Spanned;

use super::{Checked, duration, fault, point_code, text_of};
use crate::config::{Block, raw};

pub(super) fn block(entry: &Spanned<raw::Block>, format: Format) -> Checked<Block> {
    let entry = entry.get_ref();
    let point_code = point_code(&entry.pc, format)?;
    let ni = match &entry.ni {
        None => None,
        Some(ni) => network_indicator(&text_of(ni.get_ref())).map_err(|message| fault(ni, message))?,
    };
    Ok(Block {
        point_code,
        ni,
        network_appearance: entry.network_appearance,
        ttl: duration(entry.ttl.as_ref())?,
        on_block: entry.on_block,
        reason: entry.reason.clone(),
    })
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
