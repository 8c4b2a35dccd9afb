//! The members of each argument that is a SEQUENCE, in their order (TS 29.002 §17.7; BER keeps it: X.690 §8.9.2).
//!
//! The latest version's: earlier ones have fewer members in the same order. A tag that is not there is an extension or
//! another version's, and says nothing.

use crate::inspect::ber::{Class, SEQUENCE, Tag};

/// A tag as one number: a context tag above [`CONTEXT`], a universal one below.
type Member = u16;

const CONTEXT: Member = 0x100;
/// Marks a tag of the member before: the member is a CHOICE without a tag of its own.
const OR: Member = 0x8000;

#[expect(non_snake_case, reason = "a table reads better with the names of the classes")]
const fn U(number: u16) -> Member {
    number
}

#[expect(non_snake_case, reason = "a table reads better with the names of the classes")]
const fn C(number: u16) -> Member {
    CONTEXT | number
}

const fn or(member: Member) -> Member {
    OR | member
}

/// How far the members of an argument have come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    members: &'static [Member],
    /// The first member that may come next.
    next: usize,
}

impl Order {
    /// No order is known.
    pub(super) const NONE: Self = Self { members: &[], next: 0 };

    /// The order of the argument of an operation, if its outermost tag is that of the latest version.
    pub(super) fn of(opcode: i32, tag: Tag) -> Self {
        let latest =
            if matches!(opcode, 3 | 29 | 33 | 34 | 67 | 68 | 69) { Tag::context(3) } else { SEQUENCE };
        if tag == latest { Self { members: members(opcode), next: 0 } } else { Self::NONE }
    }

    /// Takes the next element; false if it should have come before another one that was there.
    #[inline]
    pub(super) fn follows(&mut self, tag: Tag) -> bool {
        if self.members.is_empty() {
            return true;
        }
        let wanted = match (tag.class(), u16::try_from(tag.number())) {
            (Class::Universal, Ok(number)) if number < CONTEXT => number,
            (Class::Context, Ok(number)) if number < CONTEXT => CONTEXT | number,
            _ => return true,
        };
        let is = |member: &Member| member & !OR == wanted;
        let rest = self.members.get(self.next..).unwrap_or_default();
        match rest.iter().position(is) {
            Some(at) => {
                let after = rest.get(at.saturating_add(1)..).unwrap_or_default();
                let others = after.iter().take_while(|member| **member & OR != 0).count();
                self.next = self.next.saturating_add(at).saturating_add(1).saturating_add(others);
                true
            }
            None => !self.members.iter().any(is),
        }
    }
}

