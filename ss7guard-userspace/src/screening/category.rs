//! Categories of MAP operations as public descriptions of GSMA FS.11 have them.
//!
//! Sources disagree about single operations; this table is a default. FS.11 itself is confidential and was not read.

/// A category.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// Only inside one network, never from the interconnect without an agreement.
    Cat1,
    /// From a subscriber's home network towards the network that it visits.
    Cat2,
    /// From the visited network towards the home network.
    Cat3,
    /// Short messages: judged by more than the operation.
    Sms,
}

impl Category {
    /// The name in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cat1 => "cat1",
            Self::Cat2 => "cat2",
            Self::Cat3 => "cat3",
            Self::Sms => "sms",
        }
    }
}

/// Category of a MAP operation.
#[must_use]
pub const fn of(opcode: i32) -> Option<Category> {
    match opcode {
        // sendRoutingInfo, sendRoutingInfoForGprs, sendIdentification, sendIMSI, anyTimeSubscriptionInterrogation,
        // anyTimeModification, anyTimeInterrogation, sendRoutingInfoForLCS
        22 | 24 | 55 | 58 | 62 | 65 | 71 | 85 => Some(Category::Cat1),
        // cancelLocation, provideRoamingNumber, insert- and deleteSubscriberData, getPassword, reset,
        // activateTraceMode, unstructuredSS-Request and -Notify, provideSubscriberInfo, provideSubscriberLocation
        3 | 4 | 7 | 8 | 18 | 37 | 50 | 60 | 61 | 70 | 83 => Some(Category::Cat2),
        // updateLocation, registerSS, updateGprsLocation, sendAuthenticationInfo, restoreData, readyForSM, purgeMS,
        // processUnstructuredSS-Request
        2 | 10 | 23 | 56 | 57 | 59 | 66 | 67 => Some(Category::Cat3),
        // mt-ForwardSM, sendRoutingInfoForSM, mo-ForwardSM, reportSM-DeliveryStatus, alertServiceCentre
        44..=47 | 64 => Some(Category::Sms),
        _ => None,
    }
}
