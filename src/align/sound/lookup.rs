//! The index-driven search, which looks at a small share of the bank.
//!
//! Every moment of the query is looked up by the bits on either side of its word, as they are and with the weakest ones
//! flipped in all ways (query-directed probing; Lv et al., "Multi-Probe LSH", 2007): the bits that are left are right
//! much more often than a word's mean error rate suggests. How many are flipped follows from the size of the bank.
//! Of the places found, those count whose sketch is like what is around the moment, and of these those where a whole
//! second agrees, which chance manages so seldom that one place is enough to start a line from.

use super::RefId;
use super::agreement::{Ask, BLOCK, Pair, Sketch, near, sketched};
use super::line::{self, Line};
use super::parts::{Part, Parts};
use super::table::{ASIDE, BITS, Lists, bit_of_key, key, sketch};
use crate::plain::prefetch;
use crate::rough;
use crate::sound::{Heard, PITCHES, Print, Reading};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// Places whose sketches are compared with a moment read at one pitch, in the mean and where keys are long: a copy's pitch
/// is mostly left as it was.
const COMPARED: f32 = 1024.0;

/// The same for the pitch that is the reference's.
const COMPARED_UNSHIFTED: f32 = 8192.0;

/// Most bits of a key that are flipped, as the lists themselves are many.
const FLIPS: u32 = 7;

/// Bits of a key that are to be right in any bank: a third of a filmed copy's words have no wrong ones among them.
const FEWEST_RIGHT: f32 = 8.0;

/// Keys are sorted by so many of their first bits: the lists of those that follow each other lie on few pages of memory.
const SORTED: u32 = 11;

/// Most of a sketch's weight that may be on bits that differ: one place in six hundred is as near by chance.
const SKETCH: f32 = 0.305;

/// Most bits of a second that may differ, of 512. The standard deviation by chance is 15.
const FARTHEST: u32 = 196;

/// Places that lines are started from in each half-second of the query, the best first: a jingle that very many
/// references have takes no room from what else there is.
const MOST: usize = 12;

/// Words of the query in half a second.
const SLOT: u32 = 16;

/// Places found in each half-second that are told of, the most alike: a loop is found wherever it is repeated.
const MOST_FOUND: usize = 256;

/// Places with like sketches in a [`STRETCH`] of keys that are compared: a bound on the memory, which only loops reach.
const MOST_CLOSE: usize = 1 << 18;

/// Keys that one thread goes through at a time.
const STRETCH: usize = 1 << 13;

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
pub(super) fn candidates<'a>(heard: &Heard, parts: &'a Parts) -> Vec<Candidate<'a>> {
    let parts = parts.parts();
    let mut hits = hits(heard, parts);
    hits.sort_unstable_by_key(|(part, hit)| (hit.distance, *part, hit.place, hit.query, hit.pitch));
    let mut found: Vec<Candidate<'_>> = Vec::new();
    let mut taken: HashMap<u32, usize> = HashMap::new();
    // By the reference, and by how many reaches of a line they were started from the query's beginning.
    let mut known: HashMap<(RefId, i64), Vec<Line>> = HashMap::new();
    for (part, hit) in &hits {
        let part = &parts[*part];
        let taken = taken.entry(hit.query / SLOT).or_default();
        if *taken == MOST {
            continue;
        }
        let Some((reference, span)) = part.owner(hit.place as usize) else { continue };
        let (query, time) =
            (f64::from(hit.query) * Heard::HOP, (hit.place as usize - span.start) as f64 * Print::HOP);
        let reach = (query / line::REACH) as i64;
        let is_on = |line: &Line| {
            (query - line.query).abs() <= line::REACH && (line.reference_time(query) - time).abs() < 0.25
        };
        let near = (reach - 1..=reach + 1).filter_map(|reach| known.get(&(reference, reach)));
        if !near.flatten().any(is_on) {
            *taken += 1;
            let track = &part.tracks().words()[span];
            let rough = Line { query, reference: time, speed: 1.0, pitch: hit.pitch as usize };
            let line = line::turned(heard, track, &rough);
            known.entry((reference, reach)).or_default().push(line);
            found.push(Candidate { reference, track, line });
        }
    }
    found
}

