//! The exhaustive search: every offset, speed and pitch.
//!
//! The query is cut into blocks of about a second. A block's agreement with each position of a reference hardly
//! depends on the exact speed, so it is computed at a few coarse speeds only; the agreements of successive blocks are
//! then added up along lines of all the fine speeds, each sum starting anew where it falls below nought (Bentley,
//! "Programming Pearls", the maximal sub-array).

use super::agreement::{BLOCK, accumulate, distances};
use super::line::Line;
use super::null;
use crate::sound::{Heard, Print};

/// Blocks of a query that are summed up together; a longer query is searched in overlapping parts.
const PART: usize = 32;

/// Blocks that a part shares with the one before.
const SHARED: usize = 8;

/// Agreeing bits of a block beyond the half, that a block needs to be worth including.
const DRIFT: i16 = 16;

/// Candidates to a reference and part.
const MOST: usize = 12;

/// Agreeing bits beyond half and drift that a candidate needs.
const LEAST: i16 = 50;

/// Coarse speeds, 12 % apart.
const COARSE: [f64; 5] = [0.797, 0.893, 1.0, 1.12, 1.254];

/// Fine speeds to either side of a coarse one.
const FINE: i32 = 4;

/// From one fine speed to the next.
const FINE_STEP: f64 = 1.0127;

/// A query ready to be compared with many references.
pub(super) struct Query {
    parts: Vec<Part>,
}

struct Part {
    /// Seconds from the query's first word to the part's.
    start: f64,
    /// By pitch and coarse speed.
    readings: Vec<Reading>,
}

struct Reading {
    pitch: usize,
    speed: f64,
    blocks: Vec<Block>,
}

struct Block {
    /// Seconds from the part's first word to the block's first.
    start: f64,
    words: [u32; BLOCK],
}

impl Query {
    pub(super) fn new(heard: &Heard) -> Self {
        let seconds = heard.eventful().len() as f64 * Heard::HOP;
        let block = BLOCK as f64 * Print::HOP;
        let blocks = (seconds / block).ceil() as usize;
        let mut parts = Vec::new();
        let mut first = 0;
        while first < blocks {
            let start = first as f64 * block;
            let count = PART.min(blocks - first);
            let readings = heard
                .pitches()
                .flat_map(|pitch| speeds(heard, pitch).map(move |speed| (pitch, speed)))
                .map(|(pitch, speed)| read(heard, pitch, speed, start, count as f64 * block))
                .collect();
            parts.push(Part { start, readings });
            if first + count == blocks {
                break;
            }
            first += PART - SHARED;
        }
        Self { parts }
    }
}

/// The coarse speeds that are tried at a pitch. At one that is far, those of a tape, and those near to the reference's own.
fn speeds(heard: &Heard, pitch: usize) -> impl Iterator<Item = f64> {
    /// Speeds that are so near have a coarse one in common.
    const NEAR: f64 = 1.07;
    let tape = (heard.semitones(pitch) / 12.0).exp2() / heard.pace();
    let tried = heard.is_far(pitch).then_some([tape, 1.0 / heard.pace()]);
    let is_near = |speed: f64, tried: f64| (1.0 / NEAR..NEAR).contains(&(speed / tried));
    COARSE
        .into_iter()
        .filter(move |&speed| tried.is_none_or(|all| all.iter().any(|&one| is_near(speed, one))))
}

/// The blocks of `length` seconds of a query from `start` on, of words where a reference would have them.
fn read(heard: &Heard, pitch: usize, speed: f64, start: f64, length: f64) -> Reading {
    let readings = heard.readings(pitch);
    let span = BLOCK as f64 * Print::HOP / speed;
    let count = (length / span).ceil() as usize;
    let blocks = (0..count).filter_map(|block| {
        let block = block as f64 * span;
        let mut eventful = 0;
        let words = std::array::from_fn(|word| {
            let time = start + block + word as f64 * Print::HOP / speed;
            let at = (time / Heard::HOP).round() as usize;
            match readings.get(at) {
                Some(reading) if heard.eventful()[at] => {
                    eventful += 1;
                    reading.word
                }
                _ => null::scrambled(at as u64),
            }
        });
        (eventful >= BLOCK / 2).then_some(Block { start: block, words })
    });
    Reading { pitch, speed, blocks: blocks.collect() }
}

