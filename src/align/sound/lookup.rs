//! The index-driven search, whose work hardly grows with the bank.
//!
//! Each word of the query is looked up as it is and with its weakest bits flipped, in all ways (query-directed
//! probing; Lv et al., "Multi-Probe LSH", 2007): the other bits are right much more often than a word's mean error
//! rate suggests. A place found counts only if the second around it agrees as well, which chance manages once in
//! some ten thousand places, so that one place is enough to start a line from.

use super::RefId;
use super::agreement::{BLOCK, near};
use super::line::{self, Line};
use super::table::{Scratch, Table};
use super::tracks::Tracks;
use crate::sound::{PITCHES, Print, Probe, Reading};
use rayon::prelude::*;
use std::collections::HashMap;

/// Weak bits of a word that are flipped in all ways.
const FLIPS: usize = 6;

/// Most bits of a second that may differ, of 512. The standard deviation by chance is 15.
const FARTHEST: u32 = 196;

/// Places that lines are started from in each half-second of the query, the best first: a jingle that very many
/// references have takes no room from what else there is.
const MOST: usize = 24;

/// Words of the query in half a second.
const SLOT: u32 = 16;

/// Words of a block before the word that was looked up.
const BEFORE: usize = BLOCK / 2;

/// A place of the references that sounds like one of the query.
#[derive(Clone, Copy, Debug)]
struct Hit {
    distance: u32,
    place: u32,
    query: u32,
    pitch: u32,
}

/// A line, the reference it lies in, and the reference's words.
pub(super) struct Candidate<'a> {
    pub(super) reference: RefId,
    pub(super) track: &'a [u32],
    pub(super) line: Line,
}

/// Lines through the places found, each turned to the speed at which it agrees best.
pub(super) fn candidates<'a>(probe: &Probe, tracks: &'a Tracks, table: &Table) -> Vec<Candidate<'a>> {
    let mut hits: Vec<Hit> =
        (0..PITCHES).into_par_iter().flat_map_iter(|pitch| hits(probe, tracks, table, pitch)).collect();
    hits.sort_unstable_by_key(|hit| (hit.distance, hit.place, hit.query, hit.pitch));
    let mut found: Vec<(Candidate<'_>, std::ops::Range<f64>)> = Vec::new();
    let mut taken: HashMap<u32, usize> = HashMap::new();
    for hit in &hits {
        let Some((reference, span)) = tracks.owner(hit.place as usize) else { continue };
        let (query, time) =
            (f64::from(hit.query) * Probe::HOP, (hit.place as usize - span.start) as f64 * Print::HOP);
        let known = found.iter().any(|(other, reach)| {
            other.reference == reference
                && reach.contains(&query)
                && (other.line.reference_time(query) - time).abs() < 0.25
        });
        let taken = taken.entry(hit.query / SLOT).or_default();
        if !known && *taken < MOST {
            *taken += 1;
            let track = &tracks.words()[span];
            let rough = Line { query, reference: time, speed: 1.0, pitch: hit.pitch as usize };
            let line = line::turned(probe, track, &rough);
            found.push((Candidate { reference, track, line }, query - line::REACH..query + line::REACH));
        }
    }
    found.into_iter().map(|(candidate, _)| candidate).collect()
}

/// Places that sound like a word of the query read at one pitch, and like the second around it.
fn hits(probe: &Probe, tracks: &Tracks, table: &Table, pitch: usize) -> Vec<Hit> {
    let readings = probe.readings(pitch);
    // Words of a second lie together in the references, but apart by two in the query.
    let phases: [Vec<u32>; 2] = std::array::from_fn(|phase| {
        readings.iter().skip(phase).step_by(2).map(|reading| reading.word).collect()
    });
    let mut hits = Vec::new();
    let mut starts = Vec::new();
    let mut scratch = Scratch::default();
    for (query, reading) in readings.iter().enumerate().filter(|(query, _)| probe.eventful()[*query]) {
        let Some(block) = (query / 2).checked_sub(BEFORE).and_then(|first| phases[query % 2].get(first..))
        else {
            continue;
        };
        let Some(block) = block.first_chunk::<BLOCK>() else { continue };
        // First all places and then all distances, so that neither waits for the other's memory.
        starts.clear();
        for run in table.runs() {
            run.look_up(probes(reading, run.mask()), &mut scratch, &mut starts);
        }
        // Every reference has more gaps before it than this takes off.
        starts.iter_mut().for_each(|start| *start = start.saturating_sub(BEFORE as u32));
        near(block, tracks.words(), &starts, FARTHEST, |start, distance| {
            hits.push(Hit {
                distance,
                place: start + BEFORE as u32,
                query: query as u32,
                pitch: pitch as u32,
            });
        });
    }
    hits
}

/// A reading's word with the weakest bits of its key flipped in all ways.
fn probes(reading: &Reading, mask: u32) -> impl Iterator<Item = u32> + use<> {
    let mut weak = [0u32; FLIPS];
    let mut count = 0;
    for bit in reading.weakest.iter().map(|&bit| 1u32 << bit).filter(|bit| bit & mask != 0).take(FLIPS) {
        weak[count] = bit;
        count += 1;
    }
    let word = reading.word;
    // In the order of a Gray code each probe differs from the last in one bit.
    (0u32..1 << count).scan(word, move |word, step| {
        if step > 0 {
            *word ^= weak[step.trailing_zeros() as usize];
        }
        Some(*word)
    })
}
