//! MAP (3GPP TS 29.002): operations, and the identities and addresses that their arguments and results carry.
//!
//! [`operations`] names the operations; [`paths`] says, for each, where identities are; [`extract`] follows these
//! paths through one argument or result. [`contexts`] and [`subsystems`] say which operation belongs where. CAP (TS 29.078) shares TCAP and operation codes with MAP and is told apart
//! by its application contexts and subsystem number.

pub mod cap;
pub mod contexts;
pub mod extract;
pub mod operations;
mod order;
mod paths;
pub mod sms;
mod subscription;
pub mod subsystems;

pub use extract::{Field, Identities};

use crate::inspect::ber::Oid;

/// Which protocol a dialogue speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// MAP. Also assumed where nothing says otherwise: a version 1 dialogue has no dialogue portion.
    #[default]
    Map,
    /// CAP.
    Cap,
}

impl Protocol {
    /// Name of an operation; `None` for codes that the protocol does not define.
    #[must_use]
    pub fn operation(self, opcode: i32) -> Option<&'static str> {
        match self {
            Self::Map => operations::name(opcode),
            Self::Cap => cap::operation(opcode),
        }
    }
}

/// Subsystem number of CAP (TS 23.003 §6).
pub const SSN_CAP: u8 = 146;

/// Application context of MAP: `0.4.0.0.1.0.<context>.<version>` (TS 29.002 §17.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapContext {
    /// Context number, e.g. 1 for networkLocUp.
    pub context: u32,
    /// Version, 1 to 4.
    pub version: u32,
}

/// What an application context name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// A context of MAP.
    Map(MapContext),
    /// A context of CAP (TS 29.078 §5.6, §6.4, §8.3; CAP 1 and 2 sit in the arc of MAP).
    Cap,
    /// Another.
    Other,
}

/// Reads an application context name.
#[must_use]
pub fn context(name: &Oid<'_>) -> Context {
    // 0.4.0.0.1.0.context.version with one octet for each arc, as nearly all have.
    if let [0x04, 0x00, 0x00, 0x01, 0x00, context @ (0..50 | 53..0x80), version @ 0..0x80] = *name.octets() {
        return Context::Map(MapContext { context: context.into(), version: version.into() });
    }
    let mut arcs = [0u32; 8];
    let mut len = 0usize;
    for (slot, arc) in arcs.iter_mut().zip(name.arcs()) {
        *slot = arc;
        len = len.saturating_add(1);
    }
    if name.arcs().count() != len {
        return Context::Other;
    }
    match arcs.get(..len).unwrap_or_default() {
        [0, 4, 0, 0, 1, 0, 50..=52, _] | [0, 4, 0, 0, 1, 21..=23, 3, _] => Context::Cap,
        [0, 4, 0, 0, 1, 0, context, version] => {
            Context::Map(MapContext { context: *context, version: *version })
        }
        _ => Context::Other,
    }
}

/// Tells MAP and CAP apart: by the application context, else by the subsystem numbers.
#[must_use]
pub fn protocol(context: Option<Context>, called_ssn: Option<u8>, calling_ssn: Option<u8>) -> Protocol {
    let is_cap = match context {
        Some(context) => context == Context::Cap,
        None => called_ssn == Some(SSN_CAP) || calling_ssn == Some(SSN_CAP),
    };
    if is_cap { Protocol::Cap } else { Protocol::Map }
}
