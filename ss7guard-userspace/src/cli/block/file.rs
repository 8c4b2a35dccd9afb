//! Lists in files: CSV with a head line that names the columns, in any order.
//!
//! ```text
//! entry,ni,na,direction,does,ends,reason
//! 2-1-3,,,,neutralise,,fraud
//! gt:4477*,,,in,drop,2026-12-24T12:00:00.000Z,
//! gt:447700*,,,any,allow,4h,"our partner, by contract"
//! ```
//! Columns other than `entry` may be missing, fields may be empty; blank lines and those that begin with `#` are skipped.
//! An entry is one line, so that a quote that nobody closes is told where it is. A file is read and checked as a whole
//! before anything is done.

use std::collections::HashMap;
use std::io::{self, BufRead};

use csv::Writer;
use csv_core::ReadRecordResult;
use jiff::Timestamp;
use serde_json::Value;
use ss7guard_common::point_code::{Format, Shown};

use crate::config::{OnBlock, network_indicator, parse_duration};
use crate::enforce::{CodeTarget, Directions, Does, TITLE_MARK, Target, TitleTarget, Written};

/// The columns, in the order in which they are written.
const COLUMNS: [&str; 7] = ["entry", "ni", "na", "direction", "does", "ends", "reason"];

/// What some programs write at the start of a file.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Wrong lines that are told.
const MOST_TOLD: usize = 20;

/// Octets of a reason.
const MAX_REASON_LEN: usize = 256;

/// The longest time that an entry lasts; beyond, it is meant to be for good.
const MOST_DAYS: i64 = 3_650;

/// An entry of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// What messages it is for.
    pub(super) target: Target,
    /// What becomes of them, unless the entry allows.
    pub(super) on_block: OnBlock,
    /// When it ends, in milliseconds since 1970, UTC; never if there is no time.
    pub(super) ends_ms: Option<i64>,
    /// Why.
    pub(super) reason: String,
}

/// What a file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// Its entries, each target once.
    pub(super) rows: Vec<Row>,
    /// Lines of entries that have ended already; they are not among the rows.
    pub(super) ended: Vec<u64>,
}

/// Where each column is in a line; a column that is not there has no place.
struct Head {
    places: [Option<usize>; COLUMNS.len()],
    len: usize,
}

impl Head {
    fn read(names: &[&str]) -> Result<Self, String> {
        let columns = COLUMNS.join(",");
        let mut places = [None; COLUMNS.len()];
        for (place, name) in names.iter().enumerate() {
            let column = COLUMNS.iter().position(|column| column == name).ok_or_else(|| {
                format!("{name:?} is no column: the first line is {columns}, or some of these")
            })?;
            if places[column].replace(place).is_some() {
                return Err(format!("column {name:?} is there twice"));
            }
        }
        match places[0] {
            Some(_) => Ok(Self { places, len: names.len() }),
            None => {
                Err(format!("there is no column \"entry\": the first line is {columns}, or some of these"))
            }
        }
    }

    /// The fields of a line in the order of [`COLUMNS`]; what is not there is empty.
    fn fields<'a>(&self, fields: &[&'a str]) -> Result<[&'a str; COLUMNS.len()], String> {
        if fields.len() > self.len {
            return Err(format!(
                "{} fields, but the first line names {}: put a field with a comma in quotes",
                fields.len(),
                self.len
            ));
        }
        Ok(self.places.map(|place| place.and_then(|place| fields.get(place)).copied().unwrap_or_default()))
    }
}

/// Cuts lines into fields.
struct Cutter {
    core: csv_core::Reader,
    text: Vec<u8>,
    ends: [usize; 4 * COLUMNS.len()],
}

impl Cutter {
    fn new() -> Self {
        Self { core: csv_core::Reader::new(), text: Vec::new(), ends: [0; 4 * COLUMNS.len()] }
    }

