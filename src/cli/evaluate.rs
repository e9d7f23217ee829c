//! `afterimage evaluate`: banks some folders, matches others, and tells what came out and what it cost.

use super::banks::Profile;
use super::jobs;
use super::plot;
use super::probe::{Asking, Cost, Probed, name};
use super::report::{HEADER, csv_row};
use super::truth::Truth;
use super::{Failure, Status, complain, cpu, say, warn};
use afterimage::bank::Bank;
use afterimage::decide::Match;
use clap::Args;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

/// Measure recall and cost: bank every clip of some folders in memory, match every clip of others
#[derive(Args, Debug)]
pub(super) struct Evaluate {
    /// Folders or files to bank
    #[arg(long, required = true, num_args = 1.., value_name = "DIR")]
    refs: Vec<PathBuf>,
    /// Folders or files to match
    #[arg(long, required = true, num_args = 1.., value_name = "DIR")]
    queries: Vec<PathBuf>,
    /// What the queries really hold: prints a recall table for each attack
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Where to write the CSV; by default the standard output
    #[arg(long, value_name = "RESULTS.csv")]
    out: Option<PathBuf>,
    /// Draw how far the scores of copies and of strangers lie apart
    #[arg(long, value_name = "SCORES.svg", requires = "truth")]
    plot: Option<PathBuf>,
    /// Write matches that do not act, too
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    profile: Profile,
    #[command(flatten)]
    asking: Asking,
}

/// What a file in a folder is called when it is taken for media.
const MEDIA: [&str; 38] = [
    "3gp", "aac", "aif", "aiff", "asf", "avi", "avif", "bmp", "flac", "flv", "gif", "jpeg", "jpg", "m2ts",
    "m4a", "m4v", "mka", "mkv", "mov", "mp3", "mp4", "mpeg", "mpg", "mts", "mxf", "oga", "ogg", "ogv",
    "opus", "png", "ts", "vob", "wav", "webm", "webp", "wma", "wmv", "y4m",
];

impl Evaluate {
    pub(super) fn run(&self) -> Result<Status, Failure> {
        let start = Instant::now();
        let truth = match &self.truth {
            Some(path) => Some(Truth::read(path).map_err(|e| Failure::file(path, e))?),
            None => None,
        };
        let mut failed = false;
        let mut cost = Cost::default();
        let bank = self.bank(&mut cost, &mut failed)?;
        let banked = cost;
        let results = self.search(&bank, &mut cost, &mut failed)?;

        let mut said = String::new();
        if let Some(truth) = &truth {
            said += &truth.table(&results, self.asking.reading.only);
            if let Some(path) = &self.plot {
                let drawn = plot::svg(&truth.scores(&results, self.asking.reading.only));
                fs::write(path, drawn).map_err(|e| Failure::file(path, e))?;
            }
        }
        let wall = start.elapsed().as_secs_f64();
        said += &format!("banked {} references, {:.1} s of media\n", bank.len(), banked.media);
        said += &costs(&cost, wall);
        // The standard output belongs to the CSV unless that goes to a file.
        if self.out.is_some() {
            io::stdout().write_all(said.as_bytes())?
        } else {
            said.lines().for_each(say)
        }
        Ok(if failed { Status::Error } else { Status::NoMatch })
    }

    fn bank(&self, cost: &mut Cost, failed: &mut bool) -> Result<Bank, Failure> {
        let bank = self.asking.reading.bank();
        let files = media_files(&self.refs)?;
        if files.is_empty() {
            return Err(Failure("there is no media to bank".to_owned()));
        }
        let bar = jobs::bar("banking", files.len());
        let work = |path: &PathBuf| self.asking.reading.probe(path);
        jobs::in_order(&files, self.asking.reading.jobs(), &bar, work, |path, probed| {
            let added = probed.map_err(Failure::from).and_then(|Probed { probe, warnings, cost: one }| {
                warn(path, &warnings);
                *cost += one;
                let fingerprint = self.profile.fingerprint(&probe);
                bank.add(&name(path), "", fingerprint).map_err(|e| Failure::file(path, e))
            });
            if let Err(e) = added {
                *failed = true;
                complain(&e);
            }
            ControlFlow::Continue(())
        });
        bar.finish_and_clear();
        Ok(bank)
    }

