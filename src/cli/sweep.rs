//! `afterimage sweep`: past uploads against the references of today.

use super::banks::to_read;
use super::recorded::{Record, report};
use super::report::Format;
use super::{Failure, Status};
use afterimage::bank::Uploads;
use clap::Args;
use std::io::{self, Write};
use std::path::PathBuf;
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
        let bank = if self.since > 0 { bank.only(|r| r.sequence > self.since) } else { bank };
        let uploads = Uploads::open_read_only(&self.store).map_err(|e| Failure::file(&self.store, e))?;
        let mut report = self.report.as_deref().map(report).transpose()?;
        let mut out = io::stdout().lock();
        if let Some(header) = self.format.header() {
            writeln!(out, "{header}")?;
        }
        let (mut status, mut done) = (Status::NoMatch, Ok(()));
        let mut check = |upload: afterimage::bank::Upload| -> Result<(), Failure> {
            let verdict = bank.check(&upload.fingerprint.to_probe(), SystemTime::now());
            let verdict = verdict.map_err(|e| Failure::file(&self.store, e))?;
            if verdict.is_match() {
                status = Status::Match;
                out.write_all(self.format.file(&upload.name, &verdict, &[], false)?.as_bytes())?;
            }
            if let Some(report) = &mut report {
                let line = Record::new(&upload.name, &verdict, &[]).line()?;
                report.write_all(line.as_bytes()).map_err(|e| Failure(format!("the report: {e}")))?;
            }
            Ok(())
        };
        let lost = uploads.each(|upload| {
            if done.is_ok() {
                done = check(upload);
            }
        });
        done?;
        let lost = lost.map_err(|e| Failure::file(&self.store, e))?;
        eprintln!("{} uploads looked through against {} references", uploads.len() as u64 - lost, bank.len());
        if lost > 0 {
            eprintln!(
                "afterimage: warning: {lost} uploads of the store cannot be read, as after a loss of power"
            );
        }
        Ok(status)
    }
}
