//! Names of the numbers of each layer, as their standards have them.

/// Looks a number up in a table.
fn find<T: PartialEq>(table: &[(T, &'static str)], number: &T) -> Option<&'static str> {
    table.iter().find(|(known, _)| known == number).map(|(_, name)| *name)
}

/// IP protocols (IANA, "Protocol Numbers").
#[must_use]
pub fn ip_protocol(number: u8) -> Option<&'static str> {
    const NAMES: &[(u8, &str)] = &[
        (0, "hop-by-hop options"),
        (1, "ICMP"),
        (4, "IPv4"),
        (6, "TCP"),
        (17, "UDP"),
        (41, "IPv6"),
        (43, "routing header"),
        (44, "fragment header"),
        (47, "GRE"),
        (50, "ESP"),
        (51, "authentication header"),
        (58, "ICMPv6"),
        (59, "no next header"),
        (60, "destination options"),
        (132, "SCTP"),
        (135, "mobility header"),
        (139, "HIP"),
        (140, "Shim6"),
    ];
    find(NAMES, &number)
}

/// SCTP chunk types (IANA, "SCTP Parameters").
#[must_use]
pub fn chunk(number: u8) -> Option<&'static str> {
    const NAMES: &[(u8, &str)] = &[
        (0, "DATA"),
        (1, "INIT"),
        (2, "INIT ACK"),
        (3, "SACK"),
        (4, "HEARTBEAT"),
        (5, "HEARTBEAT ACK"),
        (6, "ABORT"),
        (7, "SHUTDOWN"),
        (8, "SHUTDOWN ACK"),
        (9, "ERROR"),
        (10, "COOKIE ECHO"),
        (11, "COOKIE ACK"),
        (12, "ECNE"),
        (13, "CWR"),
        (14, "SHUTDOWN COMPLETE"),
        (15, "AUTH"),
        (64, "I-DATA"),
        (128, "ASCONF-ACK"),
        (130, "RE-CONFIG"),
        (132, "PAD"),
        (192, "FORWARD TSN"),
        (193, "ASCONF"),
        (194, "I-FORWARD-TSN"),
    ];
    find(NAMES, &number)
}

/// SCTP payload protocol identifiers (IANA).
#[must_use]
pub fn ppid(number: u32) -> Option<&'static str> {
    const NAMES: &[(u32, &str)] =
        &[(1, "IUA"), (2, "M2UA"), (3, "M3UA"), (4, "SUA"), (5, "M2PA"), (18, "S1AP"), (46, "Diameter")];
    find(NAMES, &number)
}

/// M3UA message classes (RFC 4666 §3.1.2).
#[must_use]
pub fn m3ua_class(number: u8) -> Option<&'static str> {
    const NAMES: &[(u8, &str)] =
        &[(0, "MGMT"), (1, "Transfer"), (2, "SSNM"), (3, "ASPSM"), (4, "ASPTM"), (9, "RKM")];
    find(NAMES, &number)
}

/// M3UA message types by class (RFC 4666 §3.1.2).
#[must_use]
pub fn m3ua_type(class: u8, number: u8) -> Option<&'static str> {
    const NAMES: &[((u8, u8), &str)] = &[
        ((0, 0), "ERR"),
        ((0, 1), "NTFY"),
        ((1, 1), "DATA"),
        ((2, 1), "DUNA"),
        ((2, 2), "DAVA"),
        ((2, 3), "DAUD"),
        ((2, 4), "SCON"),
        ((2, 5), "DUPU"),
        ((2, 6), "DRST"),
        ((3, 1), "ASP Up"),
        ((3, 2), "ASP Down"),
        ((3, 3), "Heartbeat"),
        ((3, 4), "ASP Up Ack"),
        ((3, 5), "ASP Down Ack"),
        ((3, 6), "Heartbeat Ack"),
        ((4, 1), "ASP Active"),
        ((4, 2), "ASP Inactive"),
        ((4, 3), "ASP Active Ack"),
        ((4, 4), "ASP Inactive Ack"),
        ((9, 1), "REG REQ"),
        ((9, 2), "REG RSP"),
        ((9, 3), "DEREG REQ"),
        ((9, 4), "DEREG RSP"),
    ];
    find(NAMES, &(class, number))
}

