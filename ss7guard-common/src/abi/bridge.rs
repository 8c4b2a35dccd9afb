//! The bridge: its ports, the frames that wait for a judgement, and its counters.
//!
//! What needs judgement goes to the controller through an AF_XDP socket, and leaves by the other port after it. While a
//! frame of a host pair waits, every later frame of it that may carry user data waits behind it. "Waits" is the
//! difference between two numbers with one writer each, so that nothing has to be taken back: the kernel counts frames
//! up, the controller notes the number of the last that has left. A frame that is lost in between is made good by the
//! next one.

use bytemuck::{Pod, Zeroable};

use crate::abi::Side;
use crate::read::ReadAt;
use crate::wire::ethernet::{self, EtherType};

/// Ports of all bridges together. Places in a table that is open-addressed by the interface's index.
pub const BRIDGE_PORTS: u32 = 16;

/// Receive queues of a port from which frames can be held.
pub const PORT_QUEUES: u32 = 64;

/// Sockets: one for each port and queue. [`socket_index`].
pub const BRIDGE_SOCKETS: u32 = BRIDGE_PORTS * PORT_QUEUES;

/// Host pairs of one socket that are told apart; pairs that share a place wait for each other.
pub const SOCKET_SLOTS: u32 = 1_024;

/// Elements of the table of what waits.
pub const HOLD_SLOTS: u32 = BRIDGE_SOCKETS * SOCKET_SLOTS;

/// Longest frame that can be held, in octets from the Ethernet header on: a page without the room in front of a frame
/// (`XDP_PACKET_HEADROOM`, 256 octets) and the stamp.
pub const HOLD_FRAME_LEN: usize = 4_096 - 256 - size_of::<HoldStamp>();

/// The socket of a receive queue; `None` beyond the queues that have one.
#[inline(always)]
#[must_use]
pub const fn socket_index(port: u32, queue: u32) -> Option<u32> {
    if port < BRIDGE_PORTS && queue < PORT_QUEUES {
        Some(port.wrapping_mul(PORT_QUEUES).wrapping_add(queue))
    } else {
        None
    }
}

/// One port: an interface, and what is behind the one that it is bridged with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct BridgePort {
    /// Index of the interface; 0 in an unused place.
    pub ifindex: u32,
    /// Index of the interface on the other side.
    pub other: u32,
    /// Longest frame that the other side takes, in octets from the Ethernet header on.
    pub longest: u32,
    /// A number of [`Side`]: what this port leads to.
    pub side: u8,
    /// Zero.
    pub _pad: [u8; 3],
}

super::kernel_abi!(BridgePort, 16);

impl BridgePort {
    /// Whether what arrives here comes from the home network.
    #[inline(always)]
    #[must_use]
    pub const fn is_home(&self) -> bool {
        self.side == Side::Home as u8
    }
}

/// The place of an interface in the table of ports; `at` reads a place.
#[inline(always)]
pub fn port_index<'a>(ifindex: u32, at: impl Fn(u32) -> Option<&'a BridgePort>) -> Option<u32> {
    for step in 0..BRIDGE_PORTS {
        let index = ifindex.wrapping_add(step) % BRIDGE_PORTS;
        match at(index)?.ifindex {
            0 => return None,
            found if found == ifindex => return Some(index),
            _ => {}
        }
    }
    None
}

/// What waits of one host pair on one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct HoldSlot {
    /// Number of the frame that was handed to the controller last. Written by the kernel alone.
    pub pushed: u32,
    /// Number of the frame that left last. Written by the controller alone.
    pub done: u32,
}

super::kernel_abi!(HoldSlot, 8);

/// Frames on the way to the controller through one socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct HoldQueue {
    /// Frames handed over. Written by the kernel alone.
    pub pushed: u32,
    /// Frames whose room the controller has replaced. Written by the controller alone.
    pub taken: u32,
}

super::kernel_abi!(HoldQueue, 8);

/// The controller's sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct HoldBeat {
    /// When it last gave it, in nanoseconds of the monotonic clock.
    pub beat_ns: u64,
    /// Frames that may be on the way to it through one socket; none is handed over beyond.
    pub room: u32,
    /// 1 while it is about to stop: only what must wait behind another frame is handed over.
    pub draining: u32,
    /// A controller that gave none for so long counts as stopped; in nanoseconds.
    pub silence_ns: u64,
}

super::kernel_abi!(HoldBeat, 24);

/// What stands in front of a held frame, as metadata of XDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct HoldStamp {
    /// Its [`HoldSlot`].
    pub slot: u32,
    /// Its number there.
    pub number: u32,
    /// Its number in its [`HoldQueue`].
    pub queue_number: u32,
    /// 1 if it needs judgement; 0 if it only waits behind another one.
    pub judge: u32,
    /// When it came, in nanoseconds of the monotonic clock.
    pub time_ns: u64,
}

