//! What was inserted last: codes that are found while more are added beside them.
//!
//! One thread at a time appends. A reader knows how many codes there were when its snapshot was taken, and leaves out
//! those that came later; so nothing is copied for it, and it waits for nobody.

mod buckets;
mod firsts;
mod list;
mod pairs;
mod repeats;
mod search;
mod words;

use super::Code;
use super::spare::Spare;
use crate::plain::ahead;
use buckets::{Buckets, MOST};
use firsts::{Entry, Firsts};
use pairs::Pairs;
pub(super) use search::Scratch;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Fewer codes are scanned.
const LEAST_INDEXED: usize = 512;

/// Codes of the list that are put into the table at a time.
const TOGETHER: usize = 4096;

/// A list of codes and ids that grows, with a table of them.
#[derive(Default)]
pub(super) struct Memtable<const W: usize> {
    pairs: Arc<Pairs<W>>,
    /// From [`LEAST_INDEXED`] codes on. `None` if there is to be none.
    table: OnceLock<Option<Table>>,
}

/// Where codes are found. Of those that are equal only the first is in it; the others are found from there.
struct Table {
    buckets: Buckets,
    firsts: Firsts,
}

impl<const W: usize> Memtable<W> {
    /// One that is scanned, whatever its size.
    pub(super) fn without_table() -> Self {
        Self { table: OnceLock::from(None), ..Self::default() }
    }

    fn table(&self) -> Option<&Table> {
        self.table.get()?.as_ref()
    }

    /// The same codes, the first so many of which are in a table made for more. `None` if there is no room.
    ///
    /// Only one of both may be appended to afterwards.
    pub(super) fn grown(&self, len: usize, spare: &Arc<Spare>) -> Option<Self> {
        let table = OnceLock::from(Some(self.filled(len, spare)?));
        Some(Self { pairs: Arc::clone(&self.pairs), table })
    }

    /// A table of the first codes. `None` if there is no room.
    fn filled(&self, len: usize, spare: &Arc<Spare>) -> Option<Table> {
        let codes = self.table().map_or(len, |table| table.firsts.len());
        let buckets = Buckets::new::<W>(codes, spare).ok()?;
        let firsts = Firsts::new(buckets.capacity(), spare).ok()?;
        let table = Table { buckets, firsts };
        self.fill(&table, 0..len).then_some(table)
    }

    /// Puts codes of the list into a table. `false` if it has no room.
    ///
    /// Whichever were put into one before are known to be firsts or repeats: then nothing is written but the table.
    fn fill(&self, table: &Table, places: Range<usize>) -> bool {
        let most = places.len().min(TOGETHER);
        let mut hashes = Vec::with_capacity(most);
        let (mut codes, mut firsts) = (Vec::with_capacity(most), Vec::with_capacity(most));
        places.clone().step_by(TOGETHER).all(|start| {
            let some = start..places.end.min(start + TOGETHER);
            hashes.clear();
            hashes.extend(some.filter(|&place| !self.pairs.is_repeat(place)).map(|place| {
                let code = self.pairs.code(place);
                (table.firsts.hash(&code), place, code)
            }));
            codes.clear();
            firsts.clear();
            for &(hash, place, code) in ahead(&hashes, |&(hash, ..)| table.firsts.prefetch(hash)) {
                match table.firsts.add(hash, place, |held| self.pairs.code(held) == code) {
                    Entry::New => {
                        codes.push(code);
                        firsts.push(place as u32);
                    }
                    Entry::Repeat(first) => self.pairs.repeat(first as usize, place),
                    Entry::Full => return false,
                }
            }
            table.buckets.append(&codes, &firsts).is_ok()
        })
    }

    /// Puts codes that were appended to another one of the same into the table. `false` if it has no room.
    pub(super) fn catch_up(&self, places: Range<usize>) -> bool {
        self.table().is_some_and(|table| self.fill(table, places))
    }

    /// It should have a larger table.
    pub(super) fn is_crowded(&self) -> bool {
        self.table().is_some_and(|table| table.buckets.is_crowded(table.firsts.len()))
    }

    /// Appends as many as there is room for behind the first `len`, which are all of those before, and returns how many
    /// these are. One thread at a time may do so.
    pub(super) fn append(&self, len: usize, codes: &[Code<W>], ids: &[u64], spare: &Arc<Spare>) -> usize {
        let count = codes.len().min(MOST - len);
        self.pairs.append(len, &codes[..count], &ids[..count]);
        let fits = match self.table.get() {
            Some(Some(table)) => self.fill(table, len..len + count),
            None if len + count >= LEAST_INDEXED => {
                // Whoever sees it finds all that there was before.
                let table = self.filled(len + count, spare);
                table.is_some_and(|table| self.table.set(Some(table)).is_ok())
            }
            _ => true,
        };
        if fits { count } else { 0 }
    }

    pub(super) fn id(&self, place: usize) -> u64 {
        self.pairs.id(place)
    }

    pub(super) fn ids(&self, len: usize) -> impl Iterator<Item = u64> {
        self.pairs.ids(len)
    }

    /// The least and the greatest id; out of order if there is none.
    pub(super) fn span(&self) -> (u64, u64) {
        self.pairs.span()
    }

    /// The pairs of some places.
    pub(super) fn range(&self, places: Range<usize>) -> impl Iterator<Item = (Code<W>, u64)> {
        places.map(|place| (self.pairs.code(place), self.pairs.id(place)))
    }

    /// Calls `look` with the first codes, some at a time, and the place of the first of them.
    pub(super) fn for_each_few(&self, len: usize, look: impl FnMut(usize, &[Code<W>])) {
        self.pairs.for_each_few(len, look);
    }
}

impl<const W: usize> fmt::Debug for Memtable<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memtable").field("has_table", &self.table().is_some()).finish()
    }
}
