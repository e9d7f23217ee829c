//! Memory that is asked for before it is read.

use super::{Bucket, LINES_MOST, Run};
use crate::plain::{prefetch, prefetch_close};

/// The lower halves of fingerprints in a cache line.
const LINE: usize = 32;

/// Asks for the memory of a run of the lower halves of fingerprints.
#[inline]
pub(super) fn prefetch_run(near: &[u16], start: usize, len: u32) {
    let last = start.saturating_add((len as usize).min(LINE * LINES_MOST)).saturating_sub(1);
    // Most runs are short. Their lines are asked for without a look at how many there are, which cannot be foretold.
    prefetch(near, start);
    prefetch(near, last);
    if len as usize > LINE {
        (start + LINE..last).step_by(LINE).for_each(|place| prefetch(near, place));
    }
}

/// Some of the postings, next to each other.
pub(super) trait Span {
    /// The first, and how many they are.
    fn span(&self) -> (usize, u32);

    /// A place in each of the first lines, as many as asked for.
    #[inline(always)]
    fn lines(&self, count: usize) -> impl Iterator<Item = usize> {
        let (start, len) = self.span();
        let last = start.saturating_add(len as usize).saturating_sub(1);
        (0..count).map(move |line| (start + line * LINE).min(last))
    }
}

impl Span for Run {
    #[inline(always)]
    fn span(&self) -> (usize, u32) {
        (self.start, self.len)
    }
}

impl Span for Bucket {
    #[inline(always)]
    fn span(&self) -> (usize, u32) {
        (self.start, self.len)
    }
}

/// Asks for the memory of spans ahead of the one at work.
pub(super) struct Ahead<'a, T> {
    near: &'a [u16],
    spans: &'a [T],
    /// How many spans ahead.
    count: usize,
    /// Lines of each that are asked for, if most have several: how many one has cannot be foretold.
    lines: Option<usize>,
}

impl<'a, T: Span> Ahead<'a, T> {
    /// Asks for those of the first.
    pub(super) fn new(near: &'a [u16], spans: &'a [T]) -> Self {
        /// Cache lines that are asked for ahead: as many as a core has under way at once. Of more some are lost.
        const LINES_AHEAD: usize = 40;
        let even = spans.iter().map(|span| span.span().1 as usize).sum::<usize>() / spans.len().max(1);
        let count = (LINES_AHEAD * LINE / (even + LINE)).max(4);
        let lines = (even > LINE).then_some((even / LINE + 2).min(LINES_MOST));
        let ahead = Self { near, spans, count, lines };
        spans.iter().take(count).for_each(|span| ahead.ask(span));
        ahead
    }

    /// To be called when the span of this number is at work.
    #[inline(always)]
    pub(super) fn of(&self, number: usize) {
        /// Spans ahead where long ones are asked for again, into the first cache.
        const SOON: usize = 2;
        if let Some(next) = self.spans.get(number + self.count) {
            self.ask(next);
        }
        if let Some(lines) = self.lines
            && let Some(next) = self.spans.get(number + SOON)
        {
            next.lines(lines).for_each(|place| prefetch_close(self.near, place));
        }
    }

    #[inline(always)]
    fn ask(&self, span: &T) {
        match self.lines {
            Some(lines) => span.lines(lines).for_each(|place| prefetch(self.near, place)),
            None => {
                let (start, len) = span.span();
                prefetch_run(self.near, start, len);
            }
        }
    }
}
