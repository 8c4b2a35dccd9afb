//! Application contexts of MAP (TS 29.002 §17.3) and what a dialogue in each of them may ask for.
//!
//! A context and its version say which operations the side that opened the dialogue may invoke, and which the other
//! side. A dialogue without dialogue portion is of version 1, and its context follows from its first operation
//! (TS 29.002 §15.2). [`check`] holds a message against these tables: two array lookups a component.

use crate::inspect::ber::{BerError, Class, Reader, SEQUENCE, Work};
use crate::inspect::findings::Finding;
use crate::inspect::gsm_map::{Context, MapContext, Protocol, subsystems};
use crate::inspect::tcap::{Code, Component, ComponentKind, Kind, Tcap};

/// A set of operation codes, 0 to 127.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Operations(u128);

impl Operations {
    const fn of(codes: &[u8]) -> Self {
        let mut set = 0;
        let mut rest = codes;
        while let [code, after @ ..] = rest {
            set |= 1 << *code;
            rest = after;
        }
        Self(set)
    }

    fn contains(self, opcode: i32) -> bool {
        u32::try_from(opcode).is_ok_and(|code| code < u128::BITS && self.0.wrapping_shr(code) & 1 != 0)
    }
}

/// What each side of a dialogue may invoke.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sides {
    initiator: Operations,
    responder: Operations,
}

