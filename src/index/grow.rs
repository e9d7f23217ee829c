//! Gives a memtable that is filled larger buckets.

use super::merge::{GROW, Tender};
use super::part::{Body, Part};
use super::snapshot::State;
use std::sync::Arc;

/// So many codes are put into new buckets while those who insert wait: that takes a millisecond.
const FEW: usize = 1024;

/// After so many rounds all that is left is.
const ROUNDS: usize = 64;

impl<const W: usize> Tender<W> {
    /// How many codes a memtable has got since it had so many.
    fn left(&self, table: &Body<W>, done: usize) -> usize {
        self.state.load().len_of(table).saturating_sub(done)
    }

    /// The head should have larger buckets.
    pub(super) fn is_crowded(&self, state: &State<W>) -> bool {
        matches!(&state.head.body, Body::Memtable(table, _) if !state.head.claimed && table.is_crowded())
    }

    /// Gives the head larger buckets.
    pub(super) fn grow(&self, head: &Part<W>) {
        let Body::Memtable(table, len) = &head.body else { return };
        let (mut done, mut grown) = (*len, table.grown(*len, &self.spare));
        // Others insert meanwhile. Less and less is left, and the last of it is added while they wait.
        let mut rounds = 0;
        let mut writer = loop {
            rounds += 1;
            let is_last = grown.is_none() || rounds > ROUNDS;
            let writer = (is_last || self.left(&head.body, done) <= FEW).then(|| self.lock());
            let left = self.left(&head.body, done);
            if writer.is_some() && !is_last && left > FEW {
                // Others came first.
                continue;
            }
            let len = done + left;
            grown = grown.filter(|grown| grown.catch_up(done..len));
            done = len;
            if let Some(writer) = writer {
                break writer;
            }
        };
        let grown = grown.map(|grown| Body::Memtable(Arc::new(grown), done));
        writer.jobs[GROW] = None;
        self.change_locked(|state| {
            let is_head = state.head.body.is(&head.body);
            let Some(part) = state.all_mut().find(|part| part.body.is(&head.body)) else { return };
            part.claimed = false;
            match grown {
                Some(grown) => part.body = grown,
                // Very many share values of bands: sorted they take less.
                None if is_head => _ = self.seal(state),
                None => {}
            }
        });
        drop(writer);
        self.ended.notify_all();
    }
}
