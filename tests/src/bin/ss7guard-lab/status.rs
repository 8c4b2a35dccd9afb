//! `status`.

use anyhow::Result;
use serde_json::json;
use ss7guard_userspace::cli::output::{Format, Output, table};

use crate::arguments::{need_root, no_lab};
use crate::carriers::Row;
use crate::process::Process;
use crate::state::{Name, State};
use crate::talk::{Line, Reply, Request, say};

pub(crate) fn status(name: &Name, output: Output) -> Result<()> {
    need_root()?;
    let state = State::find(name)?.ok_or_else(|| no_lab(name))?;
    let runs = |process: Option<Process>| process.is_some_and(|process| process.runs());
    let (peers, firewall) = (runs(state.peers), runs(state.firewall));
    let rows = if peers { carriers(&state)? } else { Vec::new() };
    if output.format() == Format::Json {
        say(&format!(
            "{}\n",
            json!({
                "deployment": state.deployment,
                "mode": state.mode,
                "dir": state.dir,
                "namespaces": state.namespaces.iter().map(|made| &made.name).collect::<Vec<_>>(),
                "peers": peers,
                "firewall": firewall,
                "carriers": rows,
            })
        ))?;
        return Ok(());
    }
    let shown = |process: Option<Process>, runs, log: &std::path::Path| match process {
        Some(process) if runs => format!("running, process {}", process.pid),
        Some(_) => format!("ended: see {}", log.display()),
        None => "never started".to_owned(),
    };
    let names: Vec<&str> = state.namespaces.iter().map(|made| made.name.as_str()).collect();
    let facts = [
        ("deployment", state.deployment.to_string()),
        ("mode", state.mode.to_string()),
        ("configuration", state.config().display().to_string()),
        ("namespaces", names.join(", ")),
        ("firewall", shown(state.firewall, firewall, &state.firewall_log())),
        ("peers", shown(state.peers, peers, &state.peers_log())),
    ];
    let facts: Vec<Vec<String>> =
        facts.into_iter().map(|(what, value)| vec![what.to_owned(), value]).collect();
    say(&format!("{}\n", table(&["what", "value"], &facts)))?;
    let head = [
        "carrier",
        "OPC",
        "from",
        "to",
        "association",
        "sent",
        "delivered",
        "answered",
        "sent again",
        "no room",
    ];
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| {
            vec![
                row.carrier,
                row.point_code,
                row.from.to_string(),
                row.to.to_string(),
                row.association,
                row.tally.sent.to_string(),
                row.tally.delivered.to_string(),
                row.tally.answered.to_string(),
                row.retransmitted.to_string(),
                row.unsent.to_string(),
            ]
        })
        .collect();
    say(&format!("{}\n", table(&head, &rows)))?;
    Ok(())
}

fn carriers(state: &State) -> Result<Vec<Row>> {
    let mut line = Line::to(&state.dir)?;
    line.say(&Request::Status)?;
    match line.reply()? {
        Reply::Status(rows) => Ok(rows),
        other => anyhow::bail!("the lab's peers said {other:?}"),
    }
}