/// A context: number, name, first and last version, what the initiator and what the responder may invoke.
struct Row(u8, &'static str, [u8; 2], &'static [u8], &'static [u8]);

const CONTEXT_COUNT: usize = 48;
const VERSIONS: usize = 5;

/// [`ROWS`] by number and version; no operation of the initiator where there is no such context.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, over the table below")]
static SIDES: [[Sides; VERSIONS]; CONTEXT_COUNT] = {
    const NONE: Sides = Sides { initiator: Operations(0), responder: Operations(0) };
    let mut sides = [[NONE; VERSIONS]; CONTEXT_COUNT];
    let mut rows = ROWS;
    while let [Row(number, _, [version, last], initiator, responder), after @ ..] = rows {
        let mut version = *version;
        while version <= *last {
            sides[*number as usize][version as usize] =
                Sides { initiator: Operations::of(initiator), responder: Operations::of(responder) };
            version = version.saturating_add(1);
        }
        rows = after;
    }
    sides
};

/// By number. After the package definitions of TS 29.002 §17.3.2 and GSM 09.02 for the versions 1 and 2; 12 and 40
/// after releases that still had them.
const ROWS: &[Row] = &[
    Row(1, "networkLocUp", [1, 1], &[2, 9], &[7, 38, 50]),
    Row(1, "networkLocUp", [2, 3], &[2, 57], &[7, 38, 50]),
    Row(2, "locationCancellation", [1, 3], &[3], &[]),
    Row(3, "roamingNumberEnquiry", [1, 3], &[4], &[]),
    Row(4, "istAlerting", [3, 3], &[87], &[]),
    Row(5, "locationInfoRetrieval", [1, 3], &[22], &[]),
    Row(6, "callControlTransfer", [3, 4], &[6], &[]),
    Row(7, "reporting", [3, 3], &[73, 74, 75], &[73, 74]),
    Row(8, "callCompletion", [3, 3], &[76, 77], &[]),
    Row(9, "serviceTermination", [3, 3], &[88], &[]),
    Row(10, "reset", [1, 3], &[37], &[]),
    // performSubsequentHandover (30) became prepareSubsequentHandover (69) in version 2.
    Row(11, "handoverControl", [1, 1], &[28, 34, 52], &[29, 30, 33, 35, 69]),
    Row(11, "handoverControl", [2, 3], &[34, 68], &[29, 33, 69]),
    Row(12, "sIWFSAllocation", [3, 3], &[31, 32], &[32]),
    Row(13, "equipmentMngt", [1, 3], &[43], &[]),
    Row(14, "infoRetrieval", [1, 1], &[9], &[]),
    Row(14, "infoRetrieval", [2, 3], &[56], &[]),
    Row(15, "interVlrInfoRetrieval", [2, 3], &[55], &[]),
    Row(16, "subscriberDataMngt", [1, 3], &[7, 8], &[]),
    Row(17, "tracing", [1, 3], &[50, 51], &[]),
    Row(18, "networkFunctionalSs", [1, 1], &[10, 11, 12, 13, 14, 17, 19, 54], &[18]),
    Row(18, "networkFunctionalSs", [2, 2], &[10, 11, 12, 13, 14, 17], &[18]),
    Row(19, "networkUnstructuredSs", [2, 2], &[59, 60, 61], &[59, 60, 61]),
    Row(20, "shortMsgGateway", [1, 1], &[45, 47], &[]),
    Row(20, "shortMsgGateway", [2, 3], &[45, 47], &[63]),
    Row(21, "shortMsgMO-Relay", [1, 3], &[46], &[]),
    Row(22, "subscriberDataModificationNotification", [3, 3], &[5], &[]),
    Row(23, "shortMsgAlert", [1, 1], &[49], &[]),
    Row(23, "shortMsgAlert", [2, 2], &[64], &[]),
    Row(24, "mwdMngt", [1, 1], &[48], &[]),
    Row(24, "mwdMngt", [2, 3], &[66], &[]),
    // Version 1 is 21.1; some implementations have 25.1 all the same.
    Row(25, "shortMsgMT-Relay", [1, 2], &[46], &[]),
    Row(25, "shortMsgMT-Relay", [3, 3], &[44], &[]),
    Row(26, "imsiRetrieval", [2, 2], &[58], &[]),
    Row(27, "msPurging", [2, 3], &[67], &[]),
    Row(28, "subscriberInfoEnquiry", [3, 3], &[70], &[]),
    Row(29, "anyTimeInfoEnquiry", [3, 3], &[71], &[]),
    Row(31, "groupCallControl", [3, 3], &[39, 42], &[40, 41]),
    Row(32, "gprsLocationUpdate", [3, 3], &[23], &[7, 50]),
    Row(33, "gprsLocationInfoRetrieval", [3, 4], &[24], &[]),
    Row(34, "failureReport", [3, 3], &[25], &[]),
    Row(35, "gprsNotify", [3, 3], &[26], &[]),
    Row(36, "ss-InvocationNotification", [3, 3], &[72], &[]),
    Row(37, "locationSvcGateway", [3, 3], &[85], &[]),
    Row(38, "locationSvcEnquiry", [3, 3], &[83, 86], &[]),
    Row(39, "authenticationFailureReport", [3, 3], &[15], &[]),
    Row(40, "secureTransportHandling", [3, 3], &[78, 79, 80, 81], &[78, 79, 80, 81]),
    Row(41, "shortMsgMT-Relay-VGCS", [3, 3], &[21], &[]),
    Row(42, "mm-EventReporting", [3, 3], &[89], &[]),
    Row(43, "anyTimeInfoHandling", [3, 3], &[62, 65], &[]),
    Row(44, "resourceManagement", [3, 3], &[20], &[]),
    Row(45, "groupCallInfoRetrieval", [3, 3], &[84], &[]),
    Row(46, "vcsgLocationUpdate", [3, 3], &[53], &[7]),
    Row(47, "vcsgLocationCancellation", [3, 3], &[36], &[]),
];

/// Every operation: each is in a context.
static ALL: Operations = {
    let mut all = 0;
    let mut rows = ROWS;
    while let [Row(_, _, _, initiator, responder), after @ ..] = rows {
        all |= Operations::of(initiator).0 | Operations::of(responder).0;
        rows = after;
    }
    Operations(all)
};

/// What may open a dialogue of version 1.
static VERSION_ONE: Operations = {
    let mut all = 0;
    let mut rows = ROWS;
    while let [Row(_, _, [first, _], initiator, _), after @ ..] = rows {
        if *first == 1 {
            all |= Operations::of(initiator).0;
        }
        rows = after;
    }
    Operations(all)
};

/// The name of a context without its version; `None` if MAP has no such context.
#[must_use]
pub fn name(context: u32) -> Option<&'static str> {
    ROWS.iter().find(|Row(number, ..)| u32::from(*number) == context).map(|Row(_, name, ..)| *name)
}

fn sides(context: MapContext) -> Option<&'static Sides> {
    let versions = SIDES.get(usize::try_from(context.context).ok()?)?;
    let sides = versions.get(usize::try_from(context.version).ok()?)?;
    (sides.initiator != Operations::default()).then_some(sides)
}

