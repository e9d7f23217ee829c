//! What is kept and searched of a film's picture: PDQ hashes of stills, local features of key frames, motion
//! codes between frames.

mod blur;
mod description;
mod extract;
mod feature;
mod keypoint;
pub mod motion;
mod outliers;
mod packed;
mod pdq;
mod plane;
mod print;
mod rolling;
mod ticks;

pub use description::{DOUBTS, Doubts, WORD, WORDS};
pub use extract::Extractor;
pub use feature::{Feature, Observed};
pub use motion::Motion;
pub(crate) use packed::Packed;
pub use pdq::{ParsePdqError, Pdq, Spectrum};
pub(crate) use print::Raster;
pub use print::{KeyFrame, Print, PrintError, Probe};