super::kernel_abi!(HoldStamp, 24);

/// The place of a frame's host pair among those of its socket: the same for each frame between two addresses, whole or
/// fragment, and for each frame without addresses.
#[inline(always)]
pub fn hold_slot<R: ReadAt + ?Sized>(frame: &R, socket: u32, seed: u64) -> u32 {
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut pair = 0u64;
    match ethernet::payload(frame) {
        Ok((EtherType::IPV4, off)) => pair = word_at(frame, off.wrapping_add(12)),
        Ok((EtherType::IPV6, off)) => {
            for part in 0..4usize {
                let at = off.wrapping_add(8).wrapping_add(part.wrapping_mul(8));
                pair = pair.rotate_left(23).wrapping_mul(MIX) ^ word_at(frame, at);
            }
        }
        _ => {}
    }
    let hash = (pair ^ seed).wrapping_mul(MIX);
    let place = (hash >> 32) as u32 & (SOCKET_SLOTS - 1);
    socket.wrapping_mul(SOCKET_SLOTS).wrapping_add(place)
}

/// Eight octets as a word; zeros where the frame ends before.
#[inline(always)]
fn word_at<R: ReadAt + ?Sized>(frame: &R, off: usize) -> u64 {
    frame.read_at::<8>(off).map_or(0, u64::from_ne_bytes)
}

/// Bits of [`super::Config::bridge`].
pub mod bridge_flag {
    /// What needs judgement is held for it; otherwise it is only copied.
    pub const HOLD: u8 = 0x01;
    /// What needs judgement is dropped while there is no controller; otherwise it passes.
    pub const DOWN_DROPS: u8 = 0x02;
    /// What finds no room is dropped; otherwise it passes.
    pub const FULL_DROPS: u8 = 0x04;
    /// This is a bridge: the port by which a frame came tells where it is from, whatever its addresses say.
    pub const BY_PORT: u8 = 0x08;
}

/// Bits of [`super::Config::frames`]: frames without SCTP that are dropped.
pub mod frame_flag {
    /// ARP.
    pub const ARP: u8 = 0x01;
    /// Neighbour discovery (RFC 4861: ICMPv6 types 133 to 137).
    pub const NEIGHBOUR: u8 = 0x02;
    /// ICMP and the rest of ICMPv6.
    pub const ICMP: u8 = 0x04;
    /// To the group addresses that no bridge forwards (IEEE 802.1Q table 8-1: 01-80-C2-00-00-00 to -0F): LLDP, STP, LACP.
    pub const LINK: u8 = 0x08;
    /// IP with another protocol.
    pub const OTHER_IP: u8 = 0x10;
    /// Everything else.
    pub const OTHER: u8 = 0x20;
}

/// Which bit of [`frame_flag`] a frame without SCTP has.
#[inline(always)]
pub fn frame_kind<R: ReadAt + ?Sized>(frame: &R) -> u8 {
    const ARP: u16 = 0x0806;
    const ICMP: u8 = 1;
    const ICMP6: u8 = 58;
    let high = frame.be32_at(0).unwrap_or(0);
    let low = frame.be16_at(4).unwrap_or(u16::MAX);
    if high == 0x0180_c200 && low < 16 {
        return frame_flag::LINK;
    }
    match ethernet::payload(frame) {
        Ok((EtherType::IPV4, off)) => match frame.u8_at(off.wrapping_add(9)) {
            Some(ICMP) => frame_flag::ICMP,
            _ => frame_flag::OTHER_IP,
        },
        // Neighbour discovery has no extension headers that a bridge would have to look behind.
        Ok((EtherType::IPV6, off)) => match frame.u8_at(off.wrapping_add(6)) {
            Some(ICMP6) => match frame.u8_at(off.wrapping_add(40)) {
                Some(133..=137) => frame_flag::NEIGHBOUR,
                _ => frame_flag::ICMP,
            },
            _ => frame_flag::OTHER_IP,
        },
        Ok((EtherType(ARP), _)) => frame_flag::ARP,
        _ => frame_flag::OTHER,
    }
}

macro_rules! bridge_counters {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $name:literal; )+) => {
        /// What became of a frame that arrived at a port: [`BridgeCounter::Entered`], and exactly one of the others.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum BridgeCounter { $( $(#[doc = $doc])+ $variant, )+ }

        impl BridgeCounter {
            /// Every counter, in numeric order.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];

            /// The name used in output.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $name, )+ }
            }
        }
    };
}

