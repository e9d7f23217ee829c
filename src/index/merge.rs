//! Keeps the parts of an index few and sorted, in the background.
//!
//! The parts grow as in a log-structured merge tree: the head becomes a small segment, and a segment takes in those
//! smaller than it once they have come near to it in size, so that few lie beside each other. A part that is being
//! merged is still searched; the merged one takes its place in one step.

use super::Code;
use super::block::Block;
use super::part::{Body, Part};
use super::segment::Segment;
use super::snapshot::State;
use super::spare::Spare;
use arc_swap::ArcSwap;
use std::cmp::Reverse;
use std::io;
use std::ops::RangeInclusive;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A head of so many codes is sorted, by the thread that fills it: that takes less than a millisecond.
const HEAD: usize = 2048;

/// A part is merged with those smaller than it as soon as they have together more than one in so many of its codes. The
/// greater the number, the fewer codes have to be searched beside it, and the more often each is copied.
const FACTOR: usize = 10;

/// A part of fewer than one in so many of the codes that a merge adds is left to smaller merges.
const SMALL: usize = 8;

/// Levels of size, each four times the one before. Each has its own merges, so that the small do not wait for the
/// large; those of the first are made by the thread that inserts.
const LEVELS: usize = 8;

/// The second level begins with four times so many codes.
const LEVEL: usize = 8192;

/// A part of so many codes is merged only where that is asked for, so that upkeep takes bounded memory.
const LARGE: usize = 1 << 25;

/// The most codes of a merged segment.
const MOST: usize = 1 << 31;

/// What the segments of an index are sorted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Exact,
    Collisions,
    /// They take the least memory.
    Scans,
}

/// What is stored, and who changes it.
#[derive(Debug)]
pub(super) struct Tender<const W: usize> {
    state: ArcSwap<State<W>>,
    /// Held by whoever prepares the next state.
    writer: Mutex<Writer>,
    /// Told whenever a merge ends.
    ended: Condvar,
    purpose: Use,
    /// What merged segments leave behind.
    spare: Arc<Spare>,
}

#[derive(Debug, Default)]
struct Writer {
    /// The merges at work, by level, and that of everything.
    jobs: [Option<Job>; LEVELS + 1],
}

#[derive(Debug, Default)]
struct Job {
    /// What was taken out since the merge began.
    late: Vec<RangeInclusive<u64>>,
}

/// The job of merging everything.
const ALL: usize = LEVELS;

impl<const W: usize> Default for Tender<W> {
    fn default() -> Self {
        Self {
            state: ArcSwap::default(),
            writer: Mutex::default(),
            ended: Condvar::new(),
            purpose: Use::Exact,
            spare: Arc::default(),
        }
    }
}

impl<const W: usize> Tender<W> {
    pub(super) fn new(purpose: Use) -> Self {
        Self { purpose, ..Self::default() }
    }

    /// Makes a segment as this index keeps them.
    pub(super) fn build(&self, codes: &[Code<W>], ids: &[u64]) -> io::Result<Segment<W>> {
        Segment::build_for(self.purpose, codes, ids, &self.spare)
    }

    pub(super) fn state(&self) -> Arc<State<W>> {
        self.state.load_full()
    }

    /// Makes the next state of the present one.
    pub(super) fn change(&self, change: impl FnOnce(&mut State<W>)) {
        let _writer = self.lock();
        self.change_locked(change);
    }

    fn change_locked(&self, change: impl FnOnce(&mut State<W>)) {
        let mut state = State::clone(&self.state.load());
        change(&mut state);
        self.state.store(Arc::new(state));
    }

    pub(super) fn remove(&self, ids: &RangeInclusive<u64>) {
        let mut writer = self.lock();
        writer.jobs.iter_mut().flatten().for_each(|job| job.late.push(ids.clone()));
        self.change_locked(|state| {
            state.parts.iter_mut().for_each(|part| part.remove(ids));
            state.parts.retain(|part| part.len() > 0 || part.claimed);
            for block in &mut state.head {
                if block.holds_any(ids) {
                    *block = Arc::new(block.without(ids));
                }
            }
            state.head.retain(|block| block.len() > 0);
        });
    }

