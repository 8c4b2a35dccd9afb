//! MAP traffic as networks make it: roaming and attacks, with synthetic numbers. Each message carries a number of its
//! own as transaction id, by which it is known again where it arrives.

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A subscriber registers abroad.
    UpdateLocation,
    /// Authentication vectors for one.
    SendAuthenticationInfo,
    /// One has left.
    PurgeMs,
    /// Where to deliver a short message.
    SendRoutingInfoForSm,
    /// Delivers it.
    MtForwardSm,
    /// A service code.
    ProcessUnstructuredSsRequest,
    /// Attack: where is a subscriber.
    AnyTimeInterrogation,
    /// Attack: whose number is it.
    SendImsi,
    /// Attack: where to route a call.
    SendRoutingInfo,
    /// Attack: where is the data session.
    SendRoutingInfoForGprs,
    /// Attack: which services.
    AnyTimeSubscriptionInterrogation,
}

impl Kind {
    /// Ordinary traffic.
    pub const ROAMING: [Self; 6] = [
        Self::UpdateLocation,
        Self::SendAuthenticationInfo,
        Self::PurgeMs,
        Self::SendRoutingInfoForSm,
        Self::MtForwardSm,
        Self::ProcessUnstructuredSsRequest,
    ];

    /// Category 1 attacks.
    pub const ATTACKS: [Self; 5] = [
        Self::AnyTimeInterrogation,
        Self::SendImsi,
        Self::SendRoutingInfo,
        Self::SendRoutingInfoForGprs,
        Self::AnyTimeSubscriptionInterrogation,
    ];

    /// Name of the operation (TS 29.002).
    #[must_use]
    pub const fn operation(self) -> &'static str {
        match self {
            Self::UpdateLocation => "updateLocation",
            Self::SendAuthenticationInfo => "sendAuthenticationInfo",
            Self::PurgeMs => "purgeMS",
            Self::SendRoutingInfoForSm => "sendRoutingInfoForSM",
            Self::MtForwardSm => "mt-ForwardSM",
            Self::ProcessUnstructuredSsRequest => "processUnstructuredSS-Request",
            Self::AnyTimeInterrogation => "anyTimeInterrogation",
            Self::SendImsi => "sendIMSI",
            Self::SendRoutingInfo => "sendRoutingInfo",
            Self::SendRoutingInfoForGprs => "sendRoutingInfoForGprs",
            Self::AnyTimeSubscriptionInterrogation => "anyTimeSubscriptionInterrogation",
        }
    }

    /// Operation code, application context and version.
    const fn codes(self) -> (u8, u8, u8) {
        match self {
            Self::UpdateLocation => (2, 1, 3),
            Self::SendAuthenticationInfo => (56, 14, 3),
            Self::PurgeMs => (67, 27, 3),
            Self::SendRoutingInfoForSm => (45, 20, 3),
            Self::MtForwardSm => (44, 25, 3),
            Self::ProcessUnstructuredSsRequest => (59, 19, 2),
            Self::AnyTimeInterrogation => (71, 29, 3),
            Self::SendImsi => (58, 26, 2),
            Self::SendRoutingInfo => (22, 5, 3),
            Self::SendRoutingInfoForGprs => (24, 33, 3),
            Self::AnyTimeSubscriptionInterrogation => (62, 43, 3),
        }
    }

    /// Subsystem numbers of the called and the calling side.
    const fn subsystems(self) -> (u8, u8) {
        match self {
            Self::UpdateLocation
            | Self::SendAuthenticationInfo
            | Self::PurgeMs
            | Self::ProcessUnstructuredSsRequest => (6, 7),
            Self::SendRoutingInfoForSm | Self::SendRoutingInfo | Self::SendImsi => (6, 8),
            Self::MtForwardSm => (8, 8),
            Self::AnyTimeInterrogation | Self::AnyTimeSubscriptionInterrogation => (6, 147),
            Self::SendRoutingInfoForGprs => (6, 150),
        }
    }

    fn argument(self, id: u32) -> Vec<u8> {
        let imsi = swapped(&format!("00101{id:010}"));
        let msisdn = address(&format!("15550{:06}", id % 1_000_000));
        let node = address("15550100999");
        let own = |value: &[u8], tag| tlv(tag, value);
        match self {
            Self::UpdateLocation => tlv(0x30, &[own(&imsi, 4), own(&node, 0x81), own(&node, 4)].concat()),
            Self::SendAuthenticationInfo => tlv(0x30, &[own(&imsi, 0x80), vec![2, 1, 5]].concat()),
            Self::PurgeMs => tlv(0xa3, &[own(&imsi, 4), own(&node, 0x80)].concat()),
            Self::SendRoutingInfoForSm => {
                tlv(0x30, &[own(&msisdn, 0x80), vec![0x81, 1, 0xff], own(&node, 0x82)].concat())
            }
            Self::MtForwardSm => {
                let tpdu = [
                    0x04, 0x0b, 0x91, 0x51, 0x55, 0x10, 0x00, 0x99, 0xf9, 0, 0, 0x62, 0x11, 0x42, 0, 0, 0, 0,
                    0,
                ];
                tlv(0x30, &[own(&imsi, 0x80), own(&node, 0x84), own(&tpdu, 4)].concat())
            }
            Self::ProcessUnstructuredSsRequest => {
                tlv(0x30, &[own(&[0x0f], 4), own(&[0xaa, 0x18, 0x0c], 4)].concat())
            }
            Self::AnyTimeInterrogation => {
                tlv(0x30, &[tlv(0xa0, &own(&msisdn, 0x81)), tlv(0xa1, &[0x80, 0]), own(&node, 0x83)].concat())
            }
            Self::SendImsi => own(&msisdn, 4),
            Self::SendRoutingInfo => {
                tlv(0x30, &[own(&msisdn, 0x80), vec![0x83, 1, 0], own(&node, 0x86)].concat())
            }
            Self::SendRoutingInfoForGprs => tlv(0x30, &[own(&imsi, 0x80), own(&node, 0x82)].concat()),
            Self::AnyTimeSubscriptionInterrogation => {
                tlv(0x30, &[tlv(0xa0, &own(&msisdn, 0x81)), tlv(0xa1, &[0x80, 0]), own(&node, 0x82)].concat())
            }
        }
    }

    /// The SCCP user part: UDT with a Begin that holds one invoke; `id` is the transaction id.
    #[must_use]
    pub fn begin(self, id: u32) -> Vec<u8> {
        self.begin_from("15550100999", id)
    }

    /// The same from this calling global title.
    #[must_use]
    pub fn begin_from(self, calling_gt: &str, id: u32) -> Vec<u8> {
        let (called, calling) = self.subsystems();
        udt(("491700000001", called), (calling_gt, calling), &self.tcap(id, 1))
    }

    /// A Begin of so many octets or a few more, made of whole invokes, as a long message is: in LUDT.
    ///
    /// # Panics
    /// That is more than 64 invokes, which is as many as the firewall reads.
    #[must_use]
    pub fn long_begin(self, id: u32, octets: usize) -> Vec<u8> {
        let (called, calling) = self.subsystems();
        let (called, calling) = (party(("491700000001", called)), party(("15550100999", calling)));
        let tcap = (1..=64).map(|invokes| self.tcap(id, invokes)).find(|tcap| tcap.len() >= octets);
        ludt(&called, &calling, &tcap.expect("octets of 64 invokes"))
    }

    /// A Begin with so many invokes.
    fn tcap(self, id: u32, invokes: u8) -> Vec<u8> {
        let (opcode, context, version) = self.codes();
        let invoke = |number| tlv(0xa1, &[vec![2, 1, number, 2, 1, opcode], self.argument(id)].concat());
        let components: Vec<u8> = (1..=invokes).flat_map(invoke).collect();
        tlv(
            0x62,
            &[tlv(0x48, &id.to_be_bytes()), dialogue(0x60, context, version), tlv(0x6c, &components)]
                .concat(),
        )
    }
}

