//! Search of a bank's soundtracks.
//!
//! Candidates, which are rough lines in the plane of query time against reference time, come from a scan of every
//! offset, speed and pitch ([`scan`]). Each is then fitted word by word and trimmed to the stretch that agrees
//! ([`line`]), and weighed against what unrelated sound reaches by chance ([`null`]).

mod agreement;
mod line;
mod null;
mod scan;

use super::{Kind, RefId, Segment, Span, Transform};
use crate::sound::{Print, Probe};
use line::{Fit, Line};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Fits with a smaller surprise are not worth a word to anyone.
const LEAST_SURPRISE: f64 = -2.0;

/// Share of a segment's query time that a surer one of the same reference may cover.
const MOST_OVERLAP: f64 = 0.3;

/// A reference as the search reads it.
#[derive(Debug)]
struct Track {
    /// A word each 64 ms. Where the print has none there is one that agrees with nothing.
    words: Vec<u32>,
    eventful: Vec<bool>,
}

impl Track {
    fn new(reference: RefId, print: &Print) -> Self {
        let eventful = print.words().iter().map(Option::is_some).collect();
        let noise = |at: usize| null::scrambled((u64::from(reference) + 1) << 32 | at as u64);
        let words =
            print.words().iter().enumerate().map(|(at, word)| word.map_or(noise(at), |word| word.get()));
        Self { words: words.collect(), eventful }
    }
}

/// The soundtracks of many references, searchable.
#[derive(Debug, Default)]
pub struct SoundSpace {
    tracks: BTreeMap<RefId, Track>,
    /// Words of all tracks.
    words: usize,
}

impl SoundSpace {
    /// Adds a reference's sound; one of the same number is replaced.
    pub fn insert(&mut self, reference: RefId, print: &Print) {
        self.remove(reference);
        self.words += print.words().len();
        self.tracks.insert(reference, Track::new(reference, print));
    }

    /// Takes a reference out.
    pub fn remove(&mut self, reference: RefId) {
        if let Some(track) = self.tracks.remove(&reference) {
            self.words -= track.words.len();
        }
    }

    /// All segments that `probe` shares with references, the surest first.
    pub fn search(&self, probe: &Probe) -> Vec<Segment> {
        let query = scan::Query::new(probe);
        let mut segments: Vec<Segment> = self
            .tracks
            .par_iter()
            .flat_map_iter(|(&reference, track)| {
                let found = scan::candidates(&query, track);
                let fits = found.iter().filter_map(|line| line::fit(probe, track, *line)).collect();
                self.apart(reference, probe, fits)
            })
            .collect();
        segments.sort_by(|a, b| b.surprise.total_cmp(&a.surprise).then(a.reference.cmp(&b.reference)));
        segments
    }

    /// The surest of the fits to one reference, and the others as far as they tell of other stretches.
    fn apart(&self, reference: RefId, probe: &Probe, fits: Vec<Fit>) -> Vec<Segment> {
        let trials = null::trials(probe.eventful().len(), self.words);
        let mut segments: Vec<Segment> = fits
            .into_iter()
            .map(|fit| segment(reference, &fit, null::surprise(&fit.evidence, trials)))
            .filter(|segment| segment.surprise >= LEAST_SURPRISE)
            .collect();
        segments.sort_by(|a, b| b.surprise.total_cmp(&a.surprise));
        let mut kept: Vec<Segment> = Vec::new();
        for segment in segments {
            let length = segment.query.end - segment.query.start;
            let covered = kept.iter().any(|other| {
                let start = segment.query.start.max(other.query.start);
                let end = segment.query.end.min(other.query.end);
                end - start > MOST_OVERLAP * length
            });
            if !covered {
                kept.push(segment);
            }
        }
        kept
    }
}

fn segment(reference: RefId, fit: &Fit, surprise: f64) -> Segment {
    let half = Print::HOP / 2.0;
    let first = fit.words.start as f64 * Print::HOP;
    let last = (fit.words.end - 1) as f64 * Print::HOP;
    let Line { speed, .. } = fit.line;
    let in_query = |time: f64| fit.line.query_time(time) + Probe::FIRST;
    let matched = Span { start: first - half + Probe::FIRST, end: last + half + Probe::FIRST };
    let query = Span { start: (in_query(first - half)).max(0.0), end: in_query(last + half) };
    let transform = Transform { speed, pitch: fit.pitch, mirrored: false };
    Segment { reference, query, matched, kind: Kind::Sound, surprise, transform }
}

#[cfg(test)]
mod tests;