    /// The fields of a line, which has no line feed, without blanks around them.
    fn cut(&mut self, line: &str) -> Result<Vec<&str>, String> {
        self.core.reset();
        self.text.resize(line.len() + 1, 0);
        let (_, _, written, fields) = self.core.read_record(line.as_bytes(), &mut self.text, &mut self.ends);
        let (text, ends) = (self.text.get_mut(written..), self.ends.get_mut(fields..));
        let (result, _, _, last) =
            self.core.read_record(b"\n", text.unwrap_or_default(), ends.unwrap_or_default());
        match result {
            ReadRecordResult::Record => {}
            ReadRecordResult::OutputEndsFull => {
                return Err(format!(
                    "more than {} fields: put a field with a comma in quotes",
                    self.ends.len()
                ));
            }
            _ => {
                return Err(
                    "a quote is not closed: write \" behind the field, and \"\" for one in it".to_owned()
                );
            }
        }
        let mut start = 0;
        let ends = self.ends.get(..fields + last).unwrap_or_default();
        ends.iter()
            .map(|end| {
                let field = self.text.get(start..*end).unwrap_or_default();
                start = *end;
                std::str::from_utf8(field).map(str::trim).map_err(|error| error.to_string())
            })
            .collect()
    }
}

/// What is wrong with a file; told with the file's name before each line.
struct Faults<'a> {
    name: &'a str,
    told: Vec<String>,
    count: usize,
}

impl Faults<'_> {
    fn add(&mut self, line: u64, message: &str) {
        self.count += 1;
        if self.told.len() < MOST_TOLD {
            self.told.push(format!("{}:{line}: {message}", self.name));
        }
    }

    fn into_message(self) -> Option<String> {
        let Self { name, mut told, count } = self;
        match count {
            0 => return None,
            1 => {}
            _ => told.insert(0, format!("{name}: {count} lines are wrong")),
        }
        if count > MOST_TOLD {
            told.push(format!("and {} more", count - MOST_TOLD));
        }
        Some(told.join("\n  "))
    }
}

/// Reads and checks a file with point codes in this format; `name` is its name in errors, `now_ms` the time in
/// milliseconds since 1970, UTC.
///
/// # Errors
/// Names each line that is wrong, with what would be right; the first twenty, if there are more.
pub(super) fn read(name: &str, file: impl io::Read, format: Format, now_ms: i64) -> Result<Contents, String> {
    let mut file = io::BufReader::with_capacity(1 << 16, file);
    let mut cutter = Cutter::new();
    let mut head = None;
    let mut seen: HashMap<Target, u64> = HashMap::new();
    let mut faults = Faults { name, told: Vec::new(), count: 0 };
    let mut contents = Contents::default();
    let mut octets = Vec::new();
    for number in 1.. {
        octets.clear();
        if file.read_until(b'\n', &mut octets).map_err(|error| format!("{name}: {error}"))? == 0 {
            break;
        }
        let Ok(line) = std::str::from_utf8(&octets) else {
            faults.add(number, "this is no UTF-8: save the file as UTF-8");
            continue;
        };
        let line = if number == 1 { line.trim_start_matches(BYTE_ORDER_MARK) } else { line }.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let row = cutter.cut(line).and_then(|fields| {
            let Some(head) = &head else {
                head = Some(Head::read(&fields)?);
                return Ok(None);
            };
            let fields = head.fields(&fields)?;
            let row = row(&fields, format, now_ms)?;
            if let Some(first) = seen.get(&row.target) {
                return Err(format!("{:?} is there already, on line {first}: keep one", fields[0]));
            }
            seen.insert(row.target, number);
            Ok(Some(row))
        });
        match row {
            Ok(None) => {}
            Ok(Some(row)) if row.ends_ms.is_some_and(|ends_ms| ends_ms <= now_ms) => {
                contents.ended.push(number);
            }
            Ok(Some(row)) => contents.rows.push(row),
            Err(message) => {
                faults.add(number, &message);
                // Without a right head no other line is right.
                if head.is_none() {
                    break;
                }
            }
        }
    }
    match faults.into_message() {
        Some(message) => Err(message),
        None if head.is_none() => {
            Err(format!("{name}: the file is empty: its first line is {}", COLUMNS.join(",")))
        }
        None => Ok(contents),
    }
}