/// Offset of the calling digits in a UDT made by [`Kind::begin_from`].
pub const CALLING_DIGITS_AT: usize = 5 + 12 + 6;

/// The End that answers a Begin with a result without parameter; `None` if this is no Begin of ours.
#[must_use]
pub fn end_for(user_part: &[u8]) -> Option<Vec<u8>> {
    let id = transaction_id(user_part)?;
    let result = tlv(0xa2, &[2, 1, 1]);
    let end = tlv(0x64, &[tlv(0x49, &id.to_be_bytes()), tlv(0x6c, &result)].concat());
    Some(udt(("15550100999", 7), ("491700000001", 6), &end))
}

/// Transaction id of a message made by [`Kind::begin`], [`Kind::long_begin`] or [`end_for`].
#[must_use]
pub fn transaction_id(user_part: &[u8]) -> Option<u32> {
    let data = match *user_part {
        [LUDT, _, _, _, _, _, _, low, high, ..] => {
            user_part.get(8 + usize::from(u16::from_le_bytes([low, high])) + 2..)?
        }
        _ => user_part.get(4 + usize::from(*user_part.get(4)?) + 1..)?,
    };
    let inside = data.get(
        match *data.get(1)? {
            0..=0x7f => 2,
            long => 2 + usize::from(long & 0x7f),
        }..,
    )?;
    match inside {
        [0x48 | 0x49, 4, a, b, c, d, ..] => Some(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => None,
    }
}

/// The address of a global title with its subsystem number, behind its length.
fn party((digits, ssn): (&str, u8)) -> Vec<u8> {
    let scheme = if digits.len() % 2 == 1 { 0x11 } else { 0x12 };
    let mut out = vec![0x12, ssn, 0, scheme, 4];
    let mut octets = swapped(digits);
    if digits.len() % 2 == 1
        && let Some(last) = octets.last_mut()
    {
        *last &= 0x0f;
    }
    out.extend(octets);
    out.insert(0, u8::try_from(out.len()).expect("a short address"));
    out
}

/// A UDT between two global titles with their subsystem numbers.
fn udt(called: (&str, u8), calling: (&str, u8), data: &[u8]) -> Vec<u8> {
    let (called, calling) = (party(called), party(calling));
    let short = |len: usize| u8::try_from(len).expect("a short part");
    let mut out = vec![9, 0x80, 3, short(2 + called.len()), short(1 + called.len() + calling.len())];
    out.extend(called);
    out.extend(calling);
    out.push(short(data.len()));
    out.extend_from_slice(data);
    out
}

/// Type of [`ludt`].
const LUDT: u8 = 0x13;

/// A LUDT between two addresses (Q.713, section 4.20): class 0 with return on error, fifteen hops, no optional part.
/// Its pointers count from their second octet (Q.713, section 2.3).
fn ludt(called: &[u8], calling: &[u8], data: &[u8]) -> Vec<u8> {
    let word = |len: usize| u16::try_from(len).expect("a long part").to_le_bytes();
    let to_called = 1 + 3 * 2;
    let pointers = [to_called, to_called - 2 + called.len(), to_called - 4 + called.len() + calling.len(), 0];
    let mut out = vec![LUDT, 0x80, 15];
    out.extend(pointers.into_iter().flat_map(word));
    out.extend_from_slice(called);
    out.extend_from_slice(calling);
    out.extend(word(data.len()));
    out.extend_from_slice(data);
    out
}

/// A dialogue portion with this application context: AARQ (0x60) or AARE (0x61).
fn dialogue(pdu: u8, context: u8, version: u8) -> Vec<u8> {
    let name = tlv(0xa1, &tlv(6, &[4, 0, 0, 1, 0, context, version]));
    let pdu = tlv(pdu, &[vec![0x80, 2, 0x07, 0x80], name].concat());
    tlv(0x6b, &tlv(0x28, &[tlv(6, &[0, 0x11, 0x86, 5, 1, 1, 1]), tlv(0xa0, &pdu)].concat()))
}

/// Tag, length and value.
fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u16::try_from(value.len()).expect("a short value").to_be_bytes() {
        [0, len @ 0..=0x7f] => out.push(len),
        [0, len] => out.extend([0x81, len]),
        [high, low] => out.extend([0x82, high, low]),
    }
    out.extend_from_slice(value);
    out
}

