//! The rows of the table.

use serde::Serialize;
use ss7guard_userspace::cli::output::table;

/// What a ratio should be.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) enum Aim {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
    /// Shown only.
    None,
}

/// One measurement.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) what: String,
    /// Its median, with the unit.
    pub(crate) value: String,
    /// Against what.
    pub(crate) against: String,
    /// Median of the ratios, round by round.
    pub(crate) ratio: f64,
    /// What it should be.
    pub(crate) aim: Aim,
}

/// The middle value.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

pub(crate) fn print(rows: &[Row]) {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let (aim, met) = match row.aim {
                Aim::AtMost(most) => (format!("<= {most}"), Some(row.ratio <= most)),
                Aim::AtLeast(least) => (format!(">= {least}"), Some(row.ratio >= least)),
                Aim::None => (String::new(), None),
            };
            let met = met.map_or("", |met| if met { "met" } else { "missed" });
            vec![
                row.what.clone(),
                row.value.clone(),
                row.against.clone(),
                format!("{:.2}x", row.ratio),
                aim,
                met.to_owned(),
            ]
        })
        .collect();
    println!("{}", table(&["what", "median", "against", "ratio", "aim", ""], &cells));
}
