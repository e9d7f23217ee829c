//! Readers that hand out pictures or samples when asked, without another process.

use std::io;
use std::time::Instant;

use super::{Bound, Frame, Options, Samples, Sink};

/// Hands out pictures, one at a time, at a constant rate.
pub trait FrameSource {
    /// The next picture; `None` at the end.
    ///
    /// # Errors
    /// Where the media are broken, or over a limit. There is no next picture after an error.
    fn next_frame(&mut self) -> Result<Option<Frame<'_>>, SourceError>;
}

/// Hands out blocks of samples, each contiguous with the one before it.
pub trait SampleSource {
    /// The next block; `None` at the end.
    ///
    /// # Errors
    /// Where the media are broken, or over a limit. There is no next block after an error.
    fn next_samples(&mut self) -> Result<Option<Samples<'_>>, SourceError>;
}

/// Why a source cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The bytes could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The media ask for more than the limits grant.
    #[error("over the limit: {0}")]
    Limit(Bound),
    /// The media end too early.
    #[error("ends too early")]
    Truncated,
    /// The media are broken.
    #[error("{0}")]
    Malformed(String),
    /// Nothing here reads this variant of the format.
    #[error("{0}")]
    Unsupported(String),
}

impl SourceError {
    pub(super) fn malformed(cause: impl Into<String>) -> Self {
        Self::Malformed(cause.into())
    }

    pub(super) fn unsupported(cause: impl Into<String>) -> Self {
        Self::Unsupported(cause.into())
    }
}

/// What was pushed before a source ended, and why it ended if that was too early.
#[derive(Debug)]
pub(super) struct Drained {
    pub(super) pushed: u64,
    pub(super) error: Option<SourceError>,
}

/// Pushes what is wanted of `source` into `sink`.
pub(super) fn drain_frames(
    source: &mut impl FrameSource,
    options: &Options,
    sink: &mut impl Sink,
) -> Drained {
    drain(options, options.ticks(), |_| {
        let Some(frame) = source.next_frame()? else { return Ok(None) };
        sink.frame(frame);
        Ok(Some(1))
    })
}

/// Pushes what is wanted of `source` into `sink`.
pub(super) fn drain_samples(
    source: &mut impl SampleSource,
    options: &Options,
    sink: &mut impl Sink,
) -> Drained {
    drain(options, options.hertz(), |left| {
        let Some(Samples { mono, rate }) = source.next_samples()? else { return Ok(None) };
        let mono = &mono[..mono.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
        sink.samples(Samples { mono, rate });
        Ok(Some(mono.len() as u64))
    })
}

/// Takes steps, each of which is told how many units are left and tells how many it took.
fn drain(
    options: &Options,
    per_second: u32,
    mut step: impl FnMut(u64) -> Result<Option<u64>, SourceError>,
) -> Drained {
    let begun = Instant::now();
    let mut pushed = 0;
    let error = loop {
        let left = options.units(per_second).saturating_sub(pushed);
        if left == 0 {
            break None;
        }
        if begun.elapsed() > options.limits.wall {
            break Some(SourceError::Limit(Bound::WallClock));
        }
        match step(left) {
            Ok(Some(n)) => pushed += n,
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    Drained { pushed, error }
}