/// All places that sound like a moment of the query and like the second around it, with the part each is in.
fn hits(heard: &Heard, parts: &[Part]) -> Vec<(usize, Hit)> {
    let listed: usize = parts.iter().map(|part| part.tracks().table().places.len()).sum();
    let query = Query::new(heard);
    let moments = heard.eventful().len();
    let stretches = (0..moments).step_by(PART).map(|start| start..moments.min(start + PART));
    stretches
        .flat_map(|stretch| {
            // Larger parts have longer keys.
            let mut asked: BTreeMap<u32, Asked> = BTreeMap::new();
            let of = |(at, part): (usize, &Part)| {
                let lists = part.tracks().table().lists();
                let new = || Asked::new(heard, &query, stretch.clone(), lists.bits, listed);
                let hits =
                    asked.entry(lists.bits).or_insert_with(new).of(&query, lists, part.tracks().words());
                hits.into_iter().map(move |hit| (at, hit))
            };
            most_alike(parts.iter().enumerate().flat_map(of).collect())
        })
        .collect()
}

/// The most alike of the places found in each half-second.
fn most_alike(mut hits: Vec<(usize, Hit)>) -> Vec<(usize, Hit)> {
    if hits.len() > MOST_FOUND {
        hits.sort_unstable_by_key(|(part, hit)| {
            (hit.query / SLOT, hit.distance, *part, hit.place, hit.query, hit.pitch)
        });
        let (mut slot, mut count) = (0, 0);
        hits.retain(|(_, hit)| {
            if hit.query / SLOT != slot {
                (slot, count) = (hit.query / SLOT, 0);
            }
            count += 1;
            count <= MOST_FOUND
        });
    }
    hits
}

/// The words of a query by pitch, with their firm bits, those of either phase together: words of a second lie together
/// in the references, but apart by two in the query.
struct Query {
    words: Vec<[Vec<u32>; 2]>,
    firm: Vec<[Vec<u32>; 2]>,
}