    /// Makes the small merges that are due, and starts the others.
    pub(super) fn tend(tender: &Arc<Self>) {
        while let Some((level, parts)) = tender.claim() {
            if level == 0 {
                if !tender.merge(level, &parts) {
                    return;
                }
                continue;
            }
            let (shared, claimed) = (Arc::clone(tender), parts.clone());
            let work = move || {
                let merged = shared.merge(level, &claimed);
                // Their memory is for those who come next.
                drop(claimed);
                if merged {
                    Self::tend(&shared);
                }
                shared.rest();
            };
            if thread::Builder::new().name("index merge".into()).spawn(work).is_err() {
                // Without a thread the parts stay as they are; the next change tries again.
                tender.release(level, &parts);
                return tender.rest();
            }
        }
    }

    /// Gives spare memory back as soon as no merge is at work.
    fn rest(&self) {
        let writer = self.lock();
        if writer.jobs.iter().all(Option::is_none) {
            self.spare.open(false);
        }
    }

    /// Merges everything into one part.
    pub(super) fn merge_all(&self) {
        let mut writer = self.lock();
        while writer.jobs.iter().any(Option::is_some) {
            writer = self.ended.wait(writer).unwrap_or_else(PoisonError::into_inner);
        }
        self.spare.open(false);
        let mut claimed = Vec::new();
        self.change_locked(|state| {
            seal(state);
            let is_done = |part: &Part<W>| matches!(part.body, Body::Segment(_)) && part.is_whole();
            let single = matches!(&state.parts[..], [] | [_]) && state.parts.iter().all(is_done);
            if !single && state.len() < MOST {
                state.parts.iter_mut().for_each(|part| part.claimed = true);
                claimed.clone_from(&state.parts);
            }
        });
        if claimed.is_empty() {
            return;
        }
        writer.jobs[ALL] = Some(Job::default());
        drop(writer);
        self.merge(ALL, &claimed);
    }

    /// Chooses the parts of the next merge and its level, and marks them.
    fn claim(&self) -> Option<(usize, Vec<Part<W>>)> {
        // Looked at without the lock first: most changes leave nothing to do.
        let state = self.state.load();
        if state.head_len() < HEAD && choose(&state.parts, |_| true).is_none() {
            return None;
        }
        drop(state);
        let mut writer = self.lock();
        let idle = |level: usize| writer.jobs[level].is_none();
        if !idle(ALL) || !idle(0) {
            return None;
        }
        let mut claimed = None;
        self.change_locked(|state| {
            if state.head_len() >= HEAD {
                seal(state);
            }
            claimed = choose(&state.parts, idle).map(|(level, places)| {
                let parts = places.into_iter().map(|place| {
                    state.parts[place].claimed = true;
                    state.parts[place].clone()
                });
                (level, parts.collect::<Vec<_>>())
            });
        });
        if let Some((level, _)) = &claimed {
            writer.jobs[*level] = Some(Job::default());
            if *level > 0 {
                self.spare.open(true);
            }
        }
        claimed
    }

    /// One segment of many parts. The tables of those that are cut as it will be are taken over.
    fn join(&self, parts: &[Part<W>]) -> io::Result<Segment<W>> {
        let total = parts.iter().map(Part::len).sum();
        let mut sorted: Vec<&Segment<W>> =
            parts.iter().filter_map(|part| self.sorted_for(total, part)).collect();
        sorted.sort_by_key(|segment| Reverse(segment.len()));
        let largest = sorted.first().map_or(0, |segment| segment.len());
        let mut rest = Block::with_capacity(total - largest);
        sorted.iter().skip(1).flat_map(|segment| segment.iter()).for_each(|(code, id)| rest.push(code, id));
        let loose = parts.iter().filter(|part| self.sorted_for(total, part).is_none());
        loose.for_each(|part| part.copy_into(&mut rest));
        match sorted.split_first() {
            Some((largest, others)) => largest.grown(others, &rest.codes, &rest.ids, &self.spare),
            None => self.build(&rest.codes, &rest.ids),
        }
    }

