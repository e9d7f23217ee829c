//! The commands that tend a bank.

use super::probe::{Probed, Reading, name};
use super::{Failure, Status, caution, complain, csv, jobs, one_line, say, warn};
use afterimage::bank::{About, Added, Bank, Checkpoint, OpenError};
use afterimage::decide::DEFAULT;
use afterimage::fingerprint::{Fingerprint, Probe, Spec};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long somebody else who changes a bank is waited for, and how long until it is tried again.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// Seconds of a film below which most changed copies are missed.
const SHORT: f64 = 3.0;

/// Bank some files as references
#[derive(Args, Debug)]
pub(super) struct Add {
    /// The bank's folder, made where it is missing
    bank: PathBuf,
    /// The files
    #[arg(required = true)]
    media: Vec<PathBuf>,
    /// The reference's name instead of the file's; for one file only
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Said with every match; where it is left out, a reference that is there already keeps its own
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// The collection whose policy they follow, `default` where none is named; a reference that is there already stays
    #[arg(long, value_name = "NAME")]
    collection: Option<String>,
    /// Kept with the change
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    #[command(flatten)]
    profile: Profile,
    #[command(flatten)]
    reading: Reading,
}

/// How much a bank keeps of a film.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Profile {
    /// Bank a part of the local features: three fifths of the space, and short copies are missed more often
    #[arg(long)]
    small: bool,
}

impl Profile {
    /// The part of a probe that is banked.
    pub(super) fn fingerprint(self, probe: &Probe) -> Fingerprint {
        let whole = probe.fingerprint();
        if self.small { whole.small() } else { whole }
    }
}

/// Take a reference out of a bank
#[derive(Args, Debug)]
pub(super) struct Remove {
    /// The bank's folder
    bank: PathBuf,
    /// The reference's name
    #[arg(value_name = "REF")]
    reference: String,
    /// Kept with the change
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// Name all references of a bank
#[derive(Args, Debug)]
pub(super) struct List {
    /// The bank's folder
    bank: PathBuf,
    /// How they are written
    #[arg(long, value_enum, default_value = "text")]
    format: ListFormat,
    #[command(flatten)]
    at: At,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ListFormat {
    /// Columns: seconds, name, collection, label
    Text,
    /// A header and a row for each reference
    Csv,
    /// A JSON object on a line for each reference
    Jsonl,
}

/// Tell what a bank holds
#[derive(Args, Debug)]
pub(super) struct Info {
    /// The bank's folder
    bank: PathBuf,
    #[command(flatten)]
    at: At,
}

/// Which of its states a bank is read in.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct At {
    /// The bank as it was after this change
    #[arg(long, value_name = "N")]
    pub(super) at: Option<u64>,
}

/// Read all of a bank and check every checksum
#[derive(Args, Debug)]
pub(super) struct Verify {
    /// The bank's folder
    bank: PathBuf,
}

/// Keep what a bank is now beside its log, so that it opens at once (done by itself when much was changed)
#[derive(Args, Debug)]
pub(super) struct CheckpointCommand {
    /// The bank's folder
    bank: PathBuf,
}

/// A bank that is searched.
pub(super) fn to_read(path: &Path) -> Result<Bank, Failure> {
    Bank::open_read_only(path).map_err(|e| Failure::file(path, e))
}

/// A bank that is searched as it was after some change.
pub(super) fn at(path: &Path, sequence: Option<u64>) -> Result<Bank, Failure> {
    let Some(sequence) = sequence else { return to_read(path) };
    Bank::open_at(path, sequence).map_err(|e| Failure::file(path, e))
}

/// A bank that is changed, the changes signed with the user's name.
pub(super) fn to_change(path: &Path, reason: &str) -> Result<Bank, Failure> {
    signed(|| Bank::open(path), path, reason)
}

/// The same, however it is opened. Who changes it just now is waited for.
fn signed(open: impl Fn() -> Result<Bank, OpenError>, path: &Path, reason: &str) -> Result<Bank, Failure> {
    let end = Instant::now() + PATIENCE;
    let bank = loop {
        match open() {
            Err(OpenError::Busy) if Instant::now() < end => thread::sleep(PAUSE),
            bank => break bank.map_err(|e| Failure::file(path, e))?,
        }
    };
    if bank.torn() > 0 {
        let torn = bank.torn();
        caution(&format!(
            "{}: took away {torn} bytes of a change that was never acknowledged",
            path.display()
        ));
    }
    let user = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| std::env::var(name).ok());
    bank.signed(&user.unwrap_or_default(), reason).map_err(|e| Failure::file(path, e))
}

