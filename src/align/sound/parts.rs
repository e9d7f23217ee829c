//! The tracks of a space that grows and shrinks while clones of it are searched.
//!
//! They lie in parts that clones share, each much larger than the next. Only the last one grows, as a copy where others
//! may be looking; full, it is left as it is. Parts of like size are merged in the background, as in a log-structured
//! merge tree, and the next change takes the merged one in.

use super::RefId;
use super::tracks::Tracks;
use crate::persistent::Map;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::thread;

/// Words of a part that is full: an hour and a bit.
const FULL: usize = 1 << 16;

/// Times that a part is at least as long as the next.
const SHORTER: usize = 8;

/// Words of a part that is merged no more, so that upkeep takes bounded memory: 1,200 hours.
const LARGE: usize = 1 << 26;

#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    parts: Vec<Part>,
    alive: usize,
    merge: Option<Arc<Merge>>,
}

/// Tracks, less those that were taken out since.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    tracks: Arc<Tracks>,
    gone: Map<RefId, ()>,
}

/// Parts that become one.
#[derive(Debug)]
struct Merge {
    parts: Vec<Part>,
    merged: OnceLock<Arc<Tracks>>,
}

impl Part {
    pub(super) fn tracks(&self) -> &Tracks {
        &self.tracks
    }

    fn len(&self) -> usize {
        self.tracks.words().len()
    }

    fn has(&self, reference: &RefId) -> bool {
        !self.gone.contains(reference)
    }

    fn of(&self, reference: RefId) -> Option<&[u32]> {
        self.tracks.of(reference).filter(|_| self.has(&reference))
    }

    fn iter(&self) -> impl Iterator<Item = (RefId, &[u32])> {
        self.tracks.iter().filter(|(reference, _)| self.has(reference))
    }

    /// The reference that the word at a place belongs to, and where its words are.
    pub(super) fn owner(&self, place: usize) -> Option<(RefId, Range<usize>)> {
        self.tracks.owner(place).filter(|(reference, _)| self.has(reference))
    }

    fn lengths(&self) -> impl Iterator<Item = usize> {
        self.tracks.lengths().filter(|(reference, _)| self.has(reference)).map(|(_, length)| length)
    }

    /// The tracks where they can be added to: a copy, unless nobody has seen them yet. `None` of a full part.
    fn growing(&mut self) -> Option<&mut Tracks> {
        let is_new = Arc::get_mut(&mut self.tracks).is_some_and(|tracks| !tracks.is_sorted());
        if !is_new || self.gone.len() > 0 {
            let copy = joined([&*self]);
            if copy.words().len() >= FULL {
                return None;
            }
            *self = Self { tracks: Arc::new(copy), gone: Map::default() };
        }
        Arc::get_mut(&mut self.tracks)
    }
}

/// All that parts have.
fn joined<'a>(parts: impl IntoIterator<Item = &'a Part>) -> Tracks {
    let mut joined = Tracks::default();
    for (reference, words) in parts.into_iter().flat_map(Part::iter) {
        joined.insert(reference, words.iter().copied());
    }
    joined
}

/// Tracks as a file has them, less those that were taken out since.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) tracks: Arc<Tracks>,
    pub(crate) gone: Vec<RefId>,
}

impl Parts {
    pub(super) fn from_stored(parts: impl IntoIterator<Item = Stored>) -> Self {
        let part =
            |Stored { tracks, gone }| Part { tracks, gone: gone.into_iter().map(|id| (id, ())).collect() };
        let parts: Vec<Part> = parts.into_iter().map(part).collect();
        let alive = parts.iter().flat_map(Part::lengths).sum();
        Self { parts, alive, merge: None }
    }

    pub(super) fn stored(&self) -> Vec<Stored> {
        let stored = |part: &Part| {
            let gone = part.gone.iter().map(|(reference, ())| *reference).collect();
            Stored { tracks: Arc::clone(&part.tracks), gone }
        };
        self.parts.iter().map(stored).collect()
    }

    /// Adds a reference that is not there yet.
    pub(super) fn insert(&mut self, reference: RefId, words: impl ExactSizeIterator<Item = u32>) {
        self.take_in();
        self.alive += words.len();
        if let Some(tracks) = self.parts.last_mut().and_then(Part::growing) {
            tracks.insert(reference, words);
            return;
        }
        let mut tracks = Tracks::default();
        tracks.insert(reference, words);
        self.start_merge();
        self.parts.push(Part { tracks: Arc::new(tracks), gone: Map::default() });
    }

    /// Takes a reference out, if it is there.
    pub(super) fn remove(&mut self, reference: RefId) {
        self.take_in();
        for part in &mut self.parts {
            let length = part.tracks.length(reference).filter(|_| part.has(&reference));
            if let Some(length) = length {
                self.alive -= length;
                part.gone.insert(reference, ());
            }
        }
    }