fn row(fields: &[&str; COLUMNS.len()], format: Format, now_ms: i64) -> Result<Row, String> {
    let [entry, ni, na, direction, does, ends, reason] = *fields;
    if entry.is_empty() {
        return Err("\"\": the column entry is empty: write a point code or gt: and digits".to_owned());
    }
    let effect = match does {
        "" => Does::default(),
        text => Does::ALL.into_iter().find(|does| does.as_str() == text).ok_or_else(|| {
            format!("{text:?} is nothing that an entry does: write \"neutralise\", \"drop\" or \"allow\"")
        })?,
    };
    let target = match Written::parse(entry, format)? {
        Written::Code(point_code) => {
            if !direction.is_empty() {
                return Err(format!("direction {direction:?}: for global titles only; leave it empty here"));
            }
            if effect == Does::Allow {
                return Err(format!(
                    "{does:?}: for global titles only; a point code is blocked or not there"
                ));
            }
            let ni = if ni.is_empty() { None } else { network_indicator(ni)? };
            let network_appearance = match na {
                "" => None,
                text => Some(text.parse().map_err(|_| {
                    format!("{text:?} is no Network Appearance: write 0 to 4294967295, or leave it empty")
                })?),
            };
            Target::Code(CodeTarget { point_code, ni, network_appearance })
        }
        Written::Titles(titles) => {
            for (column, value) in [("ni", ni), ("na", na)] {
                if !value.is_empty() {
                    return Err(format!("{column} {value:?}: for point codes only; leave it empty here"));
                }
            }
            let directions = match direction {
                "" => Directions::default(),
                text => Directions::parse(text)?,
            };
            Target::Title(TitleTarget { titles, directions, allows: effect == Does::Allow })
        }
    };
    if reason.len() > MAX_REASON_LEN {
        let start: String = reason.chars().take(20).collect();
        return Err(format!(
            "reason \"{start}...\" has {} octets: write {MAX_REASON_LEN} at most",
            reason.len()
        ));
    }
    let on_block = if effect == Does::Drop { OnBlock::Drop } else { OnBlock::Neutralise };
    Ok(Row { target, on_block, ends_ms: end(ends, now_ms)?, reason: reason.to_owned() })
}

/// Reads an end: nothing, a time, or how long from now.
fn end(text: &str, now_ms: i64) -> Result<Option<i64>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    if let Ok(duration) = parse_duration(text) {
        let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        return Ok(Some(now_ms.saturating_add(ms)));
    }
    let time: Timestamp = text.parse().map_err(|_| {
        format!(
            "{text:?} is no end: write a time such as 2026-12-24T12:00:00Z, a duration such as 4h, or nothing for good"
        )
    })?;
    let ms = time.as_millisecond();
    if ms.saturating_sub(now_ms) > MOST_DAYS * 86_400_000 {
        return Err(format!("{text:?} is more than {MOST_DAYS} days away: leave it empty for good"));
    }
    Ok(Some(ms))
}

/// Writes entries as the controller lists them, with point codes in this format.
///
/// # Errors
/// The writer fails.
pub(super) fn write(out: impl io::Write, entries: &[Value], format: Format) -> csv::Result<()> {
    let mut writer = Writer::from_writer(out);
    writer.write_record(COLUMNS)?;
    for entry in entries {
        let number = |key: &str| entry[key].as_u64().map_or_else(String::new, |number| number.to_string());
        let text = |key: &str| entry[key].as_str().unwrap_or_default();
        // An entry is one line.
        let reason = text("reason").replace(char::is_control, " ");
        let shown = match entry["gt"].as_str() {
            Some(titles) => format!("{TITLE_MARK}{titles}"),
            None => {
                let code = entry["point_code"].as_u64().and_then(|code| u32::try_from(code).ok());
                Shown { code: code.unwrap_or_default(), format }.to_string()
            }
        };
        writer.write_record([
            shown.as_str(),
            &number("ni"),
            &number("network_appearance"),
            text("direction"),
            text("does"),
            text("ends"),
            &reason,
        ])?;
    }
    writer.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests;
