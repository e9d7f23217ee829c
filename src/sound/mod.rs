//! Sub-fingerprints of sound: samples in, 32-bit words out.
//!
//! Samples of any rate become 8 kHz (`resample`), overlapping frames of them the loudness of bands a semitone and
//! a quarter apart (`bands`), and each pair of frames 128 ms apart one word (`words`). A bank keeps every second
//! word ([`Print`]); a query keeps them all, read at every pitch that a copy may have been moved to ([`Probe`]).

mod bands;
mod print;
mod recalled;
mod resample;
mod words;

pub use print::{ALGORITHM, Print, PrintError};
pub use words::{PITCHES, Reading, SIDE, UNSHIFTED, WEAKEST, Word, semitones};

use crate::key::{Key, Turns};
use crate::media::Samples;
use bands::{Analyser, SUB_BANDS};
use resample::Resampler;
use std::collections::VecDeque;

/// What a search needs of a soundtrack: a word each 32 ms at each of [`PITCHES`] pitches.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    print: Print,
    eventful: Vec<bool>,
    readings: [Vec<Reading>; PITCHES],
    is_glance: bool,
}

/// Words from one that is looked up for a glance to the next: odd, so that half of them lie between those that are kept.
const GLANCE_STEP: usize = 9;

impl Probe {
    /// Seconds from one word to the next.
    pub const HOP: f64 = bands::HOP_SECONDS;

    /// Seconds from the start of the stream to the middle of its first word; the same in a [`Print`].
    pub const FIRST: f64 = bands::FIRST_MIDDLE + words::LAG as f64 / 2.0 * bands::HOP_SECONDS;

    /// The part that a bank keeps.
    pub fn print(&self) -> &Print {
        &self.print
    }

    /// The first seconds, of which a large bank is asked less often.
    pub(crate) fn glance(&self, seconds: f64) -> Self {
        let count = (seconds / Self::HOP) as usize;
        let kept = count.div_ceil(2);
        Self {
            print: Print { words: self.print.words.iter().take(kept).copied().collect() },
            eventful: self.eventful.iter().take(count).copied().collect(),
            readings: self.readings.each_ref().map(|all| all.iter().take(count).copied().collect()),
            is_glance: true,
        }
    }

    /// Words from one that is to be looked up in a large bank to the next.
    pub(crate) fn step(&self) -> usize {
        if self.is_glance { GLANCE_STEP } else { 1 }
    }

    /// Whether there is something to recognise, by word.
    pub fn eventful(&self) -> &[bool] {
        &self.eventful
    }

    /// All words as read at a pitch below [`PITCHES`]; those that are not eventful mean nothing.
    pub fn readings(&self, pitch: usize) -> &[Reading] {
        &self.readings[pitch]
    }
}

/// Makes a [`Probe`] of blocks of samples pushed in order of time.
///
/// The size of the blocks changes nothing. A block of another rate than the first one's is left out.
#[derive(Debug, Default)]
pub struct Extractor {
    rate: Option<u32>,
    resampler: Option<Resampler>,
    samples: Vec<f32>,
    analyser: Analyser,
    /// The latest frames, as many as a word spans.
    recent: VecDeque<[f32; SUB_BANDS]>,
    probe: Probe,
    turns: Option<Turns>,
}

impl Extractor {
    /// Of words that only those with the key can make.
    pub fn keyed(key: &Key) -> Self {
        Self { turns: Some(words::secret_turns(key)), ..Self::default() }
    }

    /// Takes the next block.
    pub fn push(&mut self, samples: Samples<'_>) {
        if *self.rate.get_or_insert(samples.rate) != samples.rate {
            return;
        }
        if self.resampler.is_none() {
            self.resampler = Resampler::new(samples.rate);
        }
        let Some(resampler) = &mut self.resampler else { return };
        // A bound on what is held at once, whatever the size of the block.
        for part in samples.mono.chunks(1 << 16) {
            self.samples.clear();
            resampler.push(part, &mut self.samples);
            let (recent, probe, turns) = (&mut self.recent, &mut self.probe, self.turns.as_ref());
            self.analyser.push(&self.samples, |frame| {
                if recent.len() > words::LAG {
                    recent.pop_front();
                }
                recent.push_back(*frame);
                if recent.len() > words::LAG {
                    probe.extend(&recent[0], frame, turns);
                }
            });
        }
    }

    /// Ends the soundtrack.
    pub fn finish(self) -> Probe {
        self.probe
    }
}

impl Probe {
    fn extend(&mut self, early: &[f32; SUB_BANDS], late: &[f32; SUB_BANDS], turns: Option<&Turns>) {
        let eventful = words::is_eventful(early, late);
        for (pitch, readings) in self.readings.iter_mut().enumerate() {
            readings.push(words::read(early, late, pitch, turns));
        }
        if self.eventful.len().is_multiple_of(2) {
            let unshifted = self.readings[UNSHIFTED].last();
            self.print.words.push(unshifted.filter(|_| eventful).and_then(|reading| words::kept(*reading)));
        }
        self.eventful.push(eventful);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise that swells and fades in a few bands: something to recognise.
    fn lively(seconds: usize, rate: u32) -> Vec<f32> {
        let mut state = 1u32;
        (0..seconds * rate as usize)
            .map(|n| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let t = n as f32 / rate as f32;
                let noise = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
                let voice = (t * 2_000.0 + 40.0 * (t * 7.0).sin()).sin() * (t * 3.0).sin();
                0.1 * noise + 0.3 * voice
            })
            .collect()
    }

    fn extract(samples: &[f32], rate: u32, block: usize) -> Probe {
        let mut extractor = Extractor::default();
        samples.chunks(block).for_each(|mono| extractor.push(Samples { mono, rate }));
        extractor.finish()
    }

    #[test]
    fn blocks_do_not_matter() {
        let sound = lively(4, 44_100);
        let whole = extract(&sound, 44_100, sound.len());
        assert!(whole.print().words().iter().filter(|word| word.is_some()).count() > 40);
        for block in [1, 61, 1_000, 44_100] {
            let parts = extract(&sound, 44_100, block);
            assert_eq!(parts.print(), whole.print());
            assert_eq!(parts.readings, whole.readings);
        }
    }

    #[test]
    fn silence_and_standing_tones_have_no_words() {
        let rate = 16_000;
        let tone = |f: f64| {
            (0..5 * rate)
                .map(move |n| (f64::from(n) / f64::from(rate) * f * std::f64::consts::TAU).sin() as f32)
        };
        let hum: Vec<f32> = tone(50.0).zip(tone(150.0)).map(|(a, b)| 0.3 * a + 0.2 * b).collect();
        let beep: Vec<f32> = tone(1_000.0).map(|a| 0.5 * a).collect();
        let quiet: Vec<f32> = lively(5, rate).iter().map(|x| x * 1e-5).collect();
        for sound in [vec![0.0; 5 * rate as usize], vec![f32::NAN; 80_000], hum, beep, quiet] {
            let words = extract(&sound, rate, 4_096).print().words().to_vec();
            assert_eq!(words.iter().filter(|word| word.is_some()).count(), 0, "of {}", words.len());
            assert!(words.len() > 70);
        }
    }

    #[test]
    fn loudness_changes_no_word() {
        let sound = lively(4, 16_000);
        let faint: Vec<f32> = sound.iter().map(|x| x / 16.0).collect();
        assert_eq!(extract(&sound, 16_000, 4_096).print(), extract(&faint, 16_000, 4_096).print());
    }
}