/// Digits with the low nibble first, filled up with 0xf.
fn swapped(digits: &str) -> Vec<u8> {
    let nibble = |byte: &u8| byte - b'0';
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| nibble(&pair[0]) | pair.get(1).map_or(0xf0, |second| nibble(second) << 4))
        .collect()
}

/// An international E.164 address.
fn address(digits: &str) -> Vec<u8> {
    [vec![0x91], swapped(digits)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ss7guard_common::wire::m3ua::{Data, Label, SI_SCCP};
    use ss7guard_userspace::inspect::findings::Finding;
    use ss7guard_userspace::inspect::gsm_map::operations;
    use ss7guard_userspace::inspect::message::{Message, Outcome};

    #[test]
    fn what_is_made_is_what_the_decoder_reads() {
        for (id, kind) in (7u32..).zip(Kind::ROAMING.into_iter().chain(Kind::ATTACKS)) {
            let user_part = kind.begin(id);
            assert_eq!(transaction_id(&user_part), Some(id), "{kind:?}");
            let data = Data { label: Label { si: SI_SCCP, ..Label::default() }, ..Data::default() };
            let message = Message::decode(data, &user_part);
            assert_eq!(message.outcome, Outcome::Decoded, "{kind:?}");
            assert!(message.findings.is_empty(), "{kind:?}: {:?}", message.findings);
            let digits = user_part.get(CALLING_DIGITS_AT..CALLING_DIGITS_AT + 6);
            assert_eq!(digits, Some(&[0x51, 0x55, 0x10, 0x00, 0x99, 0x09][..]));
            let (_, opcode) = message.invokes().next().expect("an invoke");
            assert_eq!(operations::name(opcode), Some(kind.operation()));
            let end = end_for(&user_part).expect("an answer");
            assert_eq!(transaction_id(&end), Some(id));
        }
    }

    #[test]
    fn long_messages_are_what_the_decoder_reads() {
        for (id, kind) in (7u32..).zip(Kind::ROAMING.into_iter().chain(Kind::ATTACKS)) {
            for octets in [100, 300, 1_100] {
                let user_part = kind.long_begin(id, octets);
                assert!((octets..octets + 250).contains(&user_part.len()), "{kind:?}: {}", user_part.len());
                assert_eq!(transaction_id(&user_part), Some(id), "{kind:?}");
                let data = Data { label: Label { si: SI_SCCP, ..Label::default() }, ..Data::default() };
                let message = Message::decode(data, &user_part);
                assert_eq!(message.outcome, Outcome::Decoded, "{kind:?}");
                // Ordinary senders do that, too.
                let known = |kind| kind == Finding::SeveralInvokes;
                assert!(message.findings.kinds().all(known), "{kind:?}: {:?}", message.findings);
                assert!(
                    message.invokes().all(|(_, opcode)| operations::name(opcode) == Some(kind.operation()))
                );
                assert!(octets < 300 || message.invokes().count() > 1, "{kind:?}");
            }
        }
    }
}
