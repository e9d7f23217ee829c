//! `afterimage match` and `afterimage compare`.

use super::banks::to_read;
use super::probe::{Probed, Reading, name};
use super::report::Format;
use super::{Failure, Status, complain, jobs, warn};
use afterimage::bank::Bank;
use afterimage::decide::Policy;
use clap::Args;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Tell which references of a bank are copied in some files
#[derive(Args, Debug)]
pub(super) struct Match {
    /// The bank's folder
    bank: PathBuf,
    /// The files
    #[arg(required = true)]
    media: Vec<PathBuf>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    reading: Reading,
}

/// Tell what two files have in common, without a bank
#[derive(Args, Debug)]
pub(super) struct Compare {
    /// The first, in the place of the upload
    a: PathBuf,
    /// The second, in the place of the reference
    b: PathBuf,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    reading: Reading,
}

#[derive(Args, Clone, Copy, Debug)]
struct Output {
    /// How matches are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write matches that are too weak to act, too
    #[arg(long)]
    all: bool,
}

impl Match {
    pub(super) fn run(&self) -> Result<Status, Failure> {
        let bank = to_read(&self.bank)?;
        check_all(&bank, &self.media, &self.reading, self.output)
    }
}

impl Compare {
    pub(super) fn run(&self) -> Result<Status, Failure> {
        let Probed { probe, warnings, .. } = self.reading.probe(&self.b)?;
        warn(&self.b, &warnings);
        let bank = Bank::in_memory();
        bank.add(&name(&self.b), "", probe.fingerprint()).map_err(|e| Failure::file(&self.b, e))?;
        check_all(&bank, std::slice::from_ref(&self.a), &self.reading, self.output)
    }
}

/// Checks files one by one. One that cannot be read makes the status an error and stops no other.
fn check_all(bank: &Bank, files: &[PathBuf], reading: &Reading, output: Output) -> Result<Status, Failure> {
    let mut stdout = io::stdout().lock();
    if let Some(header) = output.format.header() {
        writeln!(stdout, "{header}")?;
    }
    let policy = Policy::default();
    let bar = jobs::bar("matching", files.len());
    let mut status = Status::NoMatch;
    let mut written = Ok(());
    let work = |path: &PathBuf| -> Result<_, Failure> {
        let Probed { probe, warnings, .. } = reading.probe(path)?;
        Ok((bank.check(&probe, &policy), warnings))
    };
    jobs::in_order(files, reading.jobs(), &bar, work, |path: &PathBuf, done| match done {
        Ok((verdict, warnings)) => {
            status = status.max(if verdict.is_match() { Status::Match } else { Status::NoMatch });
            let said: Vec<String> = warnings.iter().map(ToString::to_string).collect();
            let text = output.format.file(&query_name(path, output.format), &verdict, &said, output.all);
            bar.suspend(|| {
                warn(path, &warnings);
                if written.is_ok() {
                    written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
                }
            });
        }
        Err(e) => {
            status = Status::Error;
            bar.suspend(|| complain(&e));
        }
    });
    bar.finish_and_clear();
    written?;
    Ok(status)
}

/// Machine formats name files without folders, people see what they typed.
fn query_name(path: &Path, format: Format) -> String {
    match format {
        Format::Text => path.to_string_lossy().chars().filter(|c| !c.is_control()).collect(),
        Format::Csv | Format::Jsonl => name(path),
    }
}