impl Query {
    fn new(heard: &Heard) -> Self {
        let all = |of: fn(&Reading) -> u32| {
            let phase = |pitch, phase| heard.readings(pitch).iter().skip(phase).step_by(2).map(of).collect();
            heard.pitches().map(|pitch| [phase(pitch, 0), phase(pitch, 1)]).collect()
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

    /// What is around a moment and not in its key; none where the query ends too soon.
    fn sketch(&self, moment: Moment, side: usize, bits: u32) -> Option<Sketch> {
        let at = moment.word / 2;
        let sketched = |words: &[[Vec<u32>; 2]]| {
            let words = words.get(moment.pitch)?.get(moment.word % 2)?;
            let aside = [words.get(at.checked_sub(ASIDE)?)?, words.get(at + ASIDE)?];
            Some(sketch(*words.get(at)?, aside.map(|word| *word), side, bits))
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

/// The moments of a part of a query, by numbers that fit 16 bits.
#[derive(Clone, Debug)]
struct Moments {
    words: Range<usize>,
    pitches: Range<usize>,
}

const _: () = assert!(PITCHES * PART <= 1 << 16);

impl Moments {
    fn number(&self, moment: Moment) -> u16 {
        ((moment.word - self.words.start) * self.pitches.len() + moment.pitch - self.pitches.start) as u16
    }

    fn of(&self, number: u16) -> Moment {
        let (word, pitch) =
            (usize::from(number) / self.pitches.len(), usize::from(number) % self.pitches.len());
        Moment { word: self.words.start + word, pitch: self.pitches.start + pitch }
    }

    /// All, in the order of their numbers.
    fn all(&self) -> impl Iterator<Item = Moment> {
        let of = |word| self.pitches.clone().map(move |pitch| Moment { word, pitch });
        self.words.clone().flat_map(of)
    }
}

/// What a part of a query is looked up by in tables with keys of so many bits.
struct Asked {
    moments: Moments,
    /// By side, and by the number of the moment.
    sketches: [Vec<Sketch>; 2],
    /// Keys, and the moments that ask for them. Those that are near in memory follow each other.
    keys: Vec<(u32, u16)>,
    bits: u32,
}

impl Asked {
    /// What to ask of tables that list so many words in all.
    fn new(heard: &Heard, query: &Query, part: Range<usize>, bits: u32, listed: usize) -> Self {
        let (shifted, unshifted) = (flips(COMPARED, listed, bits), flips(COMPARED_UNSHIFTED, listed, bits));
        let mut keys: Vec<(u32, u16)> = Vec::new();
        let moments = Moments { words: part.clone(), pitches: heard.pitches() };
        for pitch in heard.pitches() {
            let is_plain = heard.is_usual() && pitch == heard.unshifted();
            let (flips, step) = (if is_plain { unshifted } else { shifted }, heard.step(pitch));
            let readings = heard.readings(pitch);
            // Too near to the ends there is nothing around to compare.
            let inner = part.start.max(2 * ASIDE)..part.end.min(readings.len().saturating_sub(2 * ASIDE));
            let first = inner.start.next_multiple_of(step);
            for word in (first..inner.end).step_by(step).filter(|&word| heard.eventful()[word]) {
                let moment = moments.number(Moment { word, pitch });
                for side in 0..2 {
                    let likely = likely_keys(&readings[word], side, bits, flips);
                    keys.extend(likely.map(|key| (key, moment)));
                }
            }
        }
        let sketches = std::array::from_fn(|side| {
            let sketch = |moment| query.sketch(moment, side, bits).unwrap_or_default();
            moments.all().map(sketch).collect()
        });
        let mut sorted = vec![(0, 0); keys.len()];
        rough::sort(&keys, 1 << SORTED, |(key, _)| (key >> (bits + 1 - SORTED)) as usize, &mut sorted);
        Self { moments, sketches, keys: sorted, bits }
    }

    /// The places of a table that were asked for and sound alike.
    fn of(&self, query: &Query, lists: Lists<'_>, words: &[u32]) -> Vec<Hit> {
        /// Keys from one whose list is read to the one whose list is asked for.
        const AHEAD: usize = 12;
        /// Places that are looked at together.
        const TOGETHER: usize = 256;
        let sketches = |key: u32| &self.sketches[(key >> self.bits) as usize];
        let of = |keys: &[(u32, u16)]| {
            let mut close: Vec<(u32, u16)> = Vec::new();
            let asked = keys.iter().enumerate().map(|(at, &(key, moment))| {
                if let Some(&(key, moment)) = keys.get(at + AHEAD) {
                    lists.prefetch(key as usize);
                    prefetch(sketches(key), moment.into());
                }
                let (entries, list) = lists.of(key as usize);
                let sketch = &sketches(key)[usize::from(moment)];
                Ask { sketch, list, count: entries.len(), name: (entries.start as u32, moment) }
            });
            sketched(asked, |(start, moment), at| {
                if close.len() < MOST_CLOSE {
                    close.push((start + at as u32, moment));
                }
            });
            // Apart from the comparisons, which would wait for this memory.
            close.iter_mut().for_each(|(entry, _)| *entry = lists.places[*entry as usize]);
            close
        };
        let mut close: Vec<(u32, u16)> = self.keys.par_chunks(STRETCH).flat_map_iter(of).collect();
        // The memory is read from one end to the other.
        close.par_sort_unstable();
        close.par_chunks(TOGETHER).flat_map_iter(|close| self.check(query, close, words)).collect()
    }

    /// Those places of `close` where the second around agrees.
    fn check(&self, query: &Query, close: &[(u32, u16)], words: &[u32]) -> Vec<Hit> {
        let pairs = close.iter().filter_map(|&(place, number)| {
            let moment = self.moments.of(number);
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

/// Bits of a key that are flipped in all ways, so that about `compared` places out of all that are listed have one of the
/// keys.
///
/// Short keys have fewer bits to choose from, and those that are not flipped are less sure: on filmed and mixed copies
/// as many of their words are found with one bit less to be right for each three that a key is shorter.
fn flips(compared: f32, listed: usize, bits: u32) -> u32 {
    let right = (listed as f32 / compared).log2() - (BITS.end() - bits) as f32 / 3.0;
    ((bits as f32 - right.max(FEWEST_RIGHT)).round().max(0.0) as u32).min(FLIPS)
}

/// The keys of a reading's word, with the weakest bits flipped in all ways, of those that are told to be weak.
fn likely_keys(reading: &Reading, side: usize, bits: u32, flips: u32) -> impl Iterator<Item = u32> + use<> {
    let mut weak = [0; FLIPS as usize];
    let of_key = reading.weakest[side].iter().filter_map(|&bit| bit_of_key(bit, side, bits));
    let flips = weak.iter_mut().zip(of_key).take(flips as usize).map(|(weak, bit)| *weak = bit).count();
    // In the order of a Gray code each differs from the last in one bit.
    (0u32..1 << flips).scan(key(reading.word, side, bits) as u32, move |key, step| {
        if step > 0 {
            *key ^= weak[step.trailing_zeros() as usize];
        }
        Some(*key)
    })
}

#[cfg(test)]
mod tests {
    use super::super::table::keys;
    use super::*;
    use crate::sound::{SIDE, WEAKEST};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn likely_keys_differ_in_the_weakest_bits(word: u32, order in Just(Vec::from_iter(0u8..32)).prop_shuffle(), side in 0..2usize, bits in BITS, flips in 0..=FLIPS) {
            let of_side = |side: usize| [0..SIDE, 32 - SIDE..32][side].clone();
            let weakest = |side| order.iter().copied().filter(move |&bit| of_side(side).contains(&usize::from(bit)));
            let weakest = [0, 1].map(|side| Vec::from_iter(weakest(side).take(WEAKEST)).try_into().unwrap());
            let reading = Reading { word, firm: 0, weakest };
            let likely = BTreeSet::from_iter(likely_keys(&reading, side, bits, flips));
            let own = key(word, side, bits) as u32;
            prop_assert!(likely.contains(&own) && likely.iter().all(|&key| (key as usize) < keys(bits)));
            let of_key = reading.weakest[side].iter().filter_map(|&bit| bit_of_key(bit, side, bits));
            let weak: Vec<u32> = of_key.take(flips as usize).collect();
            prop_assert_eq!(likely.len(), 1 << weak.len());
            let flipped = likely.iter().fold(0, |all, key| all | key ^ own);
            prop_assert_eq!(flipped, weak.iter().sum::<u32>());
        }
    }

    #[test]
    fn moments_have_numbers_in_order() {
        for pitches in [0..PITCHES, 0..1] {
            let moments = Moments { words: 5 * PART..6 * PART, pitches };
            let number = |moment: Moment| usize::from(moments.number(moment));
            assert!(moments.all().map(number).eq(0..PART * moments.pitches.len()));
            let again = |moment: Moment| moments.of(moments.number(moment));
            assert!(
                moments
                    .all()
                    .all(|moment| (again(moment).word, again(moment).pitch) == (moment.word, moment.pitch))
            );
        }
    }

    #[test]
    fn larger_banks_have_fewer_bits_flipped() {
        let of = |listed| [10, 14, 18, 20].map(|bits| flips(COMPARED_UNSHIFTED, listed, bits));
        assert_eq!([1 << 20, 1 << 25, 1 << 29].map(of), [[2, 6, 7, 7], [1, 4, 7, 7], [0, 0, 3, 4]]);
    }
}
