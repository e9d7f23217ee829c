//! Which codes are there already: a hash table that only the thread that appends looks into.

use super::buckets::{MOST, PLACE};
use super::words::Words;
use crate::index::Code;
use crate::index::spare::Spare;
use crate::plain::prefetch_close;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// What is in a slot that is not taken. No code's slot has the uppermost bit.
const FREE: u64 = u64::MAX;

/// Slots for each code that is expected.
const SPARSE: usize = 4;

/// The places of codes that are all different, by linear probing.
pub(super) struct Firsts {
    /// The place, and above it bits of the hash.
    slots: Words,
    mask: usize,
    count: AtomicUsize,
    /// Whoever chooses what is inserted cannot choose where it goes.
    hasher: RandomState,
}

/// What became of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// It is the first of its kind.
    New,
    /// It is equal to the one of this place.
    Repeat(u32),
    /// There is no room.
    Full,
}

impl Firsts {
    /// Empty, for so many codes; for twice as many there is room.
    pub(super) fn new(codes: usize, spare: &Arc<Spare>) -> io::Result<Self> {
        let slots = (SPARSE * codes).min(2 * MOST).next_power_of_two();
        let words = Words::new(slots, spare)?;
        words.iter().for_each(|slot| slot.store(FREE, Relaxed));
        Ok(Self { slots: words, mask: slots - 1, count: AtomicUsize::new(0), hasher: RandomState::new() })
    }

    pub(super) fn hash<const W: usize>(&self, code: &Code<W>) -> u64 {
        self.hasher.hash_one(code)
    }

    /// Asks for the memory of a hash.
    #[inline(always)]
    pub(super) fn prefetch(&self, hash: u64) {
        prefetch_close(&self.slots, hash as usize & self.mask);
    }

    /// Adds the code of a place, unless one is there that `is_equal` to it.
    #[inline(always)]
    pub(super) fn add(&self, hash: u64, place: usize, is_equal: impl Fn(usize) -> bool) -> Entry {
        const PLACES: u64 = (1 << PLACE) - 1;
        let tag = hash >> 1 & !PLACES;
        let mut slot = hash as usize & self.mask;
        loop {
            let held = self.slots[slot].load(Relaxed);
            if held == FREE {
                break;
            }
            if held & !PLACES == tag && is_equal((held & PLACES) as usize) {
                return Entry::Repeat((held & PLACES) as u32);
            }
            slot = (slot + 1) & self.mask;
        }
        let count = self.count.load(Relaxed);
        if 2 * (count + 1) > self.slots.len() {
            return Entry::Full;
        }
        self.count.store(count + 1, Relaxed);
        self.slots[slot].store(tag | place as u64, Relaxed);
        Entry::New
    }

    /// The codes that are there.
    pub(super) fn len(&self) -> usize {
        self.count.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn agrees_with_a_map(codes in prop::collection::vec((0u64..40, 0u64..3), 0..300), expected in 0usize..200) {
            let firsts = Firsts::new(expected, &Arc::default()).unwrap();
            let mut model = HashMap::new();
            let codes: Vec<Code<2>> = codes.into_iter().map(|(a, b)| [a, b]).collect();
            for (place, code) in codes.iter().enumerate() {
                let entry = firsts.add(firsts.hash(code), place, |at| codes[at] == *code);
                if entry == Entry::Full {
                    prop_assert!(model.len() >= 2 * expected);
                    break;
                }
                let first = *model.entry(code).or_insert(place);
                prop_assert_eq!(entry, if first == place { Entry::New } else { Entry::Repeat(first as u32) });
            }
            prop_assert_eq!(firsts.len(), model.len());
        }
    }
}
