//! Output of the command line: a table on a terminal, JSON elsewhere.

use std::io::IsTerminal as _;

use clap::{Args, ValueEnum};
use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{ContentArrangement, Table};

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// The option that chooses it.
#[derive(Args, Clone, Copy, Debug)]
pub struct Output {
    /// Output format [default: table on a terminal, json elsewhere]
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

impl Output {
    /// Whether JSON was asked for; for commands that do something and say so in a line.
    #[must_use]
    pub fn is_json_wanted(self) -> bool {
        self.output == Some(Format::Json)
    }

    /// The format that was asked for, or the one that fits standard output.
    #[must_use]
    pub fn format(self) -> Format {
        self.output.unwrap_or_else(
            || {
                if std::io::stdout().is_terminal() { Format::Table } else { Format::Json }
            },
        )
    }
}

/// A table with this head and these rows.
#[must_use]
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    table.to_string()
}
