//! The words of a query at one pace.
//!
//! Words compare moments that are 128 ms apart. Where a copy runs at one and a half times the speed these are 85 ms of the
//! query, and the frames that its words are made of are shorter as well. So a query is also heard as if it ran that
//! much slower, or faster, with its pitch left as it is: as tempo is changed by tools that keep voices natural.

use super::bands::{Analyser, FIRST_MIDDLE, HOP_SECONDS, SUB_BANDS};
use super::words::{self, LAG, PITCHES, Reading, UNSHIFTED, Word};
use crate::key::Turns;
use std::collections::VecDeque;
use std::ops::Range;

/// Times as fast as a reference that a query is heard as, the usual pace first. What is near to one of them is found by its
/// words: together they reach from half to twice the speed. Frames of either are of a length that a Fourier transform is
/// quick at.
pub(super) const PACES: [f64; 3] = [1.0, 1.6, 0.64];

/// Words from one that is looked up for a glance to the next: odd, so that half of them lie between those that are kept.
const GLANCE_STEP: usize = 9;

/// All words of a soundtrack at one pace. Times are as in what the copy was made from: a second of the query counts
/// [`pace`](Self::pace) seconds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Heard {
    pace: f64,
    step: usize,
    eventful: Vec<bool>,
    readings: [Vec<Reading>; PITCHES],
}

impl Heard {
    /// Seconds from one word to the next.
    pub(crate) const HOP: f64 = HOP_SECONDS;

    /// Seconds from the start of the stream to the middle of its first word.
    pub(crate) const FIRST: f64 = FIRST_MIDDLE + LAG as f64 / 2.0 * HOP_SECONDS;

    /// Nothing yet.
    pub(super) fn new(pace: f64) -> Self {
        Self { pace, step: 1, eventful: Vec::new(), readings: std::array::from_fn(|_| Vec::new()) }
    }

    /// The first seconds, of which a large bank is asked less often.
    pub(super) fn glance(&self, seconds: f64) -> Self {
        let count = (seconds / Self::HOP) as usize;
        Self {
            pace: self.pace,
            step: GLANCE_STEP,
            eventful: self.eventful.iter().take(count).copied().collect(),
            readings: self.readings.each_ref().map(|all| all.iter().take(count).copied().collect()),
        }
    }

    pub(super) fn push(&mut self, is_eventful: bool, mut at_pitch: impl FnMut(usize) -> Reading) {
        self.eventful.push(is_eventful);
        for pitch in self.pitches() {
            self.readings[pitch].push(at_pitch(pitch));
        }
    }

    /// Every second word as a bank keeps it.
    pub(super) fn kept(&self) -> Vec<Word> {
        let words = self.readings[UNSHIFTED].iter().zip(&self.eventful).step_by(2);
        words.map(|(reading, eventful)| words::kept(*reading).filter(|_| *eventful)).collect()
    }

    /// Times as fast as a reference that the query was heard as.
    pub(crate) fn pace(&self) -> f64 {
        self.pace
    }

    pub(crate) fn is_usual(&self) -> bool {
        self.pace == 1.0
    }

    /// Words from one that is to be looked up in a large bank to the next.
    pub(crate) fn step(&self) -> usize {
        self.step
    }

    /// The pitches that there are words of.
    pub(crate) fn pitches(&self) -> Range<usize> {
        if self.is_usual() { 0..PITCHES } else { UNSHIFTED..UNSHIFTED + 1 }
    }

    /// Whether there is something to recognise, by word.
    pub(crate) fn eventful(&self) -> &[bool] {
        &self.eventful
    }

    /// All words as read at a pitch, none where it is not among [`pitches`](Self::pitches).
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
        Self { analyser: Analyser::new(pace), recent: VecDeque::new(), heard: Heard::new(pace) }
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
                let read = |pitch| words::read(early, frame, pitch, turns);
                heard.push(words::is_eventful(early, frame), read);
            }
        });
    }

    pub(super) fn finish(self) -> Heard {
        self.heard
    }
}