/// The members of the argument of an operation.
// One line for each argument; one for each tag, as rustfmt has it, cannot be read.
#[rustfmt::skip]
const fn members(opcode: i32) -> &'static [Member] {
    match opcode {
        // updateLocation
        2 => const { &[
            U(4), C(1), U(4), C(10), U(16), C(6), C(11), C(12), C(2), C(13), C(14), C(15), C(16), C(3), C(4),
        ] },
        // cancelLocation
        3 => const { &[U(4), or(U(16)), U(10), U(16), C(0), C(1), C(2), C(3), C(4), C(5), C(6)] },
        // provideRoamingNumber
        4 => const { &[
            C(0), C(1), C(2), C(4), C(5), C(6), C(7), C(8), C(9), C(10), C(11), C(12), C(13), C(15), C(14), C(16),
            C(17), C(18), C(19), C(20), C(21), C(22), C(23), C(24), C(25), C(26),
        ] },
        // noteSubscriberDataModified
        5 => const { &[U(4), U(4), C(0), C(1), C(2), C(3), C(4), U(16), C(5), C(6), C(7), C(8), C(9), C(10), C(11)] },
        // resumeCallHandling
        6 => const { &[
            C(0), C(1), C(2), C(3), C(4), C(5), C(7), C(8), C(9), C(10), C(11), C(12), C(13), C(14), C(15),
        ] },
        // insertSubscriberData
        7 => const { &[
            C(0), C(1), C(2), C(3), C(4), C(6), C(7), C(8), C(9), C(10), C(11), C(12), C(13), C(14), C(15), C(16),
            C(23), C(24), C(25), C(21), C(22), C(26), C(27), C(28), C(29), C(17), C(18), C(19), C(20), C(31), C(32),
            C(33), C(34), C(35), C(36), C(37), C(38), C(39), C(40), C(41), C(42), C(43), C(44), C(45), C(46), C(47),
            C(48), C(49), C(50), C(51), C(52), C(53), C(54),
        ] },
        // deleteSubscriberData
        8 => const { &[
            C(0), C(1), C(2), C(4), C(5), C(7), C(8), C(9), C(6), C(10), C(11), C(12), C(13), C(14), C(15), C(16),
            C(17), C(18), C(19), C(20), C(22), C(23), C(21), C(24), C(25), C(26), C(27), C(28), C(29), C(30), C(31),
            C(32),
        ] },
        // sendParameters
        9 => const { &[C(0), or(C(1)), U(16)] },
        // registerSS
        10 => const { &[U(4), C(2), or(C(3)), C(4), C(6), C(5), C(7), C(8), C(9)] },
        // eraseSS, activateSS, deactivateSS, interrogateSS
        11..=14 => const { &[U(4), C(2), or(C(3)), C(4)] },
        // authenticationFailureReport
        15 => const { &[U(4), U(10), U(16), U(1), U(10), U(4), C(0), C(1)] },
        // releaseResources
        20 => const { &[U(4), U(16)] },
        // mt-ForwardSM-VGCS
        21 => const { &[U(4), C(2), or(C(4)), or(C(5)), U(4), U(16)] },
        // sendRoutingInfo
        22 => const { &[
            C(0), C(1), C(2), C(3), C(4), C(5), C(6), C(7), C(8), C(9), C(10), C(11), C(12), C(13), C(14), C(15),
            C(16), C(17), C(18), C(19), C(20), C(21), C(22), C(23), C(24), C(25), C(26), C(27), C(28), C(29),
        ] },
        // updateGprsLocation
        23 => const { &[
            U(4), U(4), U(4), U(16), C(0), C(1), C(2), C(3), C(4), C(5), C(6), C(7), C(8), C(9), C(10), C(11),
            C(12), C(13), C(14), C(15), C(16), C(17), C(18), C(22), C(19), C(20), C(21), C(23),
        ] },
        // sendRoutingInfoForGprs, failureReport, noteMsPresentForGprs, deactivateTraceMode, setReportingState, statusReport
        24 | 25 | 26 | 51 | 73 | 74 => const { &[C(0), C(1), C(2), C(3)] },
        // performHandover
        28 => const { &[U(4), U(4), U(4), U(4), C(11), C(12)] },
        // sendEndSignal
        29 => const { &[U(16), C(0)] },
        // performSubsequentHandover
        30 => const { &[U(4), U(4), U(4), C(10)] },
        // processAccessSignalling
        33 => const { &[U(16), C(1), C(2), C(3), C(4), C(0), C(5), C(6), C(7), C(8)] },
        // forwardAccessSignalling
        34 => const { &[
            U(16), C(0), C(1), C(2), C(4), C(5), C(6), C(3), C(7), C(9), C(8), C(10), C(11), C(12), C(13), C(14),
            C(15), C(17), C(18), C(19), C(20), C(21),
        ] },
        // noteInternalHandover
        35 => const { &[U(10), C(1), C(2)] },
        // cancelVcsgLocation
        36 => const { &[U(4), or(U(16)), U(16)] },
        // reset
        37 => const { &[U(4), or(C(1)), U(16), C(0), C(1), C(2), C(3)] },
        // prepareGroupCall
        39 => const { &[U(4), U(4), U(4), U(4), C(0), C(1), C(2), C(3), C(4), C(5), C(6), C(7), C(8)] },
        // sendGroupCallEndSignal
        40 => const { &[U(4), U(16), C(0), C(1)] },
        // processGroupCallSignalling
        41 => const { &[C(0), C(1), C(2), U(16), C(3), C(4), C(5), C(6)] },
        // forwardGroupCallSignalling
        42 => const { &[U(4), C(0), C(1), C(2), C(3), C(4), U(16), C(5), C(6), C(7), C(8), C(9), C(10)] },
        // checkIMEI
        43 => const { &[U(4), U(3), U(16)] },
        // mt-ForwardSM
        44 => const { &[
            C(0), or(C(1)), or(C(4)), or(C(5)), C(2), or(C(4)), or(C(5)), U(4), U(5), U(16), U(2), U(4), C(0), C(1),
            C(2), C(3), C(4),
        ] },
        // sendRoutingInfoForSM
        45 => const { &[C(0), C(1), C(2), C(6), C(7), C(8), C(9), C(10), C(11), C(12), C(14), C(13), C(15), C(16)] },
        // mo-ForwardSM
        46 => const { &[
            C(0), or(C(1)), or(C(4)), or(C(5)), C(2), or(C(4)), or(C(5)), U(4), U(16), U(4), C(0), C(1),
        ] },
        // reportSM-DeliveryStatus
        47 => const { &[
            U(4), U(4), U(10), C(0), C(1), C(2), C(3), C(4), C(5), C(6), C(7), C(8), C(9), C(10), C(11), C(12),
            C(13), C(14), C(15), C(16), C(17),
        ] },
        // alertServiceCentreWithoutResult, beginSubscriberActivity
        49 | 54 => const { &[U(4), U(4)] },
        // activateTraceMode
        50 => const { &[C(0), C(1), C(2), C(3), C(4), C(5), C(6), C(7), C(8), C(9), C(10), C(11)] },
        // traceSubscriberActivity, anyTimeSubscriptionInterrogation, provideSubscriberInfo
        52 | 62 | 70 => const { &[C(0), C(1), C(2), C(3), C(4)] },
        // updateVcsgLocation
        53 => const { &[U(4), C(2), C(0), C(1), U(16)] },
        // sendIdentification
        55 => const { &[U(4), U(2), U(5), U(16), U(4), C(0), C(1), C(2), C(3), C(4)] },
        // sendAuthenticationInfo
        56 => const { &[C(0), U(2), U(5), C(1), U(16), C(2), C(3), C(4), C(5), C(6), C(7)] },
        // restoreData
        57 => const { &[U(4), U(4), U(16), C(6), C(7)] },
        // processUnstructuredSS-Request, unstructuredSS-Request, unstructuredSS-Notify
        59..=61 => const { &[U(4), U(4), U(4), C(0)] },
        // informServiceCentre
        63 => const { &[U(4), U(3), U(16), U(2), C(0), C(1), C(2)] },
        // alertServiceCentre
        64 => const { &[U(4), U(4), U(4), U(16), C(0), C(1), C(2), C(3), C(4), C(5), C(6), C(7)] },
        // anyTimeModification
        65 => const { &[
            C(0), C(1), C(2), C(3), C(4), C(5), C(6), C(7), C(8), C(9), C(10), C(11), C(12), C(13), C(14), C(15),
        ] },
        // readyForSM
        66 => const { &[C(0), U(10), U(5), U(16), C(1), U(4)] },
        // purgeMS
        67 => const { &[U(4), C(0), C(1), U(16), C(2), C(3), C(4)] },
        // prepareHandover
        68 => const { &[
            C(0), U(5), C(1), C(2), C(3), C(4), C(5), C(6), C(7), C(9), C(10), C(11), C(8), C(12), C(13), C(14),
            C(15), C(20), C(16), C(17), C(18), C(19), C(21), C(22), C(23), C(25), C(26), C(27), C(28), C(29), C(30),
            C(31),
        ] },
        // prepareSubsequentHandover
        69 => const { &[C(0), C(1), C(2), C(3), C(4), C(5), C(6), C(7)] },
        // anyTimeInterrogation
        71 => const { &[C(0), C(1), C(3), C(2)] },
        // ss-InvocationNotification, remoteUserFree
        72 | 75 => const { &[C(0), C(1), C(2), C(3), C(4), C(5), C(6)] },
        // registerCC-Entry, eraseCC-Entry, ist-Alert, ist-Command
        76 | 77 | 87 | 88 => const { &[C(0), C(1)] },
        // provideSubscriberLocation
        83 => const { &[
            U(16), U(4), C(0), C(1), C(2), C(3), C(4), C(5), C(6), C(7), C(8), C(9), C(10), C(11), C(12), C(13),
            C(14), C(15), C(16), C(17), C(18),
        ] },
        // sendGroupCallInfo
        84 => const { &[U(10), U(4), U(4), C(0), C(1), C(2), C(3), C(4), C(5), C(6)] },
        // sendRoutingInfoForLCS
        85 => const { &[C(0), C(1), C(2)] },
        // subscriberLocationReport
        86 => const { &[
            U(10), U(16), U(16), C(0), C(1), C(2), C(3), C(4), C(5), C(6), C(7), C(8), C(9), C(10), C(11), C(12),
            C(13), C(14), C(15), C(17), C(18), C(19), C(20), C(21), C(22), C(23), C(24), C(25), C(26), C(27), C(28),
            C(29),
        ] },
        // noteMM-Event
        89 => const { &[U(2), C(0), C(1), C(2), C(3), C(5), C(6), C(7), C(8)] },
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follows(opcode: i32, tags: &[Tag]) -> bool {
        let mut order = Order::of(opcode, SEQUENCE);
        tags.iter().fold(true, |all, tag| order.follows(*tag) & all)
    }

    #[test]
    fn members_come_in_their_order() {
        let c = Tag::context;
        let u = Tag::universal;
        // updateLocation: imsi, msc-Number, vlr-Number, vlr-Capability; [6] comes after [10].
        assert!(follows(2, &[u(4), c(1), u(4), c(6)]));
        assert!(follows(2, &[u(4), c(1), u(4), c(10), c(6)]));
        assert!(!follows(2, &[u(4), c(6), c(1)]));
        // provideSubscriberInfo: requestedInfo before imsi.
        assert!(!follows(70, &[c(2), c(0)]));
        // A member twice.
        assert!(!follows(70, &[c(0), c(0)]));
        // An extension.
        assert!(follows(70, &[c(0), c(99), c(2)]));
        // A CHOICE has one of its tags: sm-RP-DA, sm-RP-OA, sm-RP-UI.
        assert!(follows(44, &[c(0), c(4), u(4)]));
        assert!(follows(44, &[c(4), c(4), u(4)]));
        assert!(!follows(44, &[u(4), c(5), c(5)]));
    }

    #[test]
    fn what_is_not_known_has_no_order() {
        assert!(follows(200, &[Tag::context(3), Tag::context(1)]));
    }
}
