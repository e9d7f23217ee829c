//! `afterimage match` and `afterimage compare`.

use super::banks::{At, at};
use super::probe::{Asking, Probed, name};
use super::recorded::{Record, Report};
use super::report::Format;
use super::{Failure, Status, caution, complain, is_unsafe, jobs, time, warn};
use afterimage::bank::{Bank, Uploads};
use afterimage::decide::{Breaker, Verdict};
use clap::Args;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

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
    /// Append all verdicts, with what they rest on, to a file of JSON lines
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Keep the fingerprints in a store, for `sweep`
    #[arg(long, value_name = "STORE")]
    keep: Option<PathBuf>,
    /// Bytes of the store where it is made, of which a minute of media takes some 50000; the oldest make room
    #[arg(long, value_name = "N", default_value_t = 1 << 30, requires = "keep")]
    keep_bytes: u64,
    /// Send matches of a reference to review when more than N different files match it within a time, such as 50/1h
    #[arg(long, value_name = "N/TIME", value_parser = breaker)]
    breaker: Option<(usize, Duration)>,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    asking: Asking,
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
    asking: Asking,
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

fn breaker(text: &str) -> Result<(usize, Duration), String> {
    let read = || {
        let (count, window) = text.split_once('/')?;
        Some((count.parse().ok()?, time::duration(window)?))
    };
    read().ok_or_else(|| "it is no number of files and a time, such as 50/1h".to_owned())
}

impl Match {
    pub(super) fn run(&self) -> Result<Status, Failure> {
        let bank = at(&self.bank, self.at.at)?;
        self.asking.reading.check_key(&bank, &self.bank)?;
        let breaker = self.breaker.map(|(most, window)| Breaker::new(most, window));
        let report = self.report.as_deref().map(Report::open).transpose()?;
        let keep = |path: &PathBuf| Uploads::open(path, self.keep_bytes).map_err(|e| Failure::file(path, e));
        // What cannot be kept is checked all the same.
        let (uploads, kept) = match self.keep.as_ref().map(keep).transpose() {
            Ok(uploads) => (uploads, Status::NoMatch),
            Err(e) => {
                complain(&e);
                (None, Status::Error)
            }
        };
        let after = After { breaker: breaker.as_ref(), report, uploads };
        let check = Check { bank: &bank, asking: &self.asking, output: self.output };
        let status = check.all(&self.media, after)?.max(kept);
        for name in breaker.iter().flat_map(|breaker| breaker.tripped(SystemTime::now())) {
            caution(&format!("{name} matches too much: suspend or remove it if that is a mistake"));
        }
        Ok(status)
    }
}

impl Compare {
    pub(super) fn run(&self) -> Result<Status, Failure> {
        let Probed { probe, warnings, .. } = self.asking.reading.probe(&self.b)?;
        warn(&self.b, &warnings);
        if probe.fingerprint().is_blank() {
            caution(&format!("{}: there is nothing in it to be recognised by", self.b.display()));
        }
        let bank = self.asking.reading.bank();
        bank.add(&name(&self.b), "", probe.fingerprint()).map_err(|e| Failure::file(&self.b, e))?;
        let check = Check { bank: &bank, asking: &self.asking, output: self.output };
        check.all(std::slice::from_ref(&self.a), After::default())
    }
}

/// How files are checked.
struct Check<'a> {
    bank: &'a Bank,
    asking: &'a Asking,
    output: Output,
}

/// What is done with a verdict apart from telling it.
#[derive(Default)]
struct After<'a> {
    breaker: Option<&'a Breaker>,
    report: Option<Report>,
    uploads: Option<Uploads>,
}

impl Check<'_> {
    /// Checks files one by one. One that cannot be read makes the status an error and stops no other.
    fn all(&self, files: &[PathBuf], after: After<'_>) -> Result<Status, Failure> {
        let After { breaker, mut report, uploads } = after;
        let mut stdout = io::stdout().lock();
        // Where one of them can no longer be written to, the other still can.
        let (mut printed, mut reported) = (Ok(()), Ok(()));
        if let Some(header) = self.output.format.header() {
            printed = writeln!(stdout, "{header}").map_err(Failure::from);
        }
        let bar = jobs::bar("matching", files.len());
        let mut status = Status::NoMatch;
        let work = |path: &PathBuf| -> Result<_, Failure> {
            let Probed { probe, warnings, .. } = self.asking.probe(path)?;
            let now = SystemTime::now();
            let verdict = self.bank.check(&probe, now).map_err(|e| Failure::file(path, e))?;
            let kept = uploads.as_ref().map(|uploads| uploads.keep(&name(path), now, &probe.fingerprint()));
            let kept = kept.unwrap_or(Ok(())).map_err(|e| Failure::file(path, format!("not kept: {e}")));
            Ok((verdict, warnings, kept))
        };
        jobs::in_order(files, self.asking.reading.jobs(), &bar, work, |path: &PathBuf, done| {
            bar.suspend(|| match done {
                Ok((mut verdict, warnings, kept)) => {
                    if let Some(breaker) = breaker {
                        breaker.watch(&mut verdict);
                    }
                    status = status.max(if verdict.is_match() { Status::Match } else { Status::NoMatch });
                    let said: Vec<String> = warnings.iter().map(ToString::to_string).collect();
                    warn(path, &warnings);
                    if let Err(e) = kept {
                        status = Status::Error;
                        complain(&e);
                    }
                    if printed.is_ok() {
                        printed = self.print(path, &verdict, &said, &mut stdout);
                    }
                    if let (Some(report), Ok(())) = (&mut report, &reported) {
                        reported = report.append(&Record::new(&name(path), path, &verdict, &said));
                    }
                }
                Err(e) => {
                    status = Status::Error;
                    complain(&e);
                }
            });
            let is_heard = printed.is_ok() || report.is_some() && reported.is_ok();
            if is_heard { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        bar.finish_and_clear();
        printed.and(reported)?;
        Ok(status)
    }

    fn print(
        &self,
        path: &Path,
        verdict: &Verdict,
        said: &[String],
        out: &mut impl Write,
    ) -> Result<(), Failure> {
        let format = self.output.format;
        let text = format.file(&query_name(path, format), path, verdict, said, self.output.all)?;
        out.write_all(text.as_bytes()).and_then(|()| out.flush())?;
        Ok(())
    }
}

/// Machine formats name files without folders, people see what they typed.
fn query_name(path: &Path, format: Format) -> String {
    match format {
        Format::Text => path.to_string_lossy().chars().filter(|c| !is_unsafe(*c)).collect(),
        Format::Csv | Format::Jsonl => name(path),
    }
}
