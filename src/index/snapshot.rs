//! An immutable view, and the searches.

use super::block::Block;
use super::collision::{Look, Reach, Sought};
use super::hits::{Ask, Gather, Nearest, append};
use super::kernel::Level;
use super::part::Part;
use super::segment::{BatchScratch, CollideScratch, Scratch, scan_for_collisions, together};
use super::{Batch, Code, Hit, Outcome};
use std::cell::RefCell;
use std::sync::Arc;

/// Codes scanned at one radius in the search of the nearest.
const NEAREST_AT_ONCE: usize = 1024;

/// All that is stored at one moment.
#[derive(Clone, Debug)]
pub(super) struct State<const W: usize> {
    pub(super) parts: Vec<Part<W>>,
    /// What was inserted last, from the longest list to the shortest.
    pub(super) head: Vec<Arc<Block<W>>>,
}

impl<const W: usize> Default for State<W> {
    fn default() -> Self {
        Self { parts: Vec::new(), head: Vec::new() }
    }
}

impl<const W: usize> State<W> {
    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(Part::len).sum::<usize>() + self.head_len()
    }

    pub(super) fn head_len(&self) -> usize {
        self.head.iter().map(|block| block.len()).sum()
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
    static GATHER: RefCell<Gather> = RefCell::default();
    static BATCH_SCRATCH: RefCell<BatchScratch> = RefCell::default();
    static COLLIDE_SCRATCH: RefCell<CollideScratch> = RefCell::default();
}

/// What an index held when the snapshot was taken. Cheap to take, to clone and to send to another thread.
#[derive(Clone, Debug)]
pub struct Snapshot<const W: usize> {
    pub(super) state: Arc<State<W>>,
}

impl<const W: usize> Snapshot<W> {
    /// The number of ids.
    pub fn len(&self) -> usize {
        self.state.len()
    }

    /// Nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All ids whose code differs from `code` in at most `radius` bits, nearest first, equals by id.
    pub fn within(&self, code: &Code<W>, radius: u32) -> Vec<Hit> {
        let mut hits = Vec::new();
        let _complete = self.within_into(code, radius, usize::MAX, &mut hits);
        hits.sort_unstable_by_key(Hit::order);
        hits
    }

    /// As [`within`](Self::within), but at most `cap` hits, in no order, into a buffer that is cleared first.
    pub fn within_into(&self, code: &Code<W>, radius: u32, cap: usize, out: &mut Vec<Hit>) -> Outcome {
        out.clear();
        SCRATCH.with_borrow_mut(|scratch| self.append(Ask { code, radius, cap }, scratch, out))
    }

    /// The `k` ids whose codes are nearest to `code`, nearest first, equals by id.
    pub fn nearest(&self, code: &Code<W>, k: usize) -> Vec<Hit> {
        let mut hits = Vec::new();
        if k == 0 {
            return hits;
        }
        // Wider and wider until there are enough; every step costs several times the one before.
        let bits = 64 * W as u32;
        for radius in [bits / 32, bits / 16, bits / 8, bits * 3 / 16] {
            let _complete = self.within_into(code, radius, usize::MAX, &mut hits);
            if hits.len() >= k {
                hits.sort_unstable_by_key(Hit::order);
                hits.truncate(k);
                return hits;
            }
        }
        self.nearest_by_scan(code, k)
    }

    /// As [`nearest`](Self::nearest), by a scan within a radius that shrinks.
    fn nearest_by_scan(&self, code: &Code<W>, k: usize) -> Vec<Hit> {
        let mut nearest = Nearest::new(k, 64 * W as u32);
        let mut found = Vec::new();
        let parts = self.state.parts.iter().map(|part| (part.codes(), Some(part), &[][..]));
        let head = self.state.head.iter().map(|block| (&block.codes[..], None, &block.ids[..]));
        for (codes, part, ids) in parts.chain(head) {
            for (chunk, codes) in codes.chunks(NEAREST_AT_ONCE).enumerate() {
                found.clear();
                let base = chunk * NEAREST_AT_ONCE;
                Level::best().scan(codes, code, nearest.radius(), base as u32, &mut found);
                for hit in &found {
                    let add = |id: u64| nearest.add(Hit { id, distance: hit.distance });
                    match part {
                        Some(part) => part.live_ids(hit.place as usize).for_each(add),
                        None => ids.get(hit.place as usize).copied().into_iter().for_each(add),
                    }
                }
            }
        }
        nearest.finish()
    }

    /// [`within`](Self::within) for many codes at once, which costs less than one by one.
    pub fn within_batch(&self, codes: &[Code<W>], radius: u32) -> Batch {
        let mut batch = Batch::default();
        self.within_batch_into(codes, radius, usize::MAX, &mut batch);
        batch
    }

