//! `afterimage log` and `afterimage undo`: the history of a bank.

use super::banks::{to_change, to_read};
use super::policies::terms;
use super::{Failure, Status, one_line, say, time};
use afterimage::bank::{About, Bank, Change, Event};
use afterimage::decide::DEFAULT;
use clap::Args;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

/// Tell all changes of a bank, the first one first
#[derive(Args, Debug)]
pub(super) struct Log {
    /// The bank's folder
    bank: PathBuf,
    /// A JSON object on a line for each change
    #[arg(long)]
    json: bool,
    /// Only changes after this one
    #[arg(long, value_name = "N", default_value_t = 0)]
    since: u64,
}

/// Take a change back, by a new change
#[derive(Args, Debug)]
pub(super) struct Undo {
    /// The bank's folder
    bank: PathBuf,
    /// The change's number, as `log` tells it
    #[arg(value_name = "N")]
    sequence: u64,
    /// Kept with the change
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

impl Log {
    pub(super) fn run(&self) -> Result<Status, Failure> {
        let mut out = io::stdout().lock();
        let mut written = Ok(());
        let read = Bank::history(&self.bank, |event| {
            if event.sequence > self.since && written.is_ok() {
                // JSON escapes what would end a line, and a program has to get names as they are.
                let line = if self.json { object(&event).to_string() } else { one_line(&line(&event)) };
                written = writeln!(out, "{line}");
            }
        });
        written?;
        read.map_err(|e| Failure::file(&self.bank, e))?;
        Ok(Status::NoMatch)
    }
}

impl Undo {
    pub(super) fn run(&self) -> Result<Status, Failure> {
        // Opening to change would make a bank where there is none.
        to_read(&self.bank)?;
        let bank = to_change(&self.bank, &self.reason)?;
        let change = bank.undo(self.sequence).map_err(|e| Failure::file(&self.bank, e))?;
        say(&format!("undid change {} by: {}", self.sequence, sentence(&change)));
        Ok(Status::NoMatch)
    }
}

fn line(event: &Event) -> String {
    let mut out = format!("{:6}  {}", event.sequence, time::show(event.time));
    out += &format!("  {}  {}", or_dash(&event.actor), sentence(&event.change));
    if let Some(undone) = event.undoes {
        out += &format!(", which undoes {undone}");
    }
    if !event.reason.is_empty() {
        out += &format!("  ({})", event.reason);
    }
    out
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn sentence(change: &Change) -> String {
    match change {
        Change::Add { name, about, fingerprint } => {
            format!("add {name}{}, {:.1} s", said(about), fingerprint.duration)
        }
        Change::Remove { name } => format!("remove {name}"),
        Change::Edit { name, about } => format!("edit {name}{}", said(about)),
        Change::Policy { collection, policy: Some(policy) } => {
            format!("policy of {collection}: {}", terms(policy))
        }
        Change::Policy { collection, policy: None } => format!("policy of {collection}: the default one"),
        _ => "something that this program does not know".to_owned(),
    }
}

fn said(about: &About) -> String {
    let mut out = String::new();
    if !about.label.is_empty() {
        out += &format!(" [{}]", about.label);
    }
    if about.collection != DEFAULT {
        out += &format!(" in {}", about.collection);
    }
    if about.suspended {
        out += ", suspended";
    }
    out
}

fn object(event: &Event) -> Value {
    let time = event.time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let mut out = json!({
        "sequence": event.sequence, "time": time, "actor": event.actor, "reason": event.reason,
        "undoes": event.undoes,
    });
    let change = match &event.change {
        Change::Add { name, about, fingerprint } => json!({
            "change": "add", "name": name, "label": about.label, "collection": about.collection,
            "suspended": about.suspended, "seconds": fingerprint.duration, "still": fingerprint.still,
        }),
        Change::Remove { name } => json!({ "change": "remove", "name": name }),
        Change::Edit { name, about } => json!({
            "change": "edit", "name": name, "label": about.label, "collection": about.collection,
            "suspended": about.suspended,
        }),
        Change::Policy { collection, policy } => {
            json!({ "change": "policy", "collection": collection, "policy": policy })
        }
        _ => json!({ "change": "unknown" }),
    };
    if let (Value::Object(out), Value::Object(change)) = (&mut out, change) {
        out.extend(change);
    }
    out
}
