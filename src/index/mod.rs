//! Exact search of binary codes within a Hamming radius.
//!
//! An [`Index`] holds pairs of a code and an id. A code is `W` little words of 64 bits: 1, 2 or 4 of them (64, 128 or
//! 256 bits). An id is any 64-bit number; a caller packs his own meaning into it, such as an owner in the upper half
//! and a place in the lower. The same code may be stored under many ids.
//!
//! Everything is exact: a search returns the ids and distances that a scan of all codes would return.
//!
//! ```
//! use afterimage::index::Index;
//!
//! let index = Index::<4>::default();
//! index.insert(&[1, 2, 3, 4], 7);
//! let hits = index.snapshot().within(&[1, 2, 3, 5], 31);
//! assert_eq!((hits[0].id, hits[0].distance), (7, 1));
//! ```
//!
//! Writers never wait for readers, nor readers for writers: a [`Snapshot`] is an immutable view.

mod bands;
mod block;
mod hits;
mod kernel;
mod live;
mod merge;
mod part;
mod ranges;
mod segment;
mod snapshot;
mod store;
#[cfg(test)]
mod tests;

pub use hits::{Batch, Hit, Outcome};
pub use live::Index;
pub use segment::{OpenError, Segment, VerifyError};
pub use snapshot::Snapshot;

/// A code of `W` words.
pub type Code<const W: usize> = [u64; W];

/// The number of bits in which two codes differ.
///
/// ```
/// assert_eq!(afterimage::index::distance(&[0b1011], &[0b0001]), 2);
/// ```
pub fn distance<const W: usize>(a: &Code<W>, b: &Code<W>) -> u32 {
    a.iter().zip(b).map(|(x, y)| (x ^ y).count_ones()).sum()
}
