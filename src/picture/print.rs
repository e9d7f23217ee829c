//! What a bank keeps of a film's picture, and what a search needs of it.

use super::motion::RATE;
use super::{Feature, Motion, Observed};
use serde::{Deserialize, Serialize};

/// Bytes before the first key frame: sides, numbers of key frames and of motion codes.
pub(super) const HEAD: usize = 16;
/// Bytes of a key frame before its features: time, number of features.
pub(super) const KEY: usize = 5;
/// Bytes of a feature.
pub(super) const FEATURE: usize = 16;
/// Features of a key frame, at the most.
pub(super) const MOST_FEATURES: usize = 255;
/// Bytes of a motion code.
pub(super) const MOTION: usize = 32;

/// Key frames from one with features to the next in the smaller profile: many features of few key frames find more copies
/// than few of many.
const SMALL_EVERY: usize = 4;
/// Features of such a key frame.
const SMALL_FEATURES: usize = 16;

/// Key frames from one that a glance looks at to the next: the finer half of them.
const GLANCE_EVERY: usize = 2;

/// Width over height of most films.
pub(super) const USUAL_SHAPE: f32 = 16.0 / 9.0;

/// Why bytes are not a picture print.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrintError {
    /// The bytes end before the print does, or go on after it.
    #[error("the length does not fit the content")]
    Length,
    /// A width-to-height ratio or a time that no film has.
    #[error("a value is out of range")]
    Range,
    /// The bytes were changed since they were written.
    #[error("the checksum does not fit the content")]
    Checksum,
}

/// The features of one frame.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeyFrame {
    /// Milliseconds since the start.
    pub time: u32,
    /// The strongest first, spread over the picture. At most 255; more are not written.
    pub features: Vec<Feature>,
}

/// What a bank keeps of a film's picture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Print {
    /// Width and height in longer sides of the picture: the larger is 1.
    pub size: [f32; 2],
    /// About one a second, in order of time.
    pub keys: Vec<KeyFrame>,
    /// Four a second: the one at `i` compares the frames at `i − 2` and `i` quarters of a second.
    pub motion: Vec<Motion>,
}

impl Print {
    /// Whether there is nothing to find.
    pub fn is_empty(&self) -> bool {
        self.keys.iter().all(|key| key.features.is_empty())
    }

    /// With the strongest features of some key frames alone. A still keeps all: it has no other key frame.
    pub fn small(mut self) -> Self {
        if self.motion.len() > 1 {
            for (number, key) in self.keys.iter_mut().enumerate() {
                key.features.truncate(if number.is_multiple_of(SMALL_EVERY) { SMALL_FEATURES } else { 0 });
            }
        }
        self
    }

    /// Whether this was kept, in either profile, of the very film that `whole` is the print of. That is not said of what
    /// does not move: there are many slates, and few ways to be one.
    pub(crate) fn is_kept_of(&self, whole: &Self) -> bool {
        let moves = self.motion.iter().any(|motion| motion.strong != [0; 2]);
        let is_kept = |(kept, all): (&KeyFrame, &KeyFrame)| {
            kept.time == all.time && all.features.starts_with(&kept.features)
        };
        moves
            && (self.size, &self.motion, self.keys.len()) == (whole.size, &whole.motion, whole.keys.len())
            && self.keys.iter().zip(&whole.keys).all(is_kept)
    }