    /// Starts to merge parts, all of which are full, where the last ones have become too long.
    fn start_merge(&mut self) {
        if self.merge.is_some() {
            return;
        }
        let (mut start, mut sum) = (self.parts.len(), 0);
        let is_short = |part: &Part, sum| part.len() < LARGE && (part.len() < SHORTER * sum || sum == 0);
        while let Some(part) = self.parts[..start].last().filter(|part| is_short(part, sum)) {
            sum += part.len();
            start -= 1;
        }
        let parts = self.parts.split_at(start).1.to_vec();
        if parts.len() < 2 {
            return;
        }
        let merge = Arc::new(Merge { parts, merged: OnceLock::new() });
        let shared = Arc::clone(&merge);
        let work = move || {
            let tracks = joined(&shared.parts);
            tracks.table();
            drop(shared.merged.set(Arc::new(tracks)));
        };
        // Without a thread the parts stay as they are; a later change tries again.
        self.merge = thread::Builder::new().name("sound merge".into()).spawn(work).is_ok().then_some(merge);
    }

    /// Puts a merged part, if there is one, in the place of those it was made of.
    fn take_in(&mut self) {
        let Some((merge, merged)) = self.merge.as_deref().and_then(|m| Some((m, m.merged.get()?))) else {
            return;
        };
        let is_merged = |part: &Part| merge.parts.iter().any(|then| Arc::ptr_eq(&then.tracks, &part.tracks));
        let start = self.parts.iter().take_while(|part| !is_merged(part)).count();
        // What has gone since the merge began.
        let mut gone = Map::default();
        for (then, now) in merge.parts.iter().zip(&self.parts[start..]) {
            let late = now.gone.iter().filter(|(reference, ())| then.has(reference));
            late.for_each(|(reference, ())| gone.insert(*reference, ()));
        }
        let part = Part { tracks: Arc::clone(merged), gone };
        self.parts.splice(start..start + merge.parts.len(), [part]);
        self.merge = None;
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Words that belong to a reference.
    pub(super) fn alive(&self) -> usize {
        self.alive
    }

    /// The words of one reference; none where it is not there.
    pub(super) fn of(&self, reference: RefId) -> &[u32] {
        self.parts.iter().find_map(|part| part.of(reference)).unwrap_or_default()
    }

    /// References with their words.
    pub(super) fn iter(&self) -> impl Iterator<Item = (RefId, &[u32])> {
        self.parts.iter().flat_map(Part::iter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::align::sound::null::scrambled;
    use std::collections::BTreeMap;

    fn words(reference: RefId) -> Vec<u32> {
        let first = u64::from(reference) << 16;
        (first..first + 5_000 + first % 7).map(|seed| scrambled(seed) | 1).collect()
    }

    fn check(parts: &Parts, plain: &BTreeMap<RefId, Vec<u32>>) {
        let mut found: Vec<_> = parts.iter().map(|(reference, words)| (reference, words.to_vec())).collect();
        found.sort();
        assert!(found.iter().map(|(reference, words)| (reference, words)).eq(plain));
        assert_eq!(parts.alive(), plain.values().map(Vec::len).sum::<usize>());
        assert!(plain.iter().all(|(&reference, words)| parts.of(reference) == words));
    }

    /// Waits for the merge that is at work.
    fn wait(parts: &Parts) {
        while parts.merge.as_ref().is_some_and(|merge| merge.merged.get().is_none()) {
            thread::yield_now();
        }
    }

    #[test]
    fn clones_stay_as_they_were_while_parts_are_merged() {
        let (mut parts, mut plain) = (Parts::default(), BTreeMap::new());
        let mut kept = Vec::new();
        let (mut seen, mut merges) = (Parts::default(), 0);
        for n in 0..400 {
            // Some come again, with another content.
            let reference = if n % 5 == 4 { n / 2 } else { n };
            parts.remove(reference);
            parts.insert(reference, words(n).into_iter());
            plain.insert(reference, words(n));
            if n % 3 == 0 {
                parts.remove(n / 3);
                plain.remove(&(n / 3));
            }
            if n % 7 == 0 {
                wait(&parts);
                merges += u32::from(parts.merge.is_some());
            }
            seen.clone_from(&parts);
            if n % 40 == 0 {
                kept.push((seen.clone(), plain.clone()));
            }
        }
        wait(&parts);
        parts.take_in();
        assert!(merges > 3 && parts.parts.len() < 8, "{merges} merges, {} parts", parts.parts.len());
        kept.push((parts, plain));
        kept.iter().for_each(|(parts, plain)| check(parts, plain));
        for part in kept.iter().flat_map(|(parts, _)| parts.parts()) {
            for (reference, words) in part.iter() {
                let all = part.tracks.words();
                let start = words.as_ptr().addr().wrapping_sub(all.as_ptr().addr()) / size_of::<u32>();
                assert_eq!(part.owner(start), Some((reference, start..start + words.len())));
            }
        }
    }

    #[test]
    fn what_nobody_has_seen_grows_as_one_part_and_is_not_sorted() {
        let mut parts = Parts::default();
        (0..40).for_each(|reference| parts.insert(reference, words(reference).into_iter()));
        assert_eq!(parts.parts.len(), 1);
        assert!(!parts.parts[0].tracks.is_sorted());
    }

    #[test]
    fn a_merged_part_has_all_that_is_not_gone() {
        let mut parts = Parts::default();
        (0..20).for_each(|reference| parts.insert(reference, words(reference).into_iter()));
        for reference in 20..80 {
            let _seen = parts.clone();
            parts.insert(reference, words(reference).into_iter());
            wait(&parts);
        }
        parts.take_in();
        let kept: BTreeMap<RefId, Vec<u32>> =
            (0..80).map(|reference| (reference, words(reference))).collect();
        check(&parts, &kept);
    }
}
