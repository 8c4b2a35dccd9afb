//! Where each operation's argument and result carry identities and addresses (TS 29.002 §17.7, TS 29.078 §6.1, §7.1,
//! §8.1), for all versions together. Where versions differ, their forms differ in the tag of the parameter or in
//! whether it is bare, so the path tells them apart.

use crate::inspect::gsm_map::extract::Field;
use crate::inspect::gsm_map::extract::Field::{
    ForwardedTo, Hlr, Imsi, Mlc, Msc, Msisdn, Msrn, Node, Scf, Sgsn, Smsc, Vlr,
};

/// One step down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The element with this context tag.
    C(u32),
    /// The n-th OCTET STRING, counted from 0.
    O(u8),
    /// The n-th SEQUENCE, counted from 0.
    S(u8),
    /// Every SEQUENCE.
    Each,
}

/// Which form the parameter itself must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// Elements inside it, whatever its tag.
    Any,
    /// A SEQUENCE.
    Sequence,
    /// This context tag.
    Context(u32),
    /// The parameter is the value itself.
    Bare,
}

/// One identity of one operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    pub(super) root: Root,
    pub(super) steps: &'static [Step],
    pub(super) field: Field,
}

use Step::{C, Each, O, S};

const fn at(steps: &'static [Step], field: Field) -> Path {
    Path { root: Root::Any, steps, field }
}

const fn in_sequence(steps: &'static [Step], field: Field) -> Path {
    Path { root: Root::Sequence, steps, field }
}

const fn in_context(tag: u32, steps: &'static [Step], field: Field) -> Path {
    Path { root: Root::Context(tag), steps, field }
}

const fn bare(field: Field) -> Path {
    Path { root: Root::Bare, steps: &[], field }
}

/// Paths in the argument of a MAP operation.
pub(super) const fn argument(opcode: i32) -> &'static [Path] {
    match opcode {
        // updateLocation: locationInfo is roamingNumber [0] (v1) or msc-Number [1].
        2 => const { &[at(&[O(0)], Imsi), at(&[C(1)], Msc), at(&[O(1)], Vlr), at(&[C(0)], Msrn)] },
        // cancelLocation: identity is imsi or imsi-WithLMSI; bare in v1 and v2.
        3 => const { &[bare(Imsi), at(&[O(0)], Imsi), at(&[S(0), O(0)], Imsi)] },
        4 => const { &[at(&[C(0)], Imsi), at(&[C(1)], Msc), at(&[C(2)], Msisdn)] },
        5 => const { &[at(&[O(0)], Imsi), at(&[O(1)], Msisdn)] },
        6 => {
            const {
                &[
                    at(&[C(3)], Imsi),
                    at(&[C(9)], Msisdn),
                    at(&[C(2), C(5)], ForwardedTo),
                    at(&[C(2), C(8)], ForwardedTo),
                ]
            }
        }
        7 => SUBSCRIBER_DATA,
        10 => const { &[at(&[C(4)], ForwardedTo)] },
        15 => const { &[at(&[O(0)], Imsi), at(&[C(0)], Vlr), at(&[C(1)], Sgsn)] },
        20 => const { &[at(&[O(0)], Msrn)] },
        22 => const { &[at(&[C(0)], Msisdn), at(&[C(6)], Scf)] },
        23 => const { &[at(&[O(0)], Imsi), at(&[O(1)], Sgsn)] },
        // In sendParameters (9) the choice is imsi [0] or tmsi [1].
        8 | 9 | 24..=26 | 50 | 51 | 66 | 70 | 73..=75 | 87 | 88 => const { &[at(&[C(0)], Imsi)] },
        // reset: hlr-Number is the first string in every version.
        37 => const { &[at(&[O(0)], Hlr)] },
        // The SC address is sm-RP-OA in MT, sm-RP-DA in MO; forwardSM of v1 and v2 shares 46.
        44 => const { &[at(&[C(0)], Imsi), at(&[C(4)], Smsc), at(&[C(2)], Msisdn), at(&[C(3)], Msrn)] },
        45 => const { &[at(&[C(0)], Msisdn), at(&[C(2)], Smsc), at(&[C(12)], Imsi)] },
        46 => {
            const {
                &[
                    at(&[C(0)], Imsi),
                    at(&[C(4)], Smsc),
                    at(&[C(2)], Msisdn),
                    at(&[C(3)], Msrn),
                    // After the TPDU.
                    at(&[O(1)], Imsi),
                ]
            }
        }
        47 | 49 | 64 => const { &[at(&[O(0)], Msisdn), at(&[O(1)], Smsc)] },
        48 => const { &[bare(Imsi)] },
        36 | 53 | 54 | 57 => const { &[at(&[O(0)], Imsi)] },
        // sendIdentification: newVLR-Number; the first string is a TMSI.
        55 => const { &[at(&[C(3)], Vlr)] },
        56 => const { &[bare(Imsi), at(&[C(0)], Imsi)] },
        58 => const { &[bare(Msisdn)] },
        59..=61 => const { &[at(&[C(0)], Msisdn)] },
        62 => const { &[at(&[C(0), C(0)], Imsi), at(&[C(0), C(1)], Msisdn), at(&[C(2)], Scf)] },
        63 => const { &[at(&[O(0)], Msisdn)] },
        65 => {
            const {
                &[
                    at(&[C(0), C(0)], Imsi),
                    at(&[C(0), C(1)], Msisdn),
                    at(&[C(1)], Scf),
                    at(&[C(2), C(3)], ForwardedTo),
                ]
            }
        }
        // purgeMS: SEQUENCE { imsi, vlr-Number } in v2, [3] { imsi, [0] vlr, [1] sgsn } in v3.
        67 => const { &[at(&[O(0)], Imsi), in_sequence(&[O(1)], Vlr), at(&[C(0)], Vlr), at(&[C(1)], Sgsn)] },
        71 => const { &[at(&[C(0), C(0)], Imsi), at(&[C(0), C(1)], Msisdn), at(&[C(3)], Scf)] },
        72 => const { &[at(&[C(0)], Imsi), at(&[C(1)], Msisdn)] },
        83 => const { &[at(&[C(2)], Imsi), at(&[C(3)], Msisdn), at(&[O(0)], Mlc)] },
        85 => const { &[at(&[C(0)], Mlc), at(&[C(1), C(0)], Imsi), at(&[C(1), C(1)], Msisdn)] },
        86 => const { &[at(&[C(0)], Msisdn), at(&[C(1)], Imsi), at(&[S(1), O(0)], Node)] },
        89 => const { &[at(&[C(1)], Imsi), at(&[C(2)], Msisdn)] },
        _ => &[],
    }
}

