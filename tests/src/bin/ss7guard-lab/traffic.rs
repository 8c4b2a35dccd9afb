//! `traffic`.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde_json::json;
use ss7guard_lab::mix::MAX_MESSAGES;
use ss7guard_lab::traffic::Kind;
use ss7guard_userspace::cli::output::{Format, table};

use crate::arguments::{TrafficArgs, need_root, no_lab, usage};
use crate::carriers;
use crate::state::{Name, State};
use crate::talk::{Line, Outcome, Reply, Request, say};

/// Messages without `--count` and `--seconds`.
const COUNT: u32 = 1_000;

pub(crate) fn traffic(name: &Name, args: &TrafficArgs) -> Result<()> {
    let count = match args.seconds {
        Some(seconds) => u64::from(seconds) * u64::from(args.rate),
        None => u64::from(args.count.unwrap_or(COUNT)),
    };
    let Some(count) = u32::try_from(count).ok().filter(|count| *count <= MAX_MESSAGES) else {
        let (seconds, rate) = (args.seconds.unwrap_or_default(), args.rate);
        return Err(usage(format!(
            "{seconds} s with {rate} messages/s are {count} messages: at most {MAX_MESSAGES}, that is {} s at this rate",
            MAX_MESSAGES / rate
        )));
    };
    need_root()?;
    let state = State::find(name)?.ok_or_else(|| no_lab(name))?;
    let mut line = Line::to(&state.dir)?;
    let as_json = args.output.format() == Format::Json;
    if !as_json {
        print_plan(args, count)?;
    }
    line.say(&Request::Traffic { mix: args.mix.to_string(), count, rate: args.rate, seed: args.seed })?;
    let outcomes = loop {
        match line.reply()? {
            Reply::Progress { sent, delivered, answered } if !as_json => {
                say(&format!("{sent} sent, {delivered} delivered, {answered} answered\n"))?;
            }
            Reply::Progress { .. } => {}
            Reply::Done(outcomes) => break outcomes,
            other @ (Reply::Status(_) | Reply::Refused(_)) => bail!("the lab's peers said {other:?}"),
        }
    };
    if !as_json {
        return print_outcomes(&outcomes);
    }
    let (mix, rate, seed) = (args.mix.to_string(), args.rate, args.seed);
    let result = json!({ "mix": mix, "count": count, "rate": rate, "seed": seed, "outcomes": outcomes });
    say(&format!("{result}\n"))
}

fn print_plan(args: &TrafficArgs, count: u32) -> Result<()> {
    say(&format!(
        "plan: {}, {count} messages, {}/s ({} s), seed {}\n",
        args.mix,
        args.rate,
        count.div_ceil(args.rate),
        args.seed
    ))?;
    let mut numbers: BTreeMap<Kind, u32> = BTreeMap::new();
    for kind in args.mix.plan(count, args.seed) {
        *numbers.entry(kind).or_default() += 1;
    }
    let from = |kind: Kind| {
        if Kind::ATTACKS.contains(&kind) { carriers::ALL[carriers::ROGUE].name } else { "carriers A and B" }
    };
    let rows: Vec<Vec<String>> = numbers
        .into_iter()
        .map(|(kind, number)| vec![kind.operation().to_owned(), from(kind).to_owned(), number.to_string()])
        .collect();
    say(&format!("{}\n", table(&["message", "from", "planned"], &rows)))
}

fn print_outcomes(outcomes: &[Outcome]) -> Result<()> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut total = [0; 4];
    for one in outcomes {
        let numbers = [one.sent, one.delivered, one.answered, one.stopped];
        for (sum, number) in total.iter_mut().zip(numbers) {
            *sum += number;
        }
        let what = if one.attack { "attack" } else { "roaming" };
        let mut row = vec![one.kind.clone(), what.to_owned(), one.carrier.clone()];
        row.extend(numbers.map(|number| number.to_string()));
        rows.push(row);
    }
    let mut row = vec!["all".to_owned(), String::new(), String::new()];
    row.extend(total.map(|number| number.to_string()));
    rows.push(row);
    say(&format!(
        "{}\n",
        table(&["message", "what", "from", "sent", "delivered", "answered", "stopped"], &rows)
    ))
}
