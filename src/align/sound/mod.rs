//! Search of a bank's soundtracks.
//!
//! Candidates, which are rough lines in the plane of query time against reference time, come from a scan of every
//! offset, speed and pitch ([`scan`]) where that is affordable, and elsewhere from words looked up in a table
//! ([`lookup`]). Each is then fitted word by word and trimmed to the stretch that agrees
//! ([`line`]), and weighed against what unrelated sound reaches by chance ([`null`]). What lies in passages that many
//! references share counts for nothing ([`common`]).

mod agreement;
mod beside;
mod common;
mod errors;
mod file;
mod line;
mod lookup;
mod null;
mod parts;
mod scan;
mod table;
mod tracks;

pub use errors::{BitErrors, bit_errors};

use super::{Kind, RefId, Segment, Span, Transform};
use crate::sound::{Heard, Print, Probe};
use line::Fit;
use lookup::Candidate;
use parts::Parts;
pub(crate) use parts::Stored;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use tracks::GAP;
pub(crate) use tracks::Tracks;

/// Fits with a smaller surprise are not worth a word to anyone.
const LEAST_SURPRISE: f64 = -2.0;

/// Surprise from which on a copy is believed enough to look for where it goes on.
const LEADING: f64 = 4.0;

/// Share of a segment's query time that a surer one of the same reference may cover.
const MOST_OVERLAP: f64 = 0.3;

/// Seconds from a line within which what was found lies on it.
const ON_LINE: f64 = 0.1;

/// Lines in one reference that are looked at for one moment of the query, ...
const MOST_FITS: usize = 32;

/// ... and nearly the same ones: each is the best near where it was started.
const MOST_SAME: usize = 8;

/// Words of the query times words of the references up to which every offset is tried: 24 s against an hour.
const EXHAUSTIVE: usize = 750 * 56_000;

/// The soundtracks of many references, searchable. Clones share all memory but for what they differ in.
#[derive(Clone, Debug, Default)]
pub struct SoundSpace {
    tracks: Parts,
}

/// A fit to a reference, weighed.
#[derive(Clone, Debug)]
struct Found<'a> {
    heard: &'a Heard,
    reference: RefId,
    surprise: f64,
    fit: Fit,
}

impl Found<'_> {
    /// Where it begins and ends in the query, in seconds since the query's first word.
    fn query(&self) -> (f64, f64) {
        let (start, end) = self.fit.query();
        (start / self.heard.pace(), end / self.heard.pace())
    }

    /// The moment of the reference beside one of the query, both in seconds since the first words.
    fn reference_time(&self, query: f64) -> f64 {
        self.fit.line.reference_time(query * self.heard.pace())
    }

    /// Seconds of the reference that pass in a second of the query.
    fn speed(&self) -> f64 {
        self.fit.line.speed * self.heard.pace()
    }

    fn segment(&self) -> Segment {
        let Self { heard, reference, surprise, ref fit } = *self;
        let half = Print::HOP / 2.0;
        let first = fit.words.start as f64 * Print::HOP;
        let last = (fit.words.end - 1) as f64 * Print::HOP;
        let in_query = |time: f64| (fit.line.query_time(time) + Heard::FIRST) / heard.pace();
        let matched = Span { start: first - half + Probe::FIRST, end: last + half + Probe::FIRST };
        let query = Span { start: in_query(first - half).max(0.0), end: in_query(last + half) };
        let transform = Transform {
            speed: self.speed(),
            pitch: fit.pitch,
            mirrored: false,
            negative: false,
            placement: None,
        };
        Segment { reference, query, matched, kind: Kind::Sound, surprise, transform }
    }
}

/// How to find candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SoundPlan {
    /// Try every offset, speed and pitch.
    Exhaustive,
    /// Look words up.
    Lookup,
}

impl SoundSpace {
    /// Adds a reference's sound; one of the same number is replaced.
    pub fn insert(&mut self, reference: RefId, print: &Print) {
        self.remove(reference);
        self.tracks.insert(reference, print.words().iter().map(|word| word.map_or(GAP, NonZeroU32::get)));
    }

    /// The space that files hold.
    pub(crate) fn from_stored(parts: impl IntoIterator<Item = Stored>) -> Self {
        Self { tracks: Parts::from_stored(parts) }
    }

    /// What is to be stored in files, to make the same space of it.
    pub(crate) fn stored(&self) -> Vec<Stored> {
        self.tracks.stored()
    }

    /// Takes a reference out.
    pub fn remove(&mut self, reference: RefId) {
        self.tracks.remove(reference);
    }

    /// All segments that `probe` shares with references, the surest first.
    pub fn search(&self, probe: &Probe) -> Vec<Segment> {
        self.search_by(probe, self.plan(probe))
    }

    /// How [`search`](Self::search) goes about a query: exhaustively where that is affordable.
    pub fn plan(&self, probe: &Probe) -> SoundPlan {
        let pairs = probe.eventful().len().saturating_mul(self.tracks.alive());
        if pairs <= EXHAUSTIVE { SoundPlan::Exhaustive } else { SoundPlan::Lookup }
    }

