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
#[derive(Clone, Copy, Debug, Default)]
pub struct Findings {
    kept: [Option<(Finding, u32)>; MAX_FINDINGS],
    count: u32,
}

impl Findings {
    /// Notes a finding at this offset in the user part. The same finding is kept once per offset.
    pub fn note(&mut self, finding: Finding, offset: usize) {
        let entry = (finding, u32::try_from(offset).unwrap_or(u32::MAX));
        for slot in &mut self.kept {
            match slot {
                Some(kept) if *kept == entry => return,
                Some(_) => {}
                None => {
                    *slot = Some(entry);
                    break;
                }
            }
        }
        self.count = self.count.saturating_add(1);
    }

    /// Every kept finding with its offset.
    pub fn iter(&self) -> impl Iterator<Item = (Finding, u32)> + '_ {
        self.kept.iter().flatten().copied()
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