    /// The segment that a part is, if it is whole and its tables are those of a segment of so many codes.
    fn sorted_for<'a>(&self, codes: usize, part: &'a Part<W>) -> Option<&'a Segment<W>> {
        match &part.body {
            Body::Segment(segment) if part.is_whole() && segment.can_grow_to(codes, self.purpose) => {
                Some(segment)
            }
            _ => None,
        }
    }

    /// Merges parts and puts the merged one in their place. `false` if there is no memory for it.
    fn merge(&self, level: usize, parts: &[Part<W>]) -> bool {
        let Ok(segment) = self.join(parts) else {
            self.release(level, parts);
            return false;
        };
        let mut merged = Part::new(Body::Segment(Arc::new(segment)));
        let mut writer = self.lock();
        let late = writer.jobs[level].take().unwrap_or_default().late;
        late.iter().for_each(|ids| merged.remove(ids));
        self.change_locked(|state| {
            state.parts.retain(|part| !parts.iter().any(|merged| merged.body.is(&part.body)));
            if merged.len() > 0 {
                state.parts.push(merged);
            }
        });
        drop(writer);
        self.ended.notify_all();
        true
    }

    /// Gives parts back that could not be merged.
    fn release(&self, level: usize, parts: &[Part<W>]) {
        let mut writer = self.lock();
        writer.jobs[level] = None;
        self.change_locked(|state| {
            for part in &mut state.parts {
                part.claimed &= !parts.iter().any(|released| released.body.is(&part.body));
            }
        });
        self.ended.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        // States are replaced whole, so that a panic elsewhere leaves nothing half done.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes the head: what is inserted from now on goes to a new one.
fn seal<const W: usize>(state: &mut State<W>) {
    let mut block = Block::with_capacity(state.head_len());
    state.head.drain(..).for_each(|before| block.append(&before));
    if block.len() > 0 {
        state.parts.push(Part::new(Body::Block(Arc::new(block))));
    }
}

/// The level of a merge of so many codes.
fn level_of(codes: usize) -> usize {
    ((codes / LEVEL).max(1).ilog(4) as usize).min(LEVELS - 1)
}

/// The parts to merge next, and the level of that: the largest part that those smaller than it have come near to, with
/// all of these; or else a part that has lost half of its ids.
fn choose<const W: usize>(parts: &[Part<W>], idle: impl Fn(usize) -> bool) -> Option<(usize, Vec<usize>)> {
    let is_free = |&place: &usize| !parts[place].claimed && parts[place].len() < LARGE;
    let mut free: Vec<usize> = (0..parts.len()).filter(is_free).collect();
    free.sort_by_key(|&place| Reverse(parts[place].len()));
    let is_list = |place: usize| matches!(parts[place].body, Body::Block(_));
    let codes = |places: &[usize]| places.iter().map(|&place| parts[place].len()).sum::<usize>();
    for (first, &place) in free.iter().enumerate() {
        let level = level_of(codes(&free[first..]));
        let mut chosen = free[first..].to_vec();
        if level > 0 && !is_list(place) {
            // Lists and small parts are merged by themselves first: they would lie apart until a large merge ends.
            let rest = codes(&chosen[1..]);
            let is_small = |other: usize| is_list(other) || SMALL * parts[other].len() < rest;
            chosen.retain(|&other| other == place || !is_small(other));
        }
        let is_due = is_list(place) || parts[place].len() < FACTOR * codes(&chosen[1..]);
        if is_due && idle(level) {
            return Some((level, chosen));
        }
    }
    let halved = |&place: &usize| 2 * parts[place].len() < parts[place].body.len();
    let place = free.into_iter().find(|place| halved(place) && idle(level_of(parts[*place].len())))?;
    Some((level_of(parts[place].len()), vec![place]))
}
