use super::*;
use crate::enforce::Titles;
use serde_json::json;

/// 2026-11-28T07:00:00Z.
const NOW_MS: i64 = 1_795_849_200_000;

fn read_text(text: &str) -> Result<Contents, String> {
    read("l.csv", text.as_bytes(), Format::Itu383, NOW_MS)
}

fn title(text: &str, directions: Directions, allows: bool) -> Target {
    Target::Title(TitleTarget { titles: Titles::parse(text).expect("titles"), directions, allows })
}

#[test]
fn columns_come_in_any_order_and_have_defaults() {
    let contents = read_text(
        "# from the fraud desk\n\nreason,entry,ends,does\n\"a, b\", 2-1-3 ,,drop\n\n# more\n,gt:4477*,4h,allow\n,gt:44,,\n",
    )
    .expect("rows");
    let row = |target, on_block, ends_ms, reason: &str| Row {
        target,
        on_block,
        ends_ms,
        reason: reason.to_owned(),
    };
    assert_eq!(
        contents.rows,
        [
            row(Target::code(0x100b), OnBlock::Drop, None, "a, b"),
            row(title("4477*", Directions::Any, true), OnBlock::Neutralise, Some(NOW_MS + 4 * 3_600_000), ""),
            row(title("44", Directions::Any, false), OnBlock::Neutralise, None, ""),
        ]
    );
    // A mark of the order of octets, and line ends of another system.
    let contents = read_text("\u{feff}entry,ni,na,direction\r\n2-1-3,2,7,\r\ngt:1,,,in\r\n").expect("rows");
    let code = CodeTarget { point_code: 0x100b, ni: Some(2), network_appearance: Some(7) };
    assert_eq!(contents.rows[0].target, Target::Code(code));
    assert_eq!(contents.rows[1].target, title("1", Directions::In, false));
}