impl Add {
    pub(super) fn run(&self) -> Result<Status, Failure> {
        if self.name.is_some() && self.media.len() > 1 {
            return Err(Failure("--name is for one file".to_owned()));
        }
        let open = || match &self.reading.key {
            Some(key) => signed(|| Bank::open_keyed(&self.bank, key), &self.bank, &self.reason),
            None => to_change(&self.bank, &self.reason),
        };
        // What is wrong with the bank is told before anything is decoded. Meanwhile others may change it.
        drop(open()?);
        let bar = jobs::bar("adding", self.media.len());
        let mut status = Status::NoMatch;
        let work = |path: &PathBuf| self.reading.probe(path);
        jobs::in_order(&self.media, self.reading.jobs(), &bar, work, |path, probed| {
            let added = probed.map_err(Failure::from).and_then(|probed| self.add(&open()?, path, probed));
            bar.suspend(|| match added {
                Ok(said) => say(&said),
                Err(failure) => {
                    status = Status::Error;
                    complain(&failure);
                }
            });
            ControlFlow::Continue(())
        });
        bar.finish_and_clear();
        Ok(status)
    }

    fn add(&self, bank: &Bank, path: &Path, probed: Probed) -> Result<String, Failure> {
        let Probed { probe, warnings, .. } = probed;
        warn(path, &warnings);
        let name = self.name.clone().unwrap_or_else(|| name(path));
        let fingerprint = self.profile.fingerprint(&probe);
        if fingerprint.is_blank() {
            return Err(Failure::file(path, "there is nothing in it to be recognised by: not added"));
        }
        let seconds = fingerprint.duration;
        if !fingerprint.still && seconds < SHORT {
            let said =
                format!("shorter than {SHORT} s: of its copies only those that are not changed may be found");
            caution(&format!("{}: {said}", path.display()));
        }
        let known = bank.get(&name).map(|reference| reference.about.clone());
        let known = known.unwrap_or_else(|| About::of(DEFAULT));
        let about = About::of(self.collection.as_ref().unwrap_or(&known.collection))
            .labelled(self.label.as_ref().unwrap_or(&known.label));
        let added = bank.add(&name, about, fingerprint).map_err(|e| Failure::file(path, e))?;
        Ok(match added {
            Added::New => format!("{name}: added, {seconds:.1} s"),
            Added::Unchanged => format!("{name}: was there"),
            Added::Relabelled => format!("{name}: was there and got the new label or collection"),
        })
    }
}

impl Remove {
    pub(super) fn run(&self) -> Result<Status, Failure> {
        // Opening to change would make a bank where there is none.
        to_read(&self.bank)?;
        let bank = to_change(&self.bank, &self.reason)?;
        bank.remove(&self.reference).map_err(|e| Failure::file(&self.bank, e))?;
        say(&format!("{}: removed", self.reference));
        Ok(Status::NoMatch)
    }
}

