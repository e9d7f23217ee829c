//! What is kept of a keypoint's surroundings: the signs of the 84 lowest DCT coefficients of a patch turned upright.
//!
//! The signs are balanced and nearly independent, which a Hamming index needs, and symmetry comes free: the mirror image
//! of a patch, and its negative, have the same coefficients up to known signs. Of a query's patches it is known as well
//! which signs hung by a thread: those are where a copy differs.

use super::keypoint::Keypoint;
use super::plane::Plane;
use crate::key::{Key, Turns};
use std::f32::consts::PI;
use std::sync::LazyLock;

/// Samples a side of a patch, one standard deviation of the keypoint apart.
const SIDE: usize = 16;
/// Standard deviation of the window over a patch, in samples: its rim suffers most from a wrong angle or size.
const WINDOW: f32 = 6.0;
/// Words of a code.
pub const WORDS: usize = 3;
/// Bits of a word.
pub const WORD: usize = 28;
/// Bits of a code.
pub(super) const BITS: usize = WORDS * WORD;
/// Doubtful bits of a word that are named.
pub const DOUBTS: usize = 8;

/// Of each word of a code the places of its eight most doubtful bits, the most doubtful first.
pub type Doubts = [[u8; DOUBTS]; WORDS];

pub(super) fn joined(code: &[u64; 2]) -> u128 {
    u128::from(code[0]) | u128::from(code[1]) << 64
}

pub(super) fn split(bits: u128) -> [u64; 2] {
    [bits as u64, (bits >> 64) as u64]
}

pub(super) fn patch(
    plane: &Plane,
    pixel: f32,
    keypoint: &Keypoint,
    angle: f32,
    stretch: f32,
) -> [f32; SIDE * SIDE] {
    static WEIGHTS: LazyLock<[f32; SIDE * SIDE]> = LazyLock::new(|| {
        std::array::from_fn(|k| {
            let (u, v) = (centred(k % SIDE), centred(k / SIDE));
            (-(u * u + v * v) / (2.0 * WINDOW * WINDOW)).exp()
        })
    });
    let (sin, cos) = angle.sin_cos();
    let wider = stretch.sqrt();
    let step = keypoint.sigma / pixel;
    let (x, y) = (keypoint.x / pixel, keypoint.y / pixel);
    let mut patch: [f32; SIDE * SIDE] = std::array::from_fn(|k| {
        let (u, v) = (centred(k % SIDE) * step, centred(k / SIDE) * step);
        plane.sample(x + (cos * u - sin * v) / wider, y + (sin * u + cos * v) * wider)
    });
    let mean = patch.iter().sum::<f32>() / patch.len() as f32;
    for (p, weight) in patch.iter_mut().zip(WEIGHTS.iter()) {
        *p = (*p - mean) * weight;
    }
    patch
}

fn centred(k: usize) -> f32 {
    k as f32 - (SIDE - 1) as f32 / 2.0
}

/// Horizontal and vertical frequency of each bit: the lowest but the mean, dealt out to the words, the lower ones of each
/// first.
///
/// Frequencies that are odd or even alike tell each other: a patch stands along its gradient and around a blob. So every
/// word has as many of each kind, and of the low and the high ones.
static FREQUENCIES: LazyLock<[(usize, usize); BITS]> = LazyLock::new(|| {
    let mut all: Vec<_> = (1..SIDE * SIDE).map(|k| (k % SIDE, k / SIDE)).collect();
    let height = |&(u, v): &(usize, usize)| (u * u + v * v, u);
    all.sort_by_key(height);
    all.truncate(BITS);
    all.sort_by_key(|&(u, v)| (u & 1, v & 1, height(&(u, v))));
    let mut words = [const { Vec::new() }; WORDS];
    // Each round of the words begins a word later than the one before: neighbours in frequency are alike, too.
    all.into_iter().enumerate().for_each(|(i, frequency)| words[(i + i / WORDS) % WORDS].push(frequency));
    words.iter_mut().for_each(|word| word.sort_by_key(height));
    std::array::from_fn(|bit| words[bit / WORD][bit % WORD])
});

/// Mirroring turns the sign of odd vertical frequencies: a patch stands upright along its own direction, so
/// its mirror image is always the one across that.
pub(super) static MIRROR: LazyLock<[u64; 2]> = LazyLock::new(|| mask(|(_, v)| v & 1 == 1));

/// In a negative all gradients point the other way, so that the patch is turned by half, too: signs change where
/// the half turn does not change them already.
pub(super) static NEGATIVE: LazyLock<[u64; 2]> = LazyLock::new(|| mask(|(u, v)| (u + v) & 1 == 0));

/// The bits of certain frequencies.
fn mask(is_set: impl Fn((usize, usize)) -> bool) -> [u64; 2] {
    let bits = (0..).zip(*FREQUENCIES).filter(|&(_, frequency)| is_set(frequency));
    split(bits.fold(0, |mask, (bit, _): (u32, _)| mask | 1 << bit))
}