/// M3UA parameters (RFC 4666 §3.2).
#[must_use]
pub fn m3ua_parameter(tag: u16) -> Option<&'static str> {
    const NAMES: &[(u16, &str)] = &[
        (0x0004, "INFO String"),
        (0x0006, "Routing Context"),
        (0x0007, "Diagnostic Information"),
        (0x0009, "Heartbeat Data"),
        (0x000b, "Traffic Mode Type"),
        (0x000c, "Error Code"),
        (0x000d, "Status"),
        (0x0011, "ASP Identifier"),
        (0x0012, "Affected Point Code"),
        (0x0013, "Correlation ID"),
        (0x0200, "Network Appearance"),
        (0x0204, "User/Cause"),
        (0x0205, "Congestion Indications"),
        (0x0206, "Concerned Destination"),
        (0x0207, "Routing Key"),
        (0x0208, "Registration Result"),
        (0x0209, "Deregistration Result"),
        (0x020a, "Local Routing Key Identifier"),
        (0x020b, "Destination Point Code"),
        (0x020c, "Service Indicators"),
        (0x020e, "Originating Point Code List"),
        (0x0210, "Protocol Data"),
        (0x0212, "Registration Status"),
        (0x0213, "Deregistration Status"),
    ];
    find(NAMES, &tag)
}

/// Service indicators (Q.704 §14.2.1).
#[must_use]
pub fn service_indicator(number: u8) -> Option<&'static str> {
    const NAMES: &[(u8, &str)] = &[
        (0, "signalling network management"),
        (1, "signalling network testing"),
        (2, "signalling network testing, special"),
        (3, "SCCP"),
        (4, "TUP"),
        (5, "ISUP"),
        (6, "DUP, call and circuit"),
        (7, "DUP, facility"),
        (8, "MTP testing"),
        (9, "B-ISUP"),
        (10, "satellite ISUP"),
        (12, "AAL type 2"),
        (13, "BICC"),
        (14, "gateway control"),
    ];
    find(NAMES, &number)
}

/// Network indicators (Q.704 §14.2.2).
#[must_use]
pub fn network_indicator(number: u8) -> Option<&'static str> {
    const NAMES: &[(u8, &str)] =
        &[(0, "international"), (1, "international, spare"), (2, "national"), (3, "national, spare")];
    find(NAMES, &number)
}

/// SCCP message types that are not connectionless (Q.713 §2.1).
#[must_use]
pub fn sccp_type(number: u8) -> Option<&'static str> {
    const NAMES: &[(u8, &str)] = &[
        (0x01, "CR"),
        (0x02, "CC"),
        (0x03, "CREF"),
        (0x04, "RLSD"),
        (0x05, "RLC"),
        (0x06, "DT1"),
        (0x07, "DT2"),
        (0x08, "AK"),
        (0x0b, "ED"),
        (0x0c, "EA"),
        (0x0d, "RSR"),
        (0x0e, "RSC"),
        (0x0f, "ERR"),
        (0x10, "IT"),
    ];
    find(NAMES, &number)
}

/// Return causes (Q.713 §3.12).
#[must_use]
pub fn return_cause(number: u8) -> Option<&'static str> {
    const NAMES: &[(u8, &str)] = &[
        (0, "no translation for an address of such nature"),
        (1, "no translation for this specific address"),
        (2, "subsystem congestion"),
        (3, "subsystem failure"),
        (4, "unequipped user"),
        (5, "MTP failure"),
        (6, "network congestion"),
        (7, "unqualified"),
        (8, "error in message transport"),
        (9, "error in local processing"),
        (10, "destination cannot perform reassembly"),
        (11, "SCCP failure"),
        (12, "hop counter violation"),
        (13, "segmentation not supported"),
        (14, "segmentation failure"),
    ];
    find(NAMES, &number)
}

