//! The words of a query at one pace.
//!
//! Words compare moments that are 128 ms apart. Where a copy runs at one and a half times the speed these are 85 ms of the
//! query, and the frames that its words are made of are shorter as well. So a query is also heard as if it ran that
//! much slower, or faster: with its pitch left as it is, as tempo is changed by tools that keep voices natural, and with
//! its pitch moved as that of a tape.

use super::bands::{Analyser, FIRST_MIDDLE, HOP_SECONDS, HalfSemitones, REACH, SUB_BANDS};
use super::words::{self, LAG, Reading, Word};
use crate::key::Turns;
use bitvec::slice::BitSlice;
use bitvec::vec::BitVec;
use std::collections::VecDeque;
use std::ops::Range;

/// Times as fast as a reference that a query is heard as, the usual pace first. What is near to one of them is found by its
/// words: together they reach from half to twice the speed. Frames of either are of a length that a Fourier transform is
/// quick at.
pub(super) const PACES: [f64; 3] = [1.0, 1.6, 0.64];

/// A query is read at each half semitone up to so many from the reference's pitch, and beyond that at whole ones.
const NEAR: HalfSemitones = 8;

/// Seconds of what a query was made from in which it is read at pitches that [are far](Heard::is_far): a bound on memory.
const FAR_SECONDS: f64 = 600.0;

/// Pitches that a query is read at, at most.
pub(crate) const PITCHES: usize = 2 * NEAR as usize + 1 + 2 * (REACH - NEAR as usize / 2);

/// Words from one that is looked up to the next where the pitch is not the reference's: odd, so that half of them lie
/// between those that are kept. Such copies are few, and mostly clean.
const SHIFTED_STEP: usize = 3;

/// The same where the pitch is far from the reference's.
const FAR_STEP: usize = 5;

/// The same for a glance: some of those that are looked up otherwise.
const GLANCE_STEP: usize = 3 * SHIFTED_STEP;

/// All words of a soundtrack at one pace. Times are as in what the copy was made from: a second of the query counts
/// [`pace`](Self::pace) seconds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Heard {
    pace: f64,
    is_glance: bool,
    eventful: BitVec,
    /// In rising order.
    pitches: Vec<HalfSemitones>,
    /// By pitch.
    readings: Vec<Vec<Reading>>,
}

/// The pitches to read at a pace. At another than the usual one, those of tapes at the speeds around it: of the speeds
/// between two paces closely, as their words are like neither's.
fn pitches(pace: f64) -> Vec<HalfSemitones> {
    let reach = 2 * REACH as HalfSemitones;
    let of_tape = 2.0 * 12.0 * pace.log2();
    let is_read = |&pitch: &HalfSemitones| {
        let is_whole = pitch % 2 == 0;
        if pace == 1.0 {
            return pitch.abs() <= NEAR || is_whole;
        }
        let is_of_tape = (f64::from(pitch) - of_tape).abs() <= f64::from(NEAR) + 1.0;
        pitch == 0 || is_of_tape && (pitch.abs() < NEAR + 4 || is_whole)
    };
    (-reach..=reach).filter(is_read).collect()
}

impl Heard {
    /// Seconds from one word to the next.
    pub(crate) const HOP: f64 = HOP_SECONDS;

    /// Seconds from the start of the stream to the middle of its first word.
    pub(crate) const FIRST: f64 = FIRST_MIDDLE + LAG as f64 / 2.0 * HOP_SECONDS;

    /// Nothing yet.
    pub(super) fn new(pace: f64) -> Self {
        let pitches = pitches(pace);
        Self {
            pace,
            is_glance: false,
            eventful: BitVec::new(),
            readings: vec![Vec::new(); pitches.len()],
            pitches,
        }
    }

    /// The first seconds, of which a large bank is asked less often.
    pub(super) fn glance(&self, seconds: f64) -> Self {
        let count = (seconds / Self::HOP) as usize;
        let read = |(pitch, all): (usize, &Vec<Reading>)| {
            let count = if self.is_far(pitch) { 0 } else { count };
            all.iter().take(count).copied().collect()
        };
        Self {
            pace: self.pace,
            is_glance: true,
            eventful: self.eventful[..count.min(self.eventful.len())].to_bitvec(),
            pitches: self.pitches.clone(),
            readings: self.readings.iter().enumerate().map(read).collect(),
        }
    }

