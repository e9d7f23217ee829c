//! The places that a search has visited: a code within the radius passes in nearly all bands.

/// What no place is.
const FREE: u32 = u32::MAX;

/// Slots of an empty set.
const LEAST: usize = 64;

/// A set of places, as a hash table with linear probing.
#[derive(Debug)]
pub(super) struct Visited {
    /// A power of two, at most half of them taken.
    slots: Vec<u32>,
    count: usize,
}

impl Default for Visited {
    fn default() -> Self {
        Self { slots: vec![FREE; LEAST], count: 0 }
    }
}

impl Visited {
    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.reset(LEAST);
    }

    fn reset(&mut self, slots: usize) {
        self.count = 0;
        self.slots.clear();
        self.slots.resize(slots, FREE);
    }

    /// Adds a place, and tells whether it was not there.
    #[inline(always)]
    pub(super) fn is_new(&mut self, place: u32) -> bool {
        let slot = self.slot(place);
        if self.slots[slot] == place {
            return false;
        }
        self.slots[slot] = place;
        self.count += 1;
        if 2 * self.count > self.slots.len() {
            self.grow();
        }
        true
    }

    /// Where a place lies, or would.
    #[inline(always)]
    fn slot(&self, place: u32) -> usize {
        /// 2³² over the golden ratio (Knuth, "The Art of Computer Programming", volume 3, section 6.4).
        const SCATTER: u32 = 0x9e37_79b9;
        let last = self.slots.len() - 1;
        // The upper bits of the product are the mixed ones.
        let mut slot =
            (place.wrapping_mul(SCATTER) >> (u32::BITS - self.slots.len().trailing_zeros())) as usize;
        while self.slots[slot] != FREE && self.slots[slot] != place {
            slot = (slot + 1) & last;
        }
        slot
    }

    #[cold]
    fn grow(&mut self) {
        let before = std::mem::take(&mut self.slots);
        self.reset(4 * before.len());
        for place in before.into_iter().filter(|&place| place != FREE) {
            let slot = self.slot(place);
            self.slots[slot] = place;
            self.count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        #[test]
        fn agrees_with_a_set(lists in prop::collection::vec(prop::collection::vec(0u32..900, 0..600), 1..4), step in 1u32..5000) {
            let mut visited = Visited::default();
            for places in lists {
                visited.clear();
                let mut model = HashSet::new();
                for place in places {
                    prop_assert_eq!(visited.is_new(place * step), model.insert(place));
                }
            }
        }
    }
}
