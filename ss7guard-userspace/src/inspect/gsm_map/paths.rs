//! Where each operation's argument, result or error carries identities and addresses (TS 29.002 §17.7; for CAP see
//! [`super::cap`]), for all versions together: versions differ in the tag of a parameter or in whether it is
//! bare, so the tables tell them apart without knowing the application context.

use crate::inspect::gsm_map::extract::Field;
use crate::inspect::gsm_map::extract::Field::{
    ForwardedTo, Hlr, Imsi, Mlc, Msc, Msisdn, Msrn, Node, Scf, Sgsn, Smsc, Vlr,
};
use crate::inspect::gsm_map::subscription::{CAMEL, D_CSI, FORWARDING, GMSC_CAMEL, O_CSI, SUBSCRIBER_DATA};
use crate::inspect::gsm_map::subscription::{FORWARDED_TO, FORWARDED_TO_CALL, FORWARDED_TO_SS};

/// Which elements of a level a branch follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// The element with this context tag.
    C(u32),
    /// The n-th OCTET STRING, counted from 0.
    O(u8),
    /// The n-th SEQUENCE, counted from 0.
    S(u8),
    /// Every SEQUENCE.
    Each,
    /// A context tag among the leading elements (see [`Then::Choices`]).
    Leading(u32),
}

