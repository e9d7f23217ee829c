//! The inner loops, in the best form that the processor has.
//!
//! Which form that is shows at run time, so that a crate compiled for plain x86-64 uses all of the machine. The
//! portable form is the oracle of the others; on aarch64 the compiler makes NEON of it.

#[cfg(target_arch = "x86_64")]
mod ahead;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod cell;
mod portable;
#[cfg(test)]
mod tests;

use super::Code;
pub(super) use cell::Cell;
use std::ops::Range;
use std::sync::atomic::AtomicU64;

/// A stretch of postings whose fingerprints are compared with that of the query.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// Place of the first posting among those of all bands.
    pub(super) start: usize,
    pub(super) len: u32,
    /// The fingerprint looked for.
    pub(super) fingerprint: u32,
    /// The most bits in which the lower halves of the fingerprints may differ.
    pub(super) near: u8,
    /// The most bits in which the fingerprints may differ.
    pub(super) limit: u8,
    pub(super) band: u32,
}

/// What the fingerprint of a posting has to be like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sieve {
    pub(super) fingerprint: u32,
    /// The bits that must be the same.
    pub(super) firm: u32,
    /// The bits of which few may differ.
    pub(super) sure: u32,
}

impl Sieve {
    /// Whether a fingerprint, of which some bits are known, may differ in no firm bit and in `most` sure ones.
    #[inline(always)]
    pub(super) fn passes(&self, print: u32, known: u32, most: u32) -> bool {
        let apart = (print ^ self.fingerprint) & known;
        apart & self.firm == 0 && (apart & self.sure).count_ones() <= most
    }
}

/// A stretch of postings that go through a sieve.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    /// Place of the first posting among those of all bands.
    pub(super) start: usize,
    pub(super) len: u32,
    /// Which of the sieves.
    pub(super) sieve: u32,
}

/// A stretch of postings whose fingerprints are compared with several.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    /// Place of the first posting among those of all bands.
    pub(super) start: usize,
    pub(super) len: u32,
    /// Which of the needles.
    pub(super) needles: Range<u32>,
}

/// What the lower halves of fingerprints looked for have in common, and for whom.
#[derive(Clone, Debug)]
pub(super) struct Needle {
    pub(super) fingerprint: u16,
    /// The bits that count. In the others the members differ.
    pub(super) firm: u16,
    /// The most bits in which the lower halves of the fingerprints may differ.
    pub(super) near: u8,
    /// The most bits in which the fingerprints may differ.
    pub(super) limit: u8,
    /// Which of the members.
    pub(super) members: Range<u32>,
}

/// A whole fingerprint, and who looks for it.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) print: u32,
    /// Which of the numbers of queries.
    pub(super) queries: Range<u32>,
}

/// The fingerprints of all postings. The halves lie apart: a search reads all of the lower, but few of the upper.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prints<'a> {
    pub(super) near: &'a [u16],
    pub(super) far: &'a [u16],
}

impl Prints<'_> {
    pub(super) fn get(&self, place: usize) -> Option<u32> {
        Some(u32::from(*self.near.get(place)?) | u32::from(*self.far.get(place)?) << 16)
    }
}

/// The most lines of a run that are asked for; what follows comes by the processor's own prefetching.
const LINES_MOST: usize = 8;

/// The half of a fingerprint that is looked at first.
pub(super) const LOWER: u32 = 0xffff;

/// A posting that passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    /// Its place among those of all bands.
    pub(super) place: usize,
    /// The number of the run or of the needle that it passed.
    pub(super) number: u32,
}

/// A code within the radius.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) place: u32,
    pub(super) distance: u32,
}

