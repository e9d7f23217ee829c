//! Fingerprints of films that nobody made, with the statistics of films that somebody did.
//!
//! A film is cut from stretches of real ones, a few seconds each. Of each stretch all codes are disturbed in as many bits
//! as make strangers of copies, the same ones for the whole stretch: features, motion and words of one stretch depend
//! on each other as they did, bits are set as often as they were, and no two films share more than real ones do.

use afterimage::fingerprint::{Fingerprint, Spec};
use afterimage::picture::{Feature, KeyFrame, Motion};
use afterimage::{picture, sound};

/// Motion codes a second.
const RATE: usize = 4;
/// Of 84 bits of a feature, how many are turned: twice those within which features are compared, the doubtful left out.
const FEATURE_BITS: u32 = 24;
/// Of 32 bits of a word of sound: half of them, for words are compared by the thousand.
const WORD_BITS: u32 = 16;

/// What films are made of.
pub(crate) struct Films {
    /// Real fingerprints to cut films from.
    pub(crate) real: Vec<Fingerprint>,
    /// They have no picture.
    pub(crate) only_sound: bool,
}

/// A linear congruential generator's upper half (Knuth's constants).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        let mut half = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            self.0 >> 32
        };
        half() << 32 | half()
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// A number with so many ones among its lowest `of` bits.
    fn ones(&mut self, count: u32, of: u32) -> u128 {
        let mut mask = 0u128;
        while mask.count_ones() < count {
            mask |= 1 << (self.next() % u64::from(of));
        }
        mask
    }
}

impl Films {
    /// The film of a number.
    pub(crate) fn film(&self, number: u64, seconds: usize) -> Fingerprint {
        let mut random = Random(number ^ 0x5eed);
        let mut out = picture::Print { size: [1.0, 0.5625], ..picture::Print::default() };
        let mut words: Vec<Option<u32>> = Vec::new();
        while out.motion.len() < seconds * RATE {
            let from = &self.real[random.below(self.real.len())];
            let length = 2 + random.below(6);
            let whole = (from.duration as usize).max(1);
            let start = random.below(whole.saturating_sub(length).max(1));
            self.stretch(
                from,
                start,
                length.min(seconds - out.motion.len() / RATE),
                &mut random,
                &mut out,
                &mut words,
            );
        }
        // The fields of a print of sound are its own: what it is written as is open to all.
        let sound = serde_json::from_value(serde_json::json!({ "words": words })).unwrap_or_default();
        let picture = if self.only_sound { picture::Print::default() } else { out };
        Fingerprint { spec: Spec::CURRENT, duration: seconds as f64, still: false, picture, sound }
    }

    fn stretch(
        &self,
        from: &Fingerprint,
        start: usize,
        length: usize,
        random: &mut Random,
        out: &mut picture::Print,
        words: &mut Vec<Option<u32>>,
    ) {
        let before = out.motion.len() / RATE;
        let mask = random.ones(FEATURE_BITS, 84);
        let turn = [mask as u64, (mask >> 64) as u64];
        for key in &from.picture.keys {
            let second = key.time as usize / 1000;
            if (start..start + length).contains(&second) {
                let time = key.time - 1000 * start as u32 + 1000 * before as u32;
                let turned = |f: &Feature| Feature { code: [f.code[0] ^ turn[0], f.code[1] ^ turn[1]], ..*f };
                out.keys.push(KeyFrame { time, features: key.features.iter().map(turned).collect() });
            }
        }
        // Whole rows of cells change places, and signs turn over half of them.
        let (rows, signs) = (16 * random.below(8) as u32, random.ones(64, 128));
        for tick in start * RATE..(start + length) * RATE {
            let motion = from.picture.motion.get(tick).copied().unwrap_or_default();
            let all = |words: [u64; 2]| u128::from(words[0]) | u128::from(words[1]) << 64;
            let two = |bits: u128| [bits as u64, (bits >> 64) as u64];
            let (rising, strong) =
                (all(motion.rising).rotate_left(rows) ^ signs, all(motion.strong).rotate_left(rows));
            out.motion.push(Motion { rising: two(rising), strong: two(strong) });
        }
        let mask = random.ones(WORD_BITS, 32) as u32;
        let place = |seconds: usize| (seconds as f64 / sound::Print::HOP) as usize;
        let known = from.sound.words();
        for n in 0..place(before + length).saturating_sub(words.len()) {
            let word = known.get(place(start) + n).copied().flatten();
            words.push(word.map(|word| (word.get() ^ mask).max(1)));
        }
    }
}
