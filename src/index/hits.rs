//! What a search asks for, and what it returns.

use super::Code;

/// An id whose code lies within the radius.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hit {
    /// The id that the code was inserted under.
    pub id: u64,
    /// Bits in which the codes differ.
    pub distance: u32,
}

impl Hit {
    /// The order of results: nearest first, equals by id.
    pub(super) fn order(&self) -> (u32, u64) {
        (self.distance, self.id)
    }
}

/// Whether a search returned all there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// Every hit was returned.
    Complete,
    /// There are more hits than the cap; which of them were returned is not defined.
    Capped,
}

/// What a search of one code asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a, const W: usize> {
    pub(super) code: &'a Code<W>,
    pub(super) radius: u32,
    /// The most hits.
    pub(super) cap: usize,
}

/// Appends hits until `out` has `cap`.
pub(super) fn append(hits: impl Iterator<Item = Hit>, cap: usize, out: &mut Vec<Hit>) -> Outcome {
    for hit in hits {
        if out.len() >= cap {
            return Outcome::Capped;
        }
        out.push(hit);
    }
    Outcome::Complete
}

/// The hits of a batch of codes, code by code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    hits: Vec<Hit>,
    /// One for every code: where its hits end, and whether they were capped.
    ends: Vec<(usize, bool)>,
}

impl Batch {
    /// The number of codes.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// No code was asked for.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The hits of the code at `place` in the batch, nearest first; empty if there is no such code.
    pub fn of(&self, place: usize) -> &[Hit] {
        let Some(&(end, _)) = self.ends.get(place) else { return &[] };
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before].0);
        &self.hits[start..end]
    }

    /// Whether the hits of the code at `place` were capped.
    pub fn outcome(&self, place: usize) -> Outcome {
        match self.ends.get(place) {
            Some((_, true)) => Outcome::Capped,
            _ => Outcome::Complete,
        }
    }

    /// The hits of each code in turn.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[Hit]> {
        (0..self.len()).map(|place| self.of(place))
    }

    pub(super) fn clear(&mut self) {
        self.hits.clear();
        self.ends.clear();
    }

    /// Adds a code with its hits.
    pub(super) fn push(&mut self, hits: &[Hit], capped: bool) {
        self.hits.extend_from_slice(hits);
        self.ends.push((self.hits.len(), capped));
    }
}

/// Sorts the hits of a batch by query.
#[derive(Debug, Default)]
pub(super) struct Gather {
    cap: usize,
    hits: Vec<(u32, Hit)>,
    /// For each query how many there are, and whether there were more than the cap.
    counts: Vec<(usize, bool)>,
    ends: Vec<usize>,
    sorted: Vec<Hit>,
}

impl Gather {
    /// Begins with so many queries.
    pub(super) fn start(&mut self, queries: usize, cap: usize) {
        self.cap = cap;
        self.hits.clear();
        self.counts.clear();
        self.counts.resize(queries, (0, false));
    }

    /// Adds a hit, unless there are as many as the cap: then others need not be added either.
    pub(super) fn add(&mut self, query: u32, hit: Hit) -> Outcome {
        let (count, capped) = &mut self.counts[query as usize];
        if *count < self.cap {
            *count += 1;
            self.hits.push((query, hit));
            Outcome::Complete
        } else {
            *capped = true;
            Outcome::Capped
        }
    }

    /// Puts the hits of each query together, nearest first.
    pub(super) fn sort(&mut self) {
        self.ends.clear();
        let mut sum = 0;
        for (count, _) in &self.counts {
            // For now where they begin; each hit moves it on.
            self.ends.push(sum);
            sum += count;
        }
        self.sorted.clear();
        self.sorted.resize(sum, Hit { id: 0, distance: 0 });
        for (query, hit) in &self.hits {
            let end = &mut self.ends[*query as usize];
            self.sorted[*end] = *hit;
            *end += 1;
        }
        for (end, (count, _)) in self.ends.iter().zip(&self.counts) {
            self.sorted[end - count..*end].sort_unstable_by_key(Hit::order);
        }
    }

    /// The hits of a query once they are sorted, and whether there were more than the cap.
    pub(super) fn of(&self, query: usize) -> (&[Hit], bool) {
        let (count, capped) = self.counts[query];
        let end = self.ends[query];
        (&self.sorted[end - count..end], capped)
    }
}

/// Keeps the nearest hits.
#[derive(Debug)]
pub(super) struct Nearest {
    k: usize,
    radius: u32,
    hits: Vec<Hit>,
}

impl Nearest {
    pub(super) fn new(k: usize, radius: u32) -> Self {
        Self { k, radius, hits: Vec::new() }
    }

    /// What is farther need not be added.
    pub(super) fn radius(&self) -> u32 {
        self.radius
    }

    pub(super) fn add(&mut self, hit: Hit) {
        if hit.distance > self.radius || self.k == 0 {
            return;
        }
        self.hits.push(hit);
        // Only now and then, so that it costs little.
        if self.hits.len() >= self.k.saturating_mul(2).saturating_add(64) {
            self.hits.select_nth_unstable_by_key(self.k - 1, Hit::order);
            self.hits.truncate(self.k);
            self.radius = self.hits[self.k - 1].distance;
        }
    }

    /// The nearest, nearest first.
    pub(super) fn finish(mut self) -> Vec<Hit> {
        self.hits.sort_unstable_by_key(Hit::order);
        self.hits.truncate(self.k);
        self.hits
    }
}
