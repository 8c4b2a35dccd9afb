//! Verdicts, and the reasons that every verdict has.
//!
//! [`Reason::as_str`] is the single spelling for counters, JSON, configuration and tests.

/// What happens to a message or a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[must_use]
pub enum Action {
    /// Goes on untouched.
    Pass = 0,
    /// Goes on untouched, and a copy goes to the controller.
    Punt = 1,
    /// The frame is discarded.
    Drop = 2,
    /// The message is rewritten in place into one that the receiver ignores ([`crate::neutralise`]); SCTP does not
    /// notice, and the rest of the frame goes on.
    Neutralise = 3,
}

impl Action {
    /// Every action, in numeric order.
    pub const ALL: [Self; 4] = [Self::Pass, Self::Punt, Self::Drop, Self::Neutralise];

    /// The name used in output and configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Punt => "punt",
            Self::Drop => "drop",
            Self::Neutralise => "neutralise",
        }
    }

    /// From the number stored in a map; unknown numbers give `None`.
    #[inline(always)]
    #[must_use]
    pub const fn from_u8(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::Pass),
            1 => Some(Self::Punt),
            2 => Some(Self::Drop),
            3 => Some(Self::Neutralise),
            _ => None,
        }
    }
}

/// What kind of thing a reason speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Class {
    /// Not SCTP: none of this firewall's business.
    Foreign = 0,
    /// SCTP or M3UA without user traffic.
    Control = 1,
    /// An M3UA DATA message whose routing label was read and judged.
    Message = 2,
    /// Something that the kernel cannot judge; an exception policy decides.
    Exception = 3,
}

impl Class {
    /// The name used in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::Control => "control",
            Self::Message => "message",
            Self::Exception => "exception",
        }
    }
}

macro_rules! reasons {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $name:literal, $class:ident, $policy:ident; )+) => {
        /// Why a frame or message got its verdict. Each has its own counter.
        ///
        /// Frames without user data count once; frames with user data count once for each DATA or I-DATA chunk,
        /// plus once for a fault of the frame itself.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Reason { $( $(#[doc = $doc])+ $variant, )+ }

        impl Reason {
            /// Every reason, in numeric order.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];

            /// The one spelling of this reason.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $name, )+ }
            }

            /// What this reason says, in words.
            #[must_use]
            pub fn description(self) -> &'static str {
                match self { $( Self::$variant => concat!($($doc),+).trim_ascii_start(), )+ }
            }

            /// What kind of thing this reason speaks of.
            #[inline(always)]
            #[must_use]
            pub const fn class(self) -> Class {
                match self { $( Self::$variant => Class::$class, )+ }
            }

            /// The action of a fresh configuration.
            pub const fn default_action(self) -> Action {
                match self { $( Self::$variant => Action::$policy, )+ }
            }
        }
    };
}

