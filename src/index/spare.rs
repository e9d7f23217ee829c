//! Memory of segments: zeroed pages of the system, or those of segments that are gone.

use crate::plain::ALIGN;
use memmap2::MmapMut;
use std::io;
use std::ops::{Deref, DerefMut, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Memory that begins at a multiple of [`ALIGN`].
pub(super) enum Memory {
    /// In the middle of what the allocator gave.
    Small(Vec<u8>, Range<usize>),
    Large(Large),
}

/// Pages of which the first so many bytes are used.
pub(super) struct Large {
    pages: Option<MmapMut>,
    length: usize,
    /// Where they go when they are no longer used.
    home: Weak<Spare>,
}

/// So much memory is asked of the system. Less comes from the allocator, which has it at hand again soon after it is
/// given back, while fresh pages cost as much time as what is done with them.
const LARGE: usize = 1 << 23;

/// Zeroed memory. If it is large it asks for huge pages: searches read from all over it, and would miss the TLB with
/// small ones.
pub(super) fn allocate(length: usize) -> io::Result<Memory> {
    if length >= LARGE {
        return Ok(Memory::Large(Large { pages: Some(map(length)?), length, home: Weak::new() }));
    }
    let mut bytes: Vec<u8> = Vec::new();
    bytes.try_reserve_exact(length + ALIGN)?;
    let start = bytes.as_ptr().align_offset(ALIGN).min(ALIGN);
    bytes.resize(start + length, 0);
    Ok(Memory::Small(bytes, start..start + length))
}

fn map(length: usize) -> io::Result<MmapMut> {
    let pages = MmapMut::map_anon(length)?;
    #[cfg(target_os = "linux")]
    // Advice: without huge pages all works, only slower.
    let _ = pages.advise(memmap2::Advice::HugePage);
    Ok(pages)
}

impl Deref for Memory {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Small(bytes, range) => &bytes[range.clone()],
            Self::Large(large) => large.pages.as_deref().map_or(&[], |pages| &pages[..large.length]),
        }
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Small(bytes, range) => &mut bytes[range.clone()],
            Self::Large(large) => {
                large.pages.as_deref_mut().map_or(&mut [], |pages| &mut pages[..large.length])
            }
        }
    }
}

impl Drop for Large {
    fn drop(&mut self) {
        if let (Some(pages), Some(spare)) = (self.pages.take(), self.home.upgrade()) {
            spare.lock().keep(pages);
        }
    }
}

/// Pages of segments that were merged into others, for the next ones: to clear fresh pages takes as long as to fill
/// them. They are kept only while merges follow each other.
#[derive(Debug, Default)]
pub(super) struct Spare(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    is_open: bool,
    pages: Vec<MmapMut>,
}

/// The most pages that are kept, in bytes; those that were never touched take no memory.
const MOST: usize = 1 << 31;

impl Spare {
    /// From now on keeps what is given back, or no longer, and keeps nothing.
    pub(super) fn open(&self, is_open: bool) {
        let mut kept = self.lock();
        kept.is_open = is_open;
        let freed = if is_open { Vec::new() } else { std::mem::take(&mut kept.pages) };
        drop(kept);
        drop(freed);
    }

    /// Memory that may hold anything.
    pub(super) fn allocate(self: &Arc<Self>, length: usize) -> io::Result<Memory> {
        let mut kept = self.lock();
        let (is_open, found) = (kept.is_open, kept.take(length));
        drop(kept);
        let pages = match found {
            Some(pages) => pages,
            // The next segment is somewhat larger, and should find room there.
            None if is_open && length >= LARGE => map(2 * length).or_else(|_| map(length))?,
            None if length >= LARGE => map(length)?,
            None => return allocate(length),
        };
        Ok(Memory::Large(Large { pages: Some(pages), length, home: Arc::downgrade(self) }))
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// The smallest pages that so much fits into, and fills at least half.
    fn take(&mut self, length: usize) -> Option<MmapMut> {
        let fits = |pages: &MmapMut| (length..=2 * length).contains(&pages.len());
        let fitting = self.pages.iter().enumerate().filter(|(_, pages)| fits(pages));
        let (place, _) = fitting.min_by_key(|(_, pages)| pages.len())?;
        Some(self.pages.swap_remove(place))
    }

    /// Keeps pages, in place of older ones.
    fn keep(&mut self, pages: MmapMut) {
        if !self.is_open || pages.len() > MOST {
            return;
        }
        self.pages.push(pages);
        while self.pages.iter().map(|pages| pages.len()).sum::<usize>() > MOST {
            self.pages.remove(0);
        }
    }
}

#[cfg(test)]
impl Spare {
    /// With pages that somebody has written to.
    pub(super) fn used(bytes: usize) -> Arc<Self> {
        let spare = Self::default();
        spare.open(true);
        let mut pages = map(bytes).unwrap();
        pages.fill(0xa5);
        spare.lock().keep(pages);
        Arc::new(spare)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_go_round_while_merges_follow_each_other() {
        let spare = Arc::new(Spare::default());
        drop(spare.allocate(LARGE).unwrap());
        assert!(spare.lock().pages.is_empty(), "closed");
        spare.open(true);
        let mut first = spare.allocate(LARGE).unwrap();
        assert_eq!(first.len(), LARGE);
        first[LARGE - 1] = 7;
        drop(first);
        // A larger one finds room there, one that would waste it does not.
        assert!(spare.allocate(LARGE / 3).unwrap().iter().all(|&byte| byte == 0));
        let next = spare.allocate(LARGE + 99).unwrap();
        assert_eq!((next.len(), next[LARGE - 1]), (LARGE + 99, 7));
        spare.open(false);
        drop(next);
        assert!(spare.lock().pages.is_empty());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let spare = Spare::default();
        spare.open(true);
        for _ in 0..5 {
            spare.lock().keep(map(MOST / 2).unwrap());
        }
        assert_eq!(spare.lock().pages.len(), 2);
    }
}
