//! Names of the codes of TCAP, MAP and CAP that are nothing but names: contexts, errors, problems.

use crate::inspect::ber::Oid;
use crate::inspect::gsm_map::{Context, Protocol, context, operations};

/// Looks a number up in a table.
fn find(table: &[(i32, &'static str)], number: i32) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}

/// An application context in words (TS 29.002 §17.3.3).
#[must_use]
pub fn application_context(name: &Oid<'_>) -> String {
    const NAMES: &[(i32, &str)] = &[
        (1, "networkLocUp"),
        (2, "locationCancellation"),
        (3, "roamingNumberEnquiry"),
        (4, "istAlerting"),
        (5, "locationInfoRetrieval"),
        (6, "callControlTransfer"),
        (7, "reporting"),
        (8, "callCompletion"),
        (9, "serviceTermination"),
        (10, "reset"),
        (11, "handoverControl"),
        (12, "sIWFSAllocation"),
        (13, "equipmentMngt"),
        (14, "infoRetrieval"),
        (15, "interVlrInfoRetrieval"),
        (16, "subscriberDataMngt"),
        (17, "tracing"),
        (18, "networkFunctionalSs"),
        (19, "networkUnstructuredSs"),
        (20, "shortMsgGateway"),
        (21, "shortMsgMO-Relay"),
        (22, "subscriberDataModificationNotification"),
        (23, "shortMsgAlert"),
        (24, "mwdMngt"),
        (25, "shortMsgMT-Relay"),
        (26, "imsiRetrieval"),
        (27, "msPurging"),
        (28, "subscriberInfoEnquiry"),
        (29, "anyTimeInfoEnquiry"),
        (31, "groupCallControl"),
        (32, "gprsLocationUpdate"),
        (33, "gprsLocationInfoRetrieval"),
        (34, "failureReport"),
        (35, "gprsNotify"),
        (36, "ss-InvocationNotification"),
        (37, "locationSvcGateway"),
        (38, "locationSvcEnquiry"),
        (39, "authenticationFailureReport"),
        (41, "shortMsgMT-Relay-VGCS"),
        (42, "mm-EventReporting"),
        (43, "anyTimeInfoHandling"),
        (44, "resourceManagement"),
        (45, "groupCallInfoRetrieval"),
        (46, "vcsgLocationUpdate"),
        (47, "vcsgLocationCancellation"),
    ];
    match context(name) {
        Context::Map(map) => {
            let number = i32::try_from(map.context).unwrap_or(-1);
            let named = find(NAMES, number).unwrap_or("unknown MAP context");
            format!("{name}: {named} version {}", map.version)
        }
        Context::Cap => format!("{name}: CAP"),
        Context::Other => name.to_string(),
    }
}

/// Name of an operation.
#[must_use]
pub fn operation(protocol: Protocol, code: i32) -> Option<&'static str> {
    match protocol {
        Protocol::Map => operations::name(code),
        Protocol::Cap => find(CAP_OPERATIONS, code),
    }
}

/// Operations of CAP (TS 29.078).
const CAP_OPERATIONS: &[(i32, &str)] = &[
    (0, "initialDP"),
    (16, "assistRequestInstructions"),
    (17, "establishTemporaryConnection"),
    (18, "disconnectForwardConnection"),
    (19, "connectToResource"),
    (20, "connect"),
    (22, "releaseCall"),
    (23, "requestReportBCSMEvent"),
    (24, "eventReportBCSM"),
    (31, "continue"),
    (32, "initiateCallAttempt"),
    (33, "resetTimer"),
    (34, "furnishChargingInformation"),
    (35, "applyCharging"),
    (36, "applyChargingReport"),
    (41, "callGap"),
    (44, "callInformationReport"),
    (45, "callInformationRequest"),
    (46, "sendChargingInformation"),
    (47, "playAnnouncement"),
    (48, "promptAndCollectUserInformation"),
    (49, "specializedResourceReport"),
    (53, "cancel"),
    (55, "activityTest"),
    (56, "continueWithArgument"),
    (60, "initialDPSMS"),
    (61, "furnishChargingInformationSMS"),
    (62, "connectSMS"),
    (63, "requestReportSMSEvent"),
    (64, "eventReportSMS"),
    (65, "continueSMS"),
    (66, "releaseSMS"),
    (67, "resetTimerSMS"),
    (70, "activityTestGPRS"),
    (71, "applyChargingGPRS"),
    (72, "applyChargingReportGPRS"),
    (73, "cancelGPRS"),
    (74, "connectGPRS"),
    (75, "continueGPRS"),
    (76, "entityReleasedGPRS"),
    (77, "furnishChargingInformationGPRS"),
    (78, "initialDPGPRS"),
    (79, "releaseGPRS"),
    (80, "eventReportGPRS"),
    (81, "requestReportGPRSEvent"),
    (82, "resetTimerGPRS"),
    (83, "sendChargingInformationGPRS"),
];

/// Errors of MAP (TS 29.002 §17.6).
#[must_use]
pub fn map_error(code: i32) -> Option<&'static str> {
    const NAMES: &[(i32, &str)] = &[
        (1, "unknownSubscriber"),
        (3, "unknownMSC"),
        (5, "unidentifiedSubscriber"),
        (6, "absentSubscriberSM"),
        (7, "unknownEquipment"),
        (8, "roamingNotAllowed"),
        (9, "illegalSubscriber"),
        (10, "bearerServiceNotProvisioned"),
        (11, "teleserviceNotProvisioned"),
        (12, "illegalEquipment"),
        (13, "callBarred"),
        (14, "forwardingViolation"),
        (15, "cug-Reject"),
        (16, "illegalSS-Operation"),
        (17, "ss-ErrorStatus"),
        (18, "ss-NotAvailable"),
        (19, "ss-SubscriptionViolation"),
        (20, "ss-Incompatibility"),
        (21, "facilityNotSupported"),
        (27, "absentSubscriber"),
        (31, "subscriberBusyForMT-SMS"),
        (32, "sm-DeliveryFailure"),
        (33, "messageWaitingListFull"),
        (34, "systemFailure"),
        (35, "dataMissing"),
        (36, "unexpectedDataValue"),
        (37, "pw-RegistrationFailure"),
        (38, "negativePW-Check"),
        (39, "noRoamingNumberAvailable"),
        (43, "numberOfPW-AttemptsViolation"),
        (44, "numberChanged"),
        (45, "busySubscriber"),
        (46, "noSubscriberReply"),
        (47, "forwardingFailed"),
        (48, "or-NotAllowed"),
        (49, "ati-NotAllowed"),
        (51, "resourceLimitation"),
        (52, "unauthorizedRequestingNetwork"),
        (53, "unauthorizedLCSClient"),
        (54, "positionMethodFailure"),
        (58, "unknownOrUnreachableLCSClient"),
        (59, "mm-EventNotSupported"),
        (60, "atsi-NotAllowed"),
        (61, "atm-NotAllowed"),
        (62, "informationNotAvailable"),
        (71, "unknownAlphabet"),
        (72, "ussd-Busy"),
    ];
    find(NAMES, code)
}

/// P-abort causes (Q.773 §4.2.1.3).
#[must_use]
pub fn p_abort_cause(code: i32) -> Option<&'static str> {
    const NAMES: &[(i32, &str)] = &[
        (0, "unrecognizedMessageType"),
        (1, "unrecognizedTransactionID"),
        (2, "badlyFormattedTransactionPortion"),
        (3, "incorrectTransactionPortion"),
        (4, "resourceLimitation"),
    ];
    find(NAMES, code)
}

/// Names for a universal tag (X.680 §8.4).
#[must_use]
pub fn universal(number: u32) -> Option<&'static str> {
    const NAMES: &[(i32, &str)] = &[
        (1, "BOOLEAN"),
        (2, "INTEGER"),
        (3, "BIT STRING"),
        (4, "OCTET STRING"),
        (5, "NULL"),
        (6, "OBJECT IDENTIFIER"),
        (8, "EXTERNAL"),
        (10, "ENUMERATED"),
        (12, "UTF8String"),
        (16, "SEQUENCE"),
        (17, "SET"),
        (18, "NumericString"),
        (19, "PrintableString"),
        (22, "IA5String"),
    ];
    find(NAMES, i32::try_from(number).ok()?)
}