#[test]
fn each_wrong_line_is_named_with_what_would_be_right() {
    let cases = [
        ("8-1-1", "l.csv:2: point code \"8-1-1\": field 1 is out of range: 0 to 7 in format 3-8-3"),
        ("16384", "l.csv:2: point code \"16384\": out of range: 0 to 16383"),
        (",1", "l.csv:2: \"\": the column entry is empty"),
        ("gt:44x", "l.csv:2: \"44x\" is no calling global title: write 1 to 15 decimal digits"),
        ("gt:1234567890123456*", "l.csv:2: \"1234567890123456*\" has 16 digits: write 15 at most"),
        ("2-1-3,4", "l.csv:2: \"4\" is no network indicator: write 0 to 3 or \"any\""),
        ("2-1-3,,-1", "l.csv:2: \"-1\" is no Network Appearance: write 0 to 4294967295"),
        ("gt:44,1", "l.csv:2: ni \"1\": for point codes only"),
        ("gt:44,,1", "l.csv:2: na \"1\": for point codes only"),
        ("2-1-3,,,in", "l.csv:2: direction \"in\": for global titles only"),
        ("gt:44,,,both", "l.csv:2: \"both\" is no direction: write \"in\", \"out\" or \"any\""),
        ("2-1-3,,,,allow", "l.csv:2: \"allow\": for global titles only"),
        ("2-1-3,,,,reject", "l.csv:2: \"reject\" is nothing that an entry does: write \"neutralise\""),
        ("2-1-3,,,,,soon", "l.csv:2: \"soon\" is no end: write a time such as"),
        ("2-1-3,,,,,2026-13-01T00:00:00Z", "l.csv:2: \"2026-13-01T00:00:00Z\" is no end"),
        ("2-1-3,,,,,9000-01-01T00:00:00Z", "is more than 3650 days away: leave it empty for good"),
        (
            "2-1-3,,,,,,a,b",
            "l.csv:2: 8 fields, but the first line names 7: put a field with a comma in quotes",
        ),
    ];
    for (line, expected) in cases {
        let error = read_text(&format!("entry,ni,na,direction,does,ends,reason\n{line}\n")).expect_err(line);
        assert!(error.contains(expected), "{line}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
    let long = format!("entry,reason\n2-1-3,{}\n", "x ".repeat(200));
    let error = read_text(&long).expect_err("too long");
    assert!(
        error.contains("l.csv:2: reason \"x x x x x x x x x x ...\" has 399 octets: write 256"),
        "{error}"
    );
    let error = read_text("entry,reason\n2-1-3,\"fraud\n2-1-4,\n").expect_err("a quote");
    assert_eq!(error, "l.csv:2: a quote is not closed: write \" behind the field, and \"\" for one in it");
    let error = read_text(&format!("entry\n2-1-3{}\n", ",".repeat(99))).expect_err("commas");
    assert!(error.starts_with("l.csv:2: more than 28 fields: put a field with a comma in quotes"), "{error}");
    let error = read("l.csv", &b"entry\n2-1-3\n\xff\n"[..], Format::Itu383, NOW_MS).expect_err("octets");
    assert!(error.contains("l.csv:3: this is no UTF-8"), "{error}");
}

#[test]
fn a_wrong_head_is_told_with_the_right_one() {
    let cases = [
        ("", "l.csv: the file is empty: its first line is entry,ni,na,direction,does,ends,reason"),
        ("# nothing\n\n", "l.csv: the file is empty"),
        ("2-1-3\n", "l.csv:1: \"2-1-3\" is no column: the first line is entry,ni"),
        ("entry;ni\n", "l.csv:1: \"entry;ni\" is no column"),
        ("# head\nni,na\n", "l.csv:2: there is no column \"entry\""),
        ("entry,ni,entry\n", "l.csv:1: column \"entry\" is there twice"),
    ];
    for (text, expected) in cases {
        let error = read_text(text).expect_err(text);
        assert!(error.starts_with(expected), "{text}: {error}");
    }
    assert_eq!(read_text("entry\n"), Ok(Contents::default()));
}

#[test]
fn what_is_there_twice_is_named_with_both_lines() {
    let error = read_text("entry,ni,does\n2-1-3,,drop\n2-1-3,1,\n4107,any,\n0x100b,,\n").expect_err("twice");
    assert!(error.starts_with("l.csv: 2 lines are wrong\n"), "{error}");
    assert!(error.contains("l.csv:4: \"4107\" is there already, on line 2: keep one"), "{error}");
    assert!(error.contains("l.csv:5: \"0x100b\" is there already, on line 2"), "{error}");
    // Exact and prefix, blocking and allowing, each direction: entries of their own.
    let text = "entry,direction,does\ngt:44,,\ngt:44*,,\ngt:44*,,allow\ngt:44*,in,\ngt:44*,out,\n";
    assert_eq!(read_text(text).expect("rows").rows.len(), 5);
}

#[test]
fn of_many_wrong_lines_the_first_are_told() {
    let text = format!("entry\n{}", "gt:x\n".repeat(500));
    let error = read_text(&text).expect_err("wrong");
    assert!(error.starts_with("l.csv: 500 lines are wrong\n") && error.ends_with("and 480 more"), "{error}");
    assert_eq!(error.lines().count(), 22);
}

#[test]
fn what_has_ended_is_left_out_and_told() {
    let contents =
        read_text("entry,ends\n2-1-3,2026-11-28T06:59:59Z\n2-1-4,2026-11-28T07:00:01+00:00\n").expect("rows");
    assert_eq!((contents.ended, contents.rows.len()), (vec![2], 1));
    assert_eq!(contents.rows[0].ends_ms, Some(NOW_MS + 1_000));
}

#[test]
fn what_is_written_reads_back() {
    let entries = [
        json!({"point_code": 0x100b, "ni": 2, "network_appearance": 7, "does": "drop", "ends": null, "reason": "a, \"b\""}),
        json!({"point_code": 0, "ni": null, "network_appearance": null, "does": "neutralise",
               "ends": "2026-12-24T12:00:00.250Z", "reason": null}),
        json!({"gt": "4477*", "direction": "in", "does": "allow", "ends": null, "reason": ""}),
    ];
    let mut out = Vec::new();
    write(&mut out, &entries, Format::Itu383).expect("CSV");
    let text = String::from_utf8(out).expect("text");
    assert_eq!(
        text,
        "entry,ni,na,direction,does,ends,reason\n2-1-3,2,7,,drop,,\"a, \"\"b\"\"\"\n\
         0-0-0,,,,neutralise,2026-12-24T12:00:00.250Z,\ngt:4477*,,,in,allow,,\n"
    );
    let rows = read_text(&text).expect("rows").rows;
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0].reason, "a, \"b\"");
    assert_eq!(
        rows[1].ends_ms,
        Some("2026-12-24T12:00:00.250Z".parse::<Timestamp>().expect("time").as_millisecond())
    );
    assert_eq!(rows[2].target, title("4477*", Directions::In, true));
}
