//! Recorded verdicts: `match --report` writes them, `dry-run` and `replay` judge them again.

use super::banks::{at, to_read};
use super::policies::{Terms, action_name};
use super::probe::{Reading, name};
use super::{Failure, Status, complain, one_line, say, warn};
use afterimage::bank::Bank;
use afterimage::decide::{Action, DEFAULT, Held, InForce, Match, Policies, Policy, Verdict};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A line of a report: what was found in one file, and all that it was found by.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    /// The file's name without folders.
    pub(super) query: String,
    /// The file as it was given, if it was one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    path: String,
    #[serde(rename = "match")]
    pub(super) is_match: bool,
    pub(super) warnings: Vec<String>,
    #[serde(flatten)]
    pub(super) verdict: Verdict,
}

impl Record {
    /// `path` is empty for a fingerprint that was kept.
    pub(super) fn new(query: &str, path: &Path, verdict: &Verdict, warnings: &[String]) -> Self {
        Self {
            query: query.to_owned(),
            path: path.to_string_lossy().into_owned(),
            is_match: verdict.is_match(),
            warnings: warnings.to_vec(),
            verdict: verdict.clone(),
        }
    }

    pub(super) fn line(&self) -> Result<String, Failure> {
        serde_json::to_string(self).map(|line| line + "\n").map_err(|e| Failure(e.to_string()))
    }

    /// All lines of a report that can be read, and an error status if there are others.
    fn read(path: &Path) -> Result<(Vec<Self>, Status), Failure> {
        let file = File::open(path).map_err(|e| Failure::file(path, e))?;
        let (mut records, mut status) = (Vec::new(), Status::NoMatch);
        for (n, line) in BufReader::new(file).split(b'\n').enumerate() {
            let line = line.map_err(|e| Failure::file(path, e))?;
            if line.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice(&line) {
                Ok(record) => records.push(record),
                Err(e) => {
                    status = Status::Error;
                    let (said, place) = (e.to_string(), format!("line {}, column {}", n + 1, e.column()));
                    let cause = said.split(" at line ").next().unwrap_or_default();
                    complain(&Failure::file(path, format!("{place} is passed over: {cause}")));
                }
            }
        }
        Ok((records, status))
    }
}

/// A file of verdicts that grows.
#[derive(Debug)]
pub(super) struct Report {
    file: File,
    /// Its last line was cut off, as by a full disk: it is left to itself.
    torn: bool,
}

impl Report {
    /// Opens it, or makes it for its owner alone.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(|e| Failure::file(path, e))?;
        let mut last = [b'\n'];
        let ended = file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut last));
        Ok(Self { file, torn: ended.is_ok() && last != *b"\n" })
    }

    pub(super) fn append(&mut self, record: &Record) -> Result<(), Failure> {
        let line = if self.torn { "\n" } else { "" }.to_owned() + &record.line()?;
        let written = self.file.write_all(line.as_bytes());
        self.torn = written.is_err();
        written.map_err(|e| Failure(format!("the report: {e}")))
    }
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
        // What cannot be a policy is told even if there is nothing to judge by it.
        self.policy(Policy::default())?;
        let mut status = Status::NoMatch;
        let mut out = io::stdout().lock();
        let mut moved: BTreeMap<(Option<Action>, Option<Action>), u64> = BTreeMap::new();
        for path in &self.reports {
            let (records, read) = Record::read(path)?;
            status = status.max(read);
            for mut record in records {
                let was = record.verdict.clone();
                let policies = self.policies(&policies, &was)?;
                record.verdict.judge(&policies);
                record.verdict = as_tripped(&was, record.verdict);
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
            let became = if was == is { ", as now".to_owned() } else { format!(" → {is}") };
            say(&format!("{count} uploads: {was}{became}"));
        }
        Ok(status)
    }

    /// The bank's policies with other terms, for all collections that a verdict names.
    fn policies(&self, policies: &Policies, verdict: &Verdict) -> Result<Policies, Failure> {
        let mut other = policies.clone();
        for found in &verdict.matches {
            let collection = &found.collection;
            // A collection without a policy of its own follows the default collection's.
            let follows = if policies.own(collection).is_some() { collection } else { DEFAULT };
            if self.collection.as_deref().is_none_or(|only| only == collection || only == follows) {
                let InForce { version, policy } = policies.of(collection);
                other.set(collection, Some(InForce { version, policy: self.policy(policy)? }));
            }
        }
        Ok(other)
    }

    /// A policy with other terms.
    fn policy(&self, policy: Policy) -> Result<Policy, Failure> {
        let policy = self.terms.over(policy, SystemTime::now())?;
        policy.problem().map_or(Ok(policy), |problem| Err(Failure(problem.to_owned())))
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
        self.reading.check_key(&to_read(&self.bank)?, &self.bank)?;
        let (all, mut status) = Record::read(&self.report)?;
        let mut records: BTreeMap<String, Vec<Record>> = BTreeMap::new();
        all.into_iter().for_each(|record| records.entry(record.query.clone()).or_default().push(record));
        let mut out = io::stdout().lock();
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
            let (whole, glance) = (&probed.probe, probed.probe.glance());
            let taken = |verdict: &Verdict| if verdict.glance { &glance } else { whole };
            let digests = [whole, &glance].map(|probe| probe.fingerprint().digest());
            // Others may have had the same name.
            let is_same = |verdict: &Verdict| verdict.upload == digests[usize::from(verdict.glance)];
            let some = records.iter().any(|record| is_same(&record.verdict));
            for Record { verdict, .. } in records.iter().filter(|record| !some || is_same(&record.verdict)) {
                let then = bank.take().filter(|bank| bank.sequence() == verdict.sequence);
                let then = match then.map_or_else(|| at(&self.bank, Some(verdict.sequence)), Ok) {
                    Ok(then) => bank.insert(then),
                    Err(e) => {
                        status = Status::Error;
                        complain(&Failure(format!("{query}: at change {}: {e}", verdict.sequence)));
                        continue;
                    }
                };
                let again = then.check(taken(verdict), verdict.time).map_err(|e| Failure::file(path, e))?;
                let said = match compare(verdict, again) {
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
fn compare(recorded: &Verdict, again: Verdict) -> Option<String> {
    if recorded.spec != again.spec {
        return Some(format!("made by algorithms {}, now {}", recorded.spec, again.spec));
    }
    if recorded.upload != again.upload {
        let said = "the fingerprint is another one: the file, what decodes it or the sense asked has changed";
        return Some(said.to_owned());
    }
    let again = as_tripped(recorded, again);
    if *recorded == again {
        return None;
    }
    let (was, is) = (action_name(recorded.action), action_name(again.action));
    Some(if was == is { format!("{was} as before, by other evidence") } else { format!("{was}, now {is}") })
}

/// A verdict after the circuit breaker that a recorded one went through: that counts other uploads, too.
fn as_tripped(recorded: &Verdict, mut again: Verdict) -> Verdict {
    let tripped = recorded.matches.iter().filter(|was| was.held == Some(Held::Tripped));
    for was in tripped {
        let same = |is: &&mut Match| {
            (&is.reference, is.kind, is.query, is.matched)
                == (&was.reference, was.kind, was.query, was.matched)
        };
        let is = again.matches.iter_mut().find(same);
        if let Some(is) = is.filter(|is| is.held.is_none() && is.action > was.action) {
            (is.action, is.held) = (was.action, was.held);
        }
    }
    again.conclude();
    again
}