    /// Adds a word: what it is at a pitch is to be told, and with its weakest bits where it is looked up there.
    pub(super) fn push(&mut self, is_eventful: bool, mut read: impl FnMut(HalfSemitones, bool) -> Reading) {
        let word = self.eventful.len();
        self.eventful.push(is_eventful);
        for pitch in self.pitches() {
            if !self.is_far(pitch) || word as f64 * Self::HOP < FAR_SECONDS {
                let reading = read(self.pitches[pitch], word.is_multiple_of(self.step(pitch)));
                self.readings[pitch].push(reading);
            }
        }
    }

    /// Every second word as a bank keeps it.
    pub(super) fn kept(&self) -> Vec<Word> {
        let words = self.readings[self.unshifted()].iter().zip(self.eventful.iter().by_vals()).step_by(2);
        words.map(|(reading, eventful)| words::kept(*reading).filter(|_| eventful)).collect()
    }

    /// Times as fast as a reference that the query was heard as.
    pub(crate) fn pace(&self) -> f64 {
        self.pace
    }

    pub(crate) fn is_usual(&self) -> bool {
        self.pace == 1.0
    }

    /// Numbers of the pitches that it was read at, at most [`PITCHES`], in rising order.
    pub(crate) fn pitches(&self) -> Range<usize> {
        0..self.pitches.len()
    }

    /// The pitch at which a query and its reference agree as they are.
    pub(crate) fn unshifted(&self) -> usize {
        self.pitches.partition_point(|&pitch| pitch < 0)
    }

    /// Semitones that a pitch takes the query to lie above its reference.
    pub(crate) fn semitones(&self, pitch: usize) -> f64 {
        f64::from(self.pitches[pitch]) / 2.0
    }

    /// Whether few copies are expected to have been moved to a pitch at this pace.
    pub(crate) fn is_far(&self, pitch: usize) -> bool {
        self.pitches[pitch].abs() > if self.is_usual() { NEAR } else { 0 }
    }

    /// Words from one that is to be looked up in a large bank to the next. The first is.
    pub(crate) fn step(&self, pitch: usize) -> usize {
        if self.is_far(pitch) {
            FAR_STEP
        } else if self.is_glance {
            GLANCE_STEP
        } else if self.pitches[pitch] == 0 {
            1
        } else {
            SHIFTED_STEP
        }
    }

    /// Whether there is something to recognise, by word.
    pub(crate) fn eventful(&self) -> &BitSlice {
        &self.eventful
    }

    /// The words as read at a pitch: all, or only the first ones where it [is far](Self::is_far).
    pub(crate) fn readings(&self, pitch: usize) -> &[Reading] {
        &self.readings[pitch]
    }
}

/// Makes words at one pace of samples at 8 kHz.
#[derive(Debug)]
pub(super) struct Listener {
    analyser: Analyser,
    /// The latest frames, as many as a word spans.
    recent: VecDeque<[f32; SUB_BANDS]>,
    heard: Heard,
}

impl Listener {
    pub(super) fn new(pace: f64) -> Self {
        let heard = Heard::new(pace);
        Self { analyser: Analyser::new(pace, &heard.pitches), recent: VecDeque::new(), heard }
    }

    pub(super) fn push(&mut self, samples: &[f32], turns: Option<&Turns>) {
        let Self { analyser, recent, heard } = self;
        analyser.push(samples, |frame| {
            if recent.len() > LAG {
                recent.pop_front();
            }
            recent.push_back(*frame);
            if recent.len() > LAG {
                let early = &recent[0];
                let read = |pitch, is_asked| words::read(early, frame, pitch, is_asked, turns);
                heard.push(words::is_eventful(early, frame), read);
            }
        });
    }

    pub(super) fn finish(self) -> Heard {
        self.heard
    }
}
