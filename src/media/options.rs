//! How a file is to be read, and what it may cost.

use std::path::PathBuf;
use std::time::Duration;

/// How a file is to be read. [`Options::default`] is right for fingerprints.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether pictures are wanted. Default `true`.
    pub picture: bool,
    /// Whether sound is wanted. Default `true`.
    pub sound: bool,
    /// Pictures a second, whatever the file's own rate. Default 8, at least 1.
    pub frame_rate: u32,
    /// Pixels of a picture's longer side; a larger one is averaged down to it, a smaller one stays. Default 960.
    pub max_side: u32,
    /// Samples a second, whatever the file's own rate. Default 8000, at least 1000.
    pub sample_rate: u32,
    /// Read no more than so much of the start, which is to be more than nothing. Default: all.
    pub first: Option<Duration>,
    /// What a file may cost.
    pub limits: Limits,
    /// Threads of the decoder. Default 1, which takes the least CPU time; more take less time for a single file.
    pub threads: u32,
    /// The `ffmpeg` program: a path, or a name that is looked up in `PATH`. Default `ffmpeg`.
    pub ffmpeg: PathBuf,
    /// Decode even where the operating system cannot lock the decoder up. Default `false`: a file that needs the
    /// decoder is then an error.
    pub allow_unjailed: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            picture: true,
            sound: true,
            frame_rate: 8,
            max_side: 960,
            sample_rate: 8000,
            first: None,
            limits: Limits::default(),
            threads: 1,
            ffmpeg: PathBuf::from("ffmpeg"),
            allow_unjailed: false,
        }
    }
}

impl Options {
    /// Pixels of a picture's longer side at the most, within what makes sense.
    pub(super) fn side(&self) -> u32 {
        self.max_side.max(16)
    }

    /// Pictures a second, within what makes sense.
    pub(super) fn ticks(&self) -> u32 {
        self.frame_rate.max(1)
    }

    /// Samples a second, within what makes sense.
    pub(super) fn hertz(&self) -> u32 {
        self.sample_rate.max(1000)
    }

    /// What is to be read, in units of which there are so many a second.
    pub(super) fn units(&self, per_second: u32) -> u64 {
        self.first.map_or(u64::MAX, |first| (first.as_secs_f64() * f64::from(per_second)).ceil() as u64)
    }

    /// The part of so many seconds that is to be read.
    pub(super) fn wanted(&self, seconds: f64) -> f64 {
        self.first.map_or(seconds, |first| seconds.min(first.as_secs_f64()))
    }
}

impl Limits {
    /// The longest duration in units of which there are so many a second.
    pub(super) fn units(&self, per_second: u32) -> u64 {
        (self.duration.as_secs_f64() * f64::from(per_second)) as u64
    }
}

/// What one file may cost. Where it asks for more, reading ends with [`MediaError::Limit`](super::MediaError::Limit).
#[derive(Clone, Debug)]
pub struct Limits {
    /// Of media. Default 6 hours.
    pub duration: Duration,
    /// Pixels of one coded picture. Default 2^26, which is 8192 × 8192.
    pub pixels: u64,
    /// Address space of the decoder in bytes. Default 2 GiB.
    pub memory: u64,
    /// CPU time of the decoder. Default 4 hours, of which a small file gets 10 minutes, 2 more for each megabyte, and
    /// a fifth of the time that it has been found to last.
    pub cpu: Duration,
    /// Wall-clock time of one reading. Default 6 hours.
    pub wall: Duration,
    /// Wall-clock time in which the decoder gives neither a picture nor a sample. Default 60 s.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(6 * 3600),
            pixels: 1 << 26,
            memory: 2 << 30,
            cpu: Duration::from_secs(4 * 3600),
            wall: Duration::from_secs(6 * 3600),
            stall: Duration::from_secs(60),
        }
    }
}
