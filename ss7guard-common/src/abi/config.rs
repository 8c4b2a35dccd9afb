//! The CONFIG record: mode, exception policies and the active peer table, with ABI version and generation.

use bytemuck::{Pod, Zeroable};

use crate::verdict::{Action, Code, Reason};
use crate::wire::sccp::Flavour;

/// Room for reasons in counters and bitmaps.
pub const REASON_SLOTS: usize = 64;

/// Signalling ports in the record.
pub const PORTS: usize = 4;

const _: () = assert!(Reason::COUNT <= REASON_SLOTS);

/// Whether verdicts are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// Nothing is dropped; what would be is counted and punted.
    Monitor = 0,
    /// Verdicts are carried out.
    Enforce = 1,
}

impl Mode {
    /// The name used in configuration and output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::Enforce => "enforce",
        }
    }
}

/// What the kernel program needs to know besides lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Config {
    /// [`super::ABI_VERSION`] of the writer.
    pub abi_version: u32,
    /// Raised by one with each change.
    pub generation: u32,
    /// The active peer table: see [`super::PeerTable`]. One aligned word, so that table and seed change together.
    pub peer_table: u64,
    /// A number of [`Mode`].
    pub mode: u8,
    /// Width of point codes of peers that are not in the table: 14, 16 or 24 bits.
    pub default_point_code_bits: u8,
    /// Bits of [`config_flag`].
    pub flags: u8,
    /// How SCCP addresses are coded between peers that are not in the table: a number of
    /// [`crate::wire::sccp::Flavour`].
    pub default_flavour: u8,
    /// Bits of [`super::bridge_flag`].
    pub bridge: u8,
    /// Bits of [`super::frame_flag`]: frames without SCTP that a bridge drops.
    pub frames: u8,
    /// Zero.
    pub _pad: [u8; 2],
    /// SCTP ports on which user data is expected to be M3UA; unused ones are 0.
    pub ports: [u16; PORTS],
    /// Bitmap over the numbers of reasons: those whose action is punt.
    pub punts: u64,
    /// Bitmap over the numbers of reasons: those whose action is drop.
    pub drops: u64,
    /// Bitmap over the numbers of reasons: those whose action is neutralise.
    pub neutralises: u64,
    /// How long an entry that neutralised something goes on doing so after its end, for retransmissions; in the unit
    /// of [`super::BlockDetail::expires_at`].
    pub linger: u64,
    /// Bit 0: the half of the lists that is live. One word, so that all lists change between two frames.
    pub lists: u32,
    /// Copies of set-up frames ([`Reason::BOUNDED`]) in each second of 2^30 ns, for each processor and direction.
    pub setup_copies: u32,
    /// A number that senders do not know: they cannot choose whose place in a table they take.
    pub seed: u64,
    /// Bitmap over the local codes of MAP operations, 0 to 127: those that are stopped if a dialogue from the interconnect
    /// begins with them; asked with [`config_flag::OPERATIONS`].
    pub operations: [u64; 2],
}

super::kernel_abi!(Config, 96);

/// [`Config::setup_copies`] of a fresh configuration: ten times what a large network sends when everything comes up again.
pub const SETUP_COPIES: u32 = 1_000;

/// Bits of [`Config::flags`]: what costs time and is needed by few.
pub mod config_flag {
    /// The list of global titles has entries: SCCP addresses are read.
    pub const GT_LIST: u8 = 0x01;
    /// Some peer takes another form of a neutralised message than the default one.
    pub const PEER_FORMS: u8 = 0x02;
    /// Addresses are looked up among the peers: there is a policy for those that are not listed.
    pub const KNOWN_PEERS: u8 = 0x04;
    /// Some peer's SCCP addresses are coded otherwise than those of peers that are not listed.
    pub const PEER_FLAVOURS: u8 = 0x08;
    /// Some operations are stopped: SCCP is read as far as the first.
    pub const OPERATIONS: u8 = 0x10;
}

impl Config {
    /// A fresh configuration: monitor mode, default policies, port 2905 (RFC 4666 §7.2), 14-bit point codes.
    #[must_use]
    pub fn fresh() -> Self {
        let mut config = Self {
            abi_version: super::ABI_VERSION,
            generation: 0,
            peer_table: 0,
            mode: Mode::Monitor as u8,
            default_point_code_bits: 14,
            flags: 0,
            default_flavour: Flavour::Itu as u8,
            bridge: 0,
            frames: 0,
            _pad: [0; 2],
            ports: [2905, 0, 0, 0],
            punts: 0,
            drops: 0,
            neutralises: 0,
            linger: 0,
            lists: 0,
            setup_copies: SETUP_COPIES,
            seed: 0,
            operations: [0; 2],
        };
        for reason in Reason::ALL {
            config.set_policy(*reason, reason.default_action());
        }
        config
    }

    /// The mode; unknown numbers count as monitor.
    #[inline(always)]
    #[must_use]
    pub const fn mode(&self) -> Mode {
        if self.mode == Mode::Enforce as u8 { Mode::Enforce } else { Mode::Monitor }
    }

    /// Whether this bit of [`config_flag`] is set.
    #[inline(always)]
    #[must_use]
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether a packet between these ports is on a signalling port.
    #[inline(always)]
    #[must_use]
    pub fn is_signalling(&self, source: u16, destination: u16) -> bool {
        let [a, b, c, d] = self.ports;
        let hit = |port: u16| port != 0 && (port == a || port == b || port == c || port == d);
        hit(source) || hit(destination)
    }

    /// Whether this operation is stopped, for those of [`config_flag::OPERATIONS`].
    #[inline(always)]
    #[must_use]
    pub const fn stops_operation(&self, code: u8) -> bool {
        let [low, high] = self.operations;
        let word = if code & 0x40 == 0 { low } else { high };
        word.wrapping_shr(code as u32 & 63) & 1 != 0
    }

    /// Sets the operations that are stopped; codes above 127 are left out.
    pub fn set_operations(&mut self, codes: impl Iterator<Item = u8>) {
        self.operations = [0; 2];
        for code in codes.filter(|code| *code < 128) {
            let [low, high] = &mut self.operations;
            let word = if code & 0x40 == 0 { low } else { high };
            *word |= 1u64.wrapping_shl(u32::from(code) & 63);
        }
    }

    /// The configured action for a reason, before the mode is applied.
    #[inline(always)]
    pub const fn policy(&self, reason: Code) -> Action {
        let bit = Self::bit(reason.number());
        if self.drops & bit != 0 {
            Action::Drop
        } else if self.neutralises & bit != 0 {
            Action::Neutralise
        } else if self.punts & bit != 0 {
            Action::Punt
        } else {
            Action::Pass
        }
    }

    /// Sets the action for a reason.
    pub const fn set_policy(&mut self, reason: Reason, action: Action) {
        let bit = Self::bit(reason as u8);
        self.punts &= !bit;
        self.drops &= !bit;
        self.neutralises &= !bit;
        match action {
            Action::Pass => {}
            Action::Punt => self.punts |= bit,
            Action::Drop => self.drops |= bit,
            Action::Neutralise => self.neutralises |= bit,
        }
    }

    #[inline(always)]
    const fn bit(reason: u8) -> u64 {
        1u64.wrapping_shl(reason as u32)
    }
}