    /// Little-endian bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let features: usize = self.keys.iter().map(|key| key.features.len()).sum();
        let mut out = Vec::with_capacity(
            HEAD + KEY * self.keys.len() + FEATURE * features + MOTION * self.motion.len(),
        );
        for side in self.size {
            out.extend(side.to_le_bytes());
        }
        out.extend((self.keys.len() as u32).to_le_bytes());
        out.extend((self.motion.len() as u32).to_le_bytes());
        for key in &self.keys {
            let features = &key.features[..key.features.len().min(MOST_FEATURES)];
            out.extend(key.time.to_le_bytes());
            out.push(features.len() as u8);
            features.iter().for_each(|feature| out.extend(feature.packed().to_le_bytes()));
        }
        for motion in &self.motion {
            motion.rising.iter().chain(&motion.strong).for_each(|word| out.extend(word.to_le_bytes()));
        }
        out
    }

    /// An error where something cannot be: a stranger may have written it.
    pub(crate) fn check(&self) -> Result<(), PrintError> {
        let is_shape = self.size.iter().all(|side| (0.0..=1.0).contains(side));
        if is_shape && self.keys.is_sorted_by_key(|key| key.time) { Ok(()) } else { Err(PrintError::Range) }
    }

    /// The inverse of [`Print::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PrintError> {
        let mut rest = bytes;
        let size = [f32::from_le_bytes(take(&mut rest)?), f32::from_le_bytes(take(&mut rest)?)];
        let key_count = u32::from_le_bytes(take(&mut rest)?) as usize;
        let motion_count = u32::from_le_bytes(take(&mut rest)?) as usize;
        if key_count > rest.len() / KEY || motion_count > rest.len() / MOTION {
            return Err(PrintError::Length);
        }
        let mut keys = Vec::with_capacity(key_count);
        for _ in 0..key_count {
            let time = u32::from_le_bytes(take(&mut rest)?);
            let [count] = take(&mut rest)?;
            let features = (0..count).map(|_| feature(&mut rest)).collect::<Result<_, _>>()?;
            keys.push(KeyFrame { time, features });
        }
        let mut motion = Vec::with_capacity(motion_count);
        for _ in 0..motion_count {
            motion.push(Motion { rising: words(&mut rest)?, strong: words(&mut rest)? });
        }
        let print = Self { size, keys, motion };
        print.check()?;
        if rest.is_empty() { Ok(print) } else { Err(PrintError::Length) }
    }
}

pub(super) fn feature(rest: &mut &[u8]) -> Result<Feature, PrintError> {
    Ok(Feature::unpacked(u128::from_le_bytes(take(rest)?)))
}

fn words(rest: &mut &[u8]) -> Result<[u64; 2], PrintError> {
    Ok([u64::from_le_bytes(take(rest)?), u64::from_le_bytes(take(rest)?)])
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], PrintError> {
    let (head, tail) = rest.split_first_chunk().ok_or(PrintError::Length)?;
    *rest = tail;
    Ok(*head)
}

/// A small picture, kept to compare a copy with a reference once it is known how the one lies in the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Raster {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) pixels: Vec<u8>,
}

impl Raster {
    /// Width and height in pixels; zero where there was no picture.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }
}

/// The features of one frame of a query.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ObservedFrame {
    /// Milliseconds since the start.
    pub(crate) time: u32,
    pub(crate) features: Vec<Observed>,
}

impl ObservedFrame {
    /// Those of the features that `key` has, with their doubts.
    fn only(&self, key: &KeyFrame) -> Self {
        let observed = |feature: &Feature| {
            let known = self.features.iter().find(|observed| observed.feature == *feature);
            known.copied().unwrap_or_else(|| Observed::from(*feature))
        };
        Self { time: key.time, features: key.features.iter().map(observed).collect() }
    }
}

impl From<&KeyFrame> for ObservedFrame {
    /// Of which nothing more is known.
    fn from(key: &KeyFrame) -> Self {
        Self { time: key.time, features: key.features.iter().map(|&feature| feature.into()).collect() }
    }
}

/// What a search needs of a film's picture: the print, and what it was made from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Probe {
    pub(crate) print: Print,
    /// More features than the print has, about one frame a second.
    pub(crate) keys: Vec<ObservedFrame>,
    /// As many, if the picture has an unusual shape: what some of them would be in the usual one.
    pub(crate) unsqueezed: Vec<ObservedFrame>,
    /// Four a second.
    pub(crate) rasters: Vec<Raster>,
    /// The same an eighth of a second later, of the first quarter of an hour: a copy's moments may lie between the reference's.
    pub(crate) between: Vec<Raster>,
    /// Both with the bands of light that seemed to roll over them, where these were taken away.
    pub(crate) banded: [Vec<Raster>; 2],
}

impl Probe {
    /// The part that a bank keeps.
    pub fn print(&self) -> &Print {
        &self.print
    }

    /// The key frames, as they are or in the usual shape.
    pub(crate) fn seen(&self, unsqueezed: bool) -> &[ObservedFrame] {
        if unsqueezed { &self.unsqueezed } else { &self.keys }
    }

    /// What takes a place in a picture of the usual shape to that in this one, across and down, each in longer sides.
    pub(crate) fn squeeze(&self) -> [f32; 2] {
        let [width, height] = self.print.size;
        [width, height * USUAL_SHAPE]
    }