    /// [`search`](Self::search) in a given way.
    pub fn search_by(&self, probe: &Probe, plan: SoundPlan) -> Vec<Segment> {
        let mut found: Vec<Found> =
            probe.heard().iter().flat_map(|heard| self.at_pace(heard, plan)).collect();
        surest_first(&mut found);
        // What is a copy at one pace may be like one at another.
        let mut told = BTreeMap::<RefId, Vec<_>>::new();
        found.retain(|found| {
            let (pace, query) = (found.heard.pace(), found.query());
            let told = told.entry(found.reference).or_default();
            let is_new = told.iter().all(|(other, surer)| *other == pace || !is_covered(query, *surer));
            if is_new {
                told.push((pace, query));
            }
            is_new
        });
        common::discount(&mut found, probe, &self.tracks);
        surest_first(&mut found);
        found.iter().map(Found::segment).collect()
    }

    /// What is shared by what was heard at one pace.
    fn at_pace<'a>(&self, heard: &'a Heard, plan: SoundPlan) -> Vec<Found<'a>> {
        if heard.eventful().not_any() {
            return Vec::new();
        }
        let mut fits: BTreeMap<RefId, Vec<Fit>> = BTreeMap::new();
        let found: Vec<(RefId, Fit)> = match plan {
            SoundPlan::Exhaustive => {
                let query = scan::Query::new(heard);
                let tracks: Vec<_> = self.tracks.iter().collect();
                tracks
                    .into_par_iter()
                    .flat_map_iter(|(reference, track)| {
                        let lines = scan::candidates(&query, track);
                        lines
                            .into_iter()
                            .filter_map(move |line| Some((reference, line::fit(heard, track, line)?)))
                    })
                    .collect()
            }
            SoundPlan::Lookup => {
                let mut by: BTreeMap<RefId, Vec<_>> = BTreeMap::new();
                for found in lookup::candidates(heard, &self.tracks) {
                    by.entry(found.reference).or_default().push(found);
                }
                let fits = |(reference, all): (RefId, Vec<Candidate>)| {
                    fits_apart(heard, all).into_iter().map(move |fit| (reference, fit))
                };
                by.into_par_iter().flat_map_iter(fits).collect()
            }
        };
        for (reference, fit) in found {
            fits.entry(reference).or_default().push(fit);
        }
        fits.into_iter().flat_map(|(reference, fits)| self.apart(reference, heard, fits)).collect()
    }

    /// The surest of the fits to one reference, and the others as far as they tell of other stretches.
    fn apart<'a>(&self, reference: RefId, heard: &'a Heard, fits: Vec<Fit>) -> Vec<Found<'a>> {
        let trials = null::trials(heard.eventful().len(), self.tracks.alive());
        let track = self.tracks.of(reference);
        let weighed = |fit: Fit| (beside::surprise(heard, track, &fit, trials), fit);
        let mut fits: Vec<(f64, Fit)> = fits.into_iter().map(weighed).collect();
        fits.retain(|(surprise, _)| *surprise >= LEAST_SURPRISE);
        fits.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut kept: Vec<Found> = Vec::new();
        let mut keep = |surprise: f64, fit: &Fit| {
            let fresh = kept.iter().all(|other| !is_covered(fit.query(), other.fit.query()));
            if fresh {
                kept.push(Found { heard, reference, surprise, fit: fit.clone() });
            }
            fresh
        };
        for (surprise, fit) in fits {
            if surprise < LEADING {
                keep(surprise, &fit);
                continue;
            }
            let mut parts = line::parts(heard, track, &fit);
            parts.retain(|part| keep(surprise, part));
            for next in parts.iter().flat_map(|part| line::follow(heard, track, part)) {
                keep(surprise.min(null::surprise(&next.evidence, null::AFTER_A_JUMP)), &next);
            }
        }
        kept
    }
}

/// The lines from candidates of one reference, without those that lie on many such lines or of moments that have very many:
/// a long copy is found again and again, and a loop in all places.
fn fits_apart(heard: &Heard, candidates: Vec<Candidate>) -> Vec<Fit> {
    let mut fits: Vec<Fit> = Vec::new();
    for Candidate { track, line, .. } in candidates {
        let covers = |fit: &&Fit| {
            let (start, end) = fit.query();
            (start..end).contains(&line.query)
        };
        let apart = |fit: &Fit| (fit.line.reference_time(line.query) - line.reference).abs();
        let covering = fits.iter().filter(covers);
        let on_line = covering.clone().filter(|fit| apart(fit) < ON_LINE);
        if covering.count() < MOST_FITS && on_line.count() < MOST_SAME {
            fits.extend(line::fit(heard, track, line));
        }
    }
    fits
}

/// Whether too much of a stretch of the query is covered by one that is surer.
fn is_covered((start, end): (f64, f64), (surer_start, surer_end): (f64, f64)) -> bool {
    end.min(surer_end) - start.max(surer_start) > MOST_OVERLAP * (end - start)
}

fn surest_first(found: &mut [Found]) {
    found.sort_by(|a, b| b.surprise.total_cmp(&a.surprise).then(a.reference.cmp(&b.reference)));
}

#[cfg(test)]
mod tests;
