//! Keeps the parts of an index few and sorted, in the background.
//!
//! The parts grow by tiers, as in a log-structured merge tree: the head becomes a small segment, and segments of like
//! size become one. A part that is being merged is still searched; the merged one takes its place in one step.

use super::Code;
use super::block::Block;
use super::part::{Body, Part};
use super::segment::Segment;
use super::snapshot::State;
use arc_swap::ArcSwap;
use std::io;
use std::ops::RangeInclusive;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A head of so many codes is sorted, by the thread that fills it: that takes a few milliseconds.
const HEAD: usize = 8192;

/// Segments of one level differ in size by less than this factor, and fewer than so many lie beside each other.
const FACTOR: usize = 4;

/// Levels of size. Each has its own merges, so that the small do not wait for the large.
const LEVELS: usize = 12;

/// With so many parts the merges have fallen behind, and those who insert help them.
const CROWD: usize = 16;

/// The most codes of a merged segment.
const MOST: usize = 1 << 31;

/// What is stored, and who changes it.
#[derive(Debug)]
pub(super) struct Tender<const W: usize> {
    state: ArcSwap<State<W>>,
    /// Held by whoever prepares the next state.
    writer: Mutex<Writer>,
    /// Told whenever a merge ends.
    ended: Condvar,
    /// Segments are made without postings.
    compact: bool,
}

#[derive(Debug, Default)]
struct Writer {
    /// The merges at work, by kind.
    jobs: [Option<Job>; LEVELS + 2],
}

#[derive(Debug, Default)]
struct Job {
    /// What was taken out since the merge began.
    late: Vec<RangeInclusive<u64>>,
}

/// Which of the jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// What was inserted last.
    Head,
    /// Segments of one level, and of those above that it fills.
    Level(usize),
    All,
}

impl Kind {
    fn slot(self) -> usize {
        match self {
            Self::Level(level) => level,
            Self::Head => LEVELS,
            Self::All => LEVELS + 1,
        }
    }
}

impl<const W: usize> Default for Tender<W> {
    fn default() -> Self {
        Self { state: ArcSwap::default(), writer: Mutex::default(), ended: Condvar::new(), compact: false }
    }
}

impl<const W: usize> Tender<W> {
    pub(super) fn compact() -> Self {
        Self { compact: true, ..Self::default() }
    }

