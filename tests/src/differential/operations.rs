//! The operations that the crate `gsm_map` can build and read, with their application contexts (TS 29.002 §17.3,
//! §17.5; the contexts of each operation in §17.3.2).

use gsm_map::operations as map;
use rasn::{Decode, Encode};
use serde_json::Value;

use super::arbitrary;
use super::random::Random;

/// Makes a random value and encodes it.
type Make = fn(&mut Random) -> Vec<u8>;

/// Reads a value: as JSON with the names of its members.
type Read = fn(&[u8]) -> Result<Value, String>;

/// Reads a value and throws it away: for measurements.
type Check = fn(&[u8]) -> bool;

/// A type of `gsm_map`.
#[derive(Clone, Copy)]
pub struct Parameter {
    /// Makes and encodes a value.
    pub make: Make,
    /// Reads one.
    pub read: Read,
    /// Reads one without a look at it.
    pub check: Check,
}

impl std::fmt::Debug for Parameter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Parameter")
    }
}

/// An operation.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// Local operation code.
    pub code: i64,
    /// Application context and version.
    pub context: (u32, u32),
    /// Argument.
    pub argument: Option<Parameter>,
    /// Result.
    pub result: Option<Parameter>,
}

/// The operation with this code.
#[must_use]
pub fn operation(code: i64) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.code == code)
}

/// The parameter of the error with this code.
#[must_use]
pub fn error(code: i64) -> Option<Parameter> {
    ERRORS.iter().find(|(error, _)| *error == code).map(|(_, parameter)| *parameter)
}

const fn parameter<T: Decode + Encode, const N: usize>() -> Parameter {
    Parameter { make: make::<T, N>, read: read::<T, N>, check: check::<T> }
}

/// Names of parameters that are not a SEQUENCE.
const NAMES: [&str; 3] = ["", "imsi", "msisdn"];
/// A parameter that is itself an IMSI.
const IMSI: usize = 1;
/// A parameter that is itself an MSISDN.
const MSISDN: usize = 2;

fn make<T: Decode + Encode, const N: usize>(random: &mut Random) -> Vec<u8> {
    let value: T = arbitrary::value(random, NAMES[N]).expect("a value of a MAP type");
    gsm_map::encode(&value).expect("the encoding of a MAP type")
}

fn read<T: Decode + Encode, const N: usize>(octets: &[u8]) -> Result<Value, String> {
    let value: T = gsm_map::decode(octets).map_err(|error| error.to_string())?;
    let text = rasn::jer::encode(&value).map_err(|error| error.to_string())?;
    let value: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    Ok(if NAMES[N].is_empty() { value } else { serde_json::json!({ NAMES[N]: value }) })
}

fn check<T: Decode>(octets: &[u8]) -> bool {
    std::hint::black_box(gsm_map::decode::<T>(octets)).is_ok()
}

macro_rules! operations {
    ($( $code:literal $context:literal.$version:literal $argument:tt $result:tt; )*) => {
        /// Every operation.
        pub const OPERATIONS: &[Operation] = &[ $( Operation {
            code: $code,
            context: ($context, $version),
            argument: operations!(@ $argument),
            result: operations!(@ $result),
        }, )* ];
    };
    (@ ()) => { None };
    (@ (imsi $type:ty)) => { Some(parameter::<$type, IMSI>()) };
    (@ (msisdn $type:ty)) => { Some(parameter::<$type, MSISDN>()) };
    (@ ($type:ty)) => { Some(parameter::<$type, 0>()) };
}

