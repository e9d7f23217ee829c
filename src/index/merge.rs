//! Keeps the parts of an index few and sorted, in the background.
//!
//! Segments grow as in a log-structured merge tree: one takes in those smaller than it once they have come near to it in
//! size, so that few lie beside each other. A part that is being merged is still searched; the merged one takes its
//! place in one step.

use super::Width;
use super::block::{Block, Source};
use super::memtable::Memtable;
use super::part::{Body, Part};
use super::ranges::Ranges;
use super::segment::Segment;
use super::snapshot::State;
use super::spare::Spare;
use arc_swap::ArcSwap;
use std::cmp::Reverse;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A head that is scanned is sorted when it has so many codes, by the thread that fills it: that takes less than a
/// millisecond.
const SCANNED: usize = 2048;

/// A head with buckets is sorted when it has so many codes; beside a part of ten times as many and more only when it is
/// as large as that, or full: till then searches are slowed down less by it than by the work of sorting.
const RIPE: usize = 1 << 16;

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

/// A memtable of fewer codes gets larger buckets by the thread that inserts.
const QUICK: usize = 1 << 14;

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

impl Use {
    /// An empty head.
    fn head<const W: usize>(self) -> Part<W> {
        let table = if self == Self::Exact { Memtable::default() } else { Memtable::without_table() };
        Part::new(Body::Memtable(Arc::new(table), 0))
    }
}

/// What is stored, and who changes it.
#[derive(Debug)]
pub(super) struct Tender<const W: usize> {
    pub(super) state: ArcSwap<State<W>>,
    /// Held by whoever prepares the next state.
    writer: Mutex<Writer>,
    /// Told whenever a job ends.
    pub(super) ended: Condvar,
    pub(super) purpose: Use,
    /// What segments and tables leave behind.
    pub(super) spare: Arc<Spare>,
}

#[derive(Debug, Default)]
pub(super) struct Writer {
    /// The jobs at work: merges by level, that of everything, and that of larger buckets.
    pub(super) jobs: [Option<Job>; LEVELS + 2],
    /// Those who wait until no job is at work: none begins meanwhile.
    waiting: usize,
}

#[derive(Debug, Default)]
pub(super) struct Job {
    /// What was taken out since the merge began.
    late: Ranges,
}

/// The job of merging everything.
const ALL: usize = LEVELS;

/// The job of giving the head larger buckets.
pub(super) const GROW: usize = LEVELS + 1;

impl<const W: usize> Default for Tender<W> {
    fn default() -> Self {
        Self::new(Use::Exact)
    }
}

impl<const W: usize> Tender<W> {
    pub(super) fn new(purpose: Use) -> Self {
        let () = Width::<W>::SUPPORTED;
        let state = State { parts: Vec::new(), head: purpose.head() };
        Self {
            state: ArcSwap::from_pointee(state),
            writer: Mutex::default(),
            ended: Condvar::new(),
            purpose,
            spare: Arc::default(),
        }
    }

    /// Makes a segment as this index keeps them.
    pub(super) fn build(&self, source: Source<W>) -> io::Result<Segment<W>> {
        Segment::build_for(self.purpose, source, &self.spare)
    }

    pub(super) fn state(&self) -> Arc<State<W>> {
        self.state.load_full()
    }

    /// Makes the next state of the present one.
    pub(super) fn change(&self, change: impl FnOnce(&mut State<W>)) {
        let _writer = self.lock();
        self.change_locked(change);
    }

    /// Adds codes to the head. Readers see all of them or none.
    pub(super) fn insert(&self, block: &Block<W>) {
        self.change(|state| {
            let mut done = 0;
            while done < block.len() {
                done += state.head.append(&block.codes[done..], &block.ids[done..], &self.spare);
                if done < block.len() && !self.seal(state) {
                    // Not even the first fit, so alike are they: they are scanned until they are sorted.
                    let mut list = Use::Scans.head();
                    done += list.append(&block.codes[done..], &block.ids[done..], &self.spare);
                    state.parts.push(list);
                    state.head = self.purpose.head();
                }
            }
        });
    }

    /// Closes the head: what is inserted from now on goes to a new one. `false` if it is empty.
    pub(super) fn seal(&self, state: &mut State<W>) -> bool {
        if state.head.body.len() == 0 {
            return false;
        }
        let head = std::mem::replace(&mut state.head, self.purpose.head());
        if head.len() > 0 || head.claimed {
            state.parts.push(head);
        }
        true
    }

    pub(super) fn change_locked(&self, change: impl FnOnce(&mut State<W>)) {
        let mut state = State::clone(&self.state.load());
        change(&mut state);
        self.state.store(Arc::new(state));
    }

