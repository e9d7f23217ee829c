//! Passages that many references share, such as jingles and stock music.
//!
//! Who has such a passage in his sound has not copied any of those references. The passage is told of with its length
//! where it was found, but it counts for nothing: what is left of the evidence is what lies outside it. References
//! that go on alike beyond the passage are one and the same sound banked more than once, and count as one.

use super::line;
use super::null;
use super::parts::Parts;
use super::tracks::GAP;
use super::{Found, LEADING, RefId};
use crate::sound::{Print, Probe};
use std::collections::{HashMap, HashSet};

/// References, unrelated to each other, from which on a passage that they share is nobody's.
const MANY: usize = 8;

/// Seconds of the query that are judged together.
const SLOT: f64 = 0.5;

/// References to a slot that are looked at, the surest first.
const MOST: usize = 64;

/// The most that is left to say of a fit that lies in such passages.
const LEFT: f64 = 0.0;

/// Takes the evidence in passages that many unrelated references share off what was found.
pub(super) fn discount(found: &mut [Found], probe: &Probe, tracks: &Parts) {
    let mut sure: Vec<&Found> = found.iter().filter(|found| found.surprise >= LEADING).collect();
    if sure.iter().map(|found| found.reference).collect::<HashSet<_>>().len() < MANY {
        return;
    }
    sure.sort_by(|a, b| b.surprise.total_cmp(&a.surprise).then(a.reference.cmp(&b.reference)));
    let slots = (probe.eventful().len() as f64 * Probe::HOP / SLOT).ceil() as usize;
    let mut there: Vec<Vec<&Found>> = vec![Vec::new(); slots];
    for found in sure {
        let (start, end) = found.query();
        let slot = |time: f64| ((time / SLOT - 0.5).ceil().max(0.0) as usize).min(slots);
        for there in &mut there[slot(start).min(slot(end))..slot(end)] {
            if there.len() < MOST && there.iter().all(|other| other.reference != found.reference) {
                there.push(found);
            }
        }
    }
    let mut known = HashMap::new();
    let common: Vec<bool> = (0..slots)
        .map(|slot| is_common((slot as f64 + 0.5) * SLOT, &there[slot], tracks, &mut known))
        .collect();
    if !common.contains(&true) {
        return;
    }
    let own = |time: f64| common.get((time.max(0.0) / SLOT) as usize) != Some(&true);
    for found in found {
        let heard = found.heard;
        let own = |time: f64| own(time / heard.pace());
        let evidence = line::weigh_where(heard, tracks.of(found.reference), &found.fit, own);
        if evidence.is_some_and(|evidence| evidence.weight >= found.fit.evidence.weight) {
            continue;
        }
        let trials = null::trials(heard.eventful().len(), tracks.alive());
        let left = evidence.map_or(LEFT, |evidence| null::surprise(&evidence, trials).max(LEFT));
        found.surprise = found.surprise.min(left);
    }
}

/// Whether enough of those that have the moment `time` of the query are unrelated.
fn is_common(time: f64, there: &[&Found], tracks: &Parts, known: &mut HashMap<(RefId, RefId), bool>) -> bool {
    let mut unrelated: Vec<&Found> = Vec::new();
    for &found in there {
        let mut is_same = |other: &&Found| {
            *known
                .entry((other.reference, found.reference))
                .or_insert_with(|| are_related(other, found, time, tracks))
        };
        if !unrelated.iter().any(&mut is_same) {
            unrelated.push(found);
        }
        if unrelated.len() == MANY {
            return true;
        }
    }
    false
}

/// Whether two references that share the moment `time` of the query are alike for most of the shorter one.
fn are_related(a: &Found, b: &Found, time: f64, tracks: &Parts) -> bool {
    /// The most that the speeds of two lines may differ by and still be one.
    const SPEED: f64 = 0.02;
    /// Words that two lines through the same moment may lie apart.
    const APART: isize = 6;
    /// Words that are compared together, and those around the moment.
    const WINDOW: usize = 16;
    /// Share of bits that may differ in a window that is alike.
    const ALIKE: f64 = 0.36;
    if (a.speed() / b.speed() - 1.0).abs() > SPEED {
        // Not to be told; so they do not count as two.
        return true;
    }
    let (of_a, of_b) = (tracks.of(a.reference), tracks.of(b.reference));
    let place = |found: &Found| (found.reference_time(time) / Print::HOP).round() as isize;
    let compared = |at: usize, offset: isize| {
        let other = at.checked_add_signed(offset).and_then(|at| of_b.get(at)).copied().unwrap_or(GAP);
        let own = of_a.get(at).copied().unwrap_or(GAP);
        (own != GAP && other != GAP).then(|| (own ^ other).count_ones())
    };
    // Bits that differ, of words that are there on both sides.
    let differing = |words: std::ops::Range<usize>, offset: isize| {
        words
            .filter_map(|at| compared(at, offset))
            .fold((0, 0), |(wrong, all), bits| (wrong + bits, all + 32))
    };
    let middle = place(a).max(0) as usize;
    let around = middle.saturating_sub(WINDOW)..middle + WINDOW;
    let near = place(b) - place(a);
    let offset = (near - APART..=near + APART).min_by_key(|&offset| {
        let (wrong, all) = differing(around.clone(), offset);
        (wrong * 1_000_u32).checked_div(all).unwrap_or(u32::MAX)
    });
    let Some(offset) = offset else { return false };
    let alike = (0..of_a.len())
        .step_by(WINDOW)
        .filter(|&start| {
            let (wrong, all) = differing(start..start + WINDOW, offset);
            all >= 16 * WINDOW as u32 && f64::from(wrong) <= ALIKE * f64::from(all)
        })
        .count();
    2 * alike > of_a.len().min(of_b.len()) / WINDOW
}
