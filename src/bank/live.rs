//! A view that is read while it changes.
//!
//! There are two copies (the left-right scheme of Ramalhete and Correia, 2015, with locks in the place of read
//! indicators). Readers use the one in front. A writer changes the other, when the last reader has left it, then puts it
//! in front. So a reader never waits for a writer, and what it reads does not change under it. The second copy is made
//! by the first change: a bank that is only read has one. What is large, the pictures and their index, both have in
//! common.

use super::event::Event;
use super::view::View;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, TryLockError};

#[derive(Debug)]
pub(super) struct Live {
    sides: [RwLock<View>; 2],
    front: AtomicUsize,
    back: Mutex<Back>,
}

/// What the side that is not in front lacks.
#[derive(Debug)]
enum Back {
    /// Everything.
    Unmade,
    /// These changes.
    Behind(Vec<Event>),
}

/// A view that stays as it is while it is held.
pub(super) struct Reading<'a>(RwLockReadGuard<'a, View>);

impl Deref for Reading<'_> {
    type Target = View;

    fn deref(&self) -> &View {
        &self.0
    }
}

impl Live {
    pub(super) fn new(view: View) -> Self {
        Self {
            sides: [RwLock::new(view), RwLock::new(View::default())],
            front: AtomicUsize::new(0),
            back: Mutex::new(Back::Unmade),
        }
    }

    /// The newest view. Never waits: the side in front is locked by readers only.
    pub(super) fn read(&self) -> Reading<'_> {
        loop {
            match self.side(self.front.load(Ordering::SeqCst)).try_read() {
                Ok(guard) => return Reading(guard),
                // Only a writer that panicked poisons, and it never reached the front.
                Err(TryLockError::Poisoned(guard)) => return Reading(guard.into_inner()),
                // Another side came to the front since it was looked up.
                Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
            }
        }
    }

    /// Makes changes, all visible at once when this returns. Waits for readers that began before the last change.
    pub(super) fn apply(&self, events: Vec<Event>) {
        let mut back = self.back.lock().unwrap_or_else(PoisonError::into_inner);
        let front = self.front.load(Ordering::SeqCst);
        let other = 1 - front;
        {
            let mut view = self.side(other).write().unwrap_or_else(PoisonError::into_inner);
            // Until this is done the other side counts as unmade, also where a panic ends it halfway.
            match std::mem::replace(&mut *back, Back::Unmade) {
                Back::Unmade => *view = self.read().fork(),
                Back::Behind(missed) => view.follow(&missed, &self.read()),
            }
            events.iter().for_each(|event| view.lead(event));
        }
        self.side(other).clear_poison();
        self.front.store(other, Ordering::SeqCst);
        *back = Back::Behind(events);
    }

    fn side(&self, number: usize) -> &RwLock<View> {
        let [left, right] = &self.sides;
        if number == 0 { left } else { right }
    }
}
