//! How a verdict is written.

use super::policies::action_name;
use super::recorded::Record;
use super::{Failure, csv, one_line};
use afterimage::align::{Kind, Span};
use afterimage::decide::{Action, DEFAULT, Match, Verdict};
use clap::ValueEnum;
use std::fmt::Write;
use std::path::Path;

/// How matches are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Sentences
    #[default]
    Text,
    /// A header and a row for each match; names as they are, which a spreadsheet has to be told to take for text
    Csv,
    /// A JSON object on a line for each file
    Jsonl,
}

/// The first line of a CSV report.
pub(super) const HEADER: &str = "query,ref,score,q_start,q_end,r_start,r_end,kind,transform,action";

impl Format {
    /// What comes before the first file.
    pub(super) fn header(self) -> Option<&'static str> {
        (self == Self::Csv).then_some(HEADER)
    }

    /// What is written of one file: the matches that are sure enough, or `all`. Empty, or whole lines.
    pub(super) fn file(
        self,
        query: &str,
        path: &Path,
        verdict: &Verdict,
        warnings: &[String],
        all: bool,
    ) -> Result<String, Failure> {
        let rows: Vec<&Match> = verdict.matches.iter().filter(|m| all || m.is_sure()).collect();
        Ok(match self {
            Self::Csv => rows.iter().map(|m| csv_row(query, m) + "\n").collect(),
            Self::Jsonl => {
                let matches = rows.into_iter().cloned().collect();
                let verdict = Verdict { matches, ..verdict.clone() };
                Record::new(query, path, &verdict, warnings).line()?
            }
            Self::Text if rows.is_empty() => format!("{query}: no match\n"),
            Self::Text => rows.iter().map(|m| one_line(&text_row(query, m)) + "\n").collect(),
        })
    }
}

/// A match as a row of a CSV report, without the end of the line.
pub(super) fn csv_row(query: &str, m: &Match) -> String {
    format!(
        "{},{},{:.3},{:.3},{:.3},{:.3},{:.3},{},{},{}",
        csv::field(query),
        csv::field(&m.reference),
        m.score,
        m.query.start,
        m.query.end,
        m.matched.start,
        m.matched.end,
        m.kind,
        transform(m),
        action_name(m.action),
    )
}

fn transform(m: &Match) -> String {
    let t = m.transform;
    // Adding zero turns −0 into 0.
    let mut out = format!("speed={:.3};pitch={:.2};mirror={}", t.speed, round(t.pitch), u8::from(t.mirrored));
    if let Some(place) = t.placement {
        let degrees = (f64::from(place.angle) * 10.0).round() / 10.0 + 0.0;
        // Writing to a string cannot fail.
        let _ = write!(out, ";negative={};scale={:.2};angle={degrees:.1}", u8::from(t.negative), place.scale);
    }
    out
}

fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0 + 0.0
}

fn text_row(query: &str, m: &Match) -> String {
    let mut out = String::new();
    let head = if m.is_sure() { "copy of" } else { "perhaps, too weak to act:" };
    // Writing to a string cannot fail.
    let _ = write!(out, "{query}: {head} {}", m.reference);
    if !m.label.is_empty() {
        let _ = write!(out, " [{}]", m.label);
    }
    if m.collection != DEFAULT {
        let _ = write!(out, " in {}", m.collection);
    }
    let _ = write!(out, "  {} is {} of it, by ", clock(m.query), clock(m.matched));
    let _ = if m.kind == Kind::Both { write!(out, "picture and sound") } else { write!(out, "{}", m.kind) };
    let t = m.transform;
    if (t.speed - 1.0).abs() >= 0.005 {
        let backwards = if t.speed < 0.0 { " backwards" } else { "" };
        let _ = write!(out, ",{backwards} at speed {:.2}", t.speed.abs());
    }
    if t.pitch.abs() >= 0.25 {
        let _ = write!(out, ", pitch {:+.1}", t.pitch);
    }
    if t.mirrored {
        out.push_str(", mirrored");
    }
    if t.negative {
        out.push_str(", as a negative");
    }
    let _ = write!(out, "  (score {:.1}{})", m.score, consequence(m));
    out
}

/// What follows from a match, where it is not simply that it is blocked.
fn consequence(m: &Match) -> String {
    let is = action_name(m.action);
    match m.held {
        None if m.action == m.wanted && m.action.is_none_or(|action| action == Action::Block) => {
            String::new()
        }
        None => format!(": {is}"),
        Some(why) => format!(": {is} instead of {}, {why}", action_name(m.wanted)),
    }
}

/// A span of time as people write it.
fn clock(span: Span) -> String {
    let one = |t: f64| {
        let tenths = (t.max(0.0) * 10.0).round() as u64;
        format!("{}:{:02}.{}", tenths / 600, tenths / 10 % 60, tenths % 10)
    };
    if span.end > span.start { format!("{}–{}", one(span.start), one(span.end)) } else { one(span.start) }
}
