//! The parts of a subscription that several operations carry: CAMEL subscriptions and call forwarding
//! (TS 29.002 §17.7.1, §17.7.3, §17.7.4).

use crate::inspect::gsm_map::extract::Field::{ForwardedTo, Imsi, Msisdn, Scf, Sgsn};
use crate::inspect::gsm_map::paths::Key::{C, Each, O, S};
use crate::inspect::gsm_map::paths::On;
use crate::inspect::gsm_map::paths::Then::{Into, List, Take};

/// InsertSubscriberDataArg; the subscriberData of sendParameters (v1) is a part of it.
pub(super) const SUBSCRIBER_DATA: &[On] = &[
    On(C(0), Take(Imsi)),
    On(C(1), Take(Msisdn)),
    // provisionedSS: Ext-SS-InfoList, a list of CHOICEs with forwardingInfo [0]
    On(C(7), List(&[On(C(0), Into(&[On(S(0), List(FORWARDED_TO))]))])),
    On(C(13), Into(VLR_CAMEL)),
    On(C(17), Into(SGSN_CAMEL)),
    On(C(34), Take(Sgsn)),
];

/// CallForwardingData: list of features.
pub(super) const FORWARDING: &[On] = &[On(S(0), List(FORWARDED_TO))];

/// A list of Ext-ForwFeature.
pub(super) const FORWARDED_TO: &[On] =
    &[On(Each, Into(&[On(C(5), Take(ForwardedTo)), On(C(10), Take(ForwardedTo))]))];

/// A list of ForwardingFeature (SS operations); in v1 and v2 without the long number.
pub(super) const FORWARDED_TO_SS: &[On] =
    &[On(Each, Into(&[On(C(5), Take(ForwardedTo)), On(C(9), Take(ForwardedTo))]))];

/// ForwardingData of the call handling operations.
pub(super) const FORWARDED_TO_CALL: &[On] = &[On(C(5), Take(ForwardedTo)), On(C(8), Take(ForwardedTo))];

/// O-, T- and VT-CSI: a list of detection points.
pub(super) const O_CSI: &[On] = &[On(S(0), List(&[On(Each, Into(&[On(C(0), Take(Scf))]))]))];

/// D-CSI: a list [0] of criteria { dialledNumber, serviceKey, gsmSCF-Address, ... }.
pub(super) const D_CSI: &[On] = &[On(C(0), List(&[On(Each, Into(&[On(O(1), Take(Scf))]))]))];

/// SMS- and GPRS-CSI: a list [0] of detection points.
const SMS_CSI: &[On] = &[On(C(0), List(&[On(Each, Into(&[On(C(2), Take(Scf))]))]))];

/// SS-CSI.
const SS_CSI: &[On] = &[On(S(0), Into(&[On(O(0), Take(Scf))]))];

/// M- and MG-CSI.
const M_CSI: &[On] = &[On(C(0), Take(Scf))];

/// VlrCamelSubscriptionInfo.
const VLR_CAMEL: &[On] = &[
    On(C(0), Into(O_CSI)),
    On(C(2), Into(SS_CSI)),
    On(C(5), Into(M_CSI)),
    On(C(6), Into(SMS_CSI)),
    On(C(7), Into(O_CSI)),
    On(C(9), Into(D_CSI)),
    On(C(10), Into(SMS_CSI)),
];

/// SGSN-CAMEL-SubscriptionInfo: GPRS-, MO-SMS-, MT-SMS-, MG-CSI.
const SGSN_CAMEL: &[On] =
    &[On(C(0), Into(SMS_CSI)), On(C(1), Into(SMS_CSI)), On(C(3), Into(SMS_CSI)), On(C(5), Into(M_CSI))];

/// GmscCamelSubscriptionInfo: T-, O-, D-CSI.
pub(super) const GMSC_CAMEL: &[On] = &[On(C(0), Into(O_CSI)), On(C(1), Into(O_CSI)), On(C(5), Into(D_CSI))];

/// CAMEL-SubscriptionInfo: every CSI there is.
pub(super) const CAMEL: &[On] = &[
    On(C(0), Into(O_CSI)),
    On(C(2), Into(D_CSI)),
    On(C(3), Into(O_CSI)),
    On(C(5), Into(O_CSI)),
    On(C(9), Into(SMS_CSI)),
    On(C(10), Into(SMS_CSI)),
    On(C(11), Into(SS_CSI)),
    On(C(12), Into(M_CSI)),
    On(C(15), Into(SMS_CSI)),
    On(C(17), Into(M_CSI)),
    On(C(18), Into(O_CSI)),
    On(C(20), Into(D_CSI)),
    On(C(21), Into(O_CSI)),
];