    /// Makes a segment as this index keeps them.
    pub(super) fn build(&self, codes: &[Code<W>], ids: &[u64]) -> io::Result<Segment<W>> {
        if self.compact { Segment::build_compact(codes, ids) } else { Segment::build(codes, ids) }
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

    /// Starts what merges are due.
    pub(super) fn tend(tender: &Arc<Self>) {
        if let Some((kind, parts)) = tender.claim(Kind::Head) {
            tender.merge(kind, &parts);
        }
        for level in 0..LEVELS {
            if let Some((kind, parts)) = tender.claim(Kind::Level(level)) {
                let (shared, mut next) = (Arc::clone(tender), (kind, parts.clone()));
                let work = move || {
                    while shared.merge(next.0, &next.1) {
                        let mut due = (0..LEVELS).map(|level| shared.claim(Kind::Level(level)));
                        let Some(more) = due.find_map(|claimed| claimed) else { break };
                        next = more;
                    }
                };
                let spawned = thread::Builder::new().name("index merge".into()).spawn(work);
                if spawned.is_err() {
                    // Without a thread the parts stay as they are; the next change tries again.
                    tender.release(kind, &parts);
                }
            }
        }
    }

    /// Merges everything into one part.
    pub(super) fn merge_all(&self) {
        let mut writer = self.lock();
        while writer.jobs.iter().any(Option::is_some) {
            writer = self.ended.wait(writer).unwrap_or_else(PoisonError::into_inner);
        }
        let mut claimed = Vec::new();
        self.change_locked(|state| {
            seal(state);
            let is_done =
                |part: &Part<W>| matches!(part.body, Body::Segment(_)) && part.len() == part.body.len();
            let single = matches!(&state.parts[..], [] | [_]) && state.parts.iter().all(is_done);
            if !single && state.len() < MOST {
                state.parts.iter_mut().for_each(|part| part.claimed = true);
                claimed.clone_from(&state.parts);
            }
        });
        if claimed.is_empty() {
            return;
        }
        writer.jobs[Kind::All.slot()] = Some(Job::default());
        drop(writer);
        self.merge(Kind::All, &claimed);
    }

    /// Chooses the parts of the next merge of a kind and marks them. A merge may turn out to be of a higher level.
    fn claim(&self, kind: Kind) -> Option<(Kind, Vec<Part<W>>)> {
        // Looked at without the lock first: most changes leave nothing to do.
        if !is_due(&self.state.load(), kind) {
            return None;
        }
        let mut writer = self.lock();
        let idle = |kind: Kind| writer.jobs[kind.slot()].is_none();
        if !idle(kind) || !idle(Kind::All) {
            return None;
        }
        let (mut claimed, mut kind) = (Vec::new(), kind);
        self.change_locked(|state| {
            if kind == Kind::Head && state.head_len() >= HEAD {
                seal(state);
            }
            let (places, chosen) = choose(&state.parts, kind, |level| idle(Kind::Level(level)));
            kind = chosen;
            for place in places {
                state.parts[place].claimed = true;
                claimed.push(state.parts[place].clone());
            }
        });
        if claimed.is_empty() {
            return None;
        }
        writer.jobs[kind.slot()] = Some(Job::default());
        Some((kind, claimed))
    }

    /// Merges parts and puts the merged one in their place. `false` if there is no memory for it.
    fn merge(&self, kind: Kind, parts: &[Part<W>]) -> bool {
        let mut all = Block::with_capacity(parts.iter().map(Part::len).sum());
        parts.iter().for_each(|part| part.copy_into(&mut all));
        let Ok(segment) = self.build(&all.codes, &all.ids) else {
            self.release(kind, parts);
            return false;
        };
        drop(all);
        let mut merged = Part::new(Body::Segment(Arc::new(segment)));
        let mut writer = self.lock();
        let late = writer.jobs[kind.slot()].take().unwrap_or_default().late;
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
    fn release(&self, kind: Kind, parts: &[Part<W>]) {
        let mut writer = self.lock();
        writer.jobs[kind.slot()] = None;
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

fn is_due<const W: usize>(state: &State<W>, kind: Kind) -> bool {
    kind == Kind::Head && state.head_len() >= HEAD || !choose(&state.parts, kind, |_| true).0.is_empty()
}

/// Whether a part is a list that nobody sorts yet.
fn waits<const W: usize>(part: &Part<W>) -> bool {
    matches!(part.body, Body::Block(_)) && !part.claimed && part.len() < MOST
}

/// The level of a segment of so many codes.
fn level_of(codes: usize) -> usize {
    ((codes / HEAD).max(1).ilog(FACTOR) as usize).min(LEVELS - 1)
}

/// The parts to merge next, and of what kind that is: a level that is full, with those above that this fills; or else a
/// part that has lost half of its ids.
fn choose<const W: usize>(parts: &[Part<W>], kind: Kind, idle: impl Fn(usize) -> bool) -> (Vec<usize>, Kind) {
    let is_free = |part: &Part<W>| !part.claimed && !waits(part) && part.len() < MOST / (2 * FACTOR);
    let of_level = |level: usize| -> Vec<usize> {
        let is_of_level = |&place: &usize| is_free(&parts[place]) && level_of(parts[place].len()) == level;
        (0..parts.len()).filter(is_of_level).collect()
    };
    let sum = |places: &[usize]| places.iter().map(|&place| parts[place].len()).sum::<usize>();
    let Kind::Level(mut level) = kind else {
        let mut waiting: Vec<usize> = (0..parts.len()).filter(|&place| waits(&parts[place])).collect();
        // The smallest segments are merged on the way, as that costs hardly more and keeps them few.
        let helped = if parts.len() > CROWD { 2 } else { 1 };
        let small: Vec<usize> = (0..helped).flat_map(of_level).collect();
        if !waiting.is_empty() && small.len() + 1 >= FACTOR {
            waiting.extend(small);
        }
        return (waiting, kind);
    };
    let mut chosen = of_level(level);
    if chosen.len() < FACTOR {
        chosen.retain(|&place| 2 * parts[place].len() < parts[place].body.len());
        return (chosen, kind);
    }
    loop {
        let next = level_of(sum(&chosen));
        let above = of_level(next);
        if next == level || above.len() + 1 < FACTOR || !idle(next) {
            return (chosen, Kind::Level(level));
        }
        chosen.extend(above);
        level = next;
    }
}
