//! The bytes of a segment: anonymous memory or a mapped file, seen as slices of little-endian numbers.

#[cfg(target_endian = "big")]
compile_error!("segments are mapped as they lie in the file, which is little-endian");

use memmap2::{Mmap, MmapMut};
use std::fs::File;
use std::io;

/// Where every section begins: a multiple of a cache line.
pub(super) const ALIGN: usize = 64;

/// Plain numbers that any bytes are a valid value of.
///
/// # Safety
/// Every bit pattern is valid, there is no padding, and the alignment divides [`ALIGN`].
#[allow(unsafe_code)]
pub(super) unsafe trait Plain: Copy {}

#[allow(unsafe_code)]
mod plain {
    use super::Plain;
    // SAFETY: a number without padding.
    unsafe impl Plain for u16 {}
    // SAFETY: a number without padding.
    unsafe impl Plain for u32 {}
    // SAFETY: a number without padding.
    unsafe impl Plain for u64 {}
    // SAFETY: an array of numbers without padding.
    unsafe impl<const W: usize> Plain for [u64; W] {}
}

/// Bytes as numbers; what does not fill a number at the end is left out.
#[allow(unsafe_code)]
pub(super) fn cast<T: Plain>(bytes: &[u8]) -> &[T] {
    // SAFETY: `Plain` says that any bytes are a valid value.
    let (before, numbers, _) = unsafe { bytes.align_to::<T>() };
    debug_assert!(before.is_empty(), "sections are aligned");
    numbers
}

/// As [`cast`], to be written to.
#[allow(unsafe_code)]
pub(super) fn cast_mut<T: Plain>(bytes: &mut [u8]) -> &mut [T] {
    // SAFETY: `Plain` says that any bytes are a valid value, and that any value is valid bytes.
    let (before, numbers, _) = unsafe { bytes.align_to_mut::<T>() };
    debug_assert!(before.is_empty(), "sections are aligned");
    numbers
}

/// Zeroed memory that asks for huge pages: searches read from all over it, and would miss the TLB with small ones.
pub(super) fn allocate(length: usize) -> io::Result<MmapMut> {
    let memory = MmapMut::map_anon(length.max(1))?;
    #[cfg(target_os = "linux")]
    // Advice: without huge pages all works, only slower.
    let _ = memory.advise(memmap2::Advice::HugePage);
    Ok(memory)
}

/// Maps a whole file for reading.
#[allow(unsafe_code)]
pub(super) fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: segment files are written once, under another name, and never changed; a process that truncates one
    // while it is mapped breaks the contract that the documentation of `Segment::open` states.
    let mapped = unsafe { Mmap::map(file)? };
    #[cfg(target_os = "linux")]
    let _ = mapped.advise(memmap2::Advice::HugePage);
    Ok(mapped)
}
