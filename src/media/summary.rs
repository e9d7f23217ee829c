//! What was found in a file.

use std::fmt;

/// What was read from a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Seconds of media that were decoded: the longer one of picture and sound. 0 for a still.
    pub duration: f64,
    /// Whether it is a still image: one picture, at time 0.
    pub still: bool,
    /// The stream that the pictures came from.
    pub picture: Option<Stream>,
    /// The stream that the samples came from.
    pub sound: Option<Stream>,
    /// Pictures pushed.
    pub frames: u64,
    /// Samples pushed.
    pub samples: u64,
    /// What the reader should know about the file.
    pub warnings: Vec<Warning>,
    /// CPU seconds that a decoder of its own process took; 0 where there was none.
    pub decode_cpu: f64,
}

/// One stream of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Its number in the container, from 0.
    pub index: usize,
    /// How many streams of this kind the container has.
    pub of: usize,
    /// What it is coded in, as the decoder names it.
    pub codec: String,
}

/// Something about a file that is worth knowing and does not stop it from being matched.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// It has no picture, or none that can be decoded.
    NoPicture,
    /// It has no sound, or none that can be decoded.
    NoSound,
    /// It ends before it says that it does.
    Truncated {
        /// Seconds that were decoded.
        decoded: f64,
        /// Seconds that the file claims, if it does.
        claimed: Option<f64>,
    },
    /// Parts of it could not be decoded.
    PartlyDecoded {
        /// How many complaints the decoder had.
        errors: u64,
        /// The first of them.
        first: String,
    },
    /// It has several streams of a kind, of which one was read: the one that the `ffmpeg` program chooses when it is not told
    /// which. A service that publishes another one, or lets players choose, has not seen all of the file.
    OneStreamOf {
        /// The number of the stream that was read.
        index: usize,
        /// How many there are.
        of: usize,
        /// What they are: `picture` or `sound`.
        kind: &'static str,
    },
    /// The decoder ran without a jail, because the options allow it.
    Unjailed,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPicture => f.write_str("has no picture"),
            Self::NoSound => f.write_str("has no sound"),
            Self::Truncated { decoded, claimed: Some(claimed) } => {
                write!(f, "truncated: {decoded:.1} s of {claimed:.1} s decoded")
            }
            Self::Truncated { decoded, claimed: None } => write!(f, "truncated: {decoded:.1} s decoded"),
            Self::PartlyDecoded { errors, first } => {
                write!(f, "partly decoded, {errors} errors, the first: {first}")
            }
            Self::OneStreamOf { index, of, kind } => {
                write!(f, "has {of} streams of {kind}: stream {index} was read")
            }
            Self::Unjailed => f.write_str("was decoded without a jail"),
        }
    }
}
