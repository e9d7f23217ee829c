//! From single hits to matching stretches of time.

mod picture;
mod sound;

pub use picture::PictureSpace;
pub use sound::{BitErrors, SoundPlan, SoundSpace, bit_errors};
pub(crate) use sound::{Stored as StoredTracks, Tracks};

/// A stretch of time in seconds, `start <= end`.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Span {
    /// Seconds.
    pub start: f64,
    /// Seconds.
    pub end: f64,
}

impl Span {
    /// From one moment to another, whichever comes first.
    pub fn between(a: f64, b: f64) -> Self {
        Self { start: a.min(b), end: a.max(b) }
    }

    /// What of it lies before the `end` of a film; all of it where that is not known, or a still's.
    pub(crate) fn until(self, end: f64) -> Self {
        if end > 0.0 { Self { start: self.start.min(end), end: self.end.min(end) } } else { self }
    }
}

/// A number that stands for a reference inside one search space.
pub type RefId = u32;

/// Which sense a segment was found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// By the picture alone.
    Picture,
    /// By the sound alone.
    Sound,
    /// By both, in agreement.
    Both,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Picture => "picture",
            Self::Sound => "sound",
            Self::Both => "both",
        })
    }
}

/// What was done to the copy, as far as it was found out.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Transform {
    /// Reference seconds that pass in a second of the query; less than nought where it plays backwards.
    pub speed: f64,
    /// Semitones that the query's sound lies above the reference's.
    pub pitch: f64,
    /// The query shows the mirror image.
    pub mirrored: bool,
    /// The query shows the negative.
    pub negative: bool,
    /// Where the reference's picture lies in the query's; `None` where the picture had no part in it.
    pub placement: Option<Placement>,
}

impl Transform {
    /// The seconds of the reference where a copy of a stretch of it begins and where it ends.
    pub fn ends(&self, matched: Span) -> [f64; 2] {
        let Span { start, end } = matched;
        if self.speed < 0.0 { [end, start] } else { [start, end] }
    }
}

/// Where the reference's picture lies in the query's.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Placement {
    /// The reference's top left, top right, bottom right and bottom left corner, from the query's top left, in
    /// longer sides of the query: (x, y). They may lie outside: then the query shows a part of the reference.
    pub corners: [[f32; 2]; 4],
    /// A longer side of the reference in longer sides of the query.
    pub scale: f32,
    /// Degrees by which the reference is turned clockwise.
    pub angle: f32,
}

/// A stretch of a query that is the same as a stretch of a reference.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// The reference.
    pub reference: RefId,
    /// Where in the query.
    pub query: Span,
    /// Where in the reference.
    pub matched: Span,
    /// What it was found by.
    pub kind: Kind,
    /// −log₁₀ of the number of such segments expected by chance when this query meets a space of this size.
    pub surprise: f64,
    /// What was done to it.
    pub transform: Transform,
}

impl Segment {
    /// The seconds of the reference where the query's stretch begins and where it ends.
    pub(crate) fn ends(&self) -> [f64; 2] {
        self.transform.ends(self.matched)
    }

    /// The second of the reference beside a second of the query.
    pub(crate) fn beside(&self, query: f64) -> f64 {
        let (Span { start, end }, [first, last]) = (self.query, self.ends());
        let share = if end > start { (query - start) / (end - start) } else { 0.0 };
        first + share * (last - first)
    }
}
