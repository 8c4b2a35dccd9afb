//! Where decoders read the same octets differently, and which clause says who is right. docs/differential.md has the
//! same table for people; a test holds the two together.

use super::reading::{FIELDS, Reading};

/// One field that two decoders read differently.
#[derive(Clone, Copy, Debug)]
pub struct Disagreement<'a> {
    /// The field, or `accepted`: whether the message is taken as sound.
    pub field: &'static str,
    /// `crates` or `tshark`.
    pub source: &'static str,
    /// What ss7guard read.
    pub ours: &'a Reading,
    /// What the other decoder read.
    pub theirs: &'a Reading,
}

impl Disagreement<'_> {
    fn opcodes(&self, wanted: &[&str]) -> bool {
        let opcodes = self.ours.get("opcodes").unwrap_or_default();
        opcodes.split(',').any(|opcode| wanted.contains(&opcode))
    }

    /// Whether the other decoder gave up and said this.
    fn says(&self, words: &[&str]) -> bool {
        let why = self.theirs.refused.as_ref().map_or("", |(_, why)| why.as_str());
        words.iter().any(|word| why.contains(word))
    }
}

/// Who is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// The clause says that ss7guard is.
    Ours,
    /// No clause decides, or receivers are known to differ: ss7guard must not hold the message to be clean.
    Open,
    /// The clause says that the message is faulty, and ss7guard does not say so yet.
    Gap,
}

/// A known disagreement.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Its name in docs/differential.md.
    pub name: &'static str,
    /// Where the clause is.
    pub clause: &'static str,
    /// Who is right.
    pub ruling: Ruling,
    applies: fn(&Disagreement<'_>) -> bool,
}

impl Known {
    /// Whether a disagreement is this one.
    #[must_use]
    pub fn is(&self, found: &Disagreement<'_>) -> bool {
        (self.applies)(found)
    }
}

/// What tshark says of an element that the grammar does not have at its place.
const BEYOND: &str = "This field lies beyond the end of the known sequence definition";

/// Every known disagreement. The first that applies counts.
pub const KNOWN: &[Known] = &[
    Known {
        name: "part-not-modelled",
        clause: "TS 29.002 §17.7.1, §17.7.3, §17.7.13",
        ruling: Ruling::Ours,
        applies: |found| {
            found.source == "crates"
                && found.ours.get(found.field).is_some()
                && match found.field {
                    "forwarded_to" => found.opcodes(&["6", "7", "22", "62", "65", "5"]),
                    "imsi" | "msisdn" | "sgsn" | "vlr" | "msc" | "msrn" => {
                        found.opcodes(&["22", "70", "71", "89"])
                    }
                    "node" => found.opcodes(&["85", "86"]),
                    "scf" => found.opcodes(&["5", "6", "7", "22", "62", "65"]),
                    _ => false,
                }
        },
    },
    Known {
        name: "form-of-version-1-or-2",
        clause: "TS 29.002 §17.6.6 (CHOICEs in errors), §15.2.2; GSM 09.02 for the arguments of versions 1 and 2",
        ruling: Ruling::Ours,
        applies: |found| {
            let old = found.ours.get("ac").is_none_or(|name| name.ends_with(".1") || name.ends_with(".2"));
            let bare_error = found.ours.get("errors").is_some_and(|errors| errors.contains("34"));
            found.source == "crates"
                && found.field == "accepted"
                && (old || bare_error)
                && found.says(&["expected [", "is missing: no more data"])
        },
    },
    Known {
        name: "operation-not-modelled",
        clause: "TS 29.002 §17.5; TS 29.078 §6.1, §7.1, §8.1",
        ruling: Ruling::Ours,
        applies: |found| {
            found.source == "crates" && found.field == "accepted" && found.says(&["is not known"])
        },
    },
    Known {
        name: "part-out-of-place",
        clause: "none: Q.773 §4.2.1 gives the order; which transaction ids a receiver derives in spite of it is its own affair (Q.774 Table 7)",
        ruling: Ruling::Open,
        applies: |found| {
            found.source == "tshark"
                && matches!(found.field, "ac" | "otid" | "dtid")
                && found.says(&[BEYOND, "expected class:APPLICATION(1)"])
        },
    },
    Known {
        name: "parameter-order",
        clause: "X.690 §8.9.2: the elements of a SEQUENCE come in the order of its definition",
        ruling: Ruling::Open,
        applies: |found| {
            found.field == "accepted"
                && found.says(&["expected [0], found [2]", "Wrong field in SEQUENCE: expected"])
        },
    },
    Known {
        name: "unknown-extension",
        clause: "TS 29.002 §17.1.4: an unsupported extension after \"...\" is not rejected",
        ruling: Ruling::Ours,
        applies: |found| {
            let later = found.ours.get("ac").is_some_and(|name| name.ends_with(".3"));
            found.source == "tshark" && found.field == "accepted" && later && found.says(&[BEYOND])
        },
    },
    Known {
        name: "later-parameter-in-earlier-version",
        clause: "TS 29.002 §15.2.2 (no dialogue portion: version 1), §17.1.4 (extensions only above version 1)",
        ruling: Ruling::Gap,
        applies: |found| {
            let old = found.ours.get("ac").is_none_or(|name| !name.ends_with(".3"));
            found.source == "tshark" && found.field == "accepted" && old && found.says(&[BEYOND])
        },
    },
    Known {
        name: "segments",
        clause: "Q.714 §4.1.1.2: the receiver puts segments together",
        ruling: Ruling::Open,
        applies: |found| {
            let extended = found.ours.get("sccp").is_some_and(|kind| matches!(kind, "XUDT" | "LUDT"));
            extended && found.ours.get("tcap").is_none() && found.ours.refused.is_none()
        },
    },
    Known {
        name: "new-vlr-of-cancel-location",
        clause: "TS 29.002 §8.1.3 (MAP_CANCEL_LOCATION)",
        ruling: Ruling::Ours,
        applies: |found| found.field == "vlr" && found.opcodes(&["3"]),
    },
    Known {
        name: "filler-without-encoding-scheme",
        clause: "none: Q.713 §3.4.2.3.2 leaves the encoding to the translation type",
        ruling: Ruling::Open,
        applies: |found| {
            matches!(found.field, "cdpa_gt" | "cgpa_gt")
                && found.theirs.get(found.field).is_some_and(|digits| digits.ends_with("ST"))
        },
    },
];

/// Everything on which two readings differ. `accepted` is compared where the caller wants it.
#[must_use]
pub fn disagreements<'a>(
    source: &'static str,
    ours: &'a Reading,
    odd: bool,
    theirs: &'a Reading,
    acceptance: bool,
) -> Vec<Disagreement<'a>> {
    let mut found = Vec::new();
    let mut say = |field| found.push(Disagreement { field, source, ours, theirs });
    let refused = theirs.refused.is_some();
    if acceptance && (refused && !odd || !refused && ours.refused.is_some()) {
        say("accepted");
    }
    for (field, layer) in FIELDS {
        if theirs.covers(field, layer) && !ours.agrees(theirs, field) {
            say(field);
        }
    }
    found
}