reasons! {
    /// Neither IPv4 nor IPv6 (ARP, LLDP, 802.3 length frames, ...).
    NotIp = "not_ip", Foreign, Pass;
    /// IP with another protocol than SCTP.
    NotSctp = "not_sctp", Foreign, Pass;
    /// SCTP without user data (INIT, SACK, HEARTBEAT, ...).
    SctpControl = "sctp_control", Control, Pass;
    /// An M3UA message other than DATA: MGMT, SSNM, ASPSM, ASPTM, RKM (RFC 4666 §3.1.2).
    M3uaControl = "m3ua_control", Control, Pass;
    /// User data that is neither M3UA by its PPID nor on a signalling port.
    OtherPayload = "other_payload", Control, Pass;
    /// The originating point code is on the block list.
    BlockedPointCode = "blocked_point_code", Message, Neutralise;
    /// SCCP (service indicator 3): carries MAP, judged by the controller.
    Sccp = "sccp", Message, Punt;
    /// Another MTP3 user part than SCCP (ISUP, TUP, network management, ...).
    OtherUserPart = "other_user_part", Message, Punt;
    /// First fragment of a user message; its label was read and is not blocked.
    SctpFirstFragment = "sctp_first_fragment", Message, Punt;
    /// Middle or last fragment of a user message: it has no label.
    SctpLaterFragment = "sctp_later_fragment", Exception, Punt;
    /// First fragment that ends before the routing label.
    SctpShortFirstFragment = "sctp_short_first_fragment", Exception, Neutralise;
    /// The frame ends inside its link-layer or IP header.
    FrameTruncated = "frame_truncated", Exception, Punt;
    /// More than two VLAN tags (IEEE 802.1Q).
    TooManyVlanTags = "too_many_vlan_tags", Exception, Punt;
    /// An Ethernet type that carries other frames inside: MPLS, PPPoE, MACsec, PBB.
    L2Encapsulated = "l2_encapsulated", Exception, Pass;
    /// IPv4 header that contradicts itself or the frame (RFC 791 §3.1).
    Ipv4Malformed = "ipv4_malformed", Exception, Punt;
    /// IPv6 header or extension header that contradicts itself or the frame (RFC 8200 §3, §4).
    Ipv6Malformed = "ipv6_malformed", Exception, Punt;
    /// More IPv6 extension headers than the bound.
    TooManyExtHeaders = "too_many_ext_headers", Exception, Punt;
    /// A fragment of an IP packet that carries SCTP, or may do so.
    IpFragment = "ip_fragment", Exception, Punt;
    /// IP in IP, GRE, IPsec or SCTP in UDP (RFC 6951): the payload is not looked at.
    Tunnel = "tunnel", Exception, Pass;
    /// The packet ends inside the SCTP common header (RFC 9260 §3.1).
    SctpTruncated = "sctp_truncated", Exception, Punt;
    /// A chunk whose length contradicts the packet, or octets after the last chunk (RFC 9260 §3.2).
    ChunkMalformed = "chunk_malformed", Exception, Punt;
    /// More chunks than the bound.
    TooManyChunks = "too_many_chunks", Exception, Punt;
    /// An SCTP packet that goes on beyond the octets that the classifier reaches.
    FrameTooLong = "frame_too_long", Exception, Punt;
    /// User data with a verification tag of zero (RFC 9260 §8.5).
    DataVtagZero = "data_vtag_zero", Exception, Punt;
    /// User data on a signalling port whose PPID is not that of M3UA (RFC 4666 §7.1).
    UnexpectedPpid = "unexpected_ppid", Exception, Punt;
    /// User data shorter than the M3UA common header (RFC 4666 §3.1).
    M3uaTruncated = "m3ua_truncated", Exception, Punt;
    /// An M3UA version other than 1.
    M3uaVersion = "m3ua_version", Exception, Punt;
    /// An M3UA message class or type that RFC 4666 §3.1.2 does not know.
    M3uaUnknownType = "m3ua_unknown_type", Exception, Punt;
    /// The M3UA message length says more than the chunk holds, or less than a header.
    M3uaLength = "m3ua_length", Exception, Punt;
    /// Octets after the M3UA message in the same chunk: a second message, perhaps.
    M3uaTrailing = "m3ua_trailing", Exception, Punt;
    /// A parameter whose length contradicts its tag or the message (RFC 4666 §3.2).
    M3uaParameterLength = "m3ua_parameter_length", Exception, Punt;
    /// More parameters than the bound.
    M3uaTooManyParameters = "m3ua_too_many_parameters", Exception, Punt;
    /// Protocol Data, Network Appearance, Routing Context or Correlation Id twice.
    M3uaDuplicateParameter = "m3ua_duplicate_parameter", Exception, Punt;
    /// A DATA message without Protocol Data.
    M3uaNoProtocolData = "m3ua_no_protocol_data", Exception, Punt;
    /// Protocol Data shorter than the routing label (RFC 4666 §3.3.1).
    M3uaShortProtocolData = "m3ua_short_protocol_data", Exception, Punt;
    /// A network indicator above 3 (Q.704 §14.2.2 has two bits).
    NetworkIndicatorInvalid = "network_indicator_invalid", Exception, Punt;
    /// A point code wider than the peer's network has; never masked.
    PointCodeTooWide = "point_code_too_wide", Exception, Punt;
    /// A blocked message under SCTP AUTH (RFC 4895 §4.1): whatever is changed there, the receiver throws away.
    BlockedUnderAuth = "blocked_under_auth", Exception, Drop;
    /// User data on a signalling port from an address that is not among the peers.
    UnknownPeer = "unknown_peer", Exception, Pass;
    /// INIT on a signalling port from an address that is not among the peers (RFC 9260 §5.1).
    InitUnknownPeer = "init_unknown_peer", Exception, Pass;
    /// SCTP that sets up or ends an association, or changes its addresses: INIT, INIT ACK, ABORT, SHUTDOWN COMPLETE,
    /// ASCONF. Copies of it are bounded by the second.
    SctpSetup = "sctp_setup", Control, Punt;
    /// M3UA that changes the state of an ASP: up, down, active, inactive, and their acknowledgements (RFC 4666 §3.5,
    /// §3.7). Copies of it are bounded by the second.
    M3uaState = "m3ua_state", Control, Punt;
    /// The calling global title is on the block list.
    BlockedGlobalTitle = "blocked_global_title", Message, Neutralise;
    /// SCCP whose calling global title the kernel cannot read, while there is a list of them: other types than unitdata,
    /// broken addresses, digits above 9, E.212 numbers, first fragments without the address.
    GlobalTitleUnreadable = "global_title_unreadable", Exception, Punt;
    /// A dialogue from the interconnect begins with an operation that never comes from there.
    ForbiddenOperation = "forbidden_operation", Message, Neutralise;
}

