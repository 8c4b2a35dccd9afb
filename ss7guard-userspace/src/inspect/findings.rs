//! Forms that a receiver would accept and that a well-behaved sender does not use.
//!
//! A finding is no error: decoding goes on. Each has its place in the user part, so that a person can look at it.

/// How much a finding says about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Weight {
    /// Ordinary senders do this too.
    Note,
    /// Legal, and no ordinary sender's: a person should know.
    Odd,
    /// Receivers read it differently, or it serves only to be read differently: the message is not judgeable.
    Ambiguous,
}

macro_rules! findings {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $name:literal, $weight:ident; )+) => {
        /// A kind of finding.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Finding { $( $(#[doc = $doc])+ $variant, )+ }

        impl Finding {
            /// Every kind.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];

            /// The one spelling of this kind.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $name, )+ }
            }

            /// How much it says, where no configuration says otherwise.
            #[must_use]
            pub const fn weight(self) -> Weight {
                match self { $( Self::$variant => Weight::$weight, )+ }
            }

            /// The kind with this name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|finding| finding.as_str() == name)
            }

            /// What this kind says, in words.
            #[must_use]
            pub fn description(self) -> &'static str {
                match self { $( Self::$variant => concat!($($doc),+).trim_ascii_start(), )+ }
            }
        }
    };
}

