//! Lines in the plane of query time against reference time, fitted word by word.

use super::null::{self, Evidence};
use super::tracks::GAP;
use crate::sound::{Heard, Print, Reading};
use std::ops::{Range, RangeInclusive};

/// Times are those of words: seconds since the first word of either side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Line {
    /// A moment of the query.
    pub(super) query: f64,
    /// The moment of the reference that it shows.
    pub(super) reference: f64,
    /// Seconds of the reference that pass in a second of the query.
    pub(super) speed: f64,
    /// Number of the pitch that the query is read at.
    pub(super) pitch: usize,
}

impl Line {
    pub(super) fn query_time(&self, reference: f64) -> f64 {
        self.query + (reference - self.reference) / self.speed
    }

    pub(super) fn reference_time(&self, query: f64) -> f64 {
        self.reference + (query - self.query) * self.speed
    }

    /// The same line, told by another moment.
    fn seen_from(&self, reference: f64) -> Self {
        Self { query: self.query_time(reference), reference, ..*self }
    }
}

/// A line that was fitted, and the stretch of the reference along it that agrees.
#[derive(Clone, Debug)]
pub(super) struct Fit {
    pub(super) line: Line,
    pub(super) words: Range<usize>,
    /// Semitones that the query lies above the reference.
    pub(super) pitch: f64,
    pub(super) evidence: Evidence,
}

impl Fit {
    /// Where the stretch begins and ends in the query, in seconds since its first word.
    pub(super) fn query(&self) -> (f64, f64) {
        let time = |word: usize| self.line.query_time(word as f64 * Print::HOP);
        (time(self.words.start), time(self.words.end))
    }
}

/// Share of a word's weight that must agree beyond chance, for the word to be worth including.
const DRIFT: f64 = 0.10;

/// Rounds of fitting and trimming.
const ROUNDS: usize = 3;

/// Fewest words of a fit: 2 s.
const LEAST: usize = 32;

/// Speeds that a copy may have.
pub(super) const SPEEDS: RangeInclusive<f64> = 0.77..=1.30;

/// Fits the line near `rough` that agrees best; `None` where too little does.
pub(super) fn fit(heard: &Heard, track: &[u32], rough: Line) -> Option<Fit> {
    let mut line = rough;
    let mut words = trim(heard, track, &line, met(heard, track, &line))?;
    for round in 0..ROUNDS {
        line = improve(heard, track, &line, &words, round);
        words = trim(heard, track, &line, met(heard, track, &line))?;
    }
    if words.len() < LEAST {
        return None;
    }
    let evidence = weigh(heard, track, &line, &words);
    Some(Fit { pitch: exact_pitch(heard, track, &line, &words), line, words, evidence })
}

/// The words of a reference that a line meets while the query lasts.
fn met(heard: &Heard, track: &[u32], line: &Line) -> Range<usize> {
    let at = |time: f64| ((line.reference_time(time) / Print::HOP).max(0.0) as usize).min(track.len());
    let end = heard.eventful().len() as f64 * Heard::HOP;
    at(-Heard::HOP)..(at(end) + 2).min(track.len())
}

/// Agreement, less the drift, that must be lost in a row for a stretch to be no part of a copy: by chance alone it
/// takes some 2.7 s.
const LOST: f64 = 200.0;

/// The parts of a fit between stretches that do not agree.
pub(super) fn parts(heard: &Heard, track: &[u32], fit: &Fit) -> Vec<Fit> {
    let mut parts = Vec::new();
    let (mut running, mut best) = (0.0, 0.0);
    let mut words = fit.words.start..fit.words.start;
    for (word, reading, own) in pairs(heard, track, &fit.line, fit.words.clone()) {
        if running <= 0.0 {
            (running, best) = (0.0, 0.0);
            words = word..word;
        }
        let agreed = agree(reading, own);
        running += f64::from(agreed.agreement) - DRIFT * f64::from(agreed.weight);
        if running > best {
            best = running;
            words.end = word + 1;
        }
        if best - running > LOST {
            parts.push(words.clone());
            running = 0.0;
        }
    }
    if running > 0.0 && best > LOST {
        parts.push(words);
    }
    if parts.is_empty() {
        parts.push(fit.words.clone());
    }
    parts.into_iter().map(|words| Fit { words, ..fit.clone() }).collect()
}

/// Fits that go on where one ends, on either side, after a cut or a pause in the query.
pub(super) fn follow(heard: &Heard, track: &[u32], fit: &Fit) -> Vec<Fit> {
    let mut found = Vec::new();
    for forward in [true, false] {
        let mut last = fit.clone();
        while let Some(next) = follow_on(heard, track, &last, forward) {
            found.push(next.clone());
            last = next;
        }
    }
    found
}

