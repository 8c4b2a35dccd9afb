//! CAP (TS 29.078): the names of its operations, and where their arguments carry identities and addresses.

use crate::inspect::gsm_map::extract::Field::{
    Called, Calling, ForwardedTo, Imsi, Msc, Msisdn, Scf, Sgsn, Smsc,
};
use crate::inspect::gsm_map::paths::Key::{C, O, S};
use crate::inspect::gsm_map::paths::Then::{Into, Take, TakeIsup};
use crate::inspect::gsm_map::paths::{LOCATION, LOCATION_GPRS, On};

/// Name of a CAP operation (TS 29.078 §5.6); `None` for codes that CAP does not define.
#[must_use]
pub const fn operation(opcode: i32) -> Option<&'static str> {
    Some(match opcode {
        0 => "initialDP",
        16 => "assistRequestInstructions",
        17 => "establishTemporaryConnection",
        18 => "disconnectForwardConnection",
        19 => "connectToResource",
        20 => "connect",
        22 => "releaseCall",
        23 => "requestReportBCSMEvent",
        24 => "eventReportBCSM",
        27 => "collectInformation",
        31 => "continue",
        32 => "initiateCallAttempt",
        33 => "resetTimer",
        34 => "furnishChargingInformation",
        35 => "applyCharging",
        36 => "applyChargingReport",
        41 => "callGap",
        44 => "callInformationReport",
        45 => "callInformationRequest",
        46 => "sendChargingInformation",
        47 => "playAnnouncement",
        48 => "promptAndCollectUserInformation",
        49 => "specializedResourceReport",
        53 => "cancel",
        55 => "activityTest",
        60 => "initialDPSMS",
        61 => "furnishChargingInformationSMS",
        62 => "connectSMS",
        63 => "requestReportSMSEvent",
        64 => "eventReportSMS",
        65 => "continueSMS",
        66 => "releaseSMS",
        67 => "resetTimerSMS",
        70 => "activityTestGPRS",
        71 => "applyChargingGPRS",
        72 => "applyChargingReportGPRS",
        73 => "cancelGPRS",
        74 => "connectGPRS",
        75 => "continueGPRS",
        76 => "entityReleasedGPRS",
        77 => "furnishChargingInformationGPRS",
        78 => "initialDPGPRS",
        79 => "releaseGPRS",
        80 => "eventReportGPRS",
        81 => "requestReportGPRSEvent",
        82 => "resetTimerGPRS",
        83 => "sendChargingInformationGPRS",
        86 => "disconnectForwardConnectionWithArgument",
        88 => "continueWithArgument",
        90 => "disconnectLeg",
        93 => "moveLeg",
        95 => "splitLeg",
        96 => "entityReleased",
        97 => "playTone",
        _ => return None,
    })
}

/// The forms of the argument of an operation (TS 29.078 §6.1, §7.1, §8.1): one for all versions, since tags stayed.
pub(super) const fn argument(opcode: i32) -> &'static [On] {
    match opcode {
        // initialDP: originating calls have the called number as dialled [56], others as ISUP number [2];
        // initialDPArgExtension [59] with gmscAddress and forwardingDestinationNumber
        0 => {
            const {
                &[On(
                    S(0),
                    Into(&[
                        On(C(2), TakeIsup(Called)),
                        On(C(3), TakeIsup(Calling)),
                        On(C(50), Take(Imsi)),
                        On(C(52), Into(LOCATION)),
                        On(C(55), Take(Msc)),
                        On(C(56), Take(Called)),
                        On(C(59), Into(&[On(C(0), Take(Msc)), On(C(1), TakeIsup(ForwardedTo))])),
                    ]),
                )]
            }
        }
        // establishTemporaryConnection
        17 => const { &[On(S(0), Into(&[On(C(53), TakeIsup(Calling))]))] },
        // connect: destinationRoutingAddress
        20 => const { &[On(S(0), Into(&[On(C(0), Into(ROUTING_ADDRESS))]))] },
        // eventReportBCSM: eventSpecificInformationBCSM [2]
        24 => const { &[On(S(0), Into(&[On(C(2), Into(CALL_EVENT))]))] },
        // initiateCallAttempt
        32 => {
            const {
                &[On(
                    S(0),
                    Into(&[
                        On(C(0), Into(ROUTING_ADDRESS)),
                        On(C(30), TakeIsup(Calling)),
                        On(C(52), Take(Scf)),
                    ]),
                )]
            }
        }
        // initialDPSMS: destinationSubscriberNumber [1] of what is submitted, calledPartyNumber [20] of what is
        // delivered
        60 => {
            const {
                &[On(
                    S(0),
                    Into(&[
                        On(C(1), Take(Called)),
                        On(C(2), Take(Msisdn)),
                        On(C(4), Take(Imsi)),
                        On(C(5), Into(LOCATION)),
                        On(C(6), Into(LOCATION_GPRS)),
                        On(C(7), Take(Smsc)),
                        On(C(15), Take(Msc)),
                        On(C(16), Take(Sgsn)),
                        On(C(20), Take(Called)),
                    ]),
                )]
            }
        }
        // connectSMS
        62 => {
            const { &[On(S(0), Into(&[On(C(0), Take(Calling)), On(C(1), Take(Called)), On(C(2), Take(Smsc))]))] }
        }
        // initialDPGPRS
        78 => {
            const {
                &[On(
                    S(0),
                    Into(&[On(C(2), Take(Msisdn)), On(C(3), Take(Imsi)), On(C(12), Into(LOCATION_GPRS))]),
                )]
            }
        }
        // eventReportGPRS: gPRSEventSpecificInformation [2]
        80 => const { &[On(S(0), Into(&[On(C(2), Into(GPRS_EVENT))]))] },
        _ => &[],
    }
}

/// DestinationRoutingAddress: a list of one ISUP number.
const ROUTING_ADDRESS: &[On] = &[On(O(0), TakeIsup(Called))];

/// EventSpecificInformationBCSM: the number of who answers, of who a call is forwarded to, the new position.
const CALL_EVENT: &[On] = &[
    On(C(5), Into(&[On(C(50), TakeIsup(Called))])),
    On(C(8), Into(&[On(C(52), TakeIsup(ForwardedTo))])),
    On(C(9), Into(&[On(C(52), TakeIsup(ForwardedTo))])),
    On(C(10), Into(&[On(C(50), TakeIsup(Called))])),
    On(C(13), Into(&[On(C(50), Into(LOCATION))])),
    On(C(20), Into(&[On(C(50), Into(LOCATION))])),
    On(C(50), Into(&[On(C(50), Into(LOCATION))])),
    On(C(51), Into(&[On(C(50), Into(LOCATION))])),
];

/// GPRSEventSpecificInformation.
const GPRS_EVENT: &[On] = &[
    On(C(0), Into(&[On(C(0), Into(LOCATION_GPRS))])),
    On(C(1), Into(&[On(C(2), Into(LOCATION_GPRS))])),
    On(C(4), Into(&[On(C(3), Into(LOCATION_GPRS))])),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_with_codes() {
        assert_eq!(operation(20), Some("connect"));
        assert_eq!(operation(78), Some("initialDPGPRS"));
        assert_eq!(operation(71), Some("applyChargingGPRS"));
        assert_eq!(operation(2), None);
        assert_eq!((0..128).filter(|code| operation(*code).is_some()).count(), 54);
        // What has identities has a name.
        assert!((-1..256).all(|code| argument(code).is_empty() || operation(code).is_some()));
    }
}