impl List {
    pub(super) fn run(&self) -> Result<Status, Failure> {
        let bank = at(&self.bank, self.at.at)?;
        let mut out = io::stdout().lock();
        if self.format == ListFormat::Csv {
            writeln!(out, "name,label,seconds,still,added,sequence,collection,suspended")?;
        }
        for reference in bank.list() {
            let (name, about) = (&reference.name, &reference.about);
            let (label, collection) = (&about.label, &about.collection);
            let (seconds, still) = (reference.duration, reference.still);
            let (added, sequence) = (unix_seconds(reference.added), reference.sequence);
            match self.format {
                ListFormat::Text => {
                    let suspended = if about.suspended { "  (suspended)" } else { "" };
                    let line = format!("{seconds:9.1} s  {name}  {collection}  {label}{suspended}");
                    writeln!(out, "{}", one_line(&line))?;
                }
                ListFormat::Csv => {
                    let [name, label, collection] = [name, label, collection].map(|text| csv::field(text));
                    let still = u8::from(still);
                    let suspended = u8::from(about.suspended);
                    writeln!(
                        out,
                        "{name},{label},{seconds:.3},{still},{added:.3},{sequence},{collection},{suspended}"
                    )?;
                }
                ListFormat::Jsonl => {
                    let line = json!({
                        "name": name, "label": label, "seconds": seconds, "still": still,
                        "added": added, "sequence": sequence, "collection": collection, "suspended": about.suspended,
                    });
                    writeln!(out, "{line}")?;
                }
            }
        }
        Ok(Status::NoMatch)
    }
}

impl Info {
    pub(super) fn run(&self) -> Result<Status, Failure> {
        let bank = at(&self.bank, self.at.at)?;
        let references = bank.list();
        // Adding zero turns −0, the sum of nothing, into 0.
        let seconds = references.iter().map(|r| r.duration).sum::<f64>() + 0.0;
        let stills = references.iter().filter(|r| r.still).count();
        let bytes: usize = references.iter().map(|r| r.bytes()).sum();
        let mut out = io::stdout().lock();
        writeln!(out, "references   {} ({stills} stills)", references.len())?;
        writeln!(out, "media        {:.1} minutes", seconds / 60.0)?;
        writeln!(out, "fingerprints {bytes} bytes")?;
        if seconds > 0.0 {
            writeln!(out, "             {:.0} bytes a minute", bytes as f64 * 60.0 / seconds)?;
        }
        writeln!(out, "changes      {}", bank.sequence())?;
        writeln!(out, "algorithms   {}", Spec::keyed(bank.key()))?;
        Ok(Status::NoMatch)
    }
}

impl CheckpointCommand {
    pub(super) fn run(&self) -> Result<Status, Failure> {
        // Opening to change would make a bank where there is none.
        to_read(&self.bank)?;
        let bank = to_change(&self.bank, "")?;
        let sequence = bank.checkpoint().map_err(|e| Failure::file(&self.bank, e))?;
        say(&format!("{}: checkpoint after change {sequence}", self.bank.display()));
        Ok(Status::NoMatch)
    }
}

impl Verify {
    pub(super) fn run(&self) -> Result<Status, Failure> {
        let found = Bank::verify(&self.bank).map_err(|e| Failure::file(&self.bank, e))?;
        let mut out = io::stdout().lock();
        let (changes, references, bytes) = (found.changes, found.references, found.bytes);
        let log = if found.checkpoint == Checkpoint::Damaged { "log" } else { "intact" };
        writeln!(
            out,
            "{log}: {changes} changes, {references} references, {bytes} bytes, every checksum fits"
        )?;
        if found.torn > 0 {
            let torn = found.torn;
            writeln!(out, "{torn} bytes at the end belong to a change that was never acknowledged")?;
        }
        if found.bad_slots > 0 {
            writeln!(out, "one of the two marks of the log's end cannot be read, as after a loss of power")?;
        }
        match found.checkpoint {
            Checkpoint::Intact { sequence } => writeln!(out, "checkpoint after change {sequence}: intact")?,
            Checkpoint::Damaged => {
                let said = "the checkpoint is damaged or of another version: `checkpoint` makes a new one";
                writeln!(out, "{said}")?;
                return Ok(Status::Error);
            }
            _ => {}
        }
        Ok(Status::NoMatch)
    }
}

fn unix_seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