/// Words that are compared to find where a copy goes on: 1.5 s.
const LOOK: usize = 24;

/// The longest cut or pause, in words of the query: 2.6 s.
const JUMP: i32 = 80;

/// Share of the agreement possible that the words after a jump must reach beyond chance: some six deviations.
const AGREE: f64 = 0.3;

/// Fewest words of a fit that goes on: 1 s.
const LEAST_ON: usize = 16;

fn follow_on(heard: &Heard, track: &[u32], last: &Fit, forward: bool) -> Option<Fit> {
    let side = if forward { last.words.end..track.len() } else { 0..last.words.start };
    let look = |jump: i32| {
        let skipped = (f64::from(jump.abs()) * Heard::HOP / Print::HOP) as usize;
        let cut = (jump > 0) == forward;
        let first = if cut { skipped } else { 0 };
        if forward {
            (side.start + first).min(side.end)..(side.start + first + LOOK).min(side.end)
        } else {
            side.end.saturating_sub(first + LOOK)..side.end.saturating_sub(first)
        }
    };
    let jumped =
        |jump: i32| Line { reference: last.line.reference + f64::from(jump) * Heard::HOP, ..last.line };
    let jump = (-JUMP..=JUMP)
        .filter(|jump| jump.abs() > 2)
        .max_by_key(|&jump| agreement(heard, track, &jumped(jump), &look(jump)))?;
    let (line, words) = (jumped(jump), look(jump));
    let evidence = weigh(heard, track, &line, &words);
    if words.len() < LEAST_ON || evidence.agreement < AGREE * evidence.weight {
        return None;
    }
    let line = improve(heard, track, &line, &words, ROUNDS);
    let words = trim(heard, track, &line, side)?;
    if words.len() < LEAST_ON {
        return None;
    }
    let evidence = weigh(heard, track, &line, &words);
    Some(Fit { pitch: last.pitch, line, words, evidence })
}

/// Words of the reference with their numbers, each with what the query has in its place; those where either side has
/// nothing to compare are left out.
pub(super) fn pairs<'a>(
    heard: &'a Heard,
    track: &'a [u32],
    line: &Line,
    words: Range<usize>,
) -> impl Iterator<Item = (usize, Reading, u32)> + 'a {
    /// Positions in the query are counted in parts of a word.
    const PART: f64 = (1u64 << 32) as f64;
    let mut query = ((line.query_time(words.start as f64 * Print::HOP) / Heard::HOP + 0.5) * PART) as i64;
    let step = (Print::HOP / line.speed / Heard::HOP * PART) as i64;
    let (readings, eventful) = (heard.readings(line.pitch), heard.eventful());
    let own = track.get(words.clone()).unwrap_or_default();
    words.zip(own).filter_map(move |(word, &own)| {
        // A place before the query's start becomes one far beyond its end.
        let at = (query >> 32) as usize;
        query = query.saturating_add(step);
        let reading = readings.get(at)?;
        (own != GAP && *eventful.get(at)?).then_some((word, *reading, own))
    })
}

/// Weights of the bits that agree less those that do not, of all, and the sum of their squares.
pub(super) struct Agreed {
    pub(super) agreement: i32,
    pub(super) weight: i32,
    pub(super) squares: i32,
}

/// Firm bits count twice.
pub(super) fn agree(reading: Reading, own: u32) -> Agreed {
    let wrong = reading.word ^ own;
    let firm = reading.firm.count_ones() as i32;
    let lost = wrong.count_ones() as i32 + (wrong & reading.firm).count_ones() as i32;
    Agreed { agreement: 32 + firm - 2 * lost, weight: 32 + firm, squares: 32 + 3 * firm }
}

/// The stretch within some words whose agreement, less the drift, sums up highest.
fn trim(heard: &Heard, track: &[u32], line: &Line, within: Range<usize>) -> Option<Range<usize>> {
    let (mut best, mut running) = (0.0, 0.0);
    let (mut start, mut words) = (0, None);
    for (word, reading, own) in pairs(heard, track, line, within) {
        if running <= 0.0 {
            running = 0.0;
            start = word;
        }
        let agreed = agree(reading, own);
        running += f64::from(agreed.agreement) - DRIFT * f64::from(agreed.weight);
        if running > best {
            best = running;
            words = Some(start..word + 1);
        }
    }
    words
}

/// Seconds of the query to either side of a moment, over which a line through it is turned.
pub(super) const REACH: f64 = 4.0;

