//! A message whose structure is not what Q.773 and TS 29.002 have: parts twice, in another order, too many, elsewhere.

use super::sample;

/// A begin with provideSubscriberInfo, changed; with what was done to it.
#[must_use]
pub fn provide_subscriber_info() -> Vec<(&'static str, Vec<u8>)> {
    let otid = tlv(0x48, &[1, 2, 3, 4]);
    let dialogue = dialogue([0x1c, 3]);
    let (imsi, another) =
        (tlv(0x80, &[0x00, 0x01, 0x21, 0x43, 0x65, 0x87, 0x19, 0xf1]), tlv(0x80, &[0x26; 8]));
    let requested = tlv(0xa2, &[0x80, 0x00, 0x81, 0x00]);
    let sequence = |parts: &[&[u8]]| tlv(0x30, &parts.concat());
    let usual = sequence(&[&imsi, &requested]);
    let id = [2, 1, 1];
    let local = [2, 1, 70];
    let invoke = |argument: &[u8]| tlv(0xa1, &[&id, &local, argument].concat());
    let portion = |components: &[&[u8]]| tlv(0x6c, &components.concat());
    let begin = |parts: &[&[u8]]| tlv(0x62, &parts.concat());
    let with = |argument: &[u8]| begin(&[&otid, &dialogue, &portion(&[&invoke(argument)])]);
    let interrogate_ss = tlv(0xa1, &[&[2, 1, 2, 2, 1, 14][..], &tlv(0x30, &tlv(4, &[0x21]))].concat());
    let made = [
        ("usual", with(&usual)),
        ("parameter twice", with(&sequence(&[&imsi, &another, &requested]))),
        ("parameters in another order", with(&sequence(&[&requested, &imsi]))),
        ("unknown extension", with(&sequence(&[&imsi, &requested, &[0x9f, 0x63, 1, 0]]))),
        ("octets after the argument", {
            let argument = [&usual[..], &[5, 0]].concat();
            with(&argument)
        }),
        ("octets after the message", [with(&usual), vec![0, 0, 0]].concat()),
        ("two component portions", {
            let portions = [portion(&[&interrogate_ss]), portion(&[&invoke(&usual)])].concat();
            begin(&[&otid, &dialogue, &portions])
        }),
        ("two components", begin(&[&otid, &dialogue, &portion(&[&interrogate_ss, &invoke(&usual)])])),
        ("components before the dialogue", begin(&[&otid, &portion(&[&invoke(&usual)]), &dialogue])),
        ("transaction id last", begin(&[&dialogue, &portion(&[&invoke(&usual)]), &otid])),
        (
            "two transaction ids",
            begin(&[&otid, &tlv(0x48, &[9; 4]), &dialogue, &portion(&[&invoke(&usual)])]),
        ),
        ("transaction id of no octets", begin(&[&tlv(0x48, &[]), &dialogue, &portion(&[&invoke(&usual)])])),
        ("destination transaction id in a begin", {
            begin(&[&otid, &tlv(0x49, &[9; 4]), &dialogue, &portion(&[&invoke(&usual)])])
        }),
        ("empty component portion", begin(&[&otid, &dialogue, &portion(&[])])),
        ("no dialogue portion", begin(&[&otid, &portion(&[&invoke(&usual)])])),
        ("two dialogue portions", {
            begin(&[&otid, &dialogue, &self::dialogue([5, 3]), &portion(&[&invoke(&usual)])])
        }),
        ("unidirectional", tlv(0x61, &[dialogue.clone(), portion(&[&invoke(&usual)])].concat())),
        ("result in a begin", {
            let result = tlv(0xa2, &[&id[..], &tlv(0x30, &[&local[..], &usual].concat())].concat());
            begin(&[&otid, &dialogue, &portion(&[&result])])
        }),
        ("global operation code", {
            let invoke = tlv(0xa1, &[&id[..], &[6, 7, 4, 0, 0, 1, 0, 1, 70], &usual].concat());
            begin(&[&otid, &dialogue, &portion(&[&invoke])])
        }),
        ("invoke id of two octets", {
            let invoke = tlv(0xa1, &[&[2, 2, 1, 0], &local[..], &usual].concat());
            begin(&[&otid, &dialogue, &portion(&[&invoke])])
        }),
        ("another context", begin(&[&otid, &self::dialogue([99, 3]), &portion(&[&invoke(&usual)])])),
        (
            "hexadecimal digits in the IMSI",
            with(&sequence(&[&tlv(0x80, &[0xa0, 0xb1, 0x21, 0x43, 0x65]), &requested])),
        ),
        (
            "filler inside the IMSI",
            with(&sequence(&[&tlv(0x80, &[0x00, 0xf1, 0x21, 0x43, 0x65]), &requested])),
        ),
        ("empty IMSI", with(&sequence(&[&tlv(0x80, &[]), &requested]))),
        (
            "IMSI in a constructed argument of another tag",
            with(&tlv(0xa0, &[&imsi[..], &requested].concat())),
        ),
    ];
    made.into_iter()
        .map(|(what, tcap)| (what, sample::data_with(("491700000001", 7), ("15550100999", 6), tcap)))
        .collect()
}

fn dialogue([context, version]: [u8; 2]) -> Vec<u8> {
    let name = tlv(0xa1, &tlv(6, &[4, 0, 0, 1, 0, context, version]));
    let pdu = tlv(0x60, &[vec![0x80, 2, 0x07, 0x80], name].concat());
    tlv(0x6b, &tlv(0x28, &[tlv(6, &[0, 0x11, 0x86, 5, 1, 1, 1]), tlv(0xa0, &pdu)].concat()))
}

/// Tag, length and value.
fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let len = u8::try_from(value.len()).expect("a short element");
    let header = if len < 0x80 { vec![tag, len] } else { vec![tag, 0x81, len] };
    [&header[..], value].concat()
}
