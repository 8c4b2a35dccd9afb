//! The operations of MAP (TS 29.002 §17.5) by local operation code.

/// Name of a MAP operation; `None` for codes that MAP does not define.
#[must_use]
pub fn name(opcode: i32) -> Option<&'static str> {
    BY_CODE.get(usize::try_from(opcode).ok()?).copied().flatten()
}

/// The names at the places of their codes.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, over the table below")]
static BY_CODE: [Option<&str>; 90] = {
    let mut names = [None; 90];
    let mut rest = OPERATIONS;
    while let [(code, name), after @ ..] = rest {
        names[*code as usize] = Some(*name);
        rest = after;
    }
    names
};

/// Operation code of a name, which is compared without regard to case, hyphens and underscores.
#[must_use]
pub fn code(name: &str) -> Option<i32> {
    let plain = |text: &str| -> String {
        text.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect()
    };
    let wanted = plain(name);
    OPERATIONS
        .iter()
        .map(|(code, name)| (*code, *name))
        .chain(SHORT_NAMES.iter().map(|(code, name)| (*code, *name)))
        .find(|(_, name)| plain(name) == wanted)
        .map(|(code, _)| code)
}

/// Abbreviations in daily use.
const SHORT_NAMES: &[(i32, &str)] = &[
    (2, "ul"),
    (3, "cl"),
    (4, "prn"),
    (7, "isd"),
    (8, "dsd"),
    (22, "sri"),
    (23, "ugl"),
    (24, "sri-gprs"),
    (44, "mt-fsm"),
    (45, "sri-sm"),
    (46, "mo-fsm"),
    (56, "sai"),
    (59, "ussd"),
    (62, "atsi"),
    (65, "atm"),
    (70, "psi"),
    (71, "ati"),
    (83, "psl"),
    (85, "sri-lcs"),
    (86, "slr"),
];

/// Sorted by code.
const OPERATIONS: &[(i32, &str)] = &[
    (2, "updateLocation"),
    (3, "cancelLocation"),
    (4, "provideRoamingNumber"),
    (5, "noteSubscriberDataModified"),
    (6, "resumeCallHandling"),
    (7, "insertSubscriberData"),
    (8, "deleteSubscriberData"),
    (9, "sendParameters"),
    (10, "registerSS"),
    (11, "eraseSS"),
    (12, "activateSS"),
    (13, "deactivateSS"),
    (14, "interrogateSS"),
    (15, "authenticationFailureReport"),
    (17, "registerPassword"),
    (18, "getPassword"),
    (19, "processUnstructuredSS-Data"),
    (20, "releaseResources"),
    (21, "mt-ForwardSM-VGCS"),
    (22, "sendRoutingInfo"),
    (23, "updateGprsLocation"),
    (24, "sendRoutingInfoForGprs"),
    (25, "failureReport"),
    (26, "noteMsPresentForGprs"),
    (28, "performHandover"),
    (29, "sendEndSignal"),
    (30, "performSubsequentHandover"),
    (31, "provideSIWFSNumber"),
    (32, "sIWFSSignallingModify"),
    (33, "processAccessSignalling"),
    (34, "forwardAccessSignalling"),
    (35, "noteInternalHandover"),
    (36, "cancelVcsgLocation"),
    (37, "reset"),
    (38, "forwardCheckSS-Indication"),
    (39, "prepareGroupCall"),
    (40, "sendGroupCallEndSignal"),
    (41, "processGroupCallSignalling"),
    (42, "forwardGroupCallSignalling"),
    (43, "checkIMEI"),
    (44, "mt-ForwardSM"),
    (45, "sendRoutingInfoForSM"),
    (46, "mo-ForwardSM"),
    (47, "reportSM-DeliveryStatus"),
    (48, "noteSubscriberPresent"),
    (49, "alertServiceCentreWithoutResult"),
    (50, "activateTraceMode"),
    (51, "deactivateTraceMode"),
    (52, "traceSubscriberActivity"),
    (53, "updateVcsgLocation"),
    (54, "beginSubscriberActivity"),
    (55, "sendIdentification"),
    (56, "sendAuthenticationInfo"),
    (57, "restoreData"),
    (58, "sendIMSI"),
    (59, "processUnstructuredSS-Request"),
    (60, "unstructuredSS-Request"),
    (61, "unstructuredSS-Notify"),
    (62, "anyTimeSubscriptionInterrogation"),
    (63, "informServiceCentre"),
    (64, "alertServiceCentre"),
    (65, "anyTimeModification"),
    (66, "readyForSM"),
    (67, "purgeMS"),
    (68, "prepareHandover"),
    (69, "prepareSubsequentHandover"),
    (70, "provideSubscriberInfo"),
    (71, "anyTimeInterrogation"),
    (72, "ss-InvocationNotification"),
    (73, "setReportingState"),
    (74, "statusReport"),
    (75, "remoteUserFree"),
    (76, "registerCC-Entry"),
    (77, "eraseCC-Entry"),
    (78, "secureTransportClass1"),
    (79, "secureTransportClass2"),
    (80, "secureTransportClass3"),
    (81, "secureTransportClass4"),
    (83, "provideSubscriberLocation"),
    (84, "sendGroupCallInfo"),
    (85, "sendRoutingInfoForLCS"),
    (86, "subscriberLocationReport"),
    (87, "istAlert"),
    (88, "istCommand"),
    (89, "noteMM-Event"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_leads_back() {
        assert!(OPERATIONS.is_sorted_by_key(|(code, _)| *code));
        for (opcode, operation) in OPERATIONS {
            assert_eq!(name(*opcode), Some(*operation));
            assert_eq!(code(operation), Some(*opcode));
        }
        assert_eq!(name(1), None);
    }

    #[test]
    fn names_are_found_as_people_write_them() {
        assert_eq!(code("AnyTimeInterrogation"), Some(71));
        assert_eq!(code("ati"), Some(71));
        assert_eq!(code("mt_forwardsm"), Some(44));
        assert_eq!(code("nothing"), None);
    }
}
