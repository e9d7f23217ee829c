//! An immutable view, and the searches.

use super::collision::{Look, Reach, Sought};
use super::hits::{Ask, Gather, Nearest};
use super::kernel::Level;
use super::part::{Body, Part};
use super::segment::{BatchScratch, CollideScratch, Scratch, together};
use super::{Batch, Code, Hit, Outcome};
use std::cell::RefCell;
use std::sync::Arc;

/// All that is stored at one moment.
#[derive(Clone, Debug)]
pub(super) struct State<const W: usize> {
    pub(super) parts: Vec<Part<W>>,
    /// What was inserted last.
    pub(super) head: Part<W>,
}

impl<const W: usize> State<W> {
    /// All parts, the head last.
    pub(super) fn all(&self) -> impl Iterator<Item = &Part<W>> {
        self.parts.iter().chain([&self.head])
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Part<W>> {
        self.parts.iter_mut().chain([&mut self.head])
    }

    /// The number of ids that were put into a part.
    pub(super) fn len_of(&self, body: &Body<W>) -> usize {
        self.all().find(|part| part.body.is(body)).map_or(0, |part| part.body.len())
    }

    pub(super) fn len(&self) -> usize {
        self.all().map(Part::len).sum()
    }

    /// The most hits that a code can have: only in a damaged file are ids those of several codes.
    fn most_hits(&self) -> usize {
        self.all().map(|part| part.body.len()).sum()
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
        let _complete = self.within_into(code, radius, self.state.most_hits(), &mut hits);
        hits.sort_unstable_by_key(Hit::order);
        hits
    }

    /// As [`within`](Self::within), but at most `cap` hits, in no order, into a buffer that is cleared first.
    pub fn within_into(&self, code: &Code<W>, radius: u32, cap: usize, out: &mut Vec<Hit>) -> Outcome {
        out.clear();
        SCRATCH.with_borrow_mut(|scratch| {
            let ask = Ask { code, radius, cap };
            completed(self.state.all().all(|part| part.within(ask, scratch, out) == Outcome::Complete))
        })
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
            let _complete = self.within_into(code, radius, self.state.most_hits(), &mut hits);
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
        for part in self.state.all() {
            part.for_each_few(|first, codes| {
                found.clear();
                Level::best().scan(codes, code, nearest.radius(), first as u32, &mut found);
                for hit in &found {
                    let ids = part.live_ids(hit.place as usize);
                    ids.for_each(|id| nearest.add(Hit { id, distance: hit.distance }));
                }
            });
        }
        nearest.finish()
    }

    /// [`within`](Self::within) for many codes at once, which costs less than one by one.
    pub fn within_batch(&self, codes: &[Code<W>], radius: u32) -> Batch {
        let mut batch = Batch::default();
        self.within_batch_into(codes, radius, self.state.most_hits(), &mut batch);
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
                for part in self.state.all() {
                    part.search_batch(&queries, radius, scratch, |query, hit| gather.add(query, hit));
                }
            });
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
            completed(self.state.all().all(|part| part.scan(ask, scratch, out) == Outcome::Complete))
        })
    }

    /// The number of codes that searches touch: equal ones are folded together when they are sorted.
    pub fn distinct(&self) -> usize {
        self.state.all().map(Part::distinct).sum()
    }
}

fn completed(is_complete: bool) -> Outcome {
    if is_complete { Outcome::Complete } else { Outcome::Capped }
}

impl Snapshot<2> {
    /// For each of `sought` the ids whose codes **collide** with it, nearest first, into a batch that is cleared first. Of
    /// more than `cap` it is not defined which are there.
    ///
    /// A code collides with what is sought if it agrees with it in one of three words of 28 bits, but for one of the sets
    /// of doubtful bits that `reach` tries, and differs from it in few sure bits. Distances are in sure bits. In an index
    /// [for collisions](super::Index::for_collisions) this costs a small part of an exact search as wide; in others it is a scan.
    pub fn colliding_batch(&self, sought: &[Sought], reach: Reach, cap: usize, out: &mut Batch) {
        out.clear();
        let codes: Vec<Code<2>> = sought.iter().map(|sought| sought.code).collect();
        let looks: Vec<Look> = sought.iter().map(Look::new).collect();
        GATHER.with_borrow_mut(|gather| {
            gather.start(sought.len(), cap);
            COLLIDE_SCRATCH.with_borrow_mut(|scratch| {
                let some = together(reach);
                for (first, (codes, looks)) in
                    (0u32..).step_by(some).zip(codes.chunks(some).zip(looks.chunks(some)))
                {
                    scratch.forget();
                    for part in self.state.all() {
                        part.collide(codes, looks, reach, scratch, |query, hit| {
                            gather.add(first + query, hit)
                        });
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