    fn search(
        &self,
        bank: &Bank,
        cost: &mut Cost,
        failed: &mut bool,
    ) -> Result<Vec<(String, Vec<Match>)>, Failure> {
        let files = media_files(&self.queries)?;
        let mut out: Box<dyn Write> = match &self.out {
            Some(path) => Box::new(BufWriter::new(File::create(path).map_err(|e| Failure::file(path, e))?)),
            None => Box::new(io::stdout().lock()),
        };
        let lost = |e: io::Error| match &self.out {
            Some(path) => Failure::file(path, e),
            None => e.into(),
        };
        writeln!(out, "{HEADER}").map_err(lost)?;
        let bar = jobs::bar("matching", files.len());
        let work = |path: &PathBuf| {
            let mut probed = self.asking.probe(path)?;
            let (verdict, spent) = cpu::timed(|| bank.check(&probed.probe, SystemTime::UNIX_EPOCH));
            let verdict = verdict.map_err(|e| Failure::file(path, e))?;
            probed.cost.search = spent;
            Ok((verdict, probed.warnings, probed.cost))
        };
        let mut results = Vec::with_capacity(files.len());
        let mut written = Ok(());
        jobs::in_order(&files, self.asking.reading.jobs(), &bar, work, |path, done: Result<_, Failure>| {
            match done {
                Ok((verdict, warnings, one)) => {
                    warn(path, &warnings);
                    *cost += one;
                    let query = name(path);
                    for m in verdict.matches.iter().filter(|m| self.all || m.is_sure()) {
                        if written.is_ok() {
                            written = writeln!(out, "{}", csv_row(&query, m));
                        }
                    }
                    results.push((query, verdict.matches));
                }
                Err(e) => {
                    *failed = true;
                    complain(&e);
                }
            }
            ControlFlow::Continue(())
        });
        bar.finish_and_clear();
        written.and_then(|()| out.flush()).map_err(lost)?;
        Ok(results)
    }
}

fn costs(cost: &Cost, wall: f64) -> String {
    let [decode, fingerprint, search] = [cost.decode, cost.fingerprint, cost.search].map(|d| d.as_secs_f64());
    let times = |spent: f64| cost.media / spent.max(1e-9);
    format!(
        "media {:.1} s, wall {wall:.1} s\n\
         CPU: decode {decode:.2} s ({:.0} x real time), fingerprint {fingerprint:.2} s ({:.0} x), match {search:.2} s ({:.0} x)\n",
        cost.media,
        times(decode),
        times(fingerprint),
        times(search),
    )
}

/// The media files of some folders, each folder's by name, and whatever is named itself.
fn media_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path).map_err(|e| Failure::file(path, e))? {
            let file = entry.map_err(|e| Failure::file(path, e))?.path();
            if is_media(&file) {
                inside.push(file);
            }
        }
        inside.sort();
        files.append(&mut inside);
    }
    Ok(files)
}

fn is_media(path: &Path) -> bool {
    let known = |ending: &str| MEDIA.binary_search(&ending.to_ascii_lowercase().as_str()).is_ok();
    path.is_file() && path.extension().and_then(|e| e.to_str()).is_some_and(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_known_in_any_case() {
        assert!(MEDIA.is_sorted());
        let folder = tempfile::tempdir().unwrap();
        for file in ["b.MP4", "a.wav", "truth.csv", "b.mp4.json", "none"] {
            File::create(folder.path().join(file)).unwrap();
        }
        let found = media_files(&[folder.path().to_owned()]).unwrap();
        assert_eq!(found.iter().map(|f| name(f)).collect::<Vec<_>>(), ["a.wav", "b.MP4"]);
    }
}
