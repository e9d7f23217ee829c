//! The index-driven search, which looks at a small share of the bank.
//!
//! Every moment of the query is looked up by either half of its word, as it is and with the weakest bits of the half
//! flipped in all ways (query-directed probing; Lv et al., "Multi-Probe LSH", 2007): the bits that are left are right
//! much more often than a word's mean error rate suggests. How many are flipped follows from the size of the bank.
//! Of the places found, those count whose sketch is like what is around the moment, and of these those where a whole
//! second agrees, which chance manages so seldom that one place is enough to start a line from.

use super::RefId;
use super::agreement::{Ask, BLOCK, Pair, Sketch, near, sketched};
use super::line::{self, Line};
use super::parts::{Part, Parts};
use super::table::{ASIDE, KEYS, Table, key, sketch};
use crate::sound::{PITCHES, Print, Probe, Reading, UNSHIFTED, WEAKEST};
use rayon::prelude::*;
use std::collections::HashMap;
use std::ops::Range;

/// Places whose sketches are compared with a moment read at one pitch, in the mean: a copy's pitch is mostly left as
/// it was.
const COMPARED: usize = 1 << 12;

/// The same for the pitch that is the reference's.
const COMPARED_UNSHIFTED: usize = 1 << 15;

/// Most bits of half a word that are flipped, but for the reference's pitch: the lists themselves are many.
const FLIPS: u32 = 6;

/// Words from one that is looked up at another pitch than the reference's to the next: odd, so that half of them lie
/// between those that are kept. Such copies are few, and mostly clean.
const SHIFTED_STEP: usize = 3;

/// Most of a sketch's weight that may be on bits that differ: one place in six hundred is as near by chance.
const SKETCH: f32 = 0.305;

/// Most bits of a second that may differ, of 512. The standard deviation by chance is 15.
const FARTHEST: u32 = 196;

/// Places that lines are started from in each half-second of the query, the best first: a jingle that very many
/// references have takes no room from what else there is.
const MOST: usize = 12;

/// Words of the query in half a second.
const SLOT: u32 = 16;

/// Words of a block before the word that was looked up, where the query reaches as far.
const BEFORE: usize = BLOCK / 2;

/// Moments of the query that are looked up together: half a minute.
const PART: usize = 1 << 10;

/// A place of the references that sounds like a moment of the query.
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
pub(super) fn candidates<'a>(probe: &Probe, parts: &'a Parts) -> Vec<Candidate<'a>> {
    let parts = parts.parts();
    let mut hits = hits(probe, parts);
    hits.sort_unstable_by_key(|(part, hit)| (hit.distance, *part, hit.place, hit.query, hit.pitch));
    let mut found: Vec<(Candidate<'_>, Range<f64>)> = Vec::new();
    let mut taken: HashMap<u32, usize> = HashMap::new();
    for (part, hit) in &hits {
        let part = &parts[*part];
        let taken = taken.entry(hit.query / SLOT).or_default();
        if *taken == MOST {
            continue;
        }
        let Some((reference, span)) = part.owner(hit.place as usize) else { continue };
        let (query, time) =
            (f64::from(hit.query) * Probe::HOP, (hit.place as usize - span.start) as f64 * Print::HOP);
        let known = found.iter().any(|(other, reach)| {
            other.reference == reference
                && reach.contains(&query)
                && (other.line.reference_time(query) - time).abs() < 0.25
        });
        if !known {
            *taken += 1;
            let track = &part.tracks().words()[span];
            let rough = Line { query, reference: time, speed: 1.0, pitch: hit.pitch as usize };
            let line = line::turned(probe, track, &rough);
            found.push((Candidate { reference, track, line }, query - line::REACH..query + line::REACH));
        }
    }
    found.into_iter().map(|(candidate, _)| candidate).collect()
}