/// SCCP optional parameters (Q.713 §3.1).
#[must_use]
pub fn sccp_parameter(number: u8) -> Option<&'static str> {
    const NAMES: &[(u8, &str)] = &[
        (0x00, "end of optional parameters"),
        (0x0f, "data"),
        (0x10, "segmentation"),
        (0x11, "hop counter"),
        (0x12, "importance"),
        (0x13, "long data"),
    ];
    find(NAMES, &number)
}

/// Subsystem numbers (Q.713 §3.4.2.2, TS 23.003 §6).
#[must_use]
pub fn subsystem(number: u8) -> Option<&'static str> {
    const NAMES: &[(u8, &str)] = &[
        (0, "unknown or not used"),
        (1, "SCCP management"),
        (3, "ISUP"),
        (4, "OMAP"),
        (5, "MAP"),
        (6, "HLR"),
        (7, "VLR"),
        (8, "MSC"),
        (9, "EIR"),
        (10, "AuC"),
        (11, "ISDN supplementary services"),
        (142, "RANAP"),
        (143, "RNSAP"),
        (145, "GMLC"),
        (146, "CAP"),
        (147, "gsmSCF"),
        (148, "SIWF"),
        (149, "SGSN"),
        (150, "GGSN"),
        (241, "INAP"),
        (249, "PCAP"),
        (250, "BSC (BSSAP-LE)"),
        (251, "MSC (BSSAP-LE)"),
        (252, "SMLC (BSSAP-LE)"),
        (253, "BSS O&M"),
        (254, "BSSAP"),
    ];
    find(NAMES, &number)
}

/// Numbering plans of SCCP and MAP (Q.713 §3.4.2.3.3, TS 29.002 §17.7.8); the two agree in what is in use.
#[must_use]
pub fn numbering_plan(number: u8) -> Option<&'static str> {
    const NAMES: &[(u8, &str)] = &[
        (0, "unknown"),
        (1, "E.164"),
        (2, "generic"),
        (3, "X.121"),
        (4, "F.69"),
        (5, "maritime mobile"),
        (6, "E.212"),
        (7, "E.214"),
        (14, "private"),
    ];
    find(NAMES, &number)
}

/// Encoding schemes of global titles (Q.713 §3.4.2.3.3).
#[must_use]
pub fn encoding_scheme(number: u8) -> Option<&'static str> {
    const NAMES: &[(u8, &str)] = &[
        (0, "unknown"),
        (1, "BCD, odd number of digits"),
        (2, "BCD, even number of digits"),
        (3, "national"),
    ];
    find(NAMES, &number)
}

/// Nature of address in global titles (Q.713 §3.4.2.3.1).
#[must_use]
pub fn nature(number: u8) -> Option<&'static str> {
    const NAMES: &[(u8, &str)] = &[
        (0, "unknown"),
        (1, "subscriber number"),
        (2, "reserved for national use"),
        (3, "national significant number"),
        (4, "international number"),
    ];
    find(NAMES, &number)
}

/// Nature of address in MAP (TS 29.002 §17.7.8).
#[must_use]
pub fn map_nature(number: u8) -> Option<&'static str> {
    const NAMES: &[(u8, &str)] = &[
        (0, "unknown"),
        (1, "international"),
        (2, "national significant"),
        (3, "network specific"),
        (4, "subscriber number"),
        (6, "abbreviated"),
    ];
    find(NAMES, &number)
}

/// Forms of global titles (Q.713 §3.4.1).
#[must_use]
pub fn global_title_indicator(number: u8) -> Option<&'static str> {
    const NAMES: &[(u8, &str)] = &[
        (0, "no global title"),
        (1, "nature of address"),
        (2, "translation type"),
        (3, "translation type, numbering plan, encoding scheme"),
        (4, "translation type, numbering plan, encoding scheme, nature of address"),
    ];
    find(NAMES, &number)
}
