//! Recorded verdicts: `match --report` writes them, `dry-run` and `replay` judge them again.

use super::banks::{at, to_read};
use super::policies::{Terms, action_name};
use super::probe::{Reading, name};
use super::{Failure, Status, complain, one_line, warn};
use afterimage::bank::Bank;
use afterimage::decide::{Action, Held, InForce, Match, Policies, Verdict};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A line of a report: what was found in one file, and all that it was found by.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) query: String,
    #[serde(rename = "match")]
    pub(super) is_match: bool,
    pub(super) warnings: Vec<String>,
    #[serde(flatten)]
    pub(super) verdict: Verdict,
}

impl Record {
    pub(super) fn new(query: &str, verdict: &Verdict, warnings: &[String]) -> Self {
        Self {
            query: query.to_owned(),
            is_match: verdict.is_match(),
            warnings: warnings.to_vec(),
            verdict: verdict.clone(),
        }
    }

    pub(super) fn line(&self) -> Result<String, Failure> {
        serde_json::to_string(self).map(|line| line + "\n").map_err(|e| Failure(e.to_string()))
    }

    /// All lines of a report.
    fn read(path: &Path) -> Result<Vec<Self>, Failure> {
        let file = File::open(path).map_err(|e| Failure::file(path, e))?;
        let mut records = Vec::new();
        for (n, line) in BufReader::new(file).lines().enumerate() {
            let line = line.map_err(|e| Failure::file(path, e))?;
            let record = serde_json::from_str(&line);
            records.push(record.map_err(|e| Failure::file(path, format!("line {}: {e}", n + 1)))?);
        }
        Ok(records)
    }
}

/// A report that is written to, for its owner alone.
pub(super) fn report(path: &Path) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|e| Failure::file(path, e))
}

/// Tell what other policies would have done to recorded verdicts
#[derive(Args, Debug)]
pub(super) struct DryRun {
    /// The bank's folder, whose policies are taken
    bank: PathBuf,
    /// Reports that `match --report` wrote
    #[arg(required = true)]
    reports: Vec<PathBuf>,
    /// The collection whose policy is to be other than it is; without one, all
    #[arg(long)]
    collection: Option<String>,
    #[command(flatten)]
    terms: Terms,
    /// Write all verdicts as they would have been, as JSON lines
    #[arg(long)]
    json: bool,
}

impl DryRun {
    pub(super) fn run(&self) -> Result<Status, Failure> {
        let policies = to_read(&self.bank)?.policies();
        let mut out = io::stdout().lock();
        let mut moved: BTreeMap<(Option<Action>, Option<Action>), u64> = BTreeMap::new();
        for path in &self.reports {
            for mut record in Record::read(path)? {
                let was = record.verdict.clone();
                let policies = self.policies(&policies, &was)?;
                record.verdict.judge(&policies);
                record.is_match = record.verdict.is_match();
                *moved.entry((was.action, record.verdict.action)).or_default() += 1;
                if self.json {
                    out.write_all(record.line()?.as_bytes())?;
                } else if was.action != record.verdict.action {
                    writeln!(out, "{}", one_line(&difference(&record.query, &was, &record.verdict)))?;
                }
            }
        }
        for ((was, is), count) in moved {
            let (was, is) = (action_name(was), action_name(is));
            eprintln!(
                "{count} uploads: {was}{}",
                if was == is { ", as now".into() } else { format!(" → {is}") }
            );
        }
        Ok(Status::NoMatch)
    }

    /// The bank's policies with other terms, for all collections that a verdict names.
    fn policies(&self, policies: &Policies, verdict: &Verdict) -> Result<Policies, Failure> {
        let mut other = policies.clone();
        for found in &verdict.matches {
            let wanted = self.collection.as_deref().is_none_or(|only| only == found.collection);
            if wanted {
                let InForce { version, policy } = policies.of(&found.collection);
                let policy = self.terms.over(policy, SystemTime::now())?;
                if let Some(problem) = policy.problem() {
                    return Err(Failure(problem.to_owned()));
                }
                other.set(&found.collection, Some(InForce { version, policy }));
            }
        }
        Ok(other)
    }
}

