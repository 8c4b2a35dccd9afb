//! The CONFIG record: mode, exception policies and the active peer table, with ABI version and generation.

use bytemuck::{Pod, Zeroable};

use crate::verdict::{Action, Reason};

/// Room for one policy for each reason.
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
    /// Zero.
    pub _pad: [u8; 6],
    /// SCTP ports on which user data is expected to be M3UA; unused ones are 0.
    pub ports: [u16; PORTS],
    /// Number of an [`Action`] for each reason, indexed by the reason's number.
    pub policies: [u8; REASON_SLOTS],
}

super::kernel_abi!(Config, 96);

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
            _pad: [0; 6],
            ports: [2905, 0, 0, 0],
            policies: [0; REASON_SLOTS],
        };
        for (slot, reason) in config.policies.iter_mut().zip(Reason::ALL) {
            *slot = reason.default_action() as u8;
        }
        config
    }

    /// The mode; unknown numbers count as monitor.
    #[inline(always)]
    #[must_use]
    pub const fn mode(&self) -> Mode {
        if self.mode == Mode::Enforce as u8 { Mode::Enforce } else { Mode::Monitor }
    }

    /// Whether a packet between these ports is on a signalling port.
    #[inline(always)]
    #[must_use]
    pub fn is_signalling(&self, source: u16, destination: u16) -> bool {
        let [a, b, c, d] = self.ports;
        let hit = |port: u16| port != 0 && (port == a || port == b || port == c || port == d);
        hit(source) || hit(destination)
    }

    /// The configured action for a reason, before the mode is applied; unknown numbers count as pass.
    #[inline(always)]
    pub fn policy(&self, reason: Reason) -> Action {
        match self.policies.get(reason as usize & (REASON_SLOTS - 1)) {
            Some(1) => Action::Punt,
            Some(2) => Action::Drop,
            _ => Action::Pass,
        }
    }

    /// Sets the action for a reason.
    pub fn set_policy(&mut self, reason: Reason, action: Action) {
        if let Some(slot) = self.policies.get_mut(reason as usize) {
            *slot = action as u8;
        }
    }
}
