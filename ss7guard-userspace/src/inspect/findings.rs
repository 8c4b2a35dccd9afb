//! Forms that a receiver would accept and that a well-behaved sender does not use.
//!
//! A finding is no error: decoding goes on. Each has its place in the user part, so that a person can look at it.

macro_rules! findings {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $name:literal; )+) => {
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
        }
    };
}

findings! {
    /// A tag number below 31 in the long form, or a long form with leading zeros (X.690 §8.1.2.4).
    NoncanonicalTag = "noncanonical_tag";
    /// A length in more octets than it needs (X.690 §8.1.3.5 allows it, §10.1 does not).
    NoncanonicalLength = "noncanonical_length";
    /// A length of indefinite form (X.690 §8.1.3.6).
    IndefiniteLength = "indefinite_length";
    /// A string cut into pieces (X.690 §8.7.3).
    ConstructedString = "constructed_string";
    /// An integer in more octets than it needs (X.690 §8.3.2).
    NoncanonicalInteger = "noncanonical_integer";
    /// An object identifier arc with leading zero groups (X.690 §8.19.2).
    NoncanonicalOid = "noncanonical_oid";
    /// Octets after the TCAP message, or after the parameter of a component.
    TrailingOctets = "trailing_octets";
    /// A transaction id outside 1 to 4 octets (Q.773 §4.2.1.2).
    TransactionIdLength = "transaction_id_length";
    /// A second component or dialogue portion; its content is judged too.
    DuplicatePortion = "duplicate_portion";
    /// A transaction id, portion or P-abort cause twice, in a message type that has none, or in another place than
    /// Q.773 §4.2.1 gives it; a component portion without components; a Begin with other components than invokes,
    /// which have nothing there that they could answer.
    UnexpectedPart = "unexpected_part";
    /// The same parameter twice in one argument.
    DuplicateParameter = "duplicate_parameter";
    /// An invoke or linked id outside -128 to 127 (Q.773 §3.1, InvokeIdType).
    InvokeIdRange = "invoke_id_range";
    /// A global operation code; MAP has local ones (TS 29.002 §17.5).
    GlobalOpcode = "global_opcode";
    /// A Unidirectional message; MAP does not use it (TS 29.002 §15).
    Unidirectional = "unidirectional";
    /// An explicit version 1 application context (TS 29.002 §15.2.2).
    VersionOneContext = "version_one_context";
    /// Digits other than 0 to 9, a filler inside, or a length outside the range of the number.
    OddDigits = "odd_digits";
    /// An SCCP pointer order other than called, calling, data.
    PointerOrder = "pointer_order";
    /// A parameter that does not have the form that its operation gives it.
    UnexpectedForm = "unexpected_form";
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
}

impl Default for Findings {
    fn default() -> Self {
        Self { kept: [Self::NONE; MAX_FINDINGS], len: 0, count: 0 }
    }
}

impl Findings {
    /// No finding: there is no kind of this number.
    const NONE: u64 = u64::MAX;
    const OFFSET_BITS: u32 = 32;

    /// Notes a finding at this offset in the user part. The same finding is kept once per offset.
    #[cold]
    pub fn note(&mut self, finding: Finding, offset: usize) {
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

    /// Whether a finding of this kind was kept.
    #[must_use]
    pub fn contains(&self, finding: Finding) -> bool {
        self.iter().any(|(kept, _)| kept == finding)
    }
}
