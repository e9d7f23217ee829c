//! From a file to a probe, with what it cost.

use super::{Failure, cpu};
use afterimage::fingerprint::{Fingerprinter, Probe};
use afterimage::media::{self, Frame, MediaError, Options, Samples, Sink, Warning};
use afterimage::{Bank, Key, KeyId};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes of the shortest secret.
const SECRET_LEAST: usize = 16;

/// How files are read.
#[derive(Args, Clone, Debug)]
pub(super) struct Reading {
    /// Use one sense alone
    #[arg(long, value_name = "SENSE")]
    pub(super) only: Option<Sense>,
    /// Files to work on at the same time; by default one for each core
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub(super) jobs: Option<u16>,
    /// A file with the secret that the bank was made with; a bank that is made keeps to it
    #[arg(long, value_name = "FILE", value_parser = key)]
    pub(super) key: Option<Key>,
    /// The ffmpeg program
    #[arg(long, value_name = "PROGRAM", default_value = "ffmpeg", hide_short_help = true)]
    ffmpeg: PathBuf,
    /// Decode also where the system cannot lock the decoder up
    #[arg(long, hide_short_help = true)]
    allow_unjailed: bool,
}

/// How files are read that are searched for.
#[derive(Args, Clone, Debug)]
pub(super) struct Asking {
    #[command(flatten)]
    pub(super) reading: Reading,
    /// Look at the first 20 seconds only, and less closely: it takes a fraction of the time and finds most copies
    #[arg(long)]
    glance: bool,
}

/// Seconds that are read for a glance: what is heard at its end lasts a little longer.
const GLANCE: f64 = Probe::GLANCE + 1.0;

impl Asking {
    /// Decodes what is wanted of a file once and fingerprints it.
    pub(super) fn probe(&self, path: &Path) -> Result<Probed, MediaError> {
        if !self.glance {
            return self.reading.probe(path);
        }
        let options = Options { first: Some(Duration::from_secs_f64(GLANCE)), ..self.reading.options() };
        let mut probed = self.reading.probe_with(path, &options)?;
        let (glance, spent) = cpu::timed(|| probed.probe.glance());
        probed.probe = glance;
        probed.cost.fingerprint += spent;
        Ok(probed)
    }
}

/// Eye or ear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Sense {
    Picture,
    Sound,
}

/// The key of a secret in a file, less the end of its line.
fn key(path: &str) -> Result<Key, String> {
    let secret = std::fs::read(path).map_err(|e| e.to_string())?;
    let secret = secret.trim_ascii_end();
    if secret.len() < SECRET_LEAST {
        return Err(format!("a secret has {SECRET_LEAST} bytes or more"));
    }
    Ok(Key::new(secret))
}

/// A file that was read.
pub(super) struct Probed {
    pub(super) probe: Probe,
    pub(super) warnings: Vec<Warning>,
    pub(super) cost: Cost,
}

/// Seconds of media and the CPU time that they took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    /// Seconds of media.
    pub(super) media: f64,
    pub(super) decode: Duration,
    pub(super) fingerprint: Duration,
    pub(super) search: Duration,
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.media += other.media;
        self.decode += other.decode;
        self.fingerprint += other.fingerprint;
        self.search += other.search;
    }
}

/// A fingerprinter that is timed apart from what feeds it.
struct Timed {
    inner: Fingerprinter,
    spent: Duration,
}

impl Sink for Timed {
    fn frame(&mut self, frame: Frame<'_>) {
        self.spent += cpu::timed(|| self.inner.frame(frame)).1;
    }

    fn samples(&mut self, samples: Samples<'_>) {
        self.spent += cpu::timed(|| self.inner.samples(samples)).1;
    }
}

impl Reading {
    /// A bank in memory for what is read so.
    pub(super) fn bank(&self) -> Bank {
        self.key.as_ref().map_or_else(Bank::in_memory, Bank::in_memory_keyed)
    }

    /// An error if files that are read so cannot be compared with a bank's references, before any is read.
    pub(super) fn check_key(&self, bank: &Bank, path: &Path) -> Result<(), Failure> {
        let said = match (&self.key, bank.key()) {
            (key, expected) if key.as_ref().map(Key::id).unwrap_or_default() == expected => return Ok(()),
            (None, _) => "it was made with a key: name its file with --key",
            (Some(_), none) if none == KeyId::default() => "it was made without a key: leave --key out",
            (Some(_), _) => "it was made with another key than that of --key",
        };
        Err(Failure::file(path, said))
    }

    pub(super) fn jobs(&self) -> usize {
        match self.jobs {
            Some(jobs) => jobs.into(),
            None => std::thread::available_parallelism().map_or(1, |n| n.get().min(512)),
        }
    }

    pub(super) fn options(&self) -> Options {
        Options {
            picture: self.only != Some(Sense::Sound),
            sound: self.only != Some(Sense::Picture),
            ffmpeg: self.ffmpeg.clone(),
            allow_unjailed: self.allow_unjailed,
            ..Options::default()
        }
    }

    /// Decodes a file once and fingerprints it.
    pub(super) fn probe(&self, path: &Path) -> Result<Probed, MediaError> {
        self.probe_with(path, &self.options())
    }

    fn probe_with(&self, path: &Path, options: &Options) -> Result<Probed, MediaError> {
        let mut inner = self.key.as_ref().map_or_else(Fingerprinter::new, Fingerprinter::keyed);
        inner = match self.only {
            None => inner,
            Some(Sense::Picture) => inner.without_sound(),
            Some(Sense::Sound) => inner.without_picture(),
        };
        let mut sink = Timed { inner, spent: Duration::ZERO };
        let (read, spent) = cpu::timed(|| media::open(path, options)?.read(&mut sink));
        let summary = read?;
        let (probe, finish) = cpu::timed(|| sink.inner.finish());
        let child = Duration::try_from_secs_f64(summary.decode_cpu).unwrap_or_default();
        let cost = Cost {
            media: probe.duration,
            decode: child + spent.saturating_sub(sink.spent),
            fingerprint: sink.spent + finish,
            search: Duration::ZERO,
        };
        let warnings = summary.warnings.into_iter().filter(|w| self.expects(w)).collect();
        Ok(Probed { probe, warnings, cost })
    }

    /// Whether a warning is news: what was not asked for is not missed.
    fn expects(&self, warning: &Warning) -> bool {
        match warning {
            Warning::NoPicture => self.only != Some(Sense::Sound),
            Warning::NoSound => self.only != Some(Sense::Picture),
            _ => true,
        }
    }
}

/// A file's name without folders, as one line.
pub(super) fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
