//! Subsystem numbers of mobile networks (TS 23.003 §6), and which subsystems perform which MAP operation
//! (TS 29.002 §17.3.2: the suppliers and consumers of the operation packages).

use crate::inspect::findings::{Finding, Findings};
use crate::inspect::sccp::{Kind, Sccp};

/// Home location register.
pub const HLR: u8 = 6;
/// Visitor location register.
pub const VLR: u8 = 7;
/// Mobile switching centre; SMS gateways and short message centres use it too.
pub const MSC: u8 = 8;
/// Equipment identity register.
pub const EIR: u8 = 9;
/// Reserved for an authentication centre.
pub const AUC: u8 = 10;
/// Gateway mobile location centre.
pub const GMLC: u8 = 145;
/// CAP, in whichever node.
pub const CAP: u8 = 146;
/// gsmSCF speaking MAP, or IM-SSF.
pub const GSM_SCF: u8 = 147;
/// Shared interworking function; obsolete.
pub const SIWF: u8 = 148;
/// Serving GPRS support node.
pub const SGSN: u8 = 149;
/// Gateway GPRS support node.
pub const GGSN: u8 = 150;

/// A set of subsystems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subsystems(u16);

impl Subsystems {
    /// Every number, also those that MAP does not use.
    const ANY: Self = Self(u16::MAX);

    const fn of(numbers: &[u8]) -> Self {
        let mut set = 0;
        let mut rest = numbers;
        while let [ssn, after @ ..] = rest {
            set |= Self::bit(*ssn);
            rest = after;
        }
        Self(set)
    }

    const fn bit(ssn: u8) -> u16 {
        match ssn {
            HLR => 1 << 0,
            VLR => 1 << 1,
            MSC => 1 << 2,
            EIR => 1 << 3,
            AUC => 1 << 4,
            GMLC => 1 << 5,
            GSM_SCF => 1 << 6,
            SIWF => 1 << 7,
            SGSN => 1 << 8,
            GGSN => 1 << 9,
            // Whatever MAP does not use.
            _ => 1 << 15,
        }
    }

    /// Whether a subsystem is in the set.
    #[must_use]
    pub const fn contains(self, ssn: u8) -> bool {
        self.0 & Self::bit(ssn) != 0
    }
}

/// Whether a subsystem speaks MAP.
#[must_use]
pub const fn speaks_map(ssn: u8) -> bool {
    Subsystems::bit(ssn) != Subsystems::bit(0)
}

/// Whether a subsystem may be opened a CAP dialogue with: its own number, or those of the nodes that have a gsmSSF, a
/// gprsSSF or a gsmSCF, as some networks have it.
#[must_use]
pub const fn may_speak_cap(ssn: u8) -> bool {
    !speaks_map(ssn) || matches!(ssn, MSC | GSM_SCF | SGSN)
}

/// The subsystems that may be asked for an operation; all of them where the sources name none.
#[must_use]
pub fn servers(opcode: i32) -> Subsystems {
    usize::try_from(opcode).ok().and_then(|code| SERVERS.get(code)).copied().unwrap_or(Subsystems::ANY)
}

/// Notes addresses without a subsystem number, at their places in the user part: without it the called party is not
/// told what to be, and whoever answers does not know whom to name.
#[inline]
pub fn note_missing(sccp: &Sccp<'_>, user_part: &[u8], findings: &mut Findings) {
    for (index, ssn) in [sccp.called.ssn, sccp.calling.ssn].into_iter().enumerate() {
        if matches!(ssn, None | Some(0)) {
            note(sccp.kind, index, user_part, findings);
        }
    }
}

#[cold]
fn note(kind: Kind, index: usize, user_part: &[u8], findings: &mut Findings) {
    findings.note(Finding::SsnMissing, address_offset(kind, index, user_part).unwrap_or(0));
}

/// Offset of the length octet of the called (0) or calling (1) address (Q.713 §2.3).
fn address_offset(kind: Kind, index: usize, user_part: &[u8]) -> Option<usize> {
    let (pointer_at, width) = match kind {
        Kind::Udt | Kind::Udts => (2usize.saturating_add(index), 1),
        Kind::Xudt | Kind::Xudts => (3usize.saturating_add(index), 1),
        Kind::Ludt | Kind::Ludts => (3usize.saturating_add(index).saturating_add(index), 2),
    };
    match user_part.get(pointer_at..)? {
        [low, high, ..] if width == 2 => {
            let distance = usize::from(u16::from_le_bytes([*low, *high]));
            Some(pointer_at.saturating_add(1).saturating_add(distance))
        }
        [distance, ..] => Some(pointer_at.saturating_add(usize::from(*distance))),
        [] => None,
    }
}

const HOME: Subsystems = Subsystems::of(&[HLR]);
/// Whether a VLR is asked as such or by its MSC differs between networks; an SGSN performs the same operations.
const VISITED: Subsystems = Subsystems::of(&[VLR, MSC, SGSN]);
const SWITCH: Subsystems = Subsystems::of(&[MSC]);
const SCF: Subsystems = Subsystems::of(&[GSM_SCF]);
/// Short messages go to an MSC, an SGSN, a short message centre or, with home routing, to the home network's router.
const SMS: Subsystems = Subsystems::of(&[HLR, VLR, MSC, SGSN]);

