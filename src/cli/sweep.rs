//! `afterimage sweep`: past uploads against the references of today.

use super::banks::to_read;
use super::recorded::{Record, Report};
use super::report::Format;
use super::{Failure, Status, caution, say, time};
use afterimage::bank::{Reference, Uploads};
use afterimage::decide::Action;
use clap::Args;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Find past uploads that are copies of references, by the fingerprints that `match --keep` stored
#[derive(Args, Debug)]
pub(super) struct Sweep {
    /// The bank's folder
    bank: PathBuf,
    /// The folder of the store
    store: PathBuf,
    /// Only references that were banked after this change
    #[arg(long, value_name = "N", default_value_t = 0)]
    since: u64,
    /// How matches are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Append all verdicts, with what they rest on, to a file of JSON lines
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl Sweep {
    pub(super) fn run(&self) -> Result<Status, Failure> {
        let bank = to_read(&self.bank)?;
        let is_new = |reference: &Reference| reference.sequence > self.since;
        // What is allowed overrules what is new, however long it has been there.
        let policies = bank.policies();
        let allows = |collection: &str| policies.of(collection).policy.action == Action::Allow;
        let wanted = |reference: &Reference| is_new(reference) || allows(&reference.about.collection);
        // A part of a bank has to be made ready to be searched; the whole one is.
        let bank = if self.since > 0 { bank.only(wanted) } else { bank };
        let uploads = Uploads::open_read_only(&self.store).map_err(|e| Failure::file(&self.store, e))?;
        let mut report = self.report.as_deref().map(Report::open).transpose()?;
        let mut out = io::stdout().lock();
        if let Some(header) = self.format.header() {
            writeln!(out, "{header}")?;
        }
        let (mut status, mut done, mut foreign) = (Status::NoMatch, Ok(()), 0);
        let mut check = |upload: afterimage::bank::Upload| -> Result<(), Failure> {
            let Ok(verdict) = bank.check(&upload.fingerprint.to_probe(), SystemTime::now()) else {
                // Uploads to banks of other keys may be kept beside.
                foreign += 1;
                return Ok(());
            };
            if verdict.is_match() {
                status = Status::Match;
                // Many uploads may have one name.
                let named = match self.format {
                    Format::Text => format!("{}, of {}", upload.name, time::show(upload.time)),
                    Format::Csv | Format::Jsonl => upload.name.clone(),
                };
                out.write_all(self.format.file(&named, Path::new(""), &verdict, &[], false)?.as_bytes())?;
            }
            let record = Record::new(&upload.name, Path::new(""), &verdict, &[]);
            report.as_mut().map_or(Ok(()), |report| report.append(&record))
        };
        let lost = uploads.each(|upload| {
            if done.is_ok() {
                done = check(upload);
            }
        });
        done?;
        let lost = lost.map_err(|e| Failure::file(&self.store, e))?;
        let (read, references) =
            (uploads.len() as u64 - lost - foreign, bank.list().iter().filter(|r| is_new(r)).count());
        say(&format!("{read} uploads looked through against {references} references"));
        if lost > 0 {
            caution(&format!("{lost} uploads of the store cannot be read, as after a loss of power"));
        }
        if foreign > 0 {
            caution(&format!("{foreign} uploads of the store were kept with another key than the bank's"));
            if read == 0 {
                return Ok(Status::Error);
            }
        }
        Ok(status)
    }
}