/// All places that sound like a moment of the query and like the second around it, with the part each is in.
fn hits(probe: &Probe, parts: &[Part]) -> Vec<(usize, Hit)> {
    let listed: usize = parts.iter().map(|part| part.tracks().table().places.len()).sum();
    let query = Query::new(probe);
    let moments = probe.eventful().len();
    let stretches = (0..moments).step_by(PART).map(|start| start..moments.min(start + PART));
    stretches
        .flat_map(|stretch| {
            let asked = Asked::new(probe, stretch, listed);
            let of = |(at, part): (usize, &Part)| {
                let tracks = part.tracks();
                asked.of(&query, tracks.table(), tracks.words()).into_iter().map(move |hit| (at, hit))
            };
            parts.iter().enumerate().flat_map(of).collect::<Vec<_>>()
        })
        .collect()
}

/// The words of a query by pitch, with their firm bits, those of either phase together: words of a second lie together
/// in the references, but apart by two in the query.
struct Query {
    words: Vec<[Vec<u32>; 2]>,
    firm: Vec<[Vec<u32>; 2]>,
}

impl Query {
    fn new(probe: &Probe) -> Self {
        let all = |of: fn(&Reading) -> u32| {
            let phase = |pitch, phase| probe.readings(pitch).iter().skip(phase).step_by(2).map(of).collect();
            (0..PITCHES).map(|pitch| [phase(pitch, 0), phase(pitch, 1)]).collect()
        };
        Self { words: all(|reading| reading.word), firm: all(|reading| reading.firm) }
    }

    /// The block around a moment, and its words before the moment.
    fn block(&self, moment: Moment) -> Option<(&[u32; BLOCK], usize)> {
        let words = self.words.get(moment.pitch)?.get(moment.word % 2)?;
        let at = moment.word / 2;
        let first = at.saturating_sub(BEFORE).min(words.len().checked_sub(BLOCK)?);
        Some((words.get(first..)?.first_chunk()?, at - first))
    }

    /// What is around a moment; none where the query ends too soon.
    fn sketch(&self, moment: Moment, half: usize) -> Option<Sketch> {
        let at = moment.word / 2;
        let sketched = |words: &[[Vec<u32>; 2]]| {
            let words = words.get(moment.pitch)?.get(moment.word % 2)?;
            let aside = [words.get(at.checked_sub(ASIDE)?)?, words.get(at + ASIDE)?];
            Some(sketch(*words.get(at)?, aside.map(|word| *word), half))
        };
        Some(Sketch::new(sketched(&self.words)?, sketched(&self.firm)?, SKETCH))
    }
}

/// A word of the query, read at a pitch.
#[derive(Clone, Copy, Debug)]
struct Moment {
    word: usize,
    pitch: usize,
}

impl Moment {
    /// A number that fits 15 bits, counted from a part's first word.
    fn pack(self, part: &Range<usize>) -> u32 {
        ((self.word - part.start) << 5 | self.pitch) as u32
    }

    fn unpack(number: u16, part: &Range<usize>) -> Self {
        Self { word: part.start + usize::from(number >> 5), pitch: usize::from(number & 31) }
    }
}

const _: () = assert!(PITCHES <= 32 && PART << 5 <= 1 << 15 && KEYS << 15 == 1 << 32);

/// What a part of a query is looked up by: for each key the moments that ask for it.
struct Asked {
    part: Range<usize>,
    starts: Vec<u32>,
    moments: Vec<u16>,
}

impl Asked {
    /// What to ask of tables that list so many words.
    fn new(probe: &Probe, part: Range<usize>, listed: usize) -> Self {
        // A half of 16 bits is listed for half of the words, and both halves are asked for.
        let flips = |compared: usize| ((compared << 16) / listed.max(1)).max(1).ilog2();
        let shifted = flips(COMPARED).min(FLIPS);
        let unshifted = flips(COMPARED_UNSHIFTED).min(WEAKEST as u32);
        let mut asked: Vec<u32> = Vec::new();
        for pitch in 0..PITCHES {
            let (flips, step) = if pitch == UNSHIFTED {
                (unshifted, probe.step())
            } else {
                (shifted, probe.step().max(SHIFTED_STEP))
            };
            // Too near to the ends there is nothing around to compare.
            let inner =
                part.start.max(2 * ASIDE)..part.end.min(probe.eventful().len().saturating_sub(2 * ASIDE));
            for word in inner.step_by(step).filter(|&word| probe.eventful()[word]) {
                let moment = Moment { word, pitch }.pack(&part);
                for half in 0..2 {
                    let keys = keys(&probe.readings(pitch)[word], half, flips);
                    asked.extend(keys.map(|key| key << 15 | moment));
                }
            }
        }
        let mut starts = vec![0u32; KEYS + 1];
        asked.iter().for_each(|asked| starts[(asked >> 15) as usize + 1] += 1);
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut moments = vec![0; asked.len()];
        for asked in asked {
            let next = &mut next[(asked >> 15) as usize];
            moments[*next as usize] = asked as u16 & 0x7fff;
            *next += 1;
        }
        Self { part, starts, moments }
    }

