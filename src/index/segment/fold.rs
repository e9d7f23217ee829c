//! Folds equal codes together.

use crate::index::Code;
use crate::index::spare::{Memory, Spare};
use crate::plain::{AHEAD, cast_mut, prefetch};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;

/// The different codes of a list, in which some codes of another list may appear.
pub(super) struct Folded {
    /// For each code its number: its place in the other list, or behind that its place among the rest, which are
    /// counted in order of appearance.
    pub(super) number_of: Vec<u32>,
    /// For each code of the rest where it appears first.
    pub(super) firsts: Vec<u32>,
}

/// Finds the different codes by a hash table with open addressing. Those of `before` are different from each other.
pub(super) fn fold<const W: usize>(
    before: &[Code<W>],
    codes: &[Code<W>],
    spare: &Arc<Spare>,
) -> io::Result<Folded> {
    let mut table = Table::new(codes, spare)?;
    let mut number_of = Vec::with_capacity(codes.len());
    let mut firsts: Vec<u32> = Vec::with_capacity(codes.len());
    table.for_each(codes, |slots, place, hash| {
        let number = match slots.find(&firsts, &codes[place], hash) {
            Ok(number) => number,
            Err(slot) => {
                firsts.push(place as u32);
                slots.memory[slot] = tag(hash) | firsts.len() as u64;
                firsts.len() as u32 - 1
            }
        };
        number_of.push(number);
    });
    if before.is_empty() {
        return Ok(Folded { number_of, firsts });
    }
    // The table holds the further codes alone, which are few: it is the others that are looked up.
    let mut numbers = vec![u32::MAX; firsts.len()];
    table.for_each(before, |slots, place, hash| {
        if let Ok(number) = slots.find(&firsts, &before[place], hash) {
            numbers[number as usize] = place as u32;
        }
    });
    let mut rest = Vec::with_capacity(firsts.len());
    for (number, &first) in numbers.iter_mut().zip(&firsts) {
        if *number == u32::MAX {
            *number = (before.len() + rest.len()) as u32;
            rest.push(first);
        }
    }
    number_of.iter_mut().for_each(|number| *number = numbers[*number as usize]);
    Ok(Folded { number_of, firsts: rest })
}

/// The slots of a table of codes.
struct Slots<'a, const W: usize> {
    codes: &'a [Code<W>],
    /// A slot is zero, or half a hash above one more than the number of the code.
    memory: &'a mut [u64],
}

impl<const W: usize> Slots<'_, W> {
    /// The number of a code, or the slot where it belongs.
    #[inline(always)]
    fn find(&self, firsts: &[u32], code: &Code<W>, hash: u64) -> Result<u32, usize> {
        let mask = self.memory.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let held = self.memory[slot];
            if held == 0 {
                return Err(slot);
            }
            if tag(held) == tag(hash) {
                let number = held as u32 - 1;
                if self.codes[firsts[number as usize] as usize] == *code {
                    return Ok(number);
                }
            }
            slot = (slot + 1) & mask;
        }
    }
}

struct Table<'a, const W: usize> {
    codes: &'a [Code<W>],
    memory: Memory,
    seed: u64,
}

impl<'a, const W: usize> Table<'a, W> {
    fn new(codes: &'a [Code<W>], spare: &Arc<Spare>) -> io::Result<Self> {
        let slots = (codes.len() + codes.len() / 2 + 1).next_power_of_two();
        // Nobody can prepare codes that all fall into one slot.
        let seed = RandomState::new().hash_one(codes.len());
        let mut memory = spare.allocate(8 * slots)?;
        memory.fill(0);
        Ok(Self { codes, memory, seed })
    }

    /// Hashes codes, and asks for the memory of each before it is looked at.
    #[inline(always)]
    fn for_each(&mut self, codes: &[Code<W>], mut look: impl FnMut(&mut Slots<W>, usize, u64)) {
        let mut slots = Slots { codes: self.codes, memory: cast_mut(&mut self.memory) };
        let mask = slots.memory.len() - 1;
        let mut hashes = [0; AHEAD];
        for place in 0..codes.len() + AHEAD {
            let hash = hashes[place % AHEAD];
            if let Some(code) = codes.get(place) {
                let next = hash_of(code, self.seed);
                prefetch(slots.memory, next as usize & mask);
                hashes[place % AHEAD] = next;
            }
            if let Some(place) = place.checked_sub(AHEAD) {
                look(&mut slots, place, hash);
            }
        }
    }
}

/// The half of a hash that a slot holds.
fn tag(hash: u64) -> u64 {
    hash & !u64::from(u32::MAX)
}

/// Multiplies and folds, as wyhash does.
#[inline(always)]
fn hash_of<const W: usize>(code: &Code<W>, seed: u64) -> u64 {
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        product as u64 ^ (product >> 64) as u64
    };
    let mixed =
        code.iter().fold(seed, |hash, word| fold(hash ^ word, 0x9e37_79b9_7f4a_7c15 ^ seed.rotate_left(32)));
    fold(mixed ^ seed, 0xd6e8_feb8_6659_fd93)
}