/// What is known about the context of a message.
#[derive(Clone, Copy)]
enum Known {
    /// The dialogue portion names it.
    Named(&'static Sides),
    /// Version 1: the message opens a dialogue and has no dialogue portion.
    VersionOne,
    /// Nothing: a later message, or a name that is none of MAP's (which is noted).
    Nothing,
}

/// Notes what contradicts the tables in a message with this application context. `offset` is that of the TCAP message;
/// `called_ssn` is that of the node that is to perform what is invoked, `None` if there is none or it says nothing.
pub fn check(
    tcap: &Tcap<'_>,
    context: Option<Context>,
    protocol: Protocol,
    called_ssn: Option<u8>,
    offset: usize,
    work: &mut Work,
) {
    let opens = matches!(tcap.kind, Kind::Begin | Kind::Unidirectional);
    let known = match context {
        _ if protocol == Protocol::Cap => {
            if opens && called_ssn.is_some_and(|ssn| !subsystems::may_speak_cap(ssn)) {
                note(Finding::SsnMismatch, offset, work);
            }
            return;
        }
        None if opens => Known::VersionOne,
        None => Known::Nothing,
        Some(Context::Map(context)) => {
            if context.version == 1 {
                note(Finding::VersionOneContext, offset, work);
            }
            sides(context).map_or_else(|| unknown_context(offset, work), Known::Named)
        }
        // A subsystem of MAP has nothing to do with the contexts of others.
        Some(_) if called_ssn.is_some_and(subsystems::speaks_map) => unknown_context(offset, work),
        Some(_) => return,
    };
    // Later messages without a context say nothing of who serves whom.
    let called_ssn = called_ssn.filter(|_| opens || context.is_some());
    for component in tcap.components.iter() {
        let Some(Code::Local(opcode)) = component.operation else { continue };
        if !ALL.contains(opcode) {
            note(Finding::OperationUnknown, component.offset, work);
            continue;
        }
        let is_invoke = component.kind == ComponentKind::Invoke;
        match known {
            // In the first message nothing has been asked for that there could be a result of; the other side's
            // first message is the only later one with a name.
            Known::Named(sides) => {
                let fits = match (opens, is_invoke) {
                    (true, true) | (false, false) => sides.initiator.contains(opcode),
                    (true, false) => false,
                    (false, true) => sides.responder.contains(opcode),
                };
                if !fits {
                    note(Finding::ContextMismatch, component.offset, work);
                }
            }
            Known::VersionOne if is_invoke && !is_version_one(opcode, component, work) => {
                note(Finding::VersionDowngrade, component.offset, work);
            }
            Known::VersionOne | Known::Nothing => {}
        }
        if let Some(ssn) = called_ssn
            && is_invoke
            && !subsystems::servers(opcode).contains(ssn)
        {
            note(Finding::SsnMismatch, component.offset, work);
        }
    }
}

/// Out of the way of the messages that there is nothing to note about.
#[cold]
fn note(finding: Finding, offset: usize, work: &mut Work) {
    work.findings.note(finding, offset);
}

#[cold]
fn unknown_context(offset: usize, work: &mut Work) -> Known {
    note(Finding::ContextUnknown, offset, work);
    Known::Nothing
}

/// Whether an invoke may stand in the first message of a version 1 dialogue: the operation existed, and its argument
/// has no parameter that only came with version 3.
fn is_version_one(opcode: i32, component: &Component<'_>, work: &mut Work) -> bool {
    VERSION_ONE.contains(opcode)
        // What is not BER is another's to report.
        && component.parameter.is_none_or(|argument| match (opcode, argument.tag) {
            (_, SEQUENCE) => has_tags(version_one_tags(opcode), argument.inside(), work).unwrap_or(true),
            // cancelLocation
            (3, tag) => tag.class() != Class::Context,
            _ => true,
        })
}

/// Context tags of the argument in the versions 1 and 2, a bit for each.
const fn version_one_tags(opcode: i32) -> u64 {
    const fn up_to(last: u32) -> u64 {
        u64::MAX >> 63u32.wrapping_sub(last)
    }
    match opcode {
        // roamingNumber, msc-Number, lmsi; not vlr-Capability [6]
        2 => 1 << 0 | 1 << 1 | 1 << 10,
        // up to networkSignalInfo; not suppressionOfAnnouncement [7]
        4 => up_to(6),
        // up to regionalSubscriptionData; not vlrCamelSubscriptionInfo [13]
        7 => up_to(10),
        // msisdn, cug-CheckInfo, numberOfForwarding, networkSignalInfo; not interrogationType [3]
        22 => 1 << 0 | 1 << 1 | 1 << 2 | 1 << 10,
        // up to teleserviceCode; not gprsSupportIndicator [7]
        45 => up_to(5),
        _ => u64::MAX,
    }
}

/// Whether each context tag among some elements is one of these.
fn has_tags(allowed: u64, mut elements: Reader<'_>, work: &mut Work) -> Result<bool, BerError> {
    while allowed != u64::MAX
        && let Some(element) = elements.next(work)?
    {
        let bit = 1u64.checked_shl(element.tag.number()).unwrap_or(0);
        if element.tag.class() == Class::Context && allowed & bit == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
