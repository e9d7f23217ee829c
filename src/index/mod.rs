//! Exact search of binary codes within a Hamming radius.
//!
//! An [`Index`] holds pairs of a code and an id. A code is `W` little words of 64 bits: 1, 2 or 4 of them (64, 128 or
//! 256 bits). An id is any 64-bit number; a caller packs his own meaning into it, such as an owner in the upper half
//! and a place in the lower. The same code may be stored under many ids.
//!
//! Everything is exact: a search returns the ids and distances that a scan of all codes would return. Who can do with
//! most of what is near, and knows which bits of his codes are in doubt, has a
//! [cheaper way](Snapshot::colliding_batch), whose results are as reproducible.
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
//! # How it works
//!
//! Codes lie in **segments** that are written once. In a segment equal codes are folded into one, and codes are cut
//! into bands: for each band a table leads from each value of the band to the codes that have it. Two codes
//! within the radius have a band that differs in very few bits, so a search looks up the values near those of its own
//! code. Beside each posting lie the 32 bits that follow the band, and nearly all that does not match is rejected by
//! them, sixteen bits at a time, before its code is touched. A plan is made first: bands whose values are too frequent
//! are left to the others, and where a scan is cheaper, the segment is scanned. The inner loops exist for AVX-512,
//! AVX2 and any processor, and are chosen at run time.
//!
//! What is inserted goes to a **memtable**, which is searched while it grows: for each band a cache line for each value of
//! its first bits, into which postings are written. Its buckets become larger as it is filled; beside a large segment it
//! may become as large as that, up to a million codes, as two parts are searched faster than many, and writing into it
//! costs less than sorting. At last it is sorted into a segment, and a segment takes in the smaller ones as soon as they have come near to it in
//! size. Its own tables are taken over as they are, so that this is cheap; small jobs are done by whoever inserts, large
//! ones in the background. Removed ids are left out by the next merge. Readers take a [`Snapshot`], which costs one atomic
//! load, and writers replace the state whole: neither waits for the other.
//!
//! A segment in memory has the layout of its file. [`Index::save`] writes what is new, [`Index::open`] maps it.
//!
//! | room | subject |
//! |---|---|
//! | `bands` | cuts, thresholds, budgets: the mathematics |
//! | `collision` | the cheaper way: which codes collide |
//! | `kernel` | scan, filter and check, for each set of instructions |
//! | `segment` | layout, building, planning, searching, batches, files |
//! | `memtable` | what was inserted last, searched while it grows |
//! | `block`, `part`, `ranges` | lists, what a part holds, what was taken out |
//! | `live`, `merge`, `grow`, `snapshot`, `hits` | the index, its upkeep, and its searches |
//! | `visited`, `spare` | the places that a search has visited; memory that goes round |
//! | `store` | an index in a folder |

mod bands;
mod block;
mod collision;
mod grow;
mod hits;
mod kernel;
mod live;
mod memtable;
mod merge;
mod part;
mod ranges;
mod segment;
mod snapshot;
mod spare;
mod store;
#[cfg(test)]
mod tests;
mod visited;

pub use collision::{DOUBTS, Doubts, Reach, Sought, WORD, WORDS, sure};
pub use hits::{Batch, Hit, Outcome};
pub use live::Index;
pub use segment::{OpenError, Segment, VerifyError};
pub use snapshot::Snapshot;
pub(crate) use store::Stored;

/// A code of `W` words.
pub type Code<const W: usize> = [u64; W];

/// Codes of other widths do not compile where they would be stored.
struct Width<const W: usize>;

impl<const W: usize> Width<W> {
    const SUPPORTED: () = assert!(matches!(W, 1 | 2 | 4), "codes have 64, 128 or 256 bits");
}

/// The number of bits in which two codes differ.
///
/// ```
/// assert_eq!(afterimage::index::distance(&[0b1011], &[0b0001]), 2);
/// ```
pub fn distance<const W: usize>(a: &Code<W>, b: &Code<W>) -> u32 {
    a.iter().zip(b).map(|(x, y)| (x ^ y).count_ones()).sum()
}
