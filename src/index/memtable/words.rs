//! Words of memory that one thread writes while others read.

use crate::index::spare::{Memory, Spare};
use std::io;
use std::ops::Deref;
use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// Many words, in huge pages where there are some. They may hold anything at first.
pub(super) struct Words {
    start: NonNull<AtomicU64>,
    count: usize,
    /// Whose bytes they are. Nobody looks at it any more.
    _memory: Memory,
}

impl Words {
    pub(super) fn new(count: usize, spare: &Arc<Spare>) -> io::Result<Self> {
        let mut memory = spare.allocate(size_of::<AtomicU64>() * count)?;
        let start = NonNull::from(&mut *memory).cast();
        Ok(Self { start, count, _memory: memory })
    }
}

// SAFETY: the memory belongs to nobody else, and may be given back by any thread.
#[allow(unsafe_code)]
unsafe impl Send for Words {}
// SAFETY: all that a shared reference gives is a slice of atomic words, which all threads may use.
#[allow(unsafe_code)]
unsafe impl Sync for Words {}

impl Deref for Words {
    type Target = [AtomicU64];

    #[inline(always)]
    #[allow(unsafe_code)]
    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: so many bytes were allocated, at a multiple of 64, and every one of them has a value. They stay where
        // they are for as long as `_memory` does, through which nobody reads or writes them.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.count) }
    }
}
