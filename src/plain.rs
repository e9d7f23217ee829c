//! Plain numbers as bytes, and bytes, in anonymous memory or in a mapped file, as little-endian numbers.

#[cfg(target_endian = "big")]
compile_error!("files are mapped as they lie, which is little-endian");

use crate::shared::Bytes;
use memmap2::Mmap;
use std::fmt;
use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::ops::Deref;

/// Where every section begins: a multiple of a cache line.
pub(crate) const ALIGN: usize = 64;

/// Plain numbers that any bytes are a valid value of.
///
/// # Safety
/// Every bit pattern is valid, there is no padding, and the alignment divides [`ALIGN`].
#[allow(unsafe_code)]
pub(crate) unsafe trait Plain: Copy {}

#[allow(unsafe_code)]
mod numbers {
    use super::Plain;
    // SAFETY: a number without padding.
    unsafe impl Plain for u16 {}
    // SAFETY: a number without padding.
    unsafe impl Plain for u32 {}
    // SAFETY: a number without padding.
    unsafe impl Plain for u64 {}
    // SAFETY: an array of numbers without padding.
    unsafe impl<const W: usize> Plain for [u64; W] {}
    // SAFETY: an array of numbers without padding.
    unsafe impl<const N: usize> Plain for [u32; N] {}
}

/// Bytes as numbers; what does not fill a number at the end is left out.
#[allow(unsafe_code)]
pub(crate) fn cast<T: Plain>(bytes: &[u8]) -> &[T] {
    // SAFETY: `Plain` says that any bytes are a valid value.
    let (before, numbers, _) = unsafe { bytes.align_to::<T>() };
    debug_assert!(before.is_empty(), "sections are aligned");
    numbers
}

/// As [`cast`], to be written to.
#[allow(unsafe_code)]
pub(crate) fn cast_mut<T: Plain>(bytes: &mut [u8]) -> &mut [T] {
    // SAFETY: `Plain` says that any bytes are a valid value, and that any value is valid bytes.
    let (before, numbers, _) = unsafe { bytes.align_to_mut::<T>() };
    debug_assert!(before.is_empty(), "sections are aligned");
    numbers
}

/// Numbers as the bytes that they are in memory.
#[allow(unsafe_code)]
pub(crate) fn bytes_of<T: Plain>(numbers: &[T]) -> &[u8] {
    // SAFETY: `Plain` says that there is no padding, so that every byte has a value.
    unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast(), size_of_val(numbers)) }
}

/// Asks for the cache line of a value well ahead of its use.
///
/// Into the second cache: a core has few requests under way for the first one, and twice the lines a second come so.
#[inline(always)]
pub(crate) fn prefetch<T>(values: &[T], place: usize) {
    request::<false, T>(values, place);
}

/// As [`prefetch`], into the first cache, of what comes next: a line that is there already is a dozen cycles nearer.
#[inline(always)]
pub(crate) fn prefetch_close<T>(values: &[T], place: usize) {
    request::<true, T>(values, place);
}

#[inline(always)]
#[allow(unsafe_code)]
fn request<const CLOSE: bool, T>(values: &[T], place: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};
        let line = values.as_ptr().wrapping_add(place).cast();
        // SAFETY: a prefetch never faults, whatever the address.
        unsafe { if CLOSE { _mm_prefetch::<_MM_HINT_T0>(line) } else { _mm_prefetch::<_MM_HINT_T1>(line) } };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (values, place);
}

/// How many items ahead memory is asked for. With more requests under way at once, some are lost.
pub(crate) const AHEAD: usize = 16;

/// The items one after the other. `ask` is called with each of them [`AHEAD`] items before.
#[inline(always)]
pub(crate) fn ahead<T>(items: &[T], ask: impl Fn(&T)) -> impl Iterator<Item = &T> {
    items.iter().take(AHEAD).for_each(&ask);
    items.iter().enumerate().map(move |(number, item)| {
        items.get(number + AHEAD).into_iter().for_each(&ask);
        item
    })
}

/// Many numbers, in memory of their own or in a mapped file.
pub(crate) enum Column<T> {
    Own(Vec<T>),
    Shared(Bytes, PhantomData<T>),
}

impl<T: Plain> Column<T> {
    /// The numbers that bytes are; `None` where these do not begin at a multiple of [`ALIGN`], or end within a number.
    pub(crate) fn shared(bytes: Bytes) -> Option<Self> {
        let fits = bytes.as_ptr().addr().is_multiple_of(ALIGN) && bytes.len().is_multiple_of(size_of::<T>());
        (fits || bytes.is_empty()).then_some(Self::Shared(bytes, PhantomData))
    }
}

impl<T: Plain> Deref for Column<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::Own(numbers) => numbers,
            Self::Shared(bytes, _) if bytes.is_empty() => &[],
            Self::Shared(bytes, _) => cast(bytes),
        }
    }
}

impl<T> Default for Column<T> {
    fn default() -> Self {
        Self::Own(Vec::new())
    }
}

impl<T: Plain> fmt::Debug for Column<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} numbers", self.len())
    }
}

/// Maps a whole file for reading.
#[allow(unsafe_code)]
pub(crate) fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: segment files are written once, under another name, and never changed; a process that truncates one
    // while it is mapped breaks the contract that the documentation of `Segment::open` states.
    let mapped = unsafe { Mmap::map(file)? };
    #[cfg(target_os = "linux")]
    let _ = mapped.advise(memmap2::Advice::HugePage);
    Ok(mapped)
}