/// insertSubscriberData: identity, forwarding numbers, and the gsmSCF of every CAMEL subscription.
const SUBSCRIBER_DATA: &[Path] = &[
    at(&[C(0)], Imsi),
    at(&[C(1)], Msisdn),
    // provisionedSS: forwardingInfo [0] { ss-Code, list of features { [5] number, [10] long number } }
    at(&[C(7), C(0), S(0), Each, C(5)], ForwardedTo),
    at(&[C(7), C(0), S(0), Each, C(10)], ForwardedTo),
    // vlrCamelSubscriptionInfo [13]: O-, SS-, M-, MO-SMS-, VT-, D-, MT-SMS-CSI
    at(&[C(13), C(0), S(0), Each, C(0)], Scf),
    at(&[C(13), C(2), S(0), O(0)], Scf),
    at(&[C(13), C(5), C(0)], Scf),
    at(&[C(13), C(6), C(0), Each, C(2)], Scf),
    at(&[C(13), C(7), S(0), Each, C(0)], Scf),
    at(&[C(13), C(9), C(0), Each, O(1)], Scf),
    at(&[C(13), C(10), C(0), Each, C(2)], Scf),
    // sgsn-CAMEL-SubscriptionInfo [17]: GPRS-, MO-SMS-, MT-SMS-, MG-CSI
    at(&[C(17), C(0), C(0), Each, C(2)], Scf),
    at(&[C(17), C(1), C(0), Each, C(2)], Scf),
    at(&[C(17), C(3), C(0), Each, C(2)], Scf),
    at(&[C(17), C(5), C(0)], Scf),
];

/// subscriberInfo { locationInformation [0] { [1] vlr, [6] msc }, locationInformationGPRS [3] { [3] sgsn } }
const SUBSCRIBER_INFO: &[Path] =
    &[at(&[S(0), C(0), C(1)], Vlr), at(&[S(0), C(0), C(6)], Msc), at(&[S(0), C(3), C(3)], Sgsn)];

/// Paths in the result of a MAP operation.
pub(super) const fn result(opcode: i32) -> &'static [Path] {
    match opcode {
        // hlr-Number: bare in v1 of updateLocation.
        2 | 23 | 57 => const { &[bare(Hlr), at(&[O(0)], Hlr)] },
        4 => const { &[bare(Msrn), at(&[O(0)], Msrn)] },
        // sendParameters: a list of choices.
        9 => const { &[at(&[C(0)], Imsi)] },
        // sendRoutingInfo: v3 is [3], with the IMSI tagged.
        22 => {
            const {
                &[
                    in_context(3, &[C(9)], Imsi),
                    in_context(3, &[O(0)], Msrn),
                    in_context(3, &[C(2)], Msc),
                    in_context(3, &[C(12)], Msisdn),
                    in_sequence(&[O(0)], Imsi),
                    in_sequence(&[O(1)], Msrn),
                ]
            }
        }
        // locationInfoWithLMSI [0] { [1] node, [6] additional { [0] msc, [1] sgsn } }
        45 => {
            const {
                &[
                    at(&[O(0)], Imsi),
                    at(&[C(0), C(1)], Node),
                    at(&[C(0), C(6), C(0)], Msc),
                    at(&[C(0), C(6), C(1)], Sgsn),
                ]
            }
        }
        47 => const { &[at(&[O(0)], Msisdn)] },
        55 => const { &[at(&[O(0)], Imsi)] },
        58 => const { &[bare(Imsi)] },
        70 | 71 => SUBSCRIBER_INFO,
        85 => const { &[at(&[C(0), C(0)], Imsi), at(&[C(0), C(1)], Msisdn), at(&[C(1), O(0)], Node)] },
        _ => &[],
    }
}

/// Paths in the argument of a CAP operation: initialDP, initialDPSMS, initialDPGPRS.
pub(super) const fn cap_argument(opcode: i32) -> &'static [Path] {
    match opcode {
        0 => const { &[at(&[C(50)], Imsi)] },
        60 => const { &[at(&[C(4)], Imsi), at(&[C(7)], Smsc)] },
        78 => const { &[at(&[C(2)], Msisdn), at(&[C(3)], Imsi)] },
        _ => &[],
    }
}