/// A reason that may be absent, as one number: 0, or the reason's number plus one.
///
/// The classifier hands this about instead of `Option<Reason>`, because the kernel's verifier would otherwise
/// follow each reason as a case of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub usize);

impl Code {
    /// No reason.
    pub const NONE: Self = Self(0);

    /// This reason.
    #[inline(always)]
    #[must_use]
    pub const fn of(reason: Reason) -> Self {
        Self((reason as usize).wrapping_add(1))
    }

    /// Whether there is no reason.
    #[inline(always)]
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// This reason if there is one, else `other`.
    #[inline(always)]
    #[must_use]
    pub const fn or(self, other: Reason) -> Self {
        if self.is_none() { Self::of(other) } else { self }
    }

    /// Number of the reason; 0 if there is none.
    #[inline(always)]
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0.wrapping_sub(1) as u8 & 63
    }

    /// Whether its copies are bounded by the second; see [`Reason::BOUNDED`].
    #[inline(always)]
    #[must_use]
    pub const fn is_bounded(self) -> bool {
        Reason::BOUNDED.wrapping_shr(self.number() as u32) & 1 != 0
    }

    /// The reason.
    #[must_use]
    pub fn reason(self) -> Option<Reason> {
        if self.is_none() { None } else { Reason::from_u8(self.number()) }
    }
}

impl From<Reason> for Code {
    #[inline(always)]
    fn from(reason: Reason) -> Self {
        Self::of(reason)
    }
}

impl Reason {
    /// How many reasons there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Reasons whose copies are bounded by the second, as a bitmap over their numbers: anybody can send these as fast as
    /// a wire is.
    pub const BOUNDED: u64 =
        1 << Self::InitUnknownPeer as u64 | 1 << Self::SctpSetup as u64 | 1 << Self::M3uaState as u64;

    /// Reasons of class [`Class::Exception`], as a bitmap over their numbers.
    pub const EXCEPTIONS: u64 = {
        let mut bits = 0;
        let mut left = Self::ALL;
        while let [reason, rest @ ..] = left {
            if matches!(reason.class(), Class::Exception) {
                bits |= 1u64.wrapping_shl(*reason as u32);
            }
            left = rest;
        }
        bits
    };

    /// Whether it speaks of one user message or its first fragment, which can be neutralised.
    #[must_use]
    pub const fn is_of_a_message(self) -> bool {
        matches!(
            self,
            Self::SctpShortFirstFragment
                | Self::DataVtagZero
                | Self::UnexpectedPpid
                | Self::M3uaTruncated
                | Self::M3uaVersion
                | Self::M3uaUnknownType
                | Self::M3uaLength
                | Self::M3uaTrailing
                | Self::M3uaParameterLength
                | Self::M3uaTooManyParameters
                | Self::M3uaDuplicateParameter
                | Self::M3uaNoProtocolData
                | Self::M3uaShortProtocolData
                | Self::NetworkIndicatorInvalid
                | Self::PointCodeTooWide
                | Self::GlobalTitleUnreadable
        )
    }

    /// From the number stored in a map or event; unknown numbers give `None`.
    #[must_use]
    pub fn from_u8(value: u8) -> Option<Self> {
        Self::ALL.get(usize::from(value)).copied()
    }

    /// The reason with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_lead_back_to_the_reason() {
        for (number, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, number);
            assert_eq!(Reason::from_u8(number as u8), Some(*reason));
            assert_eq!(Reason::from_name(reason.as_str()), Some(*reason));
            assert!(reason.description().ends_with('.'), "{reason:?}");
        }
        assert_eq!(Reason::from_u8(Reason::COUNT as u8), None);
        for action in Action::ALL {
            assert_eq!(Action::from_u8(action as u8), Some(action));
        }
    }

    #[test]
    fn a_fresh_configuration_drops_nothing_but_blocked_messages() {
        for reason in Reason::ALL {
            assert!(
                matches!(
                    reason,
                    Reason::BlockedPointCode
                        | Reason::BlockedGlobalTitle
                        | Reason::BlockedUnderAuth
                        | Reason::ForbiddenOperation
                ) || reason.default_action() != Action::Drop,
                "{reason:?}"
            );
        }
    }
}