/// A set of instructions that kernels exist for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Level {
    /// All that this processor has, the best last.
    #[cfg(test)]
    pub(super) fn all() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut all = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if avx2::supported() {
                all.push(Self::Avx2);
            }
            if avx512::supported() {
                all.push(Self::Avx512);
            }
        }
        all
    }

    /// The best that this processor has.
    pub(super) fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if avx512::supported() {
                return Self::Avx512;
            }
            if avx2::supported() {
                return Self::Avx2;
            }
        }
        Self::Portable
    }

    /// Appends the codes within `radius`, in order. Places count from `base`.
    #[allow(unsafe_code)]
    pub(super) fn scan<const W: usize>(
        self,
        codes: &[Code<W>],
        code: &Code<W>,
        radius: u32,
        base: u32,
        out: &mut Vec<Found>,
    ) {
        match self {
            Self::Portable => portable::scan(codes, code, radius, base, out),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the level is only made where the processor supports it.
            Self::Avx2 => unsafe { avx2::scan(codes, code, radius, base, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the level is only made where the processor supports it.
            Self::Avx512 => unsafe { avx512::scan(codes, code, radius, base, out) },
        }
    }

    /// Appends the postings of `runs` that pass by the lower half of the fingerprint. A run that leaves `near` is cut
    /// off.
    #[allow(unsafe_code)]
    pub(super) fn filter(self, near: &[u16], runs: &[Run], out: &mut Vec<Candidate>) {
        match self {
            Self::Portable => portable::filter(near, runs, out),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the level is only made where the processor supports it.
            Self::Avx2 => unsafe { avx2::filter(near, runs, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the level is only made where the processor supports it.
            Self::Avx512 => unsafe { avx512::filter(near, runs, out) },
        }
    }

    /// Appends what passes of cells, with its place among all fingerprints of `words`, and to `over` the numbers of the
    /// cells of which there is more than has room.
    #[allow(unsafe_code)]
    pub(super) fn pick(
        self,
        words: &[AtomicU64],
        cells: &[Cell],
        out: &mut Vec<Candidate>,
        over: &mut Vec<u32>,
    ) {
        match self {
            Self::Portable => portable::pick(words, cells, out, over),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the levels are only made where the processor supports them, and both have AVX2.
            Self::Avx2 | Self::Avx512 => unsafe { avx2::pick(words, cells, out, over) },
        }
    }

    /// Appends the postings of `stretches` that pass their sieve by the lower half of the fingerprint. A stretch that
    /// leaves `near` is cut off.
    #[allow(unsafe_code)]
    pub(super) fn strain(
        self,
        near: &[u16],
        stretches: &[Stretch],
        sieves: &[Sieve],
        most: u32,
        out: &mut Vec<Candidate>,
    ) {
        match self {
            Self::Portable => portable::strain(near, stretches, sieves, most, out),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the level is only made where the processor supports it.
            Self::Avx2 => unsafe { avx2::strain(near, stretches, sieves, most, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the level is only made where the processor supports it.
            Self::Avx512 => unsafe { avx512::strain(near, stretches, sieves, most, out) },
        }
    }

    /// As [`filter`](Self::filter), for buckets that are compared with several needles each.
    #[allow(unsafe_code)]
    pub(super) fn sift(self, near: &[u16], buckets: &[Bucket], needles: &[Needle], out: &mut Vec<Candidate>) {
        match self {
            Self::Portable => portable::sift(near, buckets, needles, out),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the level is only made where the processor supports it.
            Self::Avx2 => unsafe { avx2::sift(near, buckets, needles, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the level is only made where the processor supports it.
            Self::Avx512 => unsafe { avx512::sift(near, buckets, needles, out) },
        }
    }

    /// Does some work, compiled with the instruction that counts bits where the processor has it. That holds for what
    /// is inlined.
    #[allow(unsafe_code)]
    #[inline]
    pub(super) fn run<T>(self, work: impl FnOnce() -> T) -> T {
        match self {
            Self::Portable => work(),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the levels are only made where the processor supports them, and both have POPCNT.
            Self::Avx2 | Self::Avx512 => unsafe { avx2::run(work) },
        }
    }

    /// Drops the candidates whose whole fingerprint differs too much. `sought` says by the number of a candidate what
    /// it is compared with: a fingerprint, and the most bits.
    pub(super) fn refine(
        self,
        prints: Prints,
        candidates: &mut Vec<Candidate>,
        sought: impl Fn(u32) -> (u32, u8),
    ) {
        self.run(|| portable::refine(prints, candidates, sought));
    }

    /// Appends for each candidate which of `queries` accept the whole fingerprint by one of its needle's members, as
    /// pairs of the place of the posting and the query.
    pub(super) fn distribute(
        self,
        prints: Prints,
        candidates: &[Candidate],
        needles: &[Needle],
        (members, queries): (&[Member], &[u32]),
        out: &mut Vec<(usize, u32)>,
    ) {
        self.run(|| portable::distribute(prints, candidates, needles, (members, queries), out));
    }

    /// As [`verify`](Self::verify), for pairs of a place and the number of a query.
    pub(super) fn verify_pairs<const W: usize>(
        self,
        codes: &[Code<W>],
        queries: &[Code<W>],
        radius: u32,
        pairs: &[(u32, u32)],
        out: &mut Vec<(Found, u32)>,
    ) {
        self.run(|| portable::verify_pairs(codes, queries, radius, pairs, out));
    }

    /// Appends those of the places whose codes lie within `radius`.
    pub(super) fn verify<const W: usize>(
        self,
        codes: &[Code<W>],
        code: &Code<W>,
        radius: u32,
        places: &[u32],
        out: &mut Vec<Found>,
    ) {
        self.run(|| portable::verify(codes, code, radius, places, out));
    }
}
