//! The bridge: its ports, how long frames wait, what becomes of those that cannot.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use ss7guard_common::abi::{BRIDGE_PORTS, frame_flag};
use toml::Spanned;

use super::{Checked, fault, interface_name};
use crate::config::raw::{self, Deployment, PassOrDrop};
use crate::config::{Bridge, Hold, units};

/// How long a message waits for its missing pieces: SCTP sends again after a second at the earliest in most stacks
/// (RFC 9260 §16: RTO.Min 1 s).
const TIME: Duration = Duration::from_millis(500);

/// A controller that gives no sign of life for so long counts as stopped: ten that are missing.
const SILENCE: Duration = Duration::from_millis(200);

/// Frames of one queue that may wait.
const ROOM: u32 = 2_048;
const ROOMS: RangeInclusive<u32> = 64..=16_384;

/// The pairs of interfaces.
pub(super) fn bridges(written: &[Spanned<raw::Bridge>], network: &raw::Network) -> Checked<Vec<Bridge>> {
    let bridging = network.deployment == Deployment::Bridge;
    if let Some(first) = written.first()
        && !bridging
    {
        return Err(fault(first, "[[bridge]] is for deployment = \"bridge\" in [network]"));
    }
    if bridging && let Some(name) = network.interfaces.first() {
        return Err(fault(
            name,
            "a bridge takes its interfaces from [[bridge]]: leave network.interfaces out",
        ));
    }
    let most = BRIDGE_PORTS as usize / 2;
    if let Some(beyond) = written.get(most) {
        return Err(fault(beyond, format!("more than {most} bridges")));
    }
    let mut seen = HashSet::new();
    for name in written.iter().flat_map(|one| [&one.get_ref().interconnect, &one.get_ref().home]) {
        interface_name(name)?;
        if !seen.insert(name.get_ref()) {
            return Err(fault(name, format!("interface {:?} is named twice", name.get_ref())));
        }
    }
    let pair = |one: &Spanned<raw::Bridge>| Bridge {
        interconnect: one.get_ref().interconnect.get_ref().clone(),
        home: one.get_ref().home.get_ref().clone(),
        pass_link_loss: one.get_ref().pass_link_loss.unwrap_or(true),
    };
    Ok(written.iter().map(pair).collect())
}

/// How frames are held.
pub(super) fn hold(written: Option<&Spanned<raw::Hold>>, deployment: Deployment) -> Checked<Hold> {
    let fresh = raw::Hold::default();
    if let Some(section) = written
        && deployment != Deployment::Bridge
    {
        return Err(fault(section, "[hold] is for deployment = \"bridge\" in [network]"));
    }
    let hold = written.map_or(&fresh, Spanned::get_ref);
    let time = match &hold.time {
        Some(text) => units::parse_short(text.get_ref()).map_err(|message| fault(text, message))?,
        None => TIME,
    };
    let room = match &hold.room {
        Some(room) if !ROOMS.contains(room.get_ref()) || !room.get_ref().is_power_of_two() => {
            let (least, most) = (ROOMS.start(), ROOMS.end());
            let message =
                format!("{} frames do not fit: write a power of two from {least} to {most}", room.get_ref());
            return Err(fault(room, message));
        }
        Some(room) => *room.get_ref(),
        None => ROOM,
    };
    let silence = match &hold.silence {
        Some(text) => units::parse_short(text.get_ref()).map_err(|message| fault(text, message))?,
        None => SILENCE,
    };
    Ok(Hold {
        silence,
        when: hold.when,
        time,
        room,
        on_controller_down: hold.on_controller_down,
        on_queue_full: hold.on_queue_full,
        on_hold_time: hold.on_hold_time,
    })
}

/// Frames without SCTP that are dropped, as bits of [`frame_flag`].
pub(super) fn frames(written: Option<&Spanned<raw::Frames>>, deployment: Deployment) -> Checked<u8> {
    let Some(section) = written else { return Ok(0) };
    if deployment != Deployment::Bridge {
        return Err(fault(section, "[frames] is for deployment = \"bridge\" in [network]"));
    }
    let frames = section.get_ref();
    let bits = [
        (frames.arp, frame_flag::ARP),
        (frames.neighbour_discovery, frame_flag::NEIGHBOUR),
        (frames.icmp, frame_flag::ICMP),
        (frames.link_local, frame_flag::LINK),
        (frames.other_ip, frame_flag::OTHER_IP),
        (frames.other, frame_flag::OTHER),
    ];
    let dropped = bits.into_iter().filter(|(does, _)| *does == PassOrDrop::Drop);
    Ok(dropped.fold(0, |bits, (_, bit)| bits | bit))
}