/// The most promising lines, at most [`MOST`] to each part of the query.
pub(super) fn candidates(query: &Query, track: &[u32]) -> Vec<Line> {
    let mut found = Vec::new();
    for part in &query.parts {
        let mut best: Vec<(i16, Line)> = Vec::new();
        let mut sums = Sums::default();
        let mut profiles: Vec<Vec<i16>> = Vec::new();
        for reading in &part.readings {
            profiles.resize_with(reading.blocks.len().max(profiles.len()), Vec::new);
            for (block, profile) in reading.blocks.iter().zip(&mut profiles) {
                compare(&block.words, track, profile);
            }
            for step in -FINE..=FINE {
                let speed = reading.speed * FINE_STEP.powi(step);
                sums.add_up(&reading.blocks, &profiles, speed);
                sums.collect(part.start, reading.pitch, speed, &mut best);
            }
        }
        found.extend(best.into_iter().map(|(_, line)| line));
    }
    found
}

/// Agreeing bits beyond the half and [`DRIFT`], of a block at each position of a track.
fn compare(block: &[u32; BLOCK], track: &[u32], out: &mut Vec<i16>) {
    const HALF: i16 = (BLOCK * 16) as i16;
    distances(block, track, out);
    out.iter_mut().for_each(|value| *value = HALF - DRIFT - *value);
}

/// Sums of blocks along all lines of one speed.
#[derive(Default)]
struct Sums {
    running: Vec<i16>,
    best: Vec<i16>,
    /// Words that the query's start may lie before the reference's.
    before: usize,
}

impl Sums {
    fn add_up(&mut self, blocks: &[Block], profiles: &[Vec<i16>], speed: f64) {
        let shift = |block: &Block| (block.start * speed / Print::HOP).round() as usize;
        self.before = blocks.last().map_or(0, shift);
        let positions = profiles.first().map_or(0, Vec::len);
        for sums in [&mut self.running, &mut self.best] {
            sums.clear();
            sums.resize(self.before + positions, 0);
        }
        for (block, profile) in blocks.iter().zip(profiles) {
            let from = self.before - shift(block);
            accumulate(&mut self.running[from..], &mut self.best[from..], profile);
        }
    }

    /// Keeps the best lines so far, one to each place.
    fn collect(&self, start: f64, pitch: usize, speed: f64, kept: &mut Vec<(i16, Line)>) {
        /// Lines that meet the middle of the query so near to each other, in seconds, are of one place.
        const NEAR: f64 = 0.5;
        let mut least = if kept.len() < MOST { LEAST } else { kept.last().map_or(LEAST, |last| last.0) };
        if self.best.iter().max().is_none_or(|&best| best <= least) {
            return;
        }
        let middle = self.before as f64 * Print::HOP / 2.0 / speed;
        for (at, &sum) in self.best.iter().enumerate() {
            if sum <= least {
                continue;
            }
            let reference = (at as f64 - self.before as f64) * Print::HOP;
            let line = Line { query: start, reference, speed, pitch };
            let place = line.reference_time(start + middle);
            let near = |other: &Line| (other.reference_time(start + middle) - place).abs() < NEAR;
            match kept.iter().position(|(_, other)| near(other)) {
                Some(same) if kept[same].0 >= sum => continue,
                Some(same) => {
                    kept.remove(same);
                }
                None => {}
            }
            let rank = kept.partition_point(|(other, _)| *other >= sum);
            kept.insert(rank, (sum, line));
            kept.truncate(MOST);
            if kept.len() == MOST {
                least = kept[MOST - 1].0;
            }
        }
    }
}
