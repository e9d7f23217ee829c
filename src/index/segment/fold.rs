//! Folds equal codes together.

use super::bytes::{allocate, cast_mut};
use crate::index::{Code, kernel::prefetch};
use std::hash::{BuildHasher, RandomState};
use std::io;

/// Codes hashed ahead of the one at work, so that the table's memory arrives in time.
const GROUP: usize = 64;

/// The different codes of a list.
pub(super) struct Folded {
    /// For each code its number among the different ones, which are counted in order of appearance.
    pub(super) number_of: Vec<u32>,
    /// For each different code where it appears first.
    pub(super) firsts: Vec<u32>,
}

/// Finds the different codes by a hash table with open addressing.
pub(super) fn fold<const W: usize>(codes: &[Code<W>]) -> io::Result<Folded> {
    let slots = (codes.len() + codes.len() / 2 + 1).next_power_of_two();
    let mut memory = allocate(8 * slots)?;
    // A slot is zero, or half a hash above one more than the number of the code.
    let table = cast_mut::<u64>(&mut memory);
    let mut number_of = Vec::with_capacity(codes.len());
    let mut firsts: Vec<u32> = Vec::with_capacity(codes.len());
    // Nobody can prepare codes that all fall into one slot.
    let seed = RandomState::new().hash_one(codes.len());
    let mut hashes = [0; GROUP];
    for (group, chunk) in codes.chunks(GROUP).enumerate() {
        for (hash, code) in hashes.iter_mut().zip(chunk) {
            *hash = hash_of(code, seed);
            prefetch(table, *hash as usize & (slots - 1));
        }
        for (i, (code, hash)) in chunk.iter().zip(&hashes).enumerate() {
            let tag = hash & !u64::from(u32::MAX);
            let mut slot = *hash as usize & (slots - 1);
            let number = loop {
                let held = table[slot];
                if held == 0 {
                    firsts.push((group * GROUP + i) as u32);
                    table[slot] = tag | firsts.len() as u64;
                    break firsts.len() as u32 - 1;
                }
                if held & !u64::from(u32::MAX) == tag {
                    let number = held as u32 - 1;
                    if codes[firsts[number as usize] as usize] == *code {
                        break number;
                    }
                }
                slot = (slot + 1) & (slots - 1);
            };
            number_of.push(number);
        }
    }
    Ok(Folded { number_of, firsts })
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