pub(super) fn signs(patch: &[f32; SIDE * SIDE], turns: Option<&Turns>) -> ([u64; 2], Doubts) {
    static COSINES: LazyLock<[[f32; SIDE]; SIDE]> = LazyLock::new(|| {
        std::array::from_fn(|i| {
            std::array::from_fn(|j| (PI / SIDE as f32 * i as f32 * (j as f32 + 0.5)).cos())
        })
    });
    let mut columns = [[0.0f32; SIDE]; SIDE];
    for (sums, cosines) in columns.iter_mut().zip(COSINES.iter()) {
        for (row, cosine) in patch.chunks_exact(SIDE).zip(cosines) {
            for (sum, p) in sums.iter_mut().zip(row) {
                *sum += cosine * p;
            }
        }
    }
    let mut coefficients =
        FREQUENCIES.map(|(u, v)| columns[v].iter().zip(&COSINES[u]).map(|(a, b)| a * b).sum::<f32>());
    for (coefficient, (u, v)) in coefficients.iter_mut().zip(*FREQUENCIES) {
        // Pictures have about equal energy in each octave. Without this the stronger of two that a key turns would decide
        // both signs, and all doubts would lie in the high frequencies.
        *coefficient *= ((u * u + v * v) as f32).sqrt();
    }
    if let Some(turns) = turns {
        turns.apply(&mut coefficients);
    }
    let is_set = (0..).zip(coefficients).filter(|(_, coefficient)| *coefficient > 0.0);
    let code = split(is_set.fold(0, |code, (bit, _): (u32, _)| code | 1 << bit));
    let (words, _) = coefficients.as_chunks::<WORD>();
    (code, std::array::from_fn(|w| words.get(w).map_or([0; DOUBTS], doubts)))
}

/// The places of the values nearest to zero, the nearest first.
fn doubts(word: &[f32; WORD]) -> [u8; DOUBTS] {
    // The order of numbers without a sign is that of their bits; the place breaks ties.
    let mut by_size: [u64; WORD] =
        std::array::from_fn(|i| u64::from(word[i].abs().to_bits()) << 8 | i as u64);
    by_size.select_nth_unstable(DOUBTS);
    by_size[..DOUBTS].sort_unstable();
    std::array::from_fn(|r| by_size[r] as u8)
}

/// The secret turns of a key: of each coefficient with its two neighbours in frequency among those that a mirror and a
/// negative treat alike.
pub(super) fn secret_turns(key: &Key) -> Turns {
    let mut bits: Vec<usize> = (0..BITS).collect();
    bits.sort_by_key(|&bit| {
        let (u, v) = FREQUENCIES[bit];
        (u & 1, v & 1, u * u + v * v, u)
    });
    let alike: Vec<&[usize]> = bits
        .chunk_by(|&a, &b| {
            let ((u, v), (w, z)) = (FREQUENCIES[a], FREQUENCIES[b]);
            (u & 1, v & 1) == (w & 1, z & 1)
        })
        .collect();
    let pairs = |from: usize| alike.iter().flat_map(move |bits| bits[from..].chunks_exact(2));
    key.turns("picture", pairs(0).chain(pairs(1)).map(|pair| (pair[0], pair[1])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Feature;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn doubts_are_the_smallest_in_order(word in prop::array::uniform28(-9i8..9)) {
            let word = word.map(f32::from);
            let mut places: Vec<u8> = (0..WORD as u8).collect();
            places.sort_by(|&a, &b| word[usize::from(a)].abs().total_cmp(&word[usize::from(b)].abs()));
            prop_assert_eq!(doubts(&word).to_vec(), &places[..DOUBTS]);
        }
    }

    #[test]
    fn mirrored_and_negative_patches_have_known_codes() {
        let mut state = 1u32;
        let patch: [f32; SIDE * SIDE] = std::array::from_fn(|_| {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            (state >> 16) as f32 - 32768.0
        });
        let flipped: [f32; SIDE * SIDE] =
            std::array::from_fn(|k| patch[(SIDE - 1 - k / SIDE) * SIDE + k % SIDE]);
        let secret = secret_turns(&Key::new(b"secret"));
        for turns in [None, Some(&secret)] {
            let signs = |patch: &_| signs(patch, turns).0;
            let feature = Feature { code: signs(&patch), x: 0, y: 0, size: 0, angle: 0 };
            assert_eq!(feature.seen(true, false), signs(&flipped));
            assert_ne!(feature.code, signs(&flipped));
            let negative: [f32; SIDE * SIDE] = std::array::from_fn(|k| -patch[SIDE * SIDE - 1 - k]);
            assert_eq!(feature.seen(false, true), signs(&negative));
            let both: [f32; SIDE * SIDE] = std::array::from_fn(|k| -flipped[SIDE * SIDE - 1 - k]);
            assert_eq!(feature.seen(true, true), signs(&both));
        }
    }
}
