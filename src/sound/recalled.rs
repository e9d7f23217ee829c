//! A probe from a print: what can still be heard of a soundtrack that was thrown away.

use super::bands::HalfSemitones;
use super::words::{SIDE, Word};
use super::{Heard, PACES, Print, Probe, Reading};

/// Semitones from one bit of a word to the next.
const BAND: f64 = 1.25;

impl Probe {
    /// What a print alone can be searched for: every second word in the place of two, and at other pitches what the
    /// bits of neighbouring bands tell. At other paces it cannot be heard.
    pub fn from_print(print: &Print) -> Self {
        let mut heard = Heard::new(PACES[0]);
        for word in print.words() {
            // Words overlap by three quarters, so that the lost one between two is not far from either.
            for _ in 0..2 {
                heard.push(word.is_some(), |pitch, _| shifted(*word, pitch));
            }
        }
        Self::new(print.clone(), heard)
    }
}

/// The word of a copy whose pitch is as far from the print's as `pitch` tells.
fn shifted(word: Word, pitch: HalfSemitones) -> Reading {
    let word = word.map_or(0, |word| word.get());
    let bands = (f64::from(pitch) / 2.0 / BAND).round() as i32;
    let shift = |bits: u32| if bands >= 0 { bits >> bands } else { bits << -bands };
    let firm = if pitch == 0 { u32::MAX } else { shift(u32::MAX) };
    // No bit is known to be weaker than others: those of the upper bands are, as a rule.
    let weakest = [SIDE, u32::BITS as usize].map(|end| std::array::from_fn(|rank| (end - 1 - rank) as u8));
    Reading { word: shift(word), firm, weakest }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitvec::{bits, order::Lsb0};
    use std::num::NonZeroU32;

    #[test]
    fn words_lie_where_they_were() {
        let print = Print { words: vec![NonZeroU32::new(0xf0), None, NonZeroU32::new(7)] };
        let probe = Probe::from_print(&print);
        assert_eq!(probe.print(), &print);
        assert_eq!(probe.eventful(), bits![1, 1, 0, 0, 1, 1]);
        let heard = probe.usual();
        assert_eq!(heard.readings(heard.unshifted())[0].word, 0xf0);
        assert_eq!(heard.readings(heard.unshifted())[4].word, 7);
        assert!(heard.pitches().all(|pitch| heard.readings(pitch).len() == 6));
    }
}
