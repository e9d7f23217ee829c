//! What can go wrong with a file.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::SourceError;

/// Why a file could not be read. Each message is one line that names the file and the cause.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// There is no such file.
    #[error("{}: no such file", shown(.path))]
    NotFound {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{}: {source}", shown(.path))]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The file asks for more than the [`Limits`](super::Limits) grant.
    #[error("{}: over the limit: {bound}", shown(.path))]
    Limit {
        /// The file.
        path: PathBuf,
        /// Which limit.
        bound: Bound,
    },
    /// The file is of a known format and broken, or of no format at all.
    #[error("{}: cannot be decoded: {cause}", shown(.path))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// The file may be sound, but nothing here reads it.
    #[error("{}: not supported: {cause}", shown(.path))]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it is.
        cause: String,
    },
    /// The file needs the `ffmpeg` program, which is not there.
    #[error("{}: needs the program `{program}`, which was not found ({hint})", shown(.path))]
    DecoderMissing {
        /// The file.
        path: PathBuf,
        /// The program as it was looked for.
        program: String,
        /// How to get it.
        hint: &'static str,
    },
    /// The decoder could not be locked up, so it was not started.
    #[error("{}: the decoder's jail cannot be built: {cause}", shown(.path))]
    Jail {
        /// The file.
        path: PathBuf,
        /// What is missing.
        cause: String,
    },
}

/// A limit that a file ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bound {
    /// Seconds of media.
    Duration,
    /// Pixels of one picture.
    Pixels,
    /// Memory of the decoder.
    Memory,
    /// CPU time of the decoder.
    CpuTime,
    /// Wall-clock time of the decoder.
    WallClock,
    /// Wall-clock time in which the decoder gave nothing.
    Stalled,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Duration => "it lasts too long",
            Self::Pixels => "its pictures are too large",
            Self::Memory => "decoding it takes too much memory",
            Self::CpuTime => "decoding it takes too much CPU time",
            Self::WallClock => "decoding it takes too long",
            Self::Stalled => "the decoder gave nothing for too long",
        })
    }
}

const INSTALL_HINT: &str = if cfg!(not(feature = "ffmpeg")) {
    "this build lacks the feature `ffmpeg`"
} else if cfg!(target_os = "macos") {
    "install it with `brew install ffmpeg`"
} else {
    "install it with `apt-get install ffmpeg` or your system's like"
};

impl MediaError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound { path: path.to_owned() },
            _ => Self::Io { path: path.to_owned(), source },
        }
    }

    pub(super) fn from_source(path: &Path, error: SourceError) -> Self {
        match error {
            SourceError::Io(source) => Self::io(path, source),
            SourceError::Limit(bound) => Self::limit(path, bound),
            SourceError::Truncated => Self::malformed(path, "ends too early"),
            SourceError::Malformed(cause) => Self::malformed(path, cause),
            SourceError::Unsupported(cause) => Self::unsupported(path, cause),
        }
    }

    pub(super) fn limit(path: &Path, bound: Bound) -> Self {
        Self::Limit { path: path.to_owned(), bound }
    }

    pub(super) fn malformed(path: &Path, cause: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), cause: one_line(&cause.into()) }
    }

    pub(super) fn unsupported(path: &Path, cause: impl Into<String>) -> Self {
        Self::Unsupported { path: path.to_owned(), cause: one_line(&cause.into()) }
    }

    pub(super) fn decoder_missing(path: &Path, program: &str) -> Self {
        Self::DecoderMissing { path: path.to_owned(), program: one_line(program), hint: INSTALL_HINT }
    }

    #[cfg(all(feature = "ffmpeg", unix))]
    pub(super) fn jail(path: &Path, cause: impl Into<String>) -> Self {
        Self::Jail { path: path.to_owned(), cause: one_line(&cause.into()) }
    }
}

/// `text` without anything that could move a terminal's cursor or start a line.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

fn shown(path: &Path) -> String {
    one_line(&path.to_string_lossy())
}