findings! {
    /// A tag number below 31 in the long form, or a long form with leading zeros (X.690 §8.1.2.4).
    NoncanonicalTag = "noncanonical_tag", Ambiguous;
    /// A length in more octets than it needs (X.690 §8.1.3.5 allows it, §10.1 does not).
    NoncanonicalLength = "noncanonical_length", Odd;
    /// A length of indefinite form (X.690 §8.1.3.6).
    IndefiniteLength = "indefinite_length", Odd;
    /// A string cut into pieces (X.690 §8.7.3).
    ConstructedString = "constructed_string", Ambiguous;
    /// An integer in more octets than it needs (X.690 §8.3.2).
    NoncanonicalInteger = "noncanonical_integer", Ambiguous;
    /// An object identifier arc with leading zero groups (X.690 §8.19.2).
    NoncanonicalOid = "noncanonical_oid", Ambiguous;
    /// Octets after the TCAP message, or after the parameter of a component.
    TrailingOctets = "trailing_octets", Ambiguous;
    /// A transaction id outside 1 to 4 octets (Q.773 §4.2.1.2).
    TransactionIdLength = "transaction_id_length", Ambiguous;
    /// A second component or dialogue portion; its content is judged too.
    DuplicatePortion = "duplicate_portion", Ambiguous;
    /// A transaction id, portion or P-abort cause twice, in a message type that has none, or in another place than
    /// Q.773 §4.2.1 gives it; a component portion without components; a Begin with other components than invokes,
    /// which have nothing there that they could answer.
    UnexpectedPart = "unexpected_part", Ambiguous;
    /// The same parameter twice in one argument.
    DuplicateParameter = "duplicate_parameter", Ambiguous;
    /// A parameter that should have come before another one (X.690 §8.9.2): receivers lose one of them.
    ParameterOrder = "parameter_order", Ambiguous;
    /// An invoke or linked id outside -128 to 127 (Q.773 §3.1, InvokeIdType).
    InvokeIdRange = "invoke_id_range", Ambiguous;
    /// A global operation code; MAP has local ones (TS 29.002 §17.5).
    GlobalOpcode = "global_opcode", Ambiguous;
    /// A Unidirectional message; MAP does not use it (TS 29.002 §15).
    Unidirectional = "unidirectional", Ambiguous;
    /// An explicit version 1 application context (TS 29.002 §15.2.2).
    VersionOneContext = "version_one_context", Odd;
    /// Digits other than 0 to 9, a filler inside, or a length outside the range of the number.
    OddDigits = "odd_digits", Odd;
    /// An SCCP pointer order other than called, calling, data.
    PointerOrder = "pointer_order", Odd;
    /// A parameter that does not have the form that its operation gives it.
    UnexpectedForm = "unexpected_form", Odd;
    /// An SCTP packet with a wrong checksum: a receiver discards it (RFC 9260 §6.8).
    BadChecksum = "bad_checksum", Odd;
    /// An SCTP packet with an association's verification tag, from or to an address that is not the association's.
    ForeignAddress = "foreign_address", Odd;
    /// User data with another verification tag than those of the association that has these addresses and ports: a
    /// receiver discards it (RFC 9260 §8.5).
    WrongVtag = "wrong_vtag", Odd;
    /// M3UA DATA between ASP UP and the first ASP ACTIVE of its association, or after the last ASP INACTIVE or ASP DOWN
    /// (RFC 4666 §4.3).
    DataOutsideState = "data_outside_state", Odd;
    /// M3UA DATA in an association in which no ASP has said anything since its beginning (RFC 4666 §4.3); some ends are set
    /// up to do without.
    DataWithoutAsp = "data_without_asp", Note;
    /// The same TSN with different octets.
    TsnConflict = "tsn_conflict", Ambiguous;
    /// Fragments of one user message that disagree about stream or sequence number (RFC 9260 §6.9).
    FragmentMismatch = "fragment_mismatch", Ambiguous;
    /// SCCP segments that come in another order than they were cut, or by different links (Q.714 §4.1.1.2.2).
    SegmentOrder = "segment_order", Note;
    /// SCCP segments with the same local reference that contradict each other (Q.714 §4.1.1.2.3).
    SegmentConflict = "segment_conflict", Ambiguous;
    /// Put together from IP fragments.
    IpFragments = "ip_fragments", Note;
    /// Put together from SCTP fragments.
    SctpFragments = "sctp_fragments", Note;
    /// Put together from SCCP segments.
    SccpSegments = "sccp_segments", Note;
    /// M3UA parameters in another order than RFC 4666 §3.3.1 lists them; it allows any.
    M3uaParameterOrder = "m3ua_parameter_order", Note;
    /// An M3UA parameter that DATA does not have (RFC 4666 §3.3.1); a receiver skips it.
    M3uaUnknownParameter = "m3ua_unknown_parameter", Odd;
    /// Padding that is not zero (RFC 4666 §3.2).
    M3uaPadding = "m3ua_padding", Odd;
    /// A message length that leaves the last padding out (RFC 4666 §3.1.4 lets a receiver take it).
    M3uaUnpadded = "m3ua_unpadded", Note;
    /// A party address without a global title.
    GlobalTitleMissing = "global_title_missing", Odd;
    /// A global title of another form than nature, plan, encoding and translation type (indicator 4), which
    /// international traffic has (Q.713 §3.4.2.3, Annex B.4).
    GlobalTitleForm = "global_title_form", Odd;
    /// A global title in E.164 or E.214 whose nature is not international (Q.713 §3.4.2.3.1).
    GlobalTitleNature = "global_title_nature", Odd;
    /// A point code in a party address that has a global title to route on.
    PointCodeInAddress = "point_code_in_address", Note;
    /// Several invokes in one message; each is judged.
    SeveralInvokes = "several_invokes", Note;
    /// An invoke in an End: nobody could answer it.
    InvokeInEnd = "invoke_in_end", Odd;
    /// A negative invoke id; legal (Q.773 §4.2.2 has -128 to 127), and seldom.
    NegativeInvokeId = "negative_invoke_id", Note;
    /// SCCP management by its subsystem number, and no management message inside (Q.713 §5).
    ManagementMismatch = "management_mismatch", Ambiguous;
    /// An application context that MAP does not have, or not in that version (TS 29.002 §17.3.3).
    ContextUnknown = "context_unknown", Odd;
    /// An operation that the application context does not give to that side of the dialogue (TS 29.002 §17.3.2).
    ContextMismatch = "context_mismatch", Ambiguous;
    /// A local operation code that MAP does not define (TS 29.002 §17.5).
    OperationUnknown = "operation_unknown", Odd;
    /// Without dialogue portion, hence version 1, an operation or argument of a later version (TS 29.002 §15.2).
    VersionDowngrade = "version_downgrade", Odd;
    /// A called subsystem that does not perform the operation (TS 23.003 §6, TS 29.002 §17.3.2).
    SsnMismatch = "ssn_mismatch", Odd;
    /// No subsystem number, or number 0 (not known), in an address that needs one (TS 29.002 §6.1.3).
    SsnMissing = "ssn_missing", Odd;
    /// A short message that is cut off, contradicts itself, or does not go that way (TS 23.040 §9.2).
    SmsMalformed = "sms_malformed", Odd;
}