/// The line through the same moment at the speed at which the seconds around it agree best.
pub(super) fn turned(heard: &Heard, track: &[u32], rough: &Line) -> Line {
    /// Moves a line by a word of the query over the reach.
    const STEP: f64 = 1.0 + Heard::HOP / REACH;
    const STEPS: i32 = 30;
    const COARSE: i32 = 3;
    let at = |time: f64| ((time / Print::HOP).max(0.0) as usize).min(track.len());
    let words = at(rough.reference - REACH)..at(rough.reference + REACH);
    let turned = |step: i32| Line { speed: STEP.powi(step), ..*rough };
    let best = |steps: &mut dyn Iterator<Item = i32>| {
        steps.max_by_key(|&step| agreement(heard, track, &turned(step), &words)).unwrap_or(0)
    };
    // A line that is one step off agrees nearly as well.
    let near = best(&mut (-STEPS..=STEPS).step_by(COARSE as usize));
    turned(best(&mut (near - COARSE + 1..near + COARSE)))
}

/// What the fit rests on.
fn weigh(heard: &Heard, track: &[u32], line: &Line, words: &Range<usize>) -> Evidence {
    weighed(pairs(heard, track, line, words.clone()))
}

/// What a fit rests on apart from the moments of the query that are not `own`; `None` where nothing is left.
pub(super) fn weigh_where(
    heard: &Heard,
    track: &[u32],
    fit: &Fit,
    own: impl Fn(f64) -> bool,
) -> Option<Evidence> {
    let own = |word: usize| own(fit.line.query_time(word as f64 * Print::HOP));
    let pairs = pairs(heard, track, &fit.line, fit.words.clone()).filter(|(word, ..)| own(*word));
    let evidence = weighed(pairs);
    (evidence.weight > 0.0).then_some(evidence)
}

fn weighed(pairs: impl Iterator<Item = (usize, Reading, u32)>) -> Evidence {
    let (mut agreement, mut weight, mut squares) = (0, 0, 0);
    let (mut query, mut reference) = (Vec::new(), Vec::new());
    for (_, reading, own) in pairs {
        let agreed = agree(reading, own);
        agreement += i64::from(agreed.agreement);
        weight += i64::from(agreed.weight);
        squares += i64::from(agreed.squares);
        query.push(reading.word);
        reference.push(own);
    }
    let (widening, explained) = null::dependence(&query, &reference);
    let weight = weight as f64;
    Evidence { agreement: agreement as f64 - explained * weight, weight, variance: widening * squares as f64 }
}

pub(super) fn agreement(heard: &Heard, track: &[u32], line: &Line, words: &Range<usize>) -> i64 {
    pairs(heard, track, line, words.clone())
        .map(|(_, reading, own)| i64::from(agree(reading, own).agreement))
        .sum()
}

/// The best of the lines around: offset, speed and pitch, turned about the middle of the stretch.
pub(super) fn improve(heard: &Heard, track: &[u32], line: &Line, words: &Range<usize>, round: usize) -> Line {
    let middle = (words.start + words.end) as f64 / 2.0 * Print::HOP;
    let line = line.seen_from(middle);
    let half = words.len() as f64 / 2.0 * Print::HOP;
    // A step of speed that moves the ends by one word of the query.
    let turn = Heard::HOP / half.max(1.0);
    let (shifts, turns) = if round == 0 { (4, 3) } else { (2, 2) };
    let mut best = (agreement(heard, track, &line, words), line);
    let consider = |line: Line, best: &mut (i64, Line)| {
        let sum = agreement(heard, track, &line, words);
        if sum > best.0 {
            *best = (sum, line);
        }
    };
    for shift in -shifts..=shifts {
        for step in -turns..=turns {
            let speed = line.speed * (1.0 + f64::from(step) * turn);
            if SPEEDS.contains(&speed) {
                consider(
                    Line { query: line.query + f64::from(shift) * Heard::HOP, speed, ..line },
                    &mut best,
                );
            }
        }
    }
    let found = best.1;
    for pitch in [found.pitch.saturating_sub(1), (found.pitch + 1).min(heard.pitches().end - 1)] {
        consider(Line { pitch, ..found }, &mut best);
    }
    best.1
}

/// The pitch between those read, where a parabola through the agreements has its top.
fn exact_pitch(heard: &Heard, track: &[u32], line: &Line, words: &Range<usize>) -> f64 {
    let at = |pitch: usize| agreement(heard, track, &Line { pitch, ..*line }, words) as f64;
    let middle = heard.semitones(line.pitch);
    if line.pitch == 0 || line.pitch + 1 == heard.pitches().end {
        return middle;
    }
    let (lower, upper) = (middle - heard.semitones(line.pitch - 1), heard.semitones(line.pitch + 1) - middle);
    if lower != upper {
        return middle;
    }
    let (below, here, above) = (at(line.pitch - 1), at(line.pitch), at(line.pitch + 1));
    let bend = below - 2.0 * here + above;
    if bend >= 0.0 {
        return middle;
    }
    middle + upper * (0.5 * (below - above) / bend).clamp(-0.5, 0.5)
}