/// At each place the servers of the operation with that code.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, over the table below")]
static SERVERS: [Subsystems; 90] = {
    let mut servers = [Subsystems::ANY; 90];
    let mut rows = ROWS;
    while let [(set, codes), after @ ..] = rows {
        let mut codes = *codes;
        while let [code, rest @ ..] = codes {
            servers[*code as usize] = *set;
            codes = rest;
        }
        rows = after;
    }
    servers
};

const ROWS: &[(Subsystems, &[u8])] = &[
    (HOME, &[2, 10, 11, 12, 13, 14, 15, 17, 22, 23, 24, 25, 45, 47, 48, 54]),
    (HOME, &[57, 58, 62, 65, 66, 67, 74, 76, 77, 85, 87]),
    (Subsystems::of(&[HLR, VLR]), &[9]),
    (Subsystems::of(&[HLR, AUC]), &[56]),
    (Subsystems::of(&[HLR, GMLC]), &[71]),
    // Towards the home network and on to the gsmSCF, or to a gateway that counts as MSC; and back.
    (Subsystems::of(&[HLR, MSC, GSM_SCF]), &[19, 59]),
    (Subsystems::of(&[HLR, VLR, MSC, SGSN]), &[60, 61]),
    (VISITED, &[3, 4, 7, 8, 18, 36, 37, 38, 50, 51, 55, 70, 73, 75, 83]),
    (Subsystems::of(&[VLR, MSC]), &[20, 88]),
    (SWITCH, &[6, 21, 28, 29, 30, 33, 34, 35, 39, 40, 41, 42, 52, 68, 69, 84]),
    (Subsystems::of(&[MSC, SIWF]), &[31, 32]),
    (SMS, &[44, 46, 49, 63, 64]),
    (Subsystems::of(&[EIR]), &[43]),
    (Subsystems::of(&[GGSN]), &[26]),
    (Subsystems::of(&[GMLC]), &[86]),
    (SCF, &[5, 72, 89]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::gsm_map::operations;

    #[test]
    fn an_operation_is_served_where_it_belongs() {
        for (opcode, served, not_served) in [
            (71, &[HLR, GMLC][..], &[VLR, MSC, SGSN, CAP, 0][..]),
            (70, &[VLR, MSC, SGSN], &[HLR, GSM_SCF]),
            (56, &[HLR, AUC], &[VLR]),
            (44, &[MSC, VLR, SGSN, HLR], &[EIR, GMLC]),
            (43, &[EIR], &[HLR]),
            (86, &[GMLC], &[MSC]),
            (26, &[GGSN], &[SGSN]),
        ] {
            assert!(served.iter().all(|ssn| servers(opcode).contains(*ssn)), "{opcode}");
            assert!(!not_served.iter().any(|ssn| servers(opcode).contains(*ssn)), "{opcode}");
        }
    }

    #[test]
    fn only_operations_without_a_known_server_go_anywhere() {
        // updateVcsgLocation goes to a CSG subscriber server, secureTransportClass1 to 4 go to any node.
        let anywhere: Vec<i32> = (0..128)
            .filter(|code| operations::name(*code).is_some() && servers(*code) == Subsystems::ANY)
            .collect();
        assert_eq!(anywhere, [53, 78, 79, 80, 81]);
        assert_eq!(servers(-1), Subsystems::ANY);
        assert_eq!(servers(200), Subsystems::ANY);
    }

    #[test]
    fn an_address_without_a_number_is_noted_at_its_place() {
        // UDT, class 0, called GTI 4 without SSN at 5, calling SSN 0 at 14, data.
        let udt = crate::inspect::testing::octets(
            "09 00 03 0b 0e  08 10 00 11 04 91 55 15 00  04 42 00 00 00  02 62 00",
        );
        // LUDT, hop counter 15, the same addresses.
        let ludt = crate::inspect::testing::octets(
            "13 00 0f 0700 0e00 1100 0000  08 10 00 11 04 91 55 15 00  04 42 00 00 00  0200 62 00",
        );
        for (octets, called, calling) in [(udt, 5, 14), (ludt, 11, 20)] {
            let mut sccp = None;
            let mut findings = Findings::default();
            crate::inspect::sccp::decode(&octets, Default::default(), &mut sccp, &mut findings).unwrap();
            note_missing(sccp.as_ref().unwrap(), &octets, &mut findings);
            let noted: Vec<_> = findings.iter().filter(|(one, _)| *one == Finding::SsnMissing).collect();
            assert_eq!(noted, [(Finding::SsnMissing, called), (Finding::SsnMissing, calling)]);
        }
    }

    #[test]
    fn numbers_outside_map_are_told_apart() {
        assert!([6, 7, 8, 9, 10, 145, 147, 148, 149, 150].into_iter().all(speaks_map));
        assert!(![0, 1, 5, 11, 142, 146, 241, 254].into_iter().any(speaks_map));
        assert!([CAP, MSC, GSM_SCF, SGSN].into_iter().all(may_speak_cap));
        assert!(![HLR, VLR, EIR, GMLC].into_iter().any(may_speak_cap));
    }
}
