//! Sub-fingerprints of sound: samples in, 32-bit words out.
//!
//! Samples of any rate become 8 kHz (`resample`), overlapping frames of them the loudness of bands a semitone and
//! a quarter apart (`bands`), and each pair of frames 128 ms apart one word (`words`). A bank keeps every second
//! word ([`Print`]); a query keeps them all, read at every pitch that a copy may have been moved to and at other paces
//! ([`Probe`], `heard`).

mod bands;
mod heard;
mod print;
mod recalled;
mod resample;
mod words;

pub use print::{ALGORITHM, Print, PrintError};
#[cfg(test)]
pub(crate) use words::WEAKEST;
pub use words::Word;
pub(crate) use words::{Reading, SIDE};

use crate::key::{Key, Turns};
use crate::media::Samples;
use bitvec::slice::BitSlice;
pub(crate) use heard::{Heard, PITCHES};
use heard::{Listener, PACES};
use resample::Resampler;

/// What a search needs of a soundtrack: a word each 32 ms at each pitch that a copy may have been moved to, and words as
/// those of references that run much slower or faster.
#[derive(Clone, Debug)]
pub struct Probe {
    print: Print,
    /// At each of [`PACES`].
    heard: [Heard; PACES.len()],
}

impl Default for Probe {
    fn default() -> Self {
        Self { print: Print::default(), heard: PACES.map(Heard::new) }
    }
}

impl Probe {
    /// Seconds from one word to the next.
    pub const HOP: f64 = Heard::HOP;

    /// Seconds from the start of the stream to the middle of its first word; the same in a [`Print`].
    pub const FIRST: f64 = Heard::FIRST;

    /// The part that a bank keeps.
    pub fn print(&self) -> &Print {
        &self.print
    }

    /// The first seconds, of which a large bank is asked less often.
    pub(crate) fn glance(&self, seconds: f64) -> Self {
        let usual = self.usual().glance(seconds);
        let kept = usual.eventful().len().div_ceil(2);
        let print = Print { words: self.print.words.iter().take(kept).copied().collect() };
        Self::new(print, usual)
    }

    /// Of what was heard at the usual pace alone.
    fn new(print: Print, usual: Heard) -> Self {
        let mut probe = Self { print, ..Self::default() };
        probe.heard[0] = usual;
        probe
    }

    /// The words at each pace, those at the usual one first.
    pub(crate) fn heard(&self) -> &[Heard] {
        &self.heard
    }

    pub(crate) fn usual(&self) -> &Heard {
        &self.heard[0]
    }

    /// Whether there is something to recognise, by word.
    pub fn eventful(&self) -> &BitSlice {
        self.usual().eventful()
    }
}

/// Makes a [`Probe`] of blocks of samples pushed in order of time.
///
/// The size of the blocks changes nothing. A block of another rate than the first one's is left out.
#[derive(Debug)]
pub struct Extractor {
    rate: Option<u32>,
    resampler: Option<Resampler>,
    samples: Vec<f32>,
    listeners: [Listener; PACES.len()],
    turns: Option<Turns>,
}

impl Default for Extractor {
    fn default() -> Self {
        Self {
            rate: None,
            resampler: None,
            samples: Vec::new(),
            listeners: PACES.map(Listener::new),
            turns: None,
        }
    }
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
            for listener in &mut self.listeners {
                listener.push(&self.samples, self.turns.as_ref());
            }
        }
    }

    /// Ends the soundtrack.
    pub fn finish(self) -> Probe {
        let heard = self.listeners.map(Listener::finish);
        Probe { print: Print { words: heard[0].kept() }, heard }
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
            assert_eq!(parts.heard, whole.heard);
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
