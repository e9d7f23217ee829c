//! What chance gives beside a fit's line, measured on the very sounds that were compared.
//!
//! The general model of chance ([`null`]) must hold for any two sounds, also for two pieces in one key and
//! one measure, and so it asks much of all others. How much two sounds agree by chance can be seen where they meet
//! without being the same: along lines beside the fit's (as cohorts normalise scores in speaker verification; Auckenthaler,
//! Carey and Lloyd-Thomas, "Score normalization for text-independent speaker verification systems", 2000). Beats, held
//! notes and hum that both have show there too.

use super::line::{Agreed, Fit, Line, agree, pairs};
use super::null;
use crate::sound::{Heard, Print};

/// Words that a line must be moved by to be another one, well beyond what a word spans.
const NEAR: isize = 12;

/// Words from one line to the next: half of what a word spans.
const STEP: usize = 2;

/// Lines to a direction, spread evenly where there is room for more.
const MOST: usize = 128;

/// Fewest lines that tell a spread.
const FEWEST: usize = 48;

/// Surprise that nobody needs to know better.
const SURE: f64 = 30.0;

/// Surprise that makes a fit worth a look beside it.
const WORTH: f64 = 2.0;

/// The most a line's speed may differ from the reference's own and still be taken for it.
const PLAIN_SPEED: f64 = 0.004;

/// The most a speed may differ from 1, and semitones from none, on a line of which no more is asked than of most.
const FAR_SPEED: f64 = 0.18;
const FAR_PITCH: f64 = 2.5;

/// How many times rarer copies are that are farther off than that, though most lines are.
const FARTHER: f64 = 10.0;

/// The same for those at another pace than the usual one, and at a pitch that is far.
const FARTHEST: f64 = 1_000.0;

/// How surprising a fit is: by what any two sounds may reach, or by what these two reach beside it, whichever says more.
pub(super) fn surprise(heard: &Heard, track: &[u32], fit: &Fit, trials: f64) -> f64 {
    let Fit { line, evidence, .. } = fit;
    let speed = line.speed * heard.pace();
    let is_far = (speed - 1.0).abs() > FAR_SPEED || fit.pitch.abs() > FAR_PITCH;
    // Trials that are weighed by what is expected (Genovese, Roeder and Wasserman, "False discovery control with p-value
    // weighting", 2006).
    let rarer = if !heard.is_usual() || heard.is_far(line.pitch) {
        FARTHEST
    } else if is_far {
        FARTHER
    } else {
        1.0
    };
    let trials = rarer * trials;
    let general = null::surprise(evidence, trials);
    let is_plain = fit.line.pitch == heard.unshifted() && (speed - 1.0).abs() <= PLAIN_SPEED;
    let measured = |spread| null::surprise_beside(evidence, spread, is_plain, trials);
    if general >= SURE || measured(0.0) < general.max(WORTH) {
        return general;
    }
    spread(heard, track, fit).map_or(general, |spread| general.max(measured(spread)))
}

/// Mean square of the agreement along lines beside a fit's, as a share of what independent bits would have. Where few of
/// them agree much, as those do that are a measure apart in two pieces with the same beat, it is what the mean square of
/// a Gaussian variable would be whose largest value is as large.
///
/// `None` where there is no room for enough lines.
pub(super) fn spread(heard: &Heard, track: &[u32], fit: &Fit) -> Option<f64> {
    let (_, own) = sums(heard, track, &fit.line, &fit.words);
    let query = (heard.eventful().len() as f64 * Heard::HOP / Print::HOP) as usize;
    let mut found = (0, 0.0, 0.0, 0.0f64);
    let mut add = |line: &Line, words: &std::ops::Range<usize>| {
        let (agreement, squares) = sums(heard, track, line, words);
        // A line along which little meets is left out.
        if 2 * squares >= own {
            let (count, all, most, largest) = found;
            let (square, squares) = ((agreement * agreement) as f64, squares as f64);
            found = (count + 1, all + square, most + squares, largest.max(square / squares));
        }
    };
    for by in steps(query) {
        let moved = Line { query: fit.line.query + by as f64 * Print::HOP / fit.line.speed, ..fit.line };
        add(&moved, &fit.words);
    }
    for by in steps(track.len()) {
        let at = |word: usize| word.saturating_add_signed(by).min(track.len());
        let moved = Line { reference: fit.line.reference + by as f64 * Print::HOP, ..fit.line };
        add(&moved, &(at(fit.words.start)..at(fit.words.end)));
    }
    let (count, all, squares, largest) = found;
    (count >= FEWEST).then(|| (all / squares).max(largest / (2.0 * (count as f64).ln())))
}

/// Words to move by, either way.
fn steps(room: usize) -> impl Iterator<Item = isize> {
    let step = (room / MOST).max(STEP);
    (NEAR..room as isize).step_by(step).flat_map(|by| [by, -by])
}

/// The agreement along a line, and what its square would be in the mean if all bits were independent.
fn sums(heard: &Heard, track: &[u32], line: &Line, words: &std::ops::Range<usize>) -> (i64, i64) {
    let of = |agreed: Agreed| (i64::from(agreed.agreement), i64::from(agreed.squares));
    pairs(heard, track, line, words.clone())
        .map(|(_, reading, own)| of(agree(reading, own)))
        .fold((0, 0), |(agreement, squares), (a, s)| (agreement + a, squares + s))
}
