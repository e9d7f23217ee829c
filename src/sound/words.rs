//! From the loudness of bands to words of 32 bits.
//!
//! Bit `b` says whether the difference between bands `b + 1` and `b` grew from one frame to a later one (Haitsma
//! and Kalker, "A Highly Robust Audio Fingerprinting System", 2002, here with longer frames and a wider lag).

use super::bands::{BANDS, HalfSemitones, SUB_BANDS, of_word};
use crate::key::{Key, Turns};
use std::num::NonZeroU32;

/// Frames between the two that a word compares: 128 ms.
pub(super) const LAG: usize = 4;

/// Mean compressed loudness of a band, below which a frame is silent: some 80 dB below full scale.
const SILENT: f32 = 0.11;

/// Mean change of a band's loudness, as a share of the loudness, below which a sound stands still.
const STILL: f32 = 0.012;

/// A word, or none where the sound is silent or stands still. Zero is not used.
pub type Word = Option<NonZeroU32>;

/// Bits on each side of a reading that are told to be weak.
pub(crate) const WEAKEST: usize = 12;

/// Bits of a side: the two overlap.
pub(crate) const SIDE: usize = 20;

/// One moment of a query, read at one pitch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The word.
    pub(crate) word: u32,
    /// Ones at the bits that are far from tipping over.
    pub(crate) firm: u32,
    /// Numbers of the bits nearest to tipping over, the nearest first, of the lower [side](SIDE) and of the upper one.
    /// They are told of words that are looked up.
    pub(crate) weakest: [[u8; WEAKEST]; 2],
}

/// Whether the step between two frames holds something to recognise.
pub(super) fn is_eventful(early: &[f32; SUB_BANDS], late: &[f32; SUB_BANDS]) -> bool {
    let mut loudness = 0.0;
    let mut change = 0.0;
    for band in of_word(0) {
        loudness += early[band] + late[band];
        change += (late[band] - early[band]).abs();
    }
    loudness > 2.0 * SILENT * BANDS as f32 && change > STILL * loudness
}

/// The step between two frames, read at `pitch`, with its weakest bits where it `is_asked` for; its values turned by
/// `turns`, if there are any.
pub(super) fn read(
    early: &[f32; SUB_BANDS],
    late: &[f32; SUB_BANDS],
    pitch: HalfSemitones,
    is_asked: bool,
    turns: Option<&Turns>,
) -> Reading {
    let mut growth = [0.0f32; BANDS];
    for (growth, band) in growth.iter_mut().zip(of_word(pitch)) {
        *growth = late[band] - early[band];
    }
    let mut values = [0.0f32; BANDS - 1];
    for (b, value) in values.iter_mut().enumerate() {
        *value = growth[b + 1] - growth[b];
    }
    if let Some(turns) = turns {
        turns.apply(&mut values);
    }
    let sum: f32 = values.iter().map(|value| value.abs()).sum();
    let firm_from = 0.5 * sum / values.len() as f32;
    let mut reading = Reading::default();
    if is_asked {
        reading.weakest = weakest(&values);
    }
    for (b, value) in values.iter().enumerate() {
        reading.word |= u32::from(*value > 0.0) << b;
        reading.firm |= u32::from(value.abs() > firm_from) << b;
    }
    reading
}

/// The secret turns of a key. Neighbouring differences have a band in common; pairs are of the next but one.
pub(super) fn secret_turns(key: &Key) -> Turns {
    let pairs = |from: usize| (from..BANDS - 3).step_by(4).flat_map(|b| [(b, b + 2), (b + 1, b + 3)]);
    key.turns("sound", pairs(0).chain(pairs(2)))
}

/// The numbers of the values nearest to nought, on either side.
fn weakest(values: &[f32; BANDS - 1]) -> [[u8; WEAKEST]; 2] {
    // Positive floats sort like their bits; the lowest five bits make room for the number.
    let mut keys: [u32; BANDS - 1] = std::array::from_fn(|b| values[b].abs().to_bits() & !31 | b as u32);
    keys.sort_unstable();
    std::array::from_fn(|side| {
        let first = side * (values.len() - SIDE);
        let numbers = keys.iter().map(|key| (key & 31) as usize);
        let mut weakest = numbers.filter(|b| (first..first + SIDE).contains(b));
        std::array::from_fn(|_| weakest.next().unwrap_or(first) as u8)
    })
}

/// The word of a reading as a bank keeps it.
pub(super) fn kept(reading: Reading) -> Word {
    NonZeroU32::new(reading.word.max(1))
}
