//! Memory of segments, and of what it takes to make them: fresh, or that of others that are gone.
//!
//! To clear fresh pages takes as long as to fill them, and many times that where a hypervisor has to find them first.
//! So memory goes round while merges follow each other.

use crate::plain::ALIGN;
use memmap2::MmapMut;
use std::io;
use std::ops::{Deref, DerefMut, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Memory that begins at a multiple of [`ALIGN`].
pub(super) struct Memory {
    store: Store,
    used: Range<usize>,
    /// Where it goes when it is no longer used.
    home: Weak<Spare>,
}

#[derive(Debug)]
enum Store {
    Heap(Vec<u8>),
    /// Pages of the system, of which so many bytes were ever used: the rest is but addresses.
    Pages(MmapMut, usize),
}

/// So much memory is asked of the system, in huge pages: searches read from all over it, and would miss the TLB with
/// small ones.
const LARGE: usize = 1 << 21;

/// Less is not worth keeping.
const LITTLE: usize = 1 << 12;

/// What is kept while merges follow each other, in bytes.
const MOST: usize = 1 << 31;

/// What is kept at rest: as much as the smallest merges use.
const LEAST: usize = 1 << 23;

impl Store {
    /// Zeros.
    fn new(length: usize) -> io::Result<Self> {
        if length < LARGE {
            let mut bytes = Vec::new();
            bytes.try_reserve_exact(length + ALIGN)?;
            bytes.resize(length + ALIGN, 0);
            return Ok(Self::Heap(bytes));
        }
        // The next segment is somewhat larger, and should find room there.
        let pages = MmapMut::map_anon(length.saturating_mul(2)).or_else(|_| MmapMut::map_anon(length))?;
        #[cfg(target_os = "linux")]
        // Advice: without huge pages all works, only slower.
        let _ = pages.advise(memmap2::Advice::HugePage);
        Ok(Self::Pages(pages, 0))
    }

    /// The most that can lie there.
    fn room(&self) -> usize {
        match self {
            Self::Heap(bytes) => bytes.len().saturating_sub(ALIGN),
            Self::Pages(pages, _) => pages.len(),
        }
    }

    /// Bytes that are taken from the system.
    fn touched(&self) -> usize {
        match self {
            Self::Heap(bytes) => bytes.len(),
            Self::Pages(_, touched) => *touched,
        }
    }
}

impl Memory {
    /// In a store that has room for so much.
    fn within(mut store: Store, length: usize, home: Weak<Spare>) -> Self {
        let start = match &mut store {
            Store::Heap(bytes) => bytes.as_ptr().align_offset(ALIGN).min(ALIGN),
            Store::Pages(_, touched) => {
                *touched = length.max(*touched);
                0
            }
        };
        Self { store, used: start..start + length, home }
    }
}

impl Deref for Memory {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.store {
            Store::Heap(bytes) => &bytes[self.used.clone()],
            Store::Pages(pages, _) => &pages[self.used.clone()],
        }
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.store {
            Store::Heap(bytes) => &mut bytes[self.used.clone()],
            Store::Pages(pages, _) => &mut pages[self.used.clone()],
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(spare) = self.home.upgrade() {
            spare.keep(std::mem::replace(&mut self.store, Store::Heap(Vec::new())));
        }
    }
}

/// Memory that is no longer used, for those who come next.
#[derive(Debug, Default)]
pub(super) struct Spare(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    is_open: bool,
    /// The oldest first.
    stores: Vec<Store>,
}

impl Spare {
    /// From now on keeps much of what is given back, or little.
    pub(super) fn open(&self, is_open: bool) {
        let mut kept = self.lock();
        kept.is_open = is_open;
        let freed = kept.shrink();
        drop(kept);
        drop(freed);
    }

    /// Memory that may hold anything.
    pub(super) fn allocate(self: &Arc<Self>, length: usize) -> io::Result<Memory> {
        if length < LITTLE {
            return Ok(Memory::within(Store::new(length)?, length, Weak::new()));
        }
        let found = self.lock().take(length);
        let store = found.map_or_else(|| Store::new(length), Ok)?;
        Ok(Memory::within(store, length, Arc::downgrade(self)))
    }

    fn keep(&self, store: Store) {
        let mut kept = self.lock();
        if store.touched() <= kept.most() {
            kept.stores.push(store);
            let freed = kept.shrink();
            drop(kept);
            drop(freed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn most(&self) -> usize {
        if self.is_open { MOST } else { LEAST }
    }

    /// The memory of which most is of use, if so much fits into it and fills at least half.
    fn take(&mut self, length: usize) -> Option<Store> {
        let fits = |store: &Store| store.room() >= length && store.touched() / 2 <= length;
        let fitting = self.stores.iter().enumerate().filter(|(_, store)| fits(store));
        let (place, _) = fitting.max_by_key(|(_, store)| store.touched().min(length))?;
        Some(self.stores.remove(place))
    }

    /// Takes out the oldest of what is too much.
    fn shrink(&mut self) -> Vec<Store> {
        let mut left: usize = self.stores.iter().map(Store::touched).sum();
        let most = self.most();
        let excess = self.stores.iter().take_while(|store| {
            let is_excess = left > most;
            left -= store.touched();
            is_excess
        });
        let count = excess.count();
        self.stores.drain(..count).collect()
    }
}

#[cfg(test)]
impl Spare {
    /// With memory that somebody has written to.
    pub(super) fn used(bytes: usize) -> Arc<Self> {
        let spare = Arc::new(Self::default());
        spare.open(true);
        spare.allocate(bytes).unwrap().fill(0xa5);
        spare
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(spare: &Spare) -> usize {
        spare.lock().stores.iter().map(Store::touched).sum()
    }

    #[test]
    fn memory_goes_round_while_merges_follow_each_other() {
        for size in [2 * LITTLE, LARGE] {
            let spare = Arc::new(Spare::default());
            spare.open(true);
            let mut first = spare.allocate(size).unwrap();
            assert_eq!((first.len(), first.as_ptr().addr() % ALIGN), (size, 0));
            first[size / 2] = 7;
            drop(first);
            // A smaller one that would waste it does not take it, one that fits does.
            assert!(spare.allocate(size / 3).unwrap().iter().all(|&byte| byte == 0));
            // Nor does it lie among many that nobody can use.
            (0..100).for_each(|length| drop(spare.allocate(length).unwrap()));
            assert!(spare.lock().stores.len() <= 2);
            let next = spare.allocate(size - 99).unwrap();
            assert_eq!((next.len(), next[size / 2]), (size - 99, 7));
        }
    }

    #[test]
    fn a_larger_one_finds_room_behind_a_large_one() {
        let spare = Spare::used(LARGE);
        let next = spare.allocate(LARGE + LARGE / 2).unwrap();
        assert!(
            next[..LARGE].iter().all(|&byte| byte == 0xa5) && next[LARGE..].iter().all(|&byte| byte == 0)
        );
        drop(next);
        assert_eq!(kept(&spare), LARGE + LARGE / 2);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let spare = Arc::new(Spare::default());
        spare.open(true);
        // Addresses alone take no memory.
        let lent: Vec<Memory> = (0..5).map(|_| spare.allocate(MOST / 4).unwrap()).collect();
        drop(lent);
        assert_eq!(kept(&spare), MOST);
        spare.open(false);
        assert_eq!(kept(&spare), 0);
        drop(spare.allocate(LEAST / 2).unwrap());
        drop(spare.allocate(2 * LEAST).unwrap());
        assert!((1..=LEAST).contains(&kept(&spare)), "the small one");
    }
}