bridge_counters! {
    /// It arrived.
    Entered = "entered";
    /// It went on at once.
    Redirected = "redirected";
    /// It went to this host's own network stack: there is no configuration.
    PassedUp = "passed_up";
    /// It was dropped by a verdict.
    Dropped = "dropped";
    /// It was dropped: a frame without SCTP, of a kind that is not to pass.
    Refused = "refused";
    /// It was dropped: longer than the other side takes.
    OverMtu = "over_mtu";
    /// It was handed to the controller, to be judged or to wait behind one that is.
    Held = "held";
    /// It needed judgement, there was no controller, and it went on.
    DownPassed = "down_passed";
    /// It needed judgement, there was no controller, and it was dropped.
    DownDropped = "down_dropped";
    /// It should have waited behind a frame that a controller has which is no more, and went on.
    Overtook = "overtook";
    /// There was no room for it, and it went on.
    FullPassed = "full_passed";
    /// There was no room for it, and it was dropped.
    FullDropped = "full_dropped";
    /// It was too long to be held, or in several buffers, and went on.
    LongPassed = "long_passed";
    /// It was too long to be held, or in several buffers, and was dropped.
    LongDropped = "long_dropped";
    /// It was dropped: the other side is not there.
    NoWay = "no_way";
}

/// Room for [`BridgeCounter`]s in an element of the counter array.
pub const BRIDGE_COUNTERS: usize = 16;

const _: () = assert!(BridgeCounter::ALL.len() <= BRIDGE_COUNTERS);

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::HashSet;
    use std::vec;
    use std::vec::Vec;

    use super::*;

    fn ethernet(ether_type: u16, rest: &[u8]) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        frame.extend(ether_type.to_be_bytes());
        frame.extend(rest);
        frame
    }

    #[test]
    fn ports_are_found_wherever_they_had_to_go() {
        let mut table = [BridgePort::zeroed(); BRIDGE_PORTS as usize];
        let indexes = [3u32, 19, 35, 4, 15, 31];
        for ifindex in indexes {
            let mut at = ifindex % BRIDGE_PORTS;
            while table[at as usize].ifindex != 0 {
                at = (at + 1) % BRIDGE_PORTS;
            }
            table[at as usize].ifindex = ifindex;
        }
        let find = |ifindex| port_index(ifindex, |at| table.get(at as usize));
        for ifindex in indexes {
            let at = find(ifindex).expect("a port");
            assert_eq!(table[at as usize].ifindex, ifindex);
        }
        assert_eq!(find(51), None);
        assert_eq!(find(2), None);
        // A full table ends the search too.
        let full = [BridgePort { ifindex: 7, ..BridgePort::zeroed() }; BRIDGE_PORTS as usize];
        assert_eq!(port_index(8, |at| full.get(at as usize)), None);
    }

    #[test]
    fn frames_without_sctp_are_told_apart() {
        let ip4 = |protocol: u8| {
            let mut ip = [0u8; 20];
            ip[0] = 0x45;
            ip[9] = protocol;
            ethernet(0x0800, &ip)
        };
        let ip6 = |next: u8, kind: u8| {
            let mut ip = [0u8; 48];
            ip[0] = 0x60;
            ip[6] = next;
            ip[40] = kind;
            ethernet(0x86dd, &ip)
        };
        let kind = |frame: &[u8]| frame_kind(frame);
        assert_eq!(kind(&ethernet(0x0806, &[0; 28])), frame_flag::ARP);
        assert_eq!(kind(&ip4(1)), frame_flag::ICMP);
        assert_eq!(kind(&ip4(6)), frame_flag::OTHER_IP);
        assert_eq!(kind(&ip6(58, 135)), frame_flag::NEIGHBOUR);
        assert_eq!(kind(&ip6(58, 128)), frame_flag::ICMP);
        assert_eq!(kind(&ip6(17, 135)), frame_flag::OTHER_IP);
        let mut lldp = ethernet(0x88cc, &[0; 20]);
        assert_eq!(kind(&lldp), frame_flag::OTHER);
        lldp[..6].copy_from_slice(&[1, 0x80, 0xc2, 0, 0, 0x0e]);
        assert_eq!(kind(&lldp), frame_flag::LINK);
        assert_eq!(kind(&[]), frame_flag::OTHER);
    }

    #[test]
    fn every_frame_between_two_hosts_has_one_place() {
        let packet = |source: u8, protocol: u8, fragment: u8| {
            let mut ip = [0u8; 28];
            ip[0] = 0x45;
            ip[6] = fragment;
            ip[9] = protocol;
            ip[12..20].copy_from_slice(&[10, 0, 0, source, 10, 0, 0, 200]);
            ethernet(0x0800, &ip)
        };
        let place = |frame: &[u8]| hold_slot(frame, 5, 77);
        assert_eq!(place(&packet(1, 132, 0)), place(&packet(1, 132, 0x20)));
        let places: HashSet<u32> = (0..200).map(|source| place(&packet(source, 132, 0))).collect();
        assert!(places.len() > 170, "{}", places.len());
        assert!(places.iter().all(|place| place / SOCKET_SLOTS == 5));
        assert_eq!(place(&[]), place(&ethernet(0x0806, &[0; 28])));
    }
}