operations! {
    2 1 . 3 (map::location::UpdateLocationArg) (map::location::UpdateLocationRes);
    3 2 . 3 (map::location::CancelLocationArg) (map::location::CancelLocationRes);
    4 3 . 3 (map::call_handling::ProvideRoamingNumberArg) (map::call_handling::ProvideRoamingNumberRes);
    5 22 . 3 (map::notification::NoteSubscriberDataModifiedArg) (map::notification::NoteSubscriberDataModifiedRes);
    6 6 . 4 (map::call_handling::ResumeCallHandlingArg) (map::call_handling::ResumeCallHandlingRes);
    7 16 . 3 (map::subscriber_data::InsertSubscriberDataArg) (map::subscriber_data::InsertSubscriberDataRes);
    8 16 . 3 (map::subscriber_data::DeleteSubscriberDataArg) (map::subscriber_data::DeleteSubscriberDataRes);
    10 18 . 2 (map::supplementary::RegisterSsArg) (map::supplementary::SsInfo);
    11 18 . 2 (map::supplementary::EraseSsArg) (map::supplementary::SsInfo);
    12 18 . 2 (map::supplementary::ActivateSsArg) (map::supplementary::SsInfo);
    13 18 . 2 (map::supplementary::DeactivateSsArg) (map::supplementary::SsInfo);
    14 18 . 2 (map::supplementary::InterrogateSsArg) (map::supplementary::InterrogateSsRes);
    15 39 . 3 (map::auth::AuthenticationFailureReportArg) (map::auth::AuthenticationFailureReportRes);
    16 18 . 2 (map::supplementary::NotifySsArg) ();
    20 44 . 3 (map::call_handling::ReleaseResourcesArg) (map::call_handling::ReleaseResourcesRes);
    21 41 . 3 (map::mt_forward_sm::MtForwardSmVgcsArg) (map::mt_forward_sm::MtForwardSmVgcsRes);
    22 5 . 3 (map::call_handling::SendRoutingInfoArg) (map::call_handling::SendRoutingInfoRes);
    23 32 . 3 (map::gprs_location::UpdateGprsLocationArg) (map::gprs_location::UpdateGprsLocationRes);
    24 33 . 4 (map::gprs_location::SendRoutingInfoForGprsArg) (map::gprs_location::SendRoutingInfoForGprsRes);
    25 34 . 3 (map::gprs_location::FailureReportArg) (map::gprs_location::FailureReportRes);
    26 35 . 3 (map::gprs_location::NoteMsPresentForGprsArg) (map::gprs_location::NoteMsPresentForGprsRes);
    29 11 . 3 (map::handover::SendEndSignalArg) (map::handover::SendEndSignalRes);
    33 11 . 3 (map::handover::ProcessAccessSignallingArg) ();
    34 11 . 3 (map::handover::ForwardAccessSignallingArg) ();
    36 47 . 3 (map::location::CancelVcsgLocationArg) (map::location::CancelVcsgLocationRes);
    37 10 . 3 (map::fault_recovery::ResetArg) ();
    39 31 . 3 (map::group_call::PrepareGroupCallArg) (map::group_call::PrepareGroupCallRes);
    40 31 . 3 (map::group_call::SendGroupCallEndSignalArg) (map::group_call::SendGroupCallEndSignalRes);
    41 31 . 3 (map::group_call::ProcessGroupCallSignallingArg) ();
    42 31 . 3 (map::group_call::ForwardGroupCallSignallingArg) ();
    43 13 . 3 (map::imei::CheckImeiArg) (map::imei::CheckImeiRes);
    44 25 . 3 (map::mt_forward_sm::MtForwardSmArg) (map::mt_forward_sm::MtForwardSmRes);
    45 20 . 3 (map::sri_sm::RoutingInfoForSmArg) (map::sri_sm::RoutingInfoForSmRes);
    46 21 . 3 (map::mo_forward_sm::MoForwardSmArg) (map::mo_forward_sm::MoForwardSmRes);
    47 20 . 3 (map::report_sm::ReportSmDeliveryStatusArg) (map::report_sm::ReportSmDeliveryStatusRes);
    49 23 . 1 (map::alert_sc::AlertServiceCentreWithoutResultArg) ();
    50 17 . 3 (map::oam::ActivateTraceModeArg) (map::oam::ActivateTraceModeRes);
    51 17 . 3 (map::oam::DeactivateTraceModeArg) (map::oam::DeactivateTraceModeRes);
    53 46 . 3 (map::location::UpdateVcsgLocationArg) (map::location::UpdateVcsgLocationRes);
    55 15 . 3 (map::location::SendIdentificationArg) (map::location::SendIdentificationRes);
    56 14 . 3 (map::auth::SendAuthenticationInfoArg) (map::auth::SendAuthenticationInfoRes);
    57 1 . 3 (map::fault_recovery::RestoreDataArg) (map::fault_recovery::RestoreDataRes);
    58 26 . 2 (msisdn map::oam::SendImsiArg) (imsi map::oam::SendImsiRes);
    59 19 . 2 (map::ussd::ProcessUnstructuredSsRequestArg) (map::ussd::ProcessUnstructuredSsRequestRes);
    60 19 . 2 (map::ussd::UnstructuredSsRequestArg) (map::ussd::UnstructuredSsRequestRes);
    61 19 . 2 (map::ussd::UnstructuredSsNotifyArg) ();
    62 43 . 3 (map::subscriber_info::AnyTimeSubscriptionInterrogationArg)
        (map::subscriber_info::AnyTimeSubscriptionInterrogationRes);
    63 20 . 3 (map::inform_sc::InformServiceCentreArg) ();
    64 23 . 2 (map::alert_sc::AlertServiceCentreArg) ();
    65 43 . 3 (map::subscriber_info::AnyTimeModificationArg) (map::subscriber_info::AnyTimeModificationRes);
    66 24 . 3 (map::ready_for_sm::ReadyForSmArg) (map::ready_for_sm::ReadyForSmRes);
    67 27 . 3 (map::location::PurgeMsArg) (map::location::PurgeMsRes);
    68 11 . 3 (map::handover::PrepareHandoverArg) (map::handover::PrepareHandoverRes);
    69 11 . 3 (map::handover::PrepareSubsequentHandoverArg) (map::handover::PrepareSubsequentHandoverRes);
    70 28 . 3 (map::subscriber_info::ProvideSubscriberInfoArg) (map::subscriber_info::ProvideSubscriberInfoRes);
    71 29 . 3 (map::subscriber_info::AnyTimeInterrogationArg) (map::subscriber_info::AnyTimeInterrogationRes);
    72 36 . 3 (map::notification::SsInvocationNotificationArg) (map::notification::SsInvocationNotificationRes);
    73 7 . 3 (map::call_handling::SetReportingStateArg) (map::call_handling::SetReportingStateRes);
    74 7 . 3 (map::call_handling::StatusReportArg) (map::call_handling::StatusReportRes);
    75 7 . 3 (map::call_handling::RemoteUserFreeArg) (map::call_handling::RemoteUserFreeRes);
    76 8 . 3 (map::supplementary::RegisterCcEntryArg) (map::supplementary::RegisterCcEntryRes);
    77 8 . 3 (map::supplementary::EraseCcEntryArg) (map::supplementary::EraseCcEntryRes);
    83 38 . 3 (map::lcs::ProvideSubscriberLocationArg) (map::lcs::ProvideSubscriberLocationRes);
    84 45 . 3 (map::group_call::SendGroupCallInfoArg) (map::group_call::SendGroupCallInfoRes);
    85 37 . 3 (map::lcs::SendRoutingInfoForLcsArg) (map::lcs::SendRoutingInfoForLcsRes);
    86 38 . 3 (map::lcs::SubscriberLocationReportArg) (map::lcs::SubscriberLocationReportRes);
    87 4 . 3 (map::call_handling::IstAlertArg) (map::call_handling::IstAlertRes);
    88 9 . 3 (map::call_handling::IstCommandArg) (map::call_handling::IstCommandRes);
    89 42 . 3 (map::notification::NoteMmEventArg) (map::notification::NoteMmEventRes);
}

/// Errors whose parameters hold more than a diagnostic (TS 29.002 §17.6.6).
pub const ERRORS: &[(i64, Parameter)] = &[
    (1, parameter::<map::errors::UnknownSubscriberParam, 0>()),
    (6, parameter::<map::errors::AbsentSubscriberSmParam, 0>()),
    (27, parameter::<map::errors::AbsentSubscriberParam, 0>()),
    (34, parameter::<map::errors::ExtensibleSystemFailureParam, 0>()),
];