/// What is done with an element.
#[derive(Clone, Copy, Debug)]
pub(super) enum Then {
    /// Its value is this field.
    Take(Field),
    /// The same, of a number in the form of ISUP (Q.763 §3.9, §3.10).
    TakeIsup(Field),
    /// It is a SEQUENCE: each tag at most once.
    Into(&'static [On]),
    /// It is a list: any tag any number of times.
    List(&'static [On]),
    /// It is a SEQUENCE whose first elements, so many, are CHOICEs without tags of their own: their tags say nothing
    /// about the tags of the elements after them.
    Choices(u8, &'static [On]),
    /// It is known and holds nothing of interest.
    Pass,
}

/// On elements with this key, do that.
#[derive(Clone, Copy, Debug)]
pub(super) struct On(pub(super) Key, pub(super) Then);

use Key::{C, Each, Leading, O, S};
use Then::{Choices, Into, List, Pass, Take};

/// The forms that the argument of a MAP operation may have, as branches from the argument itself.
pub(super) const fn argument(opcode: i32) -> &'static [On] {
    match opcode {
        // locationInfo is roamingNumber [0] (v1) or msc-Number [1].
        2 => {
            const {
                &[On(
                    S(0),
                    Into(&[
                        On(O(0), Take(Imsi)),
                        On(C(0), Take(Msrn)),
                        On(C(1), Take(Msc)),
                        On(O(1), Take(Vlr)),
                    ]),
                )]
            }
        }
        // identity is imsi or imsi-WithLMSI; bare in v1 and v2.
        3 => {
            const { &[On(C(3), Into(IDENTITY)), On(O(0), Take(Imsi)), On(S(0), Into(&[On(O(0), Take(Imsi))]))] }
        }
        4 => {
            const { &[On(S(0), Into(&[On(C(0), Take(Imsi)), On(C(1), Take(Msc)), On(C(2), Take(Msisdn))]))] }
        }
        // noteSubscriberDataModified: forwardingInfoFor-CSE [0], camel-SubscriptionInfo [3]
        5 => {
            const {
                &[On(
                    S(0),
                    Into(&[
                        On(O(0), Take(Imsi)),
                        On(O(1), Take(Msisdn)),
                        On(C(0), Into(FORWARDING_FOR_CSE)),
                        On(C(3), Into(CAMEL)),
                    ]),
                )]
            }
        }
        // resumeCallHandling: forwardingData [2], o-CSI [5], d-csi [12]
        6 => {
            const {
                &[On(
                    S(0),
                    Into(&[
                        On(C(2), Into(FORWARDED_TO_CALL)),
                        On(C(3), Take(Imsi)),
                        On(C(5), Into(O_CSI)),
                        On(C(9), Take(Msisdn)),
                        On(C(12), Into(D_CSI)),
                    ]),
                )]
            }
        }
        7 => const { &[On(S(0), Into(SUBSCRIBER_DATA))] },
        10 => const { &[On(S(0), Into(&[On(C(4), Take(ForwardedTo))]))] },
        15 => const { &[On(S(0), Into(&[On(O(0), Take(Imsi)), On(C(0), Take(Vlr)), On(C(1), Take(Sgsn))]))] },
        20 => const { &[On(S(0), Into(&[On(O(0), Take(Msrn))]))] },
        // mt-ForwardSM-VGCS: call reference, then sm-RP-OA
        21 => {
            const {
                &[On(
                    S(0),
                    Choices(
                        2,
                        &[On(Leading(2), Take(Msisdn)), On(Leading(4), Take(Smsc)), On(Leading(5), Pass)],
                    ),
                )]
            }
        }
        22 => const { &[On(S(0), Into(&[On(C(0), Take(Msisdn)), On(C(6), Take(Scf))]))] },
        23 => const { &[On(S(0), Into(&[On(O(0), Take(Imsi)), On(O(1), Take(Sgsn))]))] },
        // In sendParameters (9) the choice is imsi [0] or tmsi [1].
        8 | 9 | 24..=26 | 50..=52 | 66 | 70 | 73..=75 | 87 | 88 => {
            const { &[On(S(0), Into(&[On(C(0), Take(Imsi))]))] }
        }
        36 => const { &[On(S(0), Into(IDENTITY))] },
        // hlr-Number or css-Number [1], then (v3) a whole insertSubscriberData and deleteSubscriberData.
        37 => {
            const {
                &[On(
                    S(0),
                    Choices(
                        1,
                        &[
                            On(O(0), Take(Hlr)),
                            On(Leading(1), Pass),
                            On(C(2), Into(SUBSCRIBER_DATA)),
                            On(C(3), Into(&[On(C(0), Take(Imsi))])),
                        ],
                    ),
                )]
            }
        }
        40 | 42 | 54 | 57 => const { &[On(S(0), Into(&[On(O(0), Take(Imsi))]))] },
        // sm-RP-DA and sm-RP-OA; forwardSM of v1 and v2 shares 46, and its sm-RP-DA may be roamingNumber [3].
        44 => const { &[On(S(0), Choices(2, SHORT_MESSAGE))] },
        46 => const { &[On(S(0), Choices(2, SHORT_MESSAGE_WITH_IMSI))] },
        45 => {
            const { &[On(S(0), Into(&[On(C(0), Take(Msisdn)), On(C(2), Take(Smsc)), On(C(12), Take(Imsi))]))] }
        }
        47 => {
            const { &[On(S(0), Into(&[On(O(0), Take(Msisdn)), On(O(1), Take(Smsc)), On(C(9), Take(Imsi))]))] }
        }
        48 => const { &[On(O(0), Take(Imsi))] },
        49 | 64 => {
            const { &[On(S(0), Into(&[On(O(0), Take(Msisdn)), On(O(1), Take(Smsc)), On(O(2), Take(Imsi))]))] }
        }
        53 => {
            const {
                &[On(
                    S(0),
                    Into(&[
                        On(O(0), Take(Imsi)),
                        On(C(0), Take(Vlr)),
                        On(C(1), Take(Sgsn)),
                        On(C(2), Take(Msisdn)),
                    ]),
                )]
            }
        }
        // sendIdentification: a TMSI, in v2 bare; newVLR-Number [3]
        55 => const { &[On(O(0), Pass), On(S(0), Into(&[On(O(1), Take(Msc)), On(C(3), Take(Vlr))]))] },
        56 => const { &[On(O(0), Take(Imsi)), On(S(0), Into(&[On(C(0), Take(Imsi))]))] },
        58 => const { &[On(O(0), Take(Msisdn))] },
        59..=61 => const { &[On(S(0), Into(&[On(C(0), Take(Msisdn))]))] },
        62 => const { &[On(S(0), Into(&[On(C(0), Into(SUBSCRIBER)), On(C(2), Take(Scf))]))] },
        63 => const { &[On(S(0), Into(&[On(O(0), Take(Msisdn))]))] },
        65 => {
            const {
                &[On(
                    S(0),
                    Into(&[
                        On(C(0), Into(SUBSCRIBER)),
                        On(C(1), Take(Scf)),
                        On(C(2), Into(&[On(C(3), Take(ForwardedTo))])),
                    ]),
                )]
            }
        }
        // SEQUENCE { imsi, vlr-Number } in v2, [3] in v3
        67 => {
            const {
                &[
                    On(
                        C(3),
                        Into(&[
                            On(O(0), Take(Imsi)),
                            On(C(0), Take(Vlr)),
                            On(C(1), Take(Sgsn)),
                            On(C(2), Into(LOCATION)),
                            On(C(3), Into(LOCATION_GPRS)),
                        ]),
                    ),
                    On(S(0), Into(&[On(O(0), Take(Imsi)), On(O(1), Take(Vlr))])),
                ]
            }
        }
        // prepareHandover: v2 has no identity
        68 => const { &[On(C(3), Into(&[On(C(4), Take(Imsi))])), On(S(0), Into(&[]))] },
        71 => const { &[On(S(0), Into(&[On(C(0), Into(SUBSCRIBER)), On(C(3), Take(Scf))]))] },
        72 => const { &[On(S(0), Into(&[On(C(0), Take(Imsi)), On(C(1), Take(Msisdn))]))] },
        83 => {
            const { &[On(S(0), Into(&[On(O(0), Take(Mlc)), On(C(2), Take(Imsi)), On(C(3), Take(Msisdn))]))] }
        }
        84 => const { &[On(S(0), Into(&[On(C(1), Take(Imsi))]))] },
        85 => const { &[On(S(0), Into(&[On(C(0), Take(Mlc)), On(C(1), Into(SUBSCRIBER))]))] },
        // lcs-ClientID, then lcsLocationInfo; deferredmt-lrData [9], targetServingNodeForHandover [26]
        86 => {
            const {
                &[On(
                    S(0),
                    Into(&[
                        On(S(1), Into(LCS_LOCATION)),
                        On(C(0), Take(Msisdn)),
                        On(C(1), Take(Imsi)),
                        On(C(9), Into(&[On(C(1), Into(LCS_LOCATION))])),
                        On(C(26), Into(SERVING_NODE)),
                    ]),
                )]
            }
        }
        89 => {
            const {
                &[On(
                    S(0),
                    Into(&[
                        On(C(1), Take(Imsi)),
                        On(C(2), Take(Msisdn)),
                        On(C(3), Into(LOCATION)),
                        On(C(7), Into(LOCATION_GPRS)),
                    ]),
                )]
            }
        }
        _ => &[],
    }
}

/// Identity of cancelLocation: imsi or imsi-WithLMSI.
const IDENTITY: &[On] = &[On(O(0), Take(Imsi)), On(S(0), Into(&[On(O(0), Take(Imsi))]))];

/// SubscriberIdentity: imsi [0] or msisdn [1].
const SUBSCRIBER: &[On] = &[On(C(0), Take(Imsi)), On(C(1), Take(Msisdn))];

/// sm-RP-DA and sm-RP-OA: imsi [0], lmsi [1], msisdn [2], roamingNumber [3] (v1), service centre [4], none [5].
const SHORT_MESSAGE: &[On] = &[
    On(Leading(0), Take(Imsi)),
    On(Leading(1), Pass),
    On(Leading(2), Take(Msisdn)),
    On(Leading(3), Take(Msrn)),
    On(Leading(4), Take(Smsc)),
    On(Leading(5), Pass),
];

/// The same, with an IMSI after the TPDU.
const SHORT_MESSAGE_WITH_IMSI: &[On] = &[
    On(Leading(0), Take(Imsi)),
    On(Leading(1), Pass),
    On(Leading(2), Take(Msisdn)),
    On(Leading(3), Take(Msrn)),
    On(Leading(4), Take(Smsc)),
    On(Leading(5), Pass),
    On(O(1), Take(Imsi)),
];

/// LocationInformation: vlr-number [1], msc-Number [6].
pub(super) const LOCATION: &[On] = &[On(C(1), Take(Vlr)), On(C(6), Take(Msc))];

/// LocationInformationGPRS: sgsn-Number [3].
pub(super) const LOCATION_GPRS: &[On] = &[On(C(3), Take(Sgsn))];

/// SubscriberInfo: location [0], GPRS location [3], mnpInfoRes [8].
const SUBSCRIBER_INFO: &[On] = &[
    On(C(0), Into(LOCATION)),
    On(C(3), Into(LOCATION_GPRS)),
    On(C(8), Into(&[On(C(1), Take(Imsi)), On(C(2), Take(Msisdn))])),
];

/// ServingNode and Additional-Number: msc-Number [0] or sgsn-Number [1].
const SERVING_NODE: &[On] = &[On(C(0), Take(Msc)), On(C(1), Take(Sgsn))];

/// LCSLocationInfo: networkNode-Number, additional-Number [3].
const LCS_LOCATION: &[On] = &[On(O(0), Take(Node)), On(C(3), Into(SERVING_NODE))];

/// Ext-ForwardingInfoFor-CSE: list of features [1].
const FORWARDING_FOR_CSE: &[On] = &[On(C(1), List(FORWARDED_TO))];

/// RoutingInfo: roamingNumber or forwardingData.
const ROUTING_INFO: &[On] = &[On(O(0), Take(Msrn)), On(S(0), Into(FORWARDED_TO_CALL))];

/// The forms that the result of a MAP operation may have, as branches from the result itself.
pub(super) const fn result(opcode: i32) -> &'static [On] {
    match opcode {
        // hlr-Number: bare in v1 of updateLocation.
        2 | 23 | 57 => const { &[On(O(0), Take(Hlr)), On(S(0), Into(&[On(O(0), Take(Hlr))]))] },
        4 => const { &[On(O(0), Take(Msrn)), On(S(0), Into(&[On(O(0), Take(Msrn)), On(O(1), Take(Msc))]))] },
        // sendParameters: a list of imsi [0], authenticationSet [1], subscriberData [2], ki [4]
        9 => const { &[On(S(0), List(&[On(C(0), Take(Imsi)), On(C(2), Into(SUBSCRIBER_DATA))]))] },
        // SS-Info, a CHOICE.
        10..=13 => {
            const {
                &[
                    On(C(0), Into(&[On(S(0), List(FORWARDED_TO_SS))])),
                    On(C(1), Pass),
                    On(C(2), Pass),
                    On(C(3), Pass),
                ]
            }
        }
        // InterrogateSS-Res, a CHOICE: forwardedToNumber [1] (v1), list of features [3]
        14 => {
            const {
                &[
                    On(C(0), Pass),
                    On(C(1), Take(ForwardedTo)),
                    On(C(2), Pass),
                    On(C(3), List(FORWARDED_TO_SS)),
                    On(C(4), Pass),
                ]
            }
        }
        22 => const { &[On(C(3), Into(ROUTING)), On(S(0), Into(ROUTING_V2))] },
        // locationInfoWithLMSI [0] { networkNode-Number [1], additional-Number [6], thirdNumber [9] }; v1 and v2 have
        // roamingNumber [0] or msc-Number [1].
        45 => {
            const {
                &[On(
                    S(0),
                    Into(&[
                        On(O(0), Take(Imsi)),
                        On(
                            C(0),
                            Into(&[
                                On(C(0), Take(Msrn)),
                                On(C(1), Take(Node)),
                                On(C(6), Into(SERVING_NODE)),
                                On(C(9), Into(SERVING_NODE)),
                            ]),
                        ),
                    ]),
                )]
            }
        }
        47 => const { &[On(O(0), Take(Msisdn)), On(S(0), Into(&[On(O(0), Take(Msisdn))]))] },
        55 => const { &[On(C(3), Into(&[On(O(0), Take(Imsi))])), On(S(0), Into(&[On(O(0), Take(Imsi))]))] },
        58 => const { &[On(O(0), Take(Imsi))] },
        // callForwardingData [1], camel-SubscriptionInfo [4], msisdn-BS-List [10]
        62 => {
            const {
                &[On(
                    S(0),
                    Into(&[
                        On(C(1), Into(FORWARDING)),
                        On(C(4), Into(CAMEL)),
                        On(C(10), List(&[On(Each, Into(&[On(O(0), Take(Msisdn))]))])),
                    ]),
                )]
            }
        }
        65 => {
            const {
                &[On(
                    S(0),
                    Into(&[
                        On(C(0), Into(&[On(C(0), Into(FORWARDING_FOR_CSE))])),
                        On(C(1), Into(CAMEL)),
                        On(C(9), Take(Smsc)),
                    ]),
                )]
            }
        }
        70 | 71 => const { &[On(S(0), Into(&[On(S(0), Into(SUBSCRIBER_INFO))]))] },
        83 => const { &[On(S(0), Into(&[On(C(13), Into(SERVING_NODE))]))] },
        84 => const { &[On(S(0), Into(&[On(C(2), Take(Imsi))]))] },
        85 => const { &[On(S(0), Into(&[On(C(0), Into(SUBSCRIBER)), On(C(1), Into(LCS_LOCATION))]))] },
        _ => &[],
    }
}

/// Result of sendRoutingInfo, v3.
const ROUTING: &[On] = &[
    On(C(9), Take(Imsi)),
    On(O(0), Take(Msrn)),
    On(S(0), Into(FORWARDED_TO_CALL)),
    On(C(8), Into(&[On(S(0), Into(FORWARDED_TO_CALL)), On(C(0), Into(GMSC_CAMEL))])),
    On(C(7), Into(SUBSCRIBER_INFO)),
    On(C(2), Take(Msc)),
    On(C(12), Take(Msisdn)),
    On(C(17), Into(ROUTING_INFO)),
];

/// Result of sendRoutingInfo, v1 and v2.
const ROUTING_V2: &[On] = &[On(O(0), Take(Imsi)), On(O(1), Take(Msrn)), On(S(0), Into(FORWARDED_TO_CALL))];

/// The forms of a parameter of a MAP error: absentSubscriberSM carries the IMSI (TS 29.002 §17.6.6).
pub(super) const fn error(code: i32) -> &'static [On] {
    match code {
        6 => const { &[On(S(0), Into(&[On(C(1), Take(Imsi))]))] },
        _ => &[],
    }
}
