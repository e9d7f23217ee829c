//! A part of the index: codes of a moment, less those that were taken out since.

use super::block::Block;
use super::collision::{Look, Reach};
use super::hits::{Ask, append};
use super::kernel::{Found, Level};
use super::memtable::Memtable;
use super::ranges::Ranges;
use super::segment::{BatchScratch, CollideScratch, Scratch, Segment, scan_for_collisions};
use super::spare::Spare;
use super::{Code, Hit, Outcome};
use std::sync::Arc;

/// Codes of a segment that are looked at together.
const TOGETHER: usize = 1024;

/// Where the codes lie.
#[derive(Debug)]
pub(super) enum Body<const W: usize> {
    /// The first codes of a table that grows, or waits to be sorted.
    Memtable(Arc<Memtable<W>>, usize),
    Segment(Arc<Segment<W>>),
}

impl<const W: usize> Clone for Body<W> {
    fn clone(&self) -> Self {
        match self {
            Self::Memtable(table, len) => Self::Memtable(Arc::clone(table), *len),
            Self::Segment(segment) => Self::Segment(Arc::clone(segment)),
        }
    }
}

impl<const W: usize> Body<W> {
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Memtable(a, _), Self::Memtable(b, _)) => Arc::ptr_eq(a, b),
            (Self::Segment(a), Self::Segment(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Memtable(_, len) => *len,
            Self::Segment(segment) => segment.len(),
        }
    }

    /// The number of ids that are to be counted.
    fn count(&self, counts: impl Fn(u64) -> bool) -> usize {
        match self {
            Self::Memtable(table, len) => table.ids(*len).filter(|&id| counts(id)).count(),
            Self::Segment(segment) => segment.all_ids().filter(|&id| counts(id)).count(),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Part<const W: usize> {
    pub(super) body: Body<W>,
    removed: Arc<Ranges>,
    live: usize,
    /// A merge or other upkeep is at work on it.
    pub(super) claimed: bool,
}

impl<const W: usize> Part<W> {
    pub(super) fn new(body: Body<W>) -> Self {
        Self { live: body.len(), body, removed: Arc::default(), claimed: false }
    }

    /// A segment from which some ids, known and counted, were taken out.
    pub(super) fn less(segment: Arc<Segment<W>>, removed: &[(u64, u64)], live: usize) -> Self {
        let mut ranges = Ranges::default();
        removed.iter().for_each(|&(start, end)| ranges.insert(&(start..=end)));
        Self { body: Body::Segment(segment), removed: Arc::new(ranges), live, claimed: false }
    }

    /// A segment from which some ids were taken out.
    pub(super) fn without(segment: Arc<Segment<W>>, removed: &[(u64, u64)]) -> Self {
        let mut part = Self::less(segment, removed, 0);
        part.live = part.body.count(|id| !part.removed.contains(id));
        part
    }

    /// Ids that were not taken out.
    pub(super) fn len(&self) -> usize {
        self.live
    }

    /// Nothing was taken out.
    pub(super) fn is_whole(&self) -> bool {
        self.live == self.body.len()
    }

    pub(super) fn remove(&mut self, ids: &Ranges) {
        let (least, greatest) = match &self.body {
            Body::Memtable(table, _) => table.span(),
            Body::Segment(segment) => segment.span(),
        };
        if !ids.meet(&(least..=greatest)) {
            return;
        }
        let hit = if self.removed.is_empty() {
            self.body.count(|id| ids.contains(id))
        } else {
            self.body.count(|id| ids.contains(id) && !self.removed.contains(id))
        };
        if hit > 0 {
            Arc::make_mut(&mut self.removed).join(ids);
            // What a file told may have been too few.
            self.live = self.live.saturating_sub(hit);
        }
    }

    /// Marks it as being at work on.
    pub(super) fn claim(&mut self) -> Self {
        self.claimed = true;
        self.clone()
    }

    /// Appends as many codes to a memtable as it has room for, and returns how many these are.
    pub(super) fn append(&mut self, codes: &[Code<W>], ids: &[u64], spare: &Arc<Spare>) -> usize {
        let Body::Memtable(table, len) = &mut self.body else { return 0 };
        let count = table.append(*len, codes, ids, spare);
        *len += count;
        self.live += count;
        count
    }

    /// What was taken out.
    pub(super) fn removed_ranges(&self) -> &[(u64, u64)] {
        self.removed.as_slice()
    }

    /// Appends what was not taken out to `out`.
    pub(super) fn copy_into(&self, out: &mut Block<W>) {
        match &self.body {
            Body::Memtable(table, len) => self.copy_live(table.range(0..*len), out),
            Body::Segment(segment) => self.copy_live(segment.iter(), out),
        }
    }

    fn copy_live(&self, pairs: impl Iterator<Item = (Code<W>, u64)>, out: &mut Block<W>) {
        for (code, id) in pairs {
            if self.removed.is_empty() || !self.removed.contains(id) {
                out.push(code, id);
            }
        }
    }

    /// The number of codes that searches touch.
    pub(super) fn distinct(&self) -> usize {
        match &self.body {
            Body::Memtable(_, len) => *len,
            Body::Segment(segment) => segment.distinct(),
        }
    }

    /// Calls `look` with some codes at a time, and the place of the first of them.
    pub(super) fn for_each_few(&self, mut look: impl FnMut(usize, &[Code<W>])) {
        match &self.body {
            Body::Memtable(table, len) => table.for_each_few(*len, look),
            Body::Segment(segment) => {
                let few = segment.codes().chunks(TOGETHER);
                few.enumerate().for_each(|(number, codes)| look(number * TOGETHER, codes));
            }
        }
    }

    /// Appends what is asked for, by a scan.
    pub(super) fn scan(&self, ask: Ask<W>, scratch: &mut Scratch, out: &mut Vec<Hit>) -> Outcome {
        scratch.found.clear();
        match &self.body {
            Body::Memtable(table, len) => table.scan(*len, ask.code, ask.radius, &mut scratch.found),
            Body::Segment(segment) => {
                Level::best().scan(segment.codes(), ask.code, ask.radius, 0, &mut scratch.found);
            }
        }
        self.report(&scratch.found, ask.cap, out)
    }

    /// Appends what is asked for.
    pub(super) fn within(&self, ask: Ask<W>, scratch: &mut Scratch, out: &mut Vec<Hit>) -> Outcome {
        match &self.body {
            Body::Memtable(table, len) => {
                table.search(*len, ask.code, ask.radius, &mut scratch.memtable);
                self.report(&scratch.memtable.found, ask.cap, out)
            }
            Body::Segment(segment) => {
                segment.search(ask.code, ask.radius, scratch);
                self.report(&scratch.found, ask.cap, out)
            }
        }
    }

    /// Calls `hit` with the number of a query and its hit, for all of `queries`. Of a code, no more than until it says that
    /// there are enough: a damaged table may name the same ids for many codes.
    pub(super) fn search_batch(
        &self,
        queries: &[Code<W>],
        radius: u32,
        scratch: &mut BatchScratch,
        mut hit: impl FnMut(u32, Hit) -> Outcome,
    ) {
        match &self.body {
            Body::Memtable(table, len) => {
                table.search_batch(*len, queries, radius, &mut scratch.memtable, &mut scratch.found);
            }
            Body::Segment(segment) => segment.search_batch(queries, radius, scratch),
        }
        for (query, found) in &scratch.found {
            for id in self.live_ids(found.place as usize) {
                if hit(*query, Hit { id, distance: found.distance }) == Outcome::Capped {
                    break;
                }
            }
        }
    }

    /// The ids of a code that were not taken out.
    pub(super) fn live_ids(&self, place: usize) -> impl Iterator<Item = u64> {
        let (one, many) = match &self.body {
            Body::Memtable(table, _) => (Some(table.id(place)), None),
            Body::Segment(segment) => (None, Some(segment.ids(place))),
        };
        let ids = one.into_iter().chain(many.into_iter().flatten());
        ids.filter(|id| self.removed.is_empty() || !self.removed.contains(*id))
    }

    fn report(&self, found: &[Found], cap: usize, out: &mut Vec<Hit>) -> Outcome {
        for &Found { place, distance } in found {
            let hits = self.live_ids(place as usize).map(|id| Hit { id, distance });
            if append(hits, cap, out) == Outcome::Capped {
                return Outcome::Capped;
            }
        }
        Outcome::Complete
    }
}

impl Part<2> {
    /// Calls `hit` with the number of a query and what collides with it, for all of `codes`. Of a code, no more than until
    /// it says that there are enough.
    pub(super) fn collide(
        &self,
        codes: &[Code<2>],
        looks: &[Look],
        reach: Reach,
        scratch: &mut CollideScratch,
        mut hit: impl FnMut(u32, Hit) -> Outcome,
    ) {
        match &self.body {
            Body::Memtable(table, len) => {
                scratch.found.clear();
                table.for_each_few(*len, |first, few| {
                    scan_for_collisions(few, first, codes, looks, reach, scratch);
                });
            }
            Body::Segment(segment) => segment.collide(codes, looks, reach, scratch),
        }
        for (query, found) in &scratch.found {
            for id in self.live_ids(found.place as usize) {
                if hit(*query, Hit { id, distance: found.distance }) == Outcome::Capped {
                    break;
                }
            }
        }
    }
}