    /// The places of a table that were asked for and sound alike.
    fn of(&self, query: &Query, table: &Table, words: &[u32]) -> Vec<Hit> {
        /// Keys that one thread goes through at a time.
        const STRETCH: usize = KEYS / 32;
        /// Keys from one whose list is read to the one whose list is asked for.
        const AHEAD: usize = 4;
        /// Places that are looked at together.
        const TOGETHER: usize = 256;
        let sketches: [Vec<Sketch>; 2] = std::array::from_fn(|half| {
            (0..(self.part.len() << 5) as u16)
                .map(|number| query.sketch(Moment::unpack(number, &self.part), half).unwrap_or_default())
                .collect()
        });
        let lists = table.lists();
        let moments = |key: usize| &self.moments[self.starts[key] as usize..self.starts[key + 1] as usize];
        let of = |first: usize| {
            let mut close: Vec<(u32, u16)> = Vec::new();
            let asked = (first..first + STRETCH).flat_map(|key| {
                if key + AHEAD < KEYS && !moments(key + AHEAD).is_empty() {
                    lists.prefetch(key + AHEAD);
                }
                let (entries, list) = lists.of(key);
                let (start, count, sketches) = (entries.start, entries.len(), &sketches[key >> 16]);
                moments(key).iter().map(move |&moment| {
                    let sketch = &sketches[usize::from(moment)];
                    Ask { sketch, list, count, name: (start, moment) }
                })
            });
            sketched(asked, |(start, moment), at| close.push(((start + at) as u32, moment)));
            // Apart from the comparisons, which would wait for this memory.
            close.iter_mut().for_each(|(entry, _)| *entry = lists.places[*entry as usize]);
            close
        };
        let stretches: Vec<usize> = (0..KEYS).step_by(STRETCH).collect();
        let mut close: Vec<(u32, u16)> = stretches.into_par_iter().flat_map_iter(of).collect();
        // The memory is read from one end to the other.
        close.par_sort_unstable();
        close.par_chunks(TOGETHER).flat_map_iter(|close| self.check(query, close, words)).collect()
    }

    /// Those places of `close` where the second around agrees.
    fn check(&self, query: &Query, close: &[(u32, u16)], words: &[u32]) -> Vec<Hit> {
        let pairs = close.iter().filter_map(|&(place, number)| {
            let moment = Moment::unpack(number, &self.part);
            let (block, before) = query.block(moment)?;
            Some((Pair { block, start: place.checked_sub(before as u32)? }, (place, moment)))
        });
        let (pairs, told): (Vec<_>, Vec<_>) = pairs.unzip();
        let mut hits = Vec::new();
        near(&pairs, words, FARTHEST, |at, distance| {
            let (place, Moment { word, pitch }) = told[at];
            hits.push(Hit { distance, place, query: word as u32, pitch: pitch as u32 });
        });
        hits
    }
}

/// The keys of half a reading's word with its weakest bits flipped in all ways.
fn keys(reading: &Reading, half: usize, flips: u32) -> impl Iterator<Item = u32> + use<> {
    let weak = reading.weakest[half].map(|bit| 1u32 << (bit & 15));
    // In the order of a Gray code each differs from the last in one bit.
    (0u32..1 << flips).scan(key(reading.word, half) as u32, move |key, step| {
        if step > 0 {
            *key ^= weak[step.trailing_zeros() as usize];
        }
        Some(*key)
    })
}
