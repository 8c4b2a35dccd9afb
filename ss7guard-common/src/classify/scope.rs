//! Where a chunk is, for its judgement.

use crate::abi::Config;
use crate::read::ReadAt;
use crate::wire::sctp::{Chunk, chunk_type};
use crate::wire::{Address, Network, Remote, SctpSpan};

/// Where things are in the packet, for the judgement of a chunk; packed, because it crosses a kernel function call.
/// What few chunks need (ports, addresses) is read again by those that do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope(pub u32);

impl Scope {
    pub(super) const OFFSET_MASK: u32 = 0xff;
    const V6: u32 = 1 << 8;
    pub(super) const VTAG_ZERO: u32 = 1 << 9;
    pub(super) const REMOTE_IS_DESTINATION: u32 = 1 << 10;
    pub(super) const AUTHENTICATED_SHIFT: u32 = 11;
    pub(super) const HALF_SHIFT: u32 = 12;
    pub(super) const STRANGER: u32 = 1 << 13;
    pub(super) const START_SHIFT: u32 = 16;

    #[inline(always)]
    pub(super) const fn new(span: &SctpSpan, remote: Remote, vtag_zero: bool, lists: u32) -> Self {
        let mut word = (span.start as u32).wrapping_shl(Self::START_SHIFT)
            | (span.network.offset as u32 & Self::OFFSET_MASK);
        if span.network.v6 {
            word |= Self::V6;
        }
        if vtag_zero {
            word |= Self::VTAG_ZERO;
        }
        if matches!(remote, Remote::Destination) {
            word |= Self::REMOTE_IS_DESTINATION;
        }
        Self(word | (lists & 1).wrapping_shl(Self::HALF_SHIFT))
    }

    /// Notes a chunk: what comes behind AUTH is authenticated (RFC 4895 §6.2).
    #[inline(always)]
    pub(super) const fn after(self, chunk: &Chunk) -> Self {
        let authenticates = chunk.kind == chunk_type::AUTH;
        Self(self.0 | (authenticates as u32).wrapping_shl(Self::AUTHENTICATED_SHIFT))
    }

    /// Whether the sender is on a signalling port and not among the peers; known only if something is to be done about
    /// it.
    #[inline(always)]
    pub(super) const fn stranger(self) -> bool {
        self.0 & Self::STRANGER != 0
    }

    /// Whether the chunk is authenticated.
    #[inline(always)]
    pub(super) const fn authenticated(self) -> bool {
        self.0.wrapping_shr(Self::AUTHENTICATED_SHIFT) & 1 != 0
    }

    /// The half of the lists that this frame sees: 0 or 1.
    #[inline(always)]
    #[must_use]
    pub const fn half(self) -> u32 {
        self.0.wrapping_shr(Self::HALF_SHIFT) & 1
    }

    /// Offset of the SCTP packet.
    #[inline(always)]
    pub(super) const fn start(self) -> usize {
        self.0.wrapping_shr(Self::START_SHIFT) as usize
    }

    #[inline(always)]
    pub(super) const fn network(self) -> Network {
        Network { offset: (self.0 & Self::OFFSET_MASK) as usize, v6: self.0 & Self::V6 != 0 }
    }

    /// Address of the remote end.
    #[inline(always)]
    pub(super) fn remote<R: ReadAt + ?Sized>(self, frame: &R) -> Option<Address> {
        let which =
            if self.0 & Self::REMOTE_IS_DESTINATION == 0 { Remote::Source } else { Remote::Destination };
        self.network().address(frame, which)
    }

    /// Whether one of the ports is a signalling port.
    #[inline(always)]
    pub(super) fn signalling<R: ReadAt + ?Sized>(self, frame: &R, config: &Config) -> bool {
        match frame.read_at(self.start()) {
            Some([s0, s1, d0, d1]) => {
                config.is_signalling(u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]))
            }
            None => true,
        }
    }

    /// Whether the packet comes from home: it leaves, or came by the home port of a bridge.
    #[inline(always)]
    #[must_use]
    pub const fn remote_is_destination(self) -> bool {
        self.0 & Self::REMOTE_IS_DESTINATION != 0
    }

    /// Whether the verification tag is zero.
    #[inline(always)]
    pub(super) const fn vtag_zero(self) -> bool {
        self.0 & Self::VTAG_ZERO != 0
    }
}