    /// The first seconds, with no more features than the print has, of every second key frame: a tenth or so of what a
    /// search asks for.
    pub(crate) fn glance(&self, seconds: f64) -> Self {
        let is_early = |key: &&KeyFrame| f64::from(key.time) < seconds * 1000.0;
        let early: Vec<KeyFrame> = self.print.keys.iter().take_while(is_early).cloned().collect();
        let ticks = (seconds * RATE) as usize;
        let motion = self.print.motion.iter().take(ticks).copied().collect();
        Self {
            keys: early
                .iter()
                .zip(&self.keys)
                .step_by(GLANCE_EVERY)
                .map(|(key, all)| all.only(key))
                .collect(),
            unsqueezed: Vec::new(),
            print: Print { size: self.print.size, keys: early, motion },
            rasters: self.rasters.iter().take(ticks).cloned().collect(),
            between: Vec::new(),
            banded: [self.banded[0].iter().take(ticks).cloned().collect(), Vec::new()],
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::Cell;

    pub(in crate::picture) fn prints() -> impl Strategy<Value = Print> {
        let feature = any::<u128>().prop_map(Feature::unpacked);
        let keys = prop::collection::vec((any::<u32>(), prop::collection::vec(feature, 0..5)), 0..5);
        let motion = prop::collection::vec(any::<([u64; 2], [u64; 2])>(), 0..5);
        (0.0f32..=1.0, 0.0f32..=1.0, keys, motion).prop_map(|(w, h, mut keys, motion)| {
            keys.sort_by_key(|key| key.0);
            Print {
                size: [w, h],
                keys: keys.into_iter().map(|(time, features)| KeyFrame { time, features }).collect(),
                motion: motion.into_iter().map(|(rising, strong)| Motion { rising, strong }).collect(),
            }
        })
    }

    #[test]
    fn a_small_print_keeps_features_of_some_key_frames_and_all_of_a_still() {
        let features: Vec<Feature> = (0..24).map(Feature::unpacked).collect();
        let key = |time| KeyFrame { time, features: features.clone() };
        let keys = (0..9).map(|second| key(1000 * second)).collect();
        let film = Print { keys, motion: vec![Motion::default(); 36], size: [1.0, 0.5] };
        let small = film.clone().small();
        let kept: Vec<_> = small.keys.iter().filter(|key| !key.features.is_empty()).collect();
        assert!(kept.iter().all(|key| key.features == features[..SMALL_FEATURES]));
        assert_eq!(Vec::from_iter(kept.iter().map(|key| key.time)), [0, 4000, 8000]);
        assert_eq!((&small.motion, small.keys.len()), (&film.motion, 9));
        let still = Print { keys: vec![key(0)], motion: vec![Motion::default()], ..film };
        assert_eq!(still.clone().small(), still);
    }

    #[test]
    fn a_print_was_kept_of_one_film_alone() {
        let key = |time| KeyFrame { time, features: (0..24).map(|n| Feature::unpacked(n << 50)).collect() };
        let moving = Motion { rising: [1, 0], strong: [3, 0] };
        let keys = (0..9).map(|second| key(1000 * second)).collect();
        let film = Print { keys, motion: vec![moving; 36], size: [1.0, 0.5] };
        assert!(film.is_kept_of(&film) && film.clone().small().is_kept_of(&film));
        let mut other = film.clone();
        other.keys[8].features[3].code[0] ^= 1;
        assert!(!film.is_kept_of(&other) && !other.is_kept_of(&film));
        let mut later = film.clone();
        later.motion[9] = Motion::default();
        assert!(!film.is_kept_of(&later));
        let slate = Print { motion: vec![Motion::default(); 36], ..film };
        assert!(!slate.is_kept_of(&slate));
    }

    proptest! {
        #[test]
        fn bytes_bring_a_print_back(print in prints()) {
            prop_assert_eq!(Print::from_bytes(&print.to_bytes()).unwrap(), print);
        }

        #[test]
        fn a_cut_print_is_refused(print in prints(), cut in any::<prop::sample::Index>()) {
            let bytes = print.to_bytes();
            prop_assert!(Print::from_bytes(&bytes[..cut.index(bytes.len())]).is_err());
        }
    }

    #[test]
    fn changed_bytes_are_refused_or_read_as_they_are() {
        let (accepted, refused) = (Cell::new(0), Cell::new(0));
        proptest!(|(print in prints(), at in any::<prop::sample::Index>(), value in any::<u8>())| {
            let mut bytes = print.to_bytes();
            let at = at.index(bytes.len());
            bytes[at] = value;
            match Print::from_bytes(&bytes) {
                Ok(read) => {
                    prop_assert_eq!(read.to_bytes(), bytes);
                    accepted.set(accepted.get() + 1);
                }
                Err(_) => refused.set(refused.get() + 1),
            }
        });
        assert!(accepted.get() > 9 && refused.get() > 9, "{accepted:?} {refused:?}");
    }
}