/// What became of an upload, and which match decided it.
fn difference(query: &str, was: &Verdict, is: &Verdict) -> String {
    let mut out = format!("{query}: {} → {}", action_name(was.action), action_name(is.action));
    let stronger = if is.action > was.action { is } else { was };
    if let Some(found) = stronger.matches.iter().find(|found| found.action == stronger.action) {
        let score = |verdict: &Verdict| {
            let same = |m: &&Match| {
                (&m.reference, m.query, m.matched) == (&found.reference, found.query, found.matched)
            };
            verdict.matches.iter().find(same).map_or(f64::NAN, |m| m.score)
        };
        out += &format!("  ({}, score {:.1} → {:.1})", found.reference, score(was), score(is));
    }
    out
}

/// Judge files again as the bank was when a report was written, and tell whether the verdict is the same
///
/// Exit status: 0 all the same, 1 some verdict is another one, 2 an error.
#[derive(Args, Debug)]
pub(super) struct Replay {
    /// The bank's folder
    bank: PathBuf,
    /// A report that `match --report` wrote
    report: PathBuf,
    /// The files, under the names that they had
    #[arg(required = true)]
    media: Vec<PathBuf>,
    #[command(flatten)]
    reading: Reading,
}

impl Replay {
    pub(super) fn run(&self) -> Result<Status, Failure> {
        let mut records: BTreeMap<String, Vec<Record>> = BTreeMap::new();
        for record in Record::read(&self.report)? {
            records.entry(record.query.clone()).or_default().push(record);
        }
        let mut out = io::stdout().lock();
        let mut status = Status::NoMatch;
        let mut bank: Option<Bank> = None;
        for path in &self.media {
            let query = name(path);
            let Some(records) = records.get(&query) else {
                status = Status::Error;
                complain(&Failure::file(path, "the report has no verdict on a file of that name"));
                continue;
            };
            let probed = match self.reading.probe(path) {
                Ok(probed) => probed,
                Err(e) => {
                    status = Status::Error;
                    complain(&e.into());
                    continue;
                }
            };
            warn(path, &probed.warnings);
            for Record { verdict, .. } in records {
                let then = bank.take().filter(|bank| bank.sequence() == verdict.sequence);
                let then = match then {
                    Some(bank) => bank,
                    None => at(&self.bank, Some(verdict.sequence))?,
                };
                let glance = verdict.glance.then(|| probed.probe.glance());
                let probe = glance.as_ref().unwrap_or(&probed.probe);
                let again = then.check(probe, verdict.time).map_err(|e| Failure::file(path, e))?;
                bank = Some(then);
                let said = match compare(verdict, &again) {
                    None => "the same verdict".to_owned(),
                    Some(said) => {
                        status = status.max(Status::Match);
                        format!("ANOTHER verdict: {said}")
                    }
                };
                writeln!(out, "{}", one_line(&format!("{query}: at change {}, {said}", verdict.sequence)))?;
            }
        }
        Ok(status)
    }
}

/// How a verdict differs from a recorded one.
fn compare(recorded: &Verdict, again: &Verdict) -> Option<String> {
    if recorded.spec != again.spec {
        return Some(format!("made by algorithms {}, now {}", recorded.spec, again.spec));
    }
    if recorded.upload != again.upload {
        return Some("the fingerprint is another one: the file or what decodes it has changed".to_owned());
    }
    let again = as_tripped(recorded, again);
    if *recorded == again {
        return None;
    }
    let (was, is) = (action_name(recorded.action), action_name(again.action));
    Some(if was == is { format!("{was} as before, by other evidence") } else { format!("{was}, now {is}") })
}

/// A verdict after the circuit breaker that a recorded one went through: that counts other uploads, too.
fn as_tripped(recorded: &Verdict, again: &Verdict) -> Verdict {
    let mut again = again.clone();
    for (was, is) in recorded.matches.iter().zip(&mut again.matches) {
        if was.held == Some(Held::Tripped) && was.reference == is.reference && is.held.is_none() {
            (is.action, is.held) = (was.action, was.held);
        }
    }
    again.conclude();
    again
}
