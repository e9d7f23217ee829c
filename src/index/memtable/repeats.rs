//! Codes that came again: from the first of them the others are found, which are in no bucket.
//!
//! One code may be a large part of all (black frames are alike). So a list is made of blocks of a cache line each, and what
//! is read of it takes few steps that wait for each other.

use super::list::List;
use std::iter;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Places of a block: what else is in a cache line.
const PLACES: usize = 14;

/// What is known of a code that is equal to others.
#[derive(Debug, Default)]
pub(super) struct Link(AtomicU32);

/// The link of a code that came once.
const ALONE: u32 = 0;

/// The link of a code that came before. All others are numbers of blocks, from 1 on.
const REPEAT: u32 = u32::MAX;

/// Blocks of lists. One thread at a time adds to them.
#[derive(Default)]
pub(super) struct Repeats {
    blocks: List<Block>,
    count: AtomicU32,
}

#[derive(Default)]
#[repr(align(64))]
struct Block {
    /// The link to the block before.
    before: Link,
    count: AtomicU32,
    places: [AtomicU32; PLACES],
}

impl Link {
    /// For a code of which nothing is known.
    pub(super) fn clear(&self) {
        self.0.store(ALONE, Relaxed);
    }

    /// For a code that came before.
    pub(super) fn mark(&self) {
        self.0.store(REPEAT, Relaxed);
    }

    /// Whether the code came before.
    pub(super) fn is_repeat(&self) -> bool {
        self.0.load(Relaxed) == REPEAT
    }
}

impl Repeats {
    /// The block that a link leads to.
    fn block(&self, link: &Link) -> Option<&Block> {
        let number = link.0.load(Acquire);
        if number == REPEAT { None } else { self.blocks.get(number.checked_sub(1)? as usize) }
    }

    /// Adds a place to those of a first code.
    pub(super) fn add(&self, first: &Link, place: u32) {
        if let Some(block) = self.block(first) {
            let count = block.count.load(Relaxed);
            if let Some(free) = block.places.get(count as usize) {
                free.store(place, Relaxed);
                block.count.store(count + 1, Release);
                return;
            }
        }
        let number = self.count.load(Relaxed);
        let block = self.blocks.make(number as usize);
        block.before.0.store(first.0.load(Relaxed), Relaxed);
        block.places[0].store(place, Relaxed);
        block.count.store(1, Relaxed);
        self.count.store(number + 1, Relaxed);
        // Whoever comes to it sees what was written.
        first.0.store(number + 1, Release);
    }

    /// The places of those that are equal to a first code, in no order.
    #[inline(always)]
    pub(super) fn of<'a>(&'a self, first: &'a Link) -> impl Iterator<Item = u32> {
        let blocks = iter::successors(self.block(first), |block| self.block(&block.before));
        blocks.flat_map(|block| {
            let places = block.places.iter().take(block.count.load(Acquire) as usize);
            places.map(|place| place.load(Relaxed))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_found_from_the_first() {
        let repeats = Repeats::default();
        let links: Vec<Link> = (0..7).map(|_| Link::default()).collect();
        let first = |place: usize| place * place % 7;
        for place in 7..1000 {
            repeats.add(&links[first(place)], place as u32);
        }
        for (number, link) in links.iter().enumerate() {
            let mut found: Vec<u32> = repeats.of(link).collect();
            found.sort_unstable();
            let expected = (7..1000).filter(|&place| first(place) == number).map(|place| place as u32);
            assert!(expected.eq(found));
        }
        links[1].mark();
        assert!(links[1].is_repeat() && !links[2].is_repeat());
        assert_eq!(repeats.of(&links[1]).count(), 0);
    }
}