    pub(super) fn remove(&self, ids: &Ranges) {
        let mut writer = self.lock();
        writer.jobs.iter_mut().flatten().for_each(|job| job.late.join(ids));
        self.change_locked(|state| {
            state.parts.iter_mut().for_each(|part| part.remove(ids));
            state.parts.retain(|part| part.len() > 0 || part.claimed);
            let before = state.head.len();
            state.head.remove(ids);
            if state.head.len() < before {
                // What is inserted from now on may have the same ids.
                self.seal(state);
            }
        });
    }

    /// Does the small jobs that are due, and starts the others.
    pub(super) fn tend(tender: &Arc<Self>) {
        while let Some((level, parts)) = tender.claim() {
            if level == 0 || (level == GROW && parts[0].len() < QUICK) {
                if !tender.work(level, &parts) {
                    return;
                }
                continue;
            }
            let (shared, claimed) = (Arc::clone(tender), parts.clone());
            let work = move || {
                let is_done = shared.work(level, &claimed);
                // Their memory is for those who come next.
                drop(claimed);
                if is_done {
                    Self::tend(&shared);
                }
                shared.rest();
            };
            tender.spare.open(true);
            if thread::Builder::new().name("index merge".into()).spawn(work).is_err() {
                // Without a thread the parts stay as they are; the next change tries again.
                tender.release(level, &parts);
                return tender.rest();
            }
        }
    }

    /// Does a job. `false` if there is no memory for it.
    fn work(&self, level: usize, parts: &[Part<W>]) -> bool {
        match parts {
            [head] if level == GROW => {
                self.grow(head);
                true
            }
            _ => self.merge(level, parts),
        }
    }

    /// Gives spare memory back as soon as no merge is at work.
    pub(super) fn rest(&self) {
        let writer = self.lock();
        if writer.jobs.iter().all(Option::is_none) {
            self.spare.open(false);
        }
    }

    /// Merges everything into one part.
    pub(super) fn merge_all(&self) {
        let mut writer = self.lock();
        writer.waiting += 1;
        while writer.jobs.iter().any(Option::is_some) {
            writer = self.ended.wait(writer).unwrap_or_else(PoisonError::into_inner);
        }
        writer.waiting -= 1;
        self.spare.open(false);
        let mut claimed = Vec::new();
        self.change_locked(|state| {
            self.seal(state);
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

    /// Chooses the next job and its parts, and marks them.
    fn claim(&self) -> Option<(usize, Vec<Part<W>>)> {
        // Looked at without the lock first: most changes leave nothing to do.
        let state = self.state.load();
        if !self.is_ripe(&state) && !self.is_crowded(&state) {
            choose(&state.parts, |_| true)?;
        }
        drop(state);
        let mut writer = self.lock();
        if writer.waiting > 0 {
            return None;
        }
        let idle = |level: usize| writer.jobs[level].is_none();
        let is_sorting = !idle(0);
        let may_grow = idle(GROW);
        if is_sorting && !(may_grow && self.is_crowded(&self.state.load())) {
            return None;
        }
        let mut claimed = None;
        self.change_locked(|state| {
            if !is_sorting && self.is_ripe(state) {
                self.seal(state);
            }
            claimed = if may_grow && self.is_crowded(state) {
                Some((GROW, vec![state.head.claim()]))
            } else {
                choose(&state.parts, idle).map(|(level, places)| {
                    (level, places.into_iter().map(|place| state.parts[place].claim()).collect::<Vec<_>>())
                })
            };
        });
        if let Some((level, _)) = &claimed {
            writer.jobs[*level] = Some(Job::default());
        }
        claimed
    }

    /// The head has become so long that it should be sorted.
    fn is_ripe(&self, state: &State<W>) -> bool {
        match self.purpose {
            Use::Exact => {
                let (len, largest) = (state.head.len(), state.parts.iter().map(Part::len).max());
                let largest = largest.filter(|&largest| largest >= FACTOR * RIPE).unwrap_or(0);
                !state.head.claimed && len >= largest.max(RIPE)
            }
            _ => state.head.len() >= SCANNED,
        }
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
            Some((largest, others)) => largest.grown(others, Source::Spent(&mut rest), &self.spare),
            None => self.build(Source::Spent(&mut rest)),
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
        merged.remove(&late);
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
    pub(super) fn release(&self, level: usize, parts: &[Part<W>]) {
        let mut writer = self.lock();
        writer.jobs[level] = None;
        self.change_locked(|state| {
            for part in state.all_mut() {
                part.claimed &= !parts.iter().any(|released| released.body.is(&part.body));
            }
        });
        self.ended.notify_all();
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Writer> {
        // States are replaced whole, and nothing panics that writes into a memtable: nothing is left half done.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
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
    let is_list = |place: usize| matches!(parts[place].body, Body::Memtable(..));
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
