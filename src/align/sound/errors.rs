//! What a match of sound looks like from near: the bits that differ, moment by moment.

use super::line::{self, Line};
use crate::align::{Span, Transform};
use crate::sound::{Heard, Print, Probe};

/// How much of a sub-fingerprint differs at one moment of a match.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BitErrors {
    /// The moment of the query, in seconds.
    pub query: f64,
    /// The moment of the reference, in seconds.
    pub matched: f64,
    /// Share of the 32 bits that differ: 0 where both sound the same, about a half where they have nothing in common.
    pub rate: f64,
}

/// Words of the query to either side among which the line that agrees best is looked for. The times of a match that
/// rests on the picture are known less exactly.
const REACH: i32 = 25;

/// The bit-error strip of a match: one entry to each sub-fingerprint of the reference along it, in order of time.
///
/// `query` and `matched` are the stretches in seconds and `transform` what was done to the sound, as a
/// [`Segment`](crate::align::Segment) or a [`Match`](crate::Match) tells them. Moments at which either side is silent or
/// stands still are left out, so a match without sound gives nothing.
pub fn bit_errors(
    probe: &Probe,
    print: &Print,
    query: Span,
    matched: Span,
    transform: &Transform,
) -> Vec<BitErrors> {
    let track: Vec<u32> = print.words().iter().map(|word| word.map_or(0, |word| word.get())).collect();
    let at = |time: f64| (((time - Probe::FIRST) / Print::HOP).max(0.0) as usize).min(track.len());
    let words = at(matched.start)..at(matched.end).max(at(matched.start));
    let reaches = |heard: &&Heard| line::SPEEDS.contains(&(transform.speed / heard.pace()));
    let read =
        probe.heard().iter().filter(reaches).flat_map(|heard| heard.pitches().map(move |at| (heard, at)));
    let off = |&(heard, at): &(&Heard, usize)| (heard.semitones(at) - transform.pitch).abs();
    let Some((heard, pitch)) = read.min_by(|a, b| off(a).total_cmp(&off(b))) else { return Vec::new() };
    let line = Line {
        query: query.end * heard.pace() - Heard::FIRST,
        reference: matched.end - Probe::FIRST,
        speed: transform.speed / heard.pace(),
        pitch,
    };
    if !(line.query.is_finite() && line.reference.is_finite()) {
        return Vec::new();
    }
    let moved = |shift: i32| Line { query: line.query + f64::from(shift) * Heard::HOP, ..line };
    let agreement = |shift: &i32| (line::agreement(heard, &track, &moved(*shift), &words), -shift.abs());
    let shift = (-REACH..=REACH).max_by_key(agreement).unwrap_or(0);
    let line = line::improve(heard, &track, &moved(shift), &words, 1);
    line::pairs(heard, &track, &line, words)
        .map(|(word, reading, own)| {
            let time = word as f64 * Print::HOP;
            BitErrors {
                query: (line.query_time(time) + Heard::FIRST) / heard.pace(),
                matched: time + Probe::FIRST,
                rate: f64::from((reading.word ^ own).count_ones()) / 32.0,
            }
        })
        .collect()
}