/// Findings of one message that are kept; more are counted only.
pub const MAX_FINDINGS: usize = 8;

/// The findings of one message, in the order of their discovery.
#[derive(Clone, Copy, Debug)]
pub struct Findings {
    /// Kind in the upper half, offset in the lower: an evader can have one noted for every octet, so that looking for
    /// one among those kept has to be cheap.
    kept: [u64; MAX_FINDINGS],
    len: u8,
    count: u32,
    /// One bit for each kind that was noted, kept or not: many harmless ones must not hide one that is not.
    kinds: u64,
}

const _: () = assert!(Finding::ALL.len() <= 64);

impl Default for Findings {
    fn default() -> Self {
        Self { kept: [Self::NONE; MAX_FINDINGS], len: 0, count: 0, kinds: 0 }
    }
}

impl Findings {
    /// No finding: there is no kind of this number.
    const NONE: u64 = u64::MAX;
    const OFFSET_BITS: u32 = 32;

    /// Notes a finding at this offset in the user part. The same finding is kept once per offset.
    #[cold]
    pub fn note(&mut self, finding: Finding, offset: usize) {
        self.kinds |= 1u64.wrapping_shl(finding as u32);
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        let entry = u64::from(finding as u8) << Self::OFFSET_BITS | u64::from(offset);
        // All of them are compared, the empty ones too: that has no branches.
        if self.kept.iter().fold(false, |same, kept| same | (*kept == entry)) {
            return;
        }
        if let Some(slot) = self.kept.get_mut(usize::from(self.len)) {
            *slot = entry;
            self.len = self.len.saturating_add(1);
        }
        self.count = self.count.saturating_add(1);
    }

    /// Takes those of another part of the same message in.
    pub fn join(&mut self, other: &Self) {
        for (finding, offset) in other.iter() {
            self.note(finding, offset as usize);
        }
        self.count = self.count.saturating_add(other.count.saturating_sub(MAX_FINDINGS as u32));
        self.kinds |= other.kinds;
    }

    /// Every kept finding with its offset.
    pub fn iter(&self) -> impl Iterator<Item = (Finding, u32)> + '_ {
        self.kept.iter().take(self.len.into()).filter_map(|entry| {
            let kind = usize::try_from(entry >> Self::OFFSET_BITS).ok()?;
            Some((*Finding::ALL.get(kind)?, *entry as u32))
        })
    }

    /// How many there were.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Whether there were none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether a finding of this kind was noted.
    #[must_use]
    pub const fn contains(&self, finding: Finding) -> bool {
        self.kinds & 1u64.wrapping_shl(finding as u32) != 0
    }

    /// Every kind that was noted.
    pub fn kinds(&self) -> impl Iterator<Item = Finding> + '_ {
        Finding::ALL.iter().copied().filter(|finding| self.contains(*finding))
    }

    /// Where a finding of this kind was first noted, if it was kept.
    #[must_use]
    pub fn offset(&self, finding: Finding) -> Option<u32> {
        self.iter().find(|(kept, _)| *kept == finding).map(|(_, offset)| offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_findings_do_not_hide_another_kind() {
        let mut findings = Findings::default();
        for offset in 0..100 {
            findings.note(Finding::NoncanonicalLength, offset);
        }
        findings.note(Finding::GlobalOpcode, 7);
        assert_eq!((findings.iter().count(), findings.count()), (MAX_FINDINGS, 101));
        let kinds: Vec<_> = findings.kinds().collect();
        assert_eq!(kinds, [Finding::NoncanonicalLength, Finding::GlobalOpcode]);
        let mut joined = Findings::default();
        joined.join(&findings);
        assert!(joined.contains(Finding::GlobalOpcode));
    }

    #[test]
    fn names_lead_back_to_the_finding() {
        for finding in Finding::ALL {
            assert_eq!(Finding::from_name(finding.as_str()), Some(*finding));
        }
    }
}