    /// As [`within_batch`](Self::within_batch), but at most `cap` hits a code, into a batch that is cleared first.
    pub fn within_batch_into(&self, codes: &[Code<W>], radius: u32, cap: usize, out: &mut Batch) {
        out.clear();
        // Equal codes are searched once.
        let mut order: Vec<u32> = (0..codes.len() as u32).collect();
        order.sort_unstable_by_key(|&place| codes[place as usize]);
        let mut numbers = vec![0u32; codes.len()];
        let mut queries: Vec<Code<W>> = Vec::with_capacity(codes.len());
        for &place in &order {
            let code = codes[place as usize];
            if queries.last() != Some(&code) {
                queries.push(code);
            }
            numbers[place as usize] = queries.len() as u32 - 1;
        }
        GATHER.with_borrow_mut(|gather| {
            gather.start(queries.len(), cap);
            BATCH_SCRATCH.with_borrow_mut(|scratch| {
                for part in &self.state.parts {
                    part.search_batch(&queries, radius, scratch, |query, hit| gather.add(query, hit));
                }
            });
            let mut found = Vec::new();
            for block in &self.state.head {
                block.search_batch(&queries, radius, &mut found);
                found.iter().for_each(|&(query, found)| gather.add(query, block.hit(found)));
            }
            gather.sort();
            for number in numbers {
                let (hits, capped) = gather.of(number as usize);
                out.push(hits, capped);
            }
        });
    }

    /// As [`within_into`](Self::within_into), by a scan of all codes: what the index is measured against.
    pub fn scan_into(&self, code: &Code<W>, radius: u32, cap: usize, out: &mut Vec<Hit>) -> Outcome {
        out.clear();
        SCRATCH.with_borrow_mut(|scratch| {
            let ask = Ask { code, radius, cap };
            let mut parts = self.state.parts.iter();
            if parts.all(|part| part.scan(ask, scratch, out) == Outcome::Complete) {
                self.scan_head(ask, scratch, out)
            } else {
                Outcome::Capped
            }
        })
    }

    /// The number of codes that searches touch: equal ones are folded together when they are sorted.
    pub fn distinct(&self) -> usize {
        self.state.parts.iter().map(Part::distinct).sum::<usize>() + self.state.head_len()
    }

    fn append(&self, ask: Ask<W>, scratch: &mut Scratch, out: &mut Vec<Hit>) -> Outcome {
        let mut parts = self.state.parts.iter();
        if parts.all(|part| part.within(ask, scratch, out) == Outcome::Complete) {
            self.scan_head(ask, scratch, out)
        } else {
            Outcome::Capped
        }
    }

    fn scan_head(&self, ask: Ask<W>, scratch: &mut Scratch, out: &mut Vec<Hit>) -> Outcome {
        let mut head = self.state.head.iter();
        let complete = head.all(|block| {
            scratch.found.clear();
            Level::best().scan(&block.codes, ask.code, ask.radius, 0, &mut scratch.found);
            let found = scratch.found.iter();
            append(found.map(|&found| block.hit(found)), ask.cap, out) == Outcome::Complete
        });
        if complete { Outcome::Complete } else { Outcome::Capped }
    }
}

impl Snapshot<2> {
    /// For each of `sought` the ids whose codes **collide** with it, nearest first, into a batch that is cleared first.
    ///
    /// A code collides with what is sought if it agrees with it in one of three words of 28 bits, but for one of the sets
    /// of doubtful bits that `reach` tries, and differs from it in few sure bits. Distances are in sure bits. In an index
    /// [for collisions](super::Index::for_collisions) this costs a small part of an exact search as wide; in others it is a scan.
    pub fn colliding_batch(&self, sought: &[Sought], reach: Reach, out: &mut Batch) {
        out.clear();
        let codes: Vec<Code<2>> = sought.iter().map(|sought| sought.code).collect();
        let looks: Vec<Look> = sought.iter().map(Look::new).collect();
        GATHER.with_borrow_mut(|gather| {
            gather.start(sought.len(), usize::MAX);
            COLLIDE_SCRATCH.with_borrow_mut(|scratch| {
                let some = together(reach);
                for (first, (codes, looks)) in
                    (0u32..).step_by(some).zip(codes.chunks(some).zip(looks.chunks(some)))
                {
                    scratch.forget();
                    for part in &self.state.parts {
                        part.collide(codes, looks, reach, scratch, |query, hit| {
                            gather.add(first + query, hit)
                        });
                    }
                    for block in &self.state.head {
                        scratch.found.clear();
                        scan_for_collisions(&block.codes, codes, looks, reach, scratch);
                        let found = scratch.found.iter();
                        found.for_each(|&(query, found)| gather.add(first + query, block.hit(found)));
                    }
                }
            });
            gather.sort();
            for query in 0..sought.len() {
                let (hits, capped) = gather.of(query);
                out.push(hits, capped);
            }
        });
    }
}
